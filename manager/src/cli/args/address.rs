//! Where a manager is, with the port filled in.

use std::net::Ipv6Addr;

pub(in crate::cli) const PORT_DEFAULT: u16 = 7373;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the address of a manager: HOST or HOST:PORT is expected")]
pub(in crate::cli) struct BadAddress(String);

/// `rasp1` and `rasp1:7373` are one; an IPv6 address may stand with or without brackets.
pub(in crate::cli) fn parse_manager(text: &str) -> Result<String, BadAddress> {
    let wrong = || BadAddress(text.to_owned());
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Ok(format!("[{address}]:{PORT_DEFAULT}"));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => {
            (host, port.parse().ok().filter(|it| *it > 0))
        }
        Some(_) | None => (text, Some(PORT_DEFAULT)),
    };
    let port = port.ok_or_else(wrong)?;
    let inner = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let is_good = match inner {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => is_host(host),
    };
    if is_good { Ok(format!("{host}:{port}")) } else { Err(wrong()) }
}

fn is_host(host: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !host.is_empty() && host.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_filled_in() {
        let cases = [
            ("10.0.0.1", "10.0.0.1:7373"),
            ("rasp1:8000", "rasp1:8000"),
            ("fe80::1", "[fe80::1]:7373"),
            ("[fe80::1]", "[fe80::1]:7373"),
            ("[fe80::1]:9", "[fe80::1]:9"),
        ];
        for (text, full) in cases {
            assert_eq!(parse_manager(text), Ok(full.to_owned()));
        }
        for text in ["", ":7373", "a:", "a:0", "a:70000", "a b", "http://a:1", "[x]:1"] {
            assert_eq!(parse_manager(text), Err(BadAddress(text.to_owned())));
        }
    }
}
