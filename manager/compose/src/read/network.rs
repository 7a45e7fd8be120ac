//! How a service is reached, and what it reaches.

use super::fields::Fields;
use super::top::address;
use crate::model::{
    Attachment, ExposedPort, HostAddress, Link, Port, PortMode, Protocol, ServiceNetwork,
};
use crate::problem::{Fault, quote};
use std::collections::BTreeMap;
use std::net::IpAddr;

pub(super) fn network(fields: &Fields<'_>) -> ServiceNetwork {
    let networks = fields.each("networks", |_, it| Some(attachment(it)));
    let links = fields.parsed_list("links", parse_link);
    match mode(fields) {
        Mode::Alone(network) => {
            if !networks.is_empty() {
                let text = "`network_mode` and `networks` cannot both be";
                let at = fields.node("network_mode").map_or(fields.at(), |it| it.at);
                fields.reader.error(Fault::new(at, text).hint("leave one of them out"));
            }
            network
        }
        Mode::Attached if networks.is_empty() => {
            let default = ("default".to_owned(), Attachment::default());
            ServiceNetwork::Attached { networks: BTreeMap::from([default]), links }
        }
        Mode::Attached => ServiceNetwork::Attached { networks, links },
    }
}

enum Mode {
    Alone(ServiceNetwork),
    Attached,
}

fn mode(fields: &Fields<'_>) -> Mode {
    let Some(mode) = fields.word("network_mode") else { return Mode::Attached };
    let at = fields.node("network_mode").map_or(fields.at(), |it| it.at);
    match mode.as_str() {
        "host" => Mode::Alone(ServiceNetwork::Host),
        "none" => Mode::Alone(ServiceNetwork::None),
        "bridge" => {
            let text = "`network_mode: bridge` is ignored: the service joins the stack's networks";
            fields.reader.warn(Fault::new(at, text));
            Mode::Attached
        }
        other => {
            let text = format!("`network_mode: {}` is refused", quote(other).trim_matches('`'));
            let hint = "there are `host` and `none`; tasks may run on different nodes and share \
                        no network otherwise than by `networks`";
            fields.reader.error(Fault::new(at, text).hint(hint));
            Mode::Attached
        }
    }
}

fn attachment(fields: &Fields<'_>) -> Attachment {
    Attachment {
        network: None,
        aliases: fields.texts("aliases"),
        links: BTreeMap::new(),
        ipv4_address: address(fields, "ipv4_address"),
        ipv6_address: address(fields, "ipv6_address"),
        priority: fields.number("priority").unwrap_or(0),
        driver_options: fields.pairs("driver_opts"),
    }
}

fn parse_link(text: &str) -> Result<Link, String> {
    let (service, alias) = text.split_once(':').unwrap_or((text, text));
    if service.is_empty() || alias.is_empty() {
        return Err(format!("{} is not a link: write SERVICE or SERVICE:ALIAS", quote(text)));
    }
    Ok(Link { service: service.to_owned(), alias: alias.to_owned() })
}

pub(super) fn ports(fields: &Fields<'_>) -> Vec<Port> {
    fields.items("ports").iter().filter_map(port).collect()
}

fn port(fields: &Fields<'_>) -> Option<Port> {
    if fields.node("target").is_none() {
        let fault = Fault::new(fields.at(), "a port wants a `target`, the container's own port");
        fields.reader.error(fault);
        return None;
    }
    let number = |key| {
        let port: Option<u16> = fields.number(key);
        if port == Some(0) {
            fields.wrong(fields.node(key)?, key, "a port from 1 to 65535");
        }
        port
    };
    // Docker takes an empty published port for none.
    let published = fields.node("published").filter(|it| it.as_text() != Some(""));
    Some(Port {
        target: number("target")?,
        published: published.and_then(|_| number("published")),
        protocol: fields.choice("protocol", Protocol::WORDS).unwrap_or(Protocol::Tcp),
        mode: fields.choice("mode", PortMode::WORDS).unwrap_or(PortMode::Ingress),
        host_ip: fields.node("host_ip").and_then(|_| address(fields, "host_ip")),
    })
}

pub(super) fn expose(fields: &Fields<'_>) -> Vec<ExposedPort> {
    fields.parsed_list("expose", |text| {
        let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let protocol =
            Protocol::WORDS.iter().find(|(name, _)| *name == protocol).map(|(_, it)| *it);
        let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
        match (port(first), port(last), protocol) {
            (Some(first), Some(last), Some(protocol)) if first <= last => {
                Ok(ExposedPort { first, last, protocol })
            }
            (_, _, _) => Err(format!("{} is not a port such as 80 or 80-90/udp", quote(text))),
        }
    })
}

pub(super) fn extra_hosts(fields: &Fields<'_>) -> BTreeMap<String, Vec<HostAddress>> {
    let mut hosts = BTreeMap::new();
    let Some(node) = fields.node("extra_hosts") else { return hosts };
    let Some(map) = node.as_map() else {
        fields.wrong(node, "extra_hosts", "hosts with their addresses");
        return hosts;
    };
    for (host, entry) in map {
        let addresses = entry.node.as_list().unwrap_or_default().iter().filter_map(|item| {
            let text = item.as_text().unwrap_or_default();
            let address = match text {
                "host-gateway" => Some(HostAddress::HostGateway),
                text => text.trim_matches(['[', ']']).parse().ok().map(HostAddress::Ip),
            };
            if address.is_none() {
                let text = format!("{} is not an address or `host-gateway`", quote(text));
                fields.reader.error(Fault::new(item.at, text));
            }
            address
        });
        hosts.insert(host.clone(), addresses.collect());
    }
    hosts
}

pub(super) fn parse_address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("{} is not an address", quote(text)))
}
