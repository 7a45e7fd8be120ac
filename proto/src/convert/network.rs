//! How services are reached, and what they reach.

use super::{Malformed, enums, parsed, specified};
use crate::v1;
use common::network::{Attachment, Endpoint, Port, PortMode, Protocol};

enums! {
    "port.protocol": v1::port::Protocol = Protocol { Tcp Udp Sctp }
    "port.mode": v1::port::PortMode = PortMode { Ingress Host }
    "service.endpoint": v1::service_spec::Endpoint = Endpoint { VirtualIp DnsRoundRobin }
}

fn port_number(number: u32, field: &'static str) -> Result<u16, Malformed> {
    let port = u16::try_from(number).ok().filter(|it| *it > 0);
    let wrong = || Malformed { field, reason: format!("{number} is not a port: 1 to 65535 are") };
    port.ok_or_else(wrong)
}

impl TryFrom<v1::Port> for Port {
    type Error = Malformed;
    fn try_from(wire: v1::Port) -> Result<Port, Malformed> {
        let published = wire.published.map(|it| port_number(it, "port.published"));
        Ok(Port {
            target: port_number(wire.target, "port.target")?,
            published: published.transpose()?,
            protocol: specified::<v1::port::Protocol, _>(wire.protocol, "port.protocol")?,
            mode: specified::<v1::port::PortMode, _>(wire.mode, "port.mode")?,
            host_ip: wire.host_ip.map(|it| parsed(&it, "port.host_ip")).transpose()?,
        })
    }
}

impl From<&Port> for v1::Port {
    fn from(port: &Port) -> v1::Port {
        v1::Port {
            target: port.target.into(),
            published: port.published.map(u32::from),
            protocol: v1::port::Protocol::from(port.protocol).into(),
            mode: v1::port::PortMode::from(port.mode).into(),
            host_ip: port.host_ip.map(|it| it.to_string()),
        }
    }
}

impl TryFrom<v1::Attachment> for Attachment {
    type Error = Malformed;
    fn try_from(wire: v1::Attachment) -> Result<Attachment, Malformed> {
        let links = wire.links.into_iter();
        let links = links.map(|(alias, it)| Ok((alias, parsed(&it, "attachment.links")?)));
        let address = |it: Option<String>, field| it.map(|it| parsed(&it, field)).transpose();
        Ok(Attachment {
            aliases: wire.aliases,
            links: links.collect::<Result<_, Malformed>>()?,
            ipv4_address: address(wire.ipv4_address, "attachment.ipv4_address")?,
            ipv6_address: address(wire.ipv6_address, "attachment.ipv6_address")?,
            priority: wire.priority,
            driver_options: wire.driver_options,
        })
    }
}

impl From<&Attachment> for v1::Attachment {
    fn from(attachment: &Attachment) -> v1::Attachment {
        let links = attachment.links.iter();
        v1::Attachment {
            aliases: attachment.aliases.clone(),
            links: links.map(|(alias, it)| (alias.clone(), it.to_string())).collect(),
            ipv4_address: attachment.ipv4_address.map(|it| it.to_string()),
            ipv6_address: attachment.ipv6_address.map(|it| it.to_string()),
            priority: attachment.priority,
            driver_options: attachment.driver_options.clone(),
        }
    }
}
