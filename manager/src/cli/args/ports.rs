//! `--publish` of services: `8080:80/tcp`, or `published=8080,target=80,protocol=tcp,mode=host`.

use super::mount::split_fields;
use super::values::parse_word;
use clap::Args;
use common::network::{Endpoint, Port, PortMode, Protocol};
use common::service::ServiceSpec;

/// As many as one flag may mean.
const RANGE_MAX: u16 = 1024;
const EXPECTED: &str = "[PUBLISHED:]TARGET[/PROTOCOL] or published=PORT,target=PORT,… is expected";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(in crate::cli) struct BadPort(String);

fn bad<T>(reason: impl Into<String>) -> Result<T, BadPort> {
    Err(BadPort(reason.into()))
}

/// A range is several at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Published(Vec<Port>);

/// Which of them are meant that a service has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct PortPattern {
    published: Option<u16>,
    target: u16,
    protocol: Protocol,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PublishFlags {
    /// A port that is reached from outside, as in 8080:80
    #[arg(long = "publish", short, value_name = "PORT", value_parser = parse_publish)]
    ports: Vec<Published>,
    /// What its name means to others: vip, one address, or dnsrr, those of its tasks
    #[arg(long, value_name = "MODE", value_parser = parse_endpoint)]
    endpoint_mode: Option<Endpoint>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PublishUpdateFlags {
    /// A port that is reached from outside, as in 8080:80
    #[arg(long = "publish-add", value_name = "PORT", value_parser = parse_publish)]
    ports_added: Vec<Published>,
    /// Takes away what is published of a port of its containers, as in 80/tcp
    #[arg(long = "publish-rm", value_name = "TARGET[/PROTOCOL]", value_parser = parse_pattern)]
    ports_removed: Vec<PortPattern>,
    /// What its name means to others: vip, one address, or dnsrr, those of its tasks
    #[arg(long, value_name = "MODE", value_parser = parse_endpoint)]
    endpoint_mode: Option<Endpoint>,
}

fn parse_endpoint(text: &str) -> Result<Endpoint, super::values::BadValue> {
    parse_word(text, Endpoint::WORDS, "vip or dnsrr")
}

impl PublishFlags {
    pub(super) fn apply(&self, spec: &mut ServiceSpec) {
        spec.ports = self.ports.iter().flat_map(|it| it.0.clone()).collect();
        spec.endpoint = self.endpoint_mode.unwrap_or(spec.endpoint);
    }
}

impl PublishUpdateFlags {
    pub(super) fn apply(&self, spec: &mut ServiceSpec) {
        spec.ports.retain(|port| !self.ports_removed.iter().any(|it| it.matches(port)));
        for port in self.ports_added.iter().flat_map(|it| &it.0) {
            if !spec.ports.contains(port) {
                spec.ports.push(port.clone());
            }
        }
        spec.endpoint = self.endpoint_mode.unwrap_or(spec.endpoint);
    }

    /// Whether somebody asks for more than there was.
    pub(in crate::cli) fn publishes(&self) -> bool {
        !self.ports_added.is_empty()
    }
}

impl PortPattern {
    fn matches(&self, port: &Port) -> bool {
        (self.target, self.protocol) == (port.target, port.protocol)
            && self.published.is_none_or(|it| port.published == Some(it))
    }
}

fn parse_publish(text: &str) -> Result<Published, BadPort> {
    if text.contains('=') { long(text) } else { short(text) }.map(Published)
}

fn parse_pattern(text: &str) -> Result<PortPattern, BadPort> {
    match &parse_publish(text)?.0[..] {
        [Port { published, target, protocol, .. }] => {
            Ok(PortPattern { published: *published, target: *target, protocol: *protocol })
        }
        _ => bad("one port at a time is expected"),
    }
}

fn short(text: &str) -> Result<Vec<Port>, BadPort> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = parse_protocol(protocol)?;
    let (published, target) = match ports.split(':').collect::<Vec<_>>()[..] {
        [target] => (None, target),
        ["", target] => (None, target),
        [published, target] => (Some(published), target),
        _ => {
            return bad(format!(
                "`{text}` names an address: ports are published on all addresses of a node \
                 ([PUBLISHED:]TARGET[/PROTOCOL])"
            ));
        }
    };
    pair_up(published, target, (protocol, PortMode::Ingress))
}

#[derive(Default)]
struct Fields {
    published: Option<String>,
    target: Option<String>,
    protocol: Option<Protocol>,
    mode: Option<PortMode>,
}

