//! `127.0.0.1:8000-8001:80-81/tcp` as a list of single ports.

use crate::node::{Node, Position, Value};
use crate::problem::{Fault, Report, quote};

const EXPECTED: &str = "write [ADDRESS:][PUBLISHED:]TARGET[/tcp|udp|sctp], ports being 1 to 65535 \
                        or ranges such as 8000-8010";
/// Ranges multiply: as many ports as one service may publish.
const PORTS_MAX: usize = 1024;

pub(super) fn write_out(node: &mut Node, report: &mut Report) {
    let Value::List(list) = &mut node.value else { return };
    let mut ports = Vec::new();
    for item in std::mem::take(list) {
        let found = match &item.value {
            Value::Text(text) => short(item.at, &text.text),
            Value::Map(_) => long(&item),
            Value::Null | Value::List(_) => {
                let text = format!("a port is expected, not {}", item.kind());
                Err(Fault::new(item.at, text).hint(EXPECTED))
            }
        };
        match found {
            Ok(found) if ports.len() + found.len() > PORTS_MAX => {
                let text = format!("the service publishes more than {PORTS_MAX} ports here");
                report.error(Fault::new(item.at, text));
                break;
            }
            Ok(found) => ports.extend(found.into_iter().map(|it| Node { order: item.order, ..it })),
            Err(fault) => report.error(fault),
        }
    }
    *list = ports;
}

fn short(at: Position, text: &str) -> Result<Vec<Node>, Fault> {
    let wrong = || Fault::new(at, format!("{} is not a port mapping", quote(text))).hint(EXPECTED);
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    if !matches!(protocol.to_ascii_lowercase().as_str(), "tcp" | "udp" | "sctp") {
        return Err(wrong());
    }
    let (left, target) = match ports.rsplit_once(':') {
        Some((left, target)) => (Some(left), target),
        None => (None, ports),
    };
    let (address, published) = match left.map(|left| (left, left.rsplit_once(':'))) {
        None => (None, ""),
        Some((_, Some((address, published)))) => {
            (Some(address.trim_matches(['[', ']'])), published)
        }
        // `127.0.0.1:80` is an address and a target, the published port being any.
        Some((left, None)) if left.contains('.') => (Some(left), ""),
        Some((left, None)) => (None, left),
    };
    let target = range(target).ok_or_else(wrong)?;
    let published = match published {
        "" => None,
        given => Some(range(given).ok_or_else(wrong)?),
    };
    let mut base = Vec::new();
    if let Some(address) = address.filter(|it| !it.is_empty()) {
        address.parse::<std::net::IpAddr>().map_err(|_| wrong())?;
        base.push(("host_ip", Node::quoted(at, address)));
    }
    base.push(("protocol", Node::quoted(at, protocol.to_ascii_lowercase())));
    pair_up(at, target, published, &base)
}

/// Published ports may be a range in the long form as well.
fn long(item: &Node) -> Result<Vec<Node>, Fault> {
    let published = item.get("published").and_then(Node::as_text);
    let target = item.get("target").and_then(Node::as_text);
    let (Some(published), Some(target)) = (published, target) else {
        return Ok(vec![item.clone()]);
    };
    if !published.contains('-') && !target.contains('-') {
        return Ok(vec![item.clone()]);
    }
    let ranges = (range(target), range(published));
    let (Some(target), Some(published)) = ranges else {
        let text = format!("{} is not a port or a range of ports", quote(published));
        return Err(Fault::new(item.at, text).hint(EXPECTED));
    };
    let base = item.map_entries();
    pair_up(item.at, target, Some(published), &base)
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        text.parse().ok().filter(|port: &u16| digits && *port > 0)
    };
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

fn pair_up(
    at: Position,
    target: (u16, u16),
    published: Option<(u16, u16)>,
    base: &[(&str, Node)],
) -> Result<Vec<Node>, Fault> {
    let count = target.1 - target.0;
    if let Some((first, last)) = published
        && last - first != count
    {
        let text = format!(
            "{} ports are published for {} of the container",
            u32::from(last - first) + 1,
            u32::from(count) + 1
        );
        return Err(Fault::new(at, text).hint("both ranges must be of one length"));
    }
    let number = |port: u16| Node::plain(at, port.to_string());
    let one = |offset: u16| {
        let mut entries = base.to_vec();
        entries.push(("target", number(target.0 + offset)));
        entries.extend(published.map(|(first, _)| ("published", number(first + offset))));
        Node::map_of(at, entries)
    };
    Ok((0..=count).take(PORTS_MAX + 1).map(one).collect())
}
