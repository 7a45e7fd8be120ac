//! Values of flags that have parts: hosts, limits, devices, preferences.

use common::container::{Device, HostAddress, Ulimit};
use common::update::Ratio;
use std::net::IpAddr;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not {expected}")]
pub(in crate::cli) struct BadValue {
    given: String,
    expected: &'static str,
}

fn bad(given: &str, expected: &'static str) -> BadValue {
    BadValue { given: given.to_owned(), expected }
}

/// A host's name with what it means, as one of possibly several.
pub(in crate::cli) type Host = (String, HostAddress);

/// `NAME:ADDRESS`, where the address may have colons itself.
pub(in crate::cli) fn parse_host(text: &str) -> Result<Host, BadValue> {
    let wrong = || bad(text, "NAME:ADDRESS or NAME:host-gateway");
    let (name, address) = text.split_once([':', '=']).ok_or_else(wrong)?;
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(wrong());
    }
    let address = parse_host_address(address).ok_or_else(wrong)?;
    Ok((name.to_owned(), address))
}

fn parse_host_address(text: &str) -> Option<HostAddress> {
    if text == "host-gateway" {
        return Some(HostAddress::HostGateway);
    }
    let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(text);
    bare.parse::<IpAddr>().ok().map(HostAddress::Ip)
}

/// Which addresses of a host are meant; none: all of them.
pub(in crate::cli) type HostPattern = (String, Option<HostAddress>);

pub(in crate::cli) fn parse_host_pattern(text: &str) -> Result<HostPattern, BadValue> {
    if !text.is_empty() && !text.contains([':', '=']) {
        return Ok((text.to_owned(), None));
    }
    parse_host(text).map(|(name, address)| (name, Some(address)))
}

pub(in crate::cli) type NamedUlimit = (String, Ulimit);

/// `nofile=1024:2048`; one number is both.
pub(in crate::cli) fn parse_ulimit(text: &str) -> Result<NamedUlimit, BadValue> {
    let wrong = || bad(text, "NAME=SOFT[:HARD] such as nofile=1024:2048");
    let (name, limits) = text.split_once('=').ok_or_else(wrong)?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let number = |it: &str| it.parse::<i64>().map_err(|_| wrong());
    if name.is_empty() {
        return Err(wrong());
    }
    Ok((name.to_owned(), Ulimit { soft: number(soft)?, hard: number(hard)? }))
}

pub(in crate::cli) fn parse_sysctl(text: &str) -> Result<(String, String), BadValue> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err(bad(text, "NAME=VALUE such as net.core.somaxconn=1024")),
    }
}

/// `/dev/a`, `/dev/a:/dev/b`, `/dev/a:rw` or `/dev/a:/dev/b:rw`.
pub(in crate::cli) fn parse_device(text: &str) -> Result<Device, BadValue> {
    let is_path = |it: &str| it.starts_with('/');
    let is_permissions = |it: &str| !it.is_empty() && it.chars().all(|it| "rwm".contains(it));
    let (source, target, permissions) = match text.split(':').collect::<Vec<_>>()[..] {
        [source] => (source, source, "rwm"),
        [source, permissions] if is_permissions(permissions) => (source, source, permissions),
        [source, target] => (source, target, "rwm"),
        [source, target, permissions] if is_permissions(permissions) => {
            (source, target, permissions)
        }
        _ => ("", "", ""),
    };
    if !is_path(source) || !is_path(target) {
        return Err(bad(text, "/dev/ON_NODE[:/dev/IN_CONTAINER][:rwm]"));
    }
    Ok(Device {
        source: source.to_owned(),
        target: target.to_owned(),
        permissions: permissions.to_owned(),
    })
}

pub(in crate::cli) fn parse_generic(text: &str) -> Result<(String, u64), BadValue> {
    let parts = text.split_once('=').and_then(|(kind, it)| Some((kind, it.parse().ok()?)));
    match parts {
        Some((kind, amount)) if !kind.is_empty() => Ok((kind.to_owned(), amount)),
        Some(_) | None => Err(bad(text, "KIND=NUMBER such as gpu=2")),
    }
}