fn long(text: &str) -> Result<Vec<Port>, BadPort> {
    let mut fields = Fields::default();
    for field in split_fields(text).map_err(|it| BadPort(it.to_string()))? {
        fields.put(&field)?;
    }
    let Some(target) = fields.target else { return bad("a target is missing: target=PORT") };
    let published = fields.published.as_deref().filter(|it| !it.is_empty());
    let protocol = fields.protocol.unwrap_or(Protocol::Tcp);
    pair_up(published, &target, (protocol, fields.mode.unwrap_or(PortMode::Ingress)))
}

impl Fields {
    fn put(&mut self, field: &str) -> Result<(), BadPort> {
        let Some((key, value)) = field.split_once('=') else {
            return bad(format!("`{field}` is not understood: {EXPECTED}"));
        };
        let is_new = match key.to_ascii_lowercase().as_str() {
            "published" => self.published.replace(value.to_owned()).is_none(),
            "target" => self.target.replace(value.to_owned()).is_none(),
            "protocol" => self.protocol.replace(parse_protocol(value)?).is_none(),
            "mode" => {
                let mode = parse_word(value, PortMode::WORDS, "host or ingress");
                self.mode.replace(mode.map_err(|it| BadPort(format!("mode: {it}")))?).is_none()
            }
            _ => {
                return bad(format!(
                    "there is no option `{key}`: there are published, target, protocol and mode"
                ));
            }
        };
        if is_new { Ok(()) } else { bad(format!("`{key}` is said twice")) }
    }
}

fn parse_protocol(text: &str) -> Result<Protocol, BadPort> {
    let word = text.to_ascii_lowercase();
    parse_word(&word, Protocol::WORDS, "tcp, udp or sctp").map_err(|it| BadPort(it.to_string()))
}

fn pair_up(
    published: Option<&str>,
    target: &str,
    (protocol, mode): (Protocol, PortMode),
) -> Result<Vec<Port>, BadPort> {
    let (first, last) = range(target)?;
    let published = published.map(range).transpose()?;
    if let Some((from, to)) = published
        && to - from != last - first
    {
        return bad(format!("{from}-{to} and {first}-{last} are not of one length"));
    }
    if last - first >= RANGE_MAX {
        return bad(format!("{first}-{last} are more ports than {RANGE_MAX}, the maximum"));
    }
    let port = |offset: u16| Port {
        target: first + offset,
        published: published.map(|(from, _)| from + offset),
        protocol,
        mode,
        host_ip: None,
    };
    Ok((0..=last - first).map(port).collect())
}

fn range(text: &str) -> Result<(u16, u16), BadPort> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |it: &str| it.parse::<u16>().ok().filter(|it| *it > 0);
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => Ok((first, last)),
        (_, _) => bad(format!("`{text}` is not a port from 1 to 65535: {EXPECTED}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(published: u16, target: u16) -> Port {
        Port {
            target,
            published: (published > 0).then_some(published),
            protocol: Protocol::Tcp,
            mode: PortMode::Ingress,
            host_ip: None,
        }
    }

    #[test]
    fn short_and_long_forms() {
        let host = Port { mode: PortMode::Host, ..port(8080, 80) };
        let udp = Port { protocol: Protocol::Udp, ..port(53, 53) };
        for (text, expected) in [
            ("8080:80", vec![port(8080, 80)]),
            ("80", vec![port(0, 80)]),
            ("53:53/UDP", vec![udp]),
            ("8080-8081:80-81", vec![port(8080, 80), port(8081, 81)]),
            ("published=8080,target=80", vec![port(8080, 80)]),
            ("target=80,published=8080,protocol=tcp,mode=host", vec![host]),
            ("target=80,published=", vec![port(0, 80)]),
            ("65535:65535", vec![port(65535, 65535)]),
        ] {
            assert_eq!(parse_publish(text), Ok(Published(expected)), "{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for (text, words) in [
            ("", "`` is not a port"),
            ("0:80", "`0` is not a port"),
            ("80:x", "`x` is not a port"),
            ("127.0.0.1:80:80", "names an address"),
            ("80:80/icmp", "`icmp` is not tcp, udp or sctp"),
            ("80-82:80-81", "are not of one length"),
            ("1-2000", "more ports than 1024"),
            ("published=80", "a target is missing"),
            ("target=80,mode=vip", "mode: `vip` is not host or ingress"),
            ("target=80,target=81", "`target` is said twice"),
            ("target=80,ip=1", "there is no option `ip`"),
        ] {
            let said = parse_publish(text).expect_err(text).to_string();
            assert!(said.contains(words), "{text}: {said}");
        }
        assert!(parse_pattern("80-81").is_err());
    }
}
