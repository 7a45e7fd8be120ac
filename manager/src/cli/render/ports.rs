//! Published ports as Docker's tables show them.

use common::network::{Port, PortMode};

/// `*:8000-8001->80-81/tcp, *:53->53/udp`: neighbours are one range.
pub(super) fn in_a_row(ports: &[Port], mode: PortMode) -> String {
    let mut ports: Vec<&Port> = ports.iter().filter(|it| it.mode == mode).collect();
    ports.sort_by_key(|it| (it.protocol, it.host_ip, it.published, it.target));
    let ranges = ports.chunk_by(|one, next| follows(one, next));
    ranges.map(range).collect::<Vec<_>>().join(", ")
}

fn follows(one: &Port, next: &Port) -> bool {
    let is_next_target = one.target.checked_add(1) == Some(next.target);
    let is_next = one.published.is_some_and(|it| it.checked_add(1) == next.published);
    is_next && is_next_target && (one.protocol, one.host_ip) == (next.protocol, next.host_ip)
}

fn range(ports: &[&Port]) -> String {
    let [first, .., last] = ports else { return ports.iter().copied().map(one).collect() };
    let numbers = |first: u16, last: u16| format!("{first}-{last}");
    let published = first.published.zip(last.published).map(|(first, last)| numbers(first, last));
    written(first, published, &numbers(first.target, last.target))
}

fn one(port: &Port) -> String {
    written(port, port.published.map(|it| it.to_string()), &port.target.to_string())
}

fn written(port: &Port, published: Option<String>, target: &str) -> String {
    let protocol = port.protocol.as_str();
    let address = match port.host_ip {
        None => "*".to_owned(),
        Some(std::net::IpAddr::V4(ip)) => ip.to_string(),
        Some(std::net::IpAddr::V6(ip)) => format!("[{ip}]"),
    };
    match published {
        Some(published) => format!("{address}:{published}->{target}/{protocol}"),
        // Which it will be nobody has said.
        None => format!("{target}/{protocol}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::network::Protocol;

    #[test]
    fn rows() {
        let port = |published: u16, target| Port {
            target,
            published: (published > 0).then_some(published),
            protocol: Protocol::Tcp,
            mode: PortMode::Ingress,
            host_ip: None,
        };
        let udp = Port { protocol: Protocol::Udp, ..port(53, 53) };
        let host = Port { mode: PortMode::Host, ..port(9, 9) };
        let here = Port { host_ip: Some([127, 0, 0, 1].into()), ..port(82, 82) };
        for (ports, expected) in [
            (vec![], ""),
            (vec![port(8000, 80)], "*:8000->80/tcp"),
            (vec![port(81, 81), udp.clone(), port(80, 80)], "*:80-81->80-81/tcp, *:53->53/udp"),
            (vec![port(80, 80), port(81, 80)], "*:80->80/tcp, *:81->80/tcp"),
            (vec![port(81, 81), here], "*:81->81/tcp, 127.0.0.1:82->82/tcp"),
            (vec![port(0, 80), port(0, 81), host], "80/tcp, 81/tcp"),
            (vec![port(u16::MAX, u16::MAX)], "*:65535->65535/tcp"),
        ] {
            assert_eq!(in_a_row(&ports, PortMode::Ingress), expected);
        }
    }
}