/// `spread=node.labels.zone`, to the label.
pub(in crate::cli) fn parse_preference(text: &str) -> Result<String, BadValue> {
    let wrong = || bad(text, "spread=node.labels.NAME or spread=engine.labels.NAME");
    let (strategy, label) = text.split_once('=').ok_or_else(wrong)?;
    let is_label = ["node.labels.", "engine.labels."]
        .iter()
        .any(|it| label.strip_prefix(it).is_some_and(|name| !name.is_empty()));
    if strategy == "spread" && is_label { Ok(label.to_owned()) } else { Err(wrong()) }
}

pub(in crate::cli) fn parse_ratio(text: &str) -> Result<Ratio, BadValue> {
    let share = text.parse().ok().and_then(Ratio::from_share);
    share.ok_or_else(|| bad(text, "a share from 0 to 1 such as 0.25"))
}

pub(in crate::cli) fn parse_word<T: Copy>(
    text: &str,
    known: &'static [(&'static str, T)],
    expected: &'static str,
) -> Result<T, BadValue> {
    let found = known.iter().find(|(word, _)| *word == text);
    found.map(|(_, it)| *it).ok_or_else(|| bad(text, expected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Debug;

    fn check<T: Debug>(
        parse: fn(&str) -> Result<T, BadValue>,
        good: &[(&str, &str)],
        bad: &[&str],
    ) {
        for (text, expected) in good {
            assert_eq!(format!("{:?}", parse(text).expect(text)), *expected, "{text}");
        }
        for text in bad {
            let refused = parse(text).map_err(|it| it.given);
            assert_eq!(refused.err().as_deref(), Some(*text));
        }
    }

    #[test]
    fn hosts() {
        check(
            parse_host,
            &[
                ("db:10.0.0.1", r#"("db", Ip(10.0.0.1))"#),
                ("db:[fe80::1]", r#"("db", Ip(fe80::1))"#),
                ("db:fe80::1", r#"("db", Ip(fe80::1))"#),
                ("db=10.0.0.1", r#"("db", Ip(10.0.0.1))"#),
                ("host:host-gateway", r#"("host", HostGateway)"#),
            ],
            &["", "db", "db:", ":10.0.0.1", "d b:10.0.0.1", "db:10.0.0", "db:other"],
        );
        check(
            parse_host_pattern,
            &[("db", r#"("db", None)"#), ("db:10.0.0.1", r#"("db", Some(Ip(10.0.0.1)))"#)],
            &["", "db:x"],
        );
    }

    #[test]
    fn limits_and_settings() {
        check(
            parse_ulimit,
            &[
                ("nofile=1:2", r#"("nofile", Ulimit { soft: 1, hard: 2 })"#),
                ("nproc=3", r#"("nproc", Ulimit { soft: 3, hard: 3 })"#),
                ("core=-1:-1", r#"("core", Ulimit { soft: -1, hard: -1 })"#),
            ],
            &["", "nofile", "nofile=", "=1", "nofile=1:", "nofile=1:2:3"],
        );
        check(parse_sysctl, &[("a.b=c=d", r#"("a.b", "c=d")"#)], &["", "a.b", "=c"]);
        check(parse_ratio, &[("0", "Ratio(0)"), ("0.25", "Ratio(250000)")], &["", "2", "-1", "x"]);
    }

    #[test]
    fn devices() {
        let device = |source: &str, target: &str, permissions: &str| {
            format!(
                "Device {{ source: {source:?}, target: {target:?}, permissions: {permissions:?} }}"
            )
        };
        check(
            parse_device,
            &[
                ("/dev/a", device("/dev/a", "/dev/a", "rwm").as_str()),
                ("/dev/a:/dev/b", device("/dev/a", "/dev/b", "rwm").as_str()),
                ("/dev/a:r", device("/dev/a", "/dev/a", "r").as_str()),
                ("/dev/a:/dev/b:rw", device("/dev/a", "/dev/b", "rw").as_str()),
            ],
            &["", "a", "/dev/a:x", "/dev/a:/dev/b:x", "/dev/a:/dev/b:r:w", ":/dev/b"],
        );
    }

    #[test]
    fn preferences() {
        check(
            parse_preference,
            &[("spread=node.labels.zone", r#""node.labels.zone""#)],
            &["", "spread", "spread=zone", "spread=node.labels.", "pack=node.labels.zone"],
        );
    }
}
