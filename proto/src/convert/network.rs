//! How services are reached, and what they reach.

use super::{Malformed, enums, parsed, required, specified};
use crate::v1;
use common::network::{
    AddressPool, Attachment, Endpoint, Network, NetworkDriver, NetworkSpec, Port, PortMode,
    Protocol,
};
use common::stack::{NetworkPlan, PlannedNetwork};
use common::{NetworkId, Stamp, Version};

enums! {
    "port.protocol": v1::port::Protocol = Protocol { Tcp Udp Sctp }
    "port.mode": v1::port::PortMode = PortMode { Ingress Host }
    "service.endpoint": v1::service_spec::Endpoint = Endpoint { VirtualIp DnsRoundRobin }
    "network.driver": v1::network_spec::NetworkDriver = NetworkDriver { Overlay }
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
            network: wire.network.map(NetworkId),
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
            network: attachment.network.map(|it| it.0),
            aliases: attachment.aliases.clone(),
            links: links.map(|(alias, it)| (alias.clone(), it.to_string())).collect(),
            ipv4_address: attachment.ipv4_address.map(|it| it.to_string()),
            ipv6_address: attachment.ipv6_address.map(|it| it.to_string()),
            priority: attachment.priority,
            driver_options: attachment.driver_options.clone(),
        }
    }
}

impl TryFrom<v1::NetworkSpec> for NetworkSpec {
    type Error = Malformed;
    fn try_from(wire: v1::NetworkSpec) -> Result<NetworkSpec, Malformed> {
        use v1::network_spec::NetworkDriver as Driver;
        let pools = wire.pools.into_iter().map(AddressPool::try_from);
        Ok(NetworkSpec {
            name: parsed(&wire.name, "network.name")?,
            labels: wire.labels,
            stack: wire.stack.map(|it| parsed(&it, "network.stack")).transpose()?,
            driver: specified::<Driver, _>(wire.driver, "network.driver")?,
            driver_options: wire.driver_options,
            encrypted: wire.encrypted,
            internal: wire.internal,
            attachable: wire.attachable,
            ipv6: wire.ipv6,
            pools: pools.collect::<Result<_, _>>()?,
        })
    }
}

impl From<&NetworkSpec> for v1::NetworkSpec {
    fn from(spec: &NetworkSpec) -> v1::NetworkSpec {
        v1::NetworkSpec {
            name: spec.name.to_string(),
            labels: spec.labels.clone(),
            stack: spec.stack.as_ref().map(ToString::to_string),
            driver: v1::network_spec::NetworkDriver::from(spec.driver).into(),
            driver_options: spec.driver_options.clone(),
            encrypted: spec.encrypted,
            internal: spec.internal,
            attachable: spec.attachable,
            ipv6: spec.ipv6,
            pools: spec.pools.iter().map(v1::AddressPool::from).collect(),
        }
    }
}

impl TryFrom<v1::AddressPool> for AddressPool {
    type Error = Malformed;
    fn try_from(wire: v1::AddressPool) -> Result<AddressPool, Malformed> {
        let taken = wire.taken.into_iter();
        let taken = taken.map(|(name, it)| Ok((name, parsed(&it, "pool.taken")?)));
        Ok(AddressPool {
            subnet: parsed(&wire.subnet, "pool.subnet")?,
            range: wire.range.map(|it| parsed(&it, "pool.range")).transpose()?,
            gateway: wire.gateway.map(|it| parsed(&it, "pool.gateway")).transpose()?,
            taken: taken.collect::<Result<_, Malformed>>()?,
        })
    }
}

impl From<&AddressPool> for v1::AddressPool {
    fn from(pool: &AddressPool) -> v1::AddressPool {
        v1::AddressPool {
            subnet: pool.subnet.to_string(),
            range: pool.range.map(|it| it.to_string()),
            gateway: pool.gateway.map(|it| it.to_string()),
            taken: pool.taken.iter().map(|(name, it)| (name.clone(), it.to_string())).collect(),
        }
    }
}

impl TryFrom<v1::Network> for Network {
    type Error = Malformed;
    fn try_from(wire: v1::Network) -> Result<Network, Malformed> {
        Ok(Network {
            id: NetworkId(wire.id),
            version: Version(wire.version),
            created: required::<_, Stamp>(wire.created, "network.created")?,
            updated: required::<_, Stamp>(wire.updated, "network.updated")?,
            spec: required(wire.spec, "network.spec")?,
        })
    }
}

impl From<&Network> for v1::Network {
    fn from(network: &Network) -> v1::Network {
        v1::Network {
            id: network.id.0,
            version: network.version.0,
            created: Some((&network.created).into()),
            updated: Some((&network.updated).into()),
            spec: Some((&network.spec).into()),
        }
    }
}

impl TryFrom<v1::NetworkPlan> for NetworkPlan {
    type Error = Malformed;
    fn try_from(wire: v1::NetworkPlan) -> Result<NetworkPlan, Malformed> {
        use v1::network_plan::{Action, Change};
        let action = match wire.action.ok_or_else(|| Malformed::missing("plan.action"))? {
            Action::Create(spec) => PlannedNetwork::Create { spec: Box::new(spec.try_into()?) },
            Action::Update(Change { old, new }) => PlannedNetwork::Update {
                old: Box::new(required(old, "plan.old")?),
                new: Box::new(required(new, "plan.new")?),
            },
            Action::Replace(Change { old, new }) => PlannedNetwork::Replace {
                old: Box::new(required(old, "plan.old")?),
                new: Box::new(required(new, "plan.new")?),
            },
            Action::Keep(v1::Empty {}) => PlannedNetwork::Keep,
        };
        Ok(NetworkPlan { name: parsed(&wire.name, "plan.name")?, action })
    }
}

impl From<&NetworkPlan> for v1::NetworkPlan {
    fn from(plan: &NetworkPlan) -> v1::NetworkPlan {
        use v1::network_plan::{Action, Change};
        let change = |old: &NetworkSpec, new: &NetworkSpec| Change {
            old: Some(old.into()),
            new: Some(new.into()),
        };
        let action = match &plan.action {
            PlannedNetwork::Create { spec } => Action::Create((&**spec).into()),
            PlannedNetwork::Update { old, new } => Action::Update(change(old, new)),
            PlannedNetwork::Replace { old, new } => Action::Replace(change(old, new)),
            PlannedNetwork::Keep => Action::Keep(v1::Empty {}),
        };
        v1::NetworkPlan { name: plan.name.to_string(), action: Some(action) }
    }
}
