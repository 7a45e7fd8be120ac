//! How services are reached, and what they reach.

mod spec;
mod subnet;

pub use spec::{AddressPool, BadOption, Network, NetworkDriver, NetworkSpec};
pub use subnet::{BadSubnet, Subnet};

use crate::id::NetworkId;
use crate::name::Name;
use crate::named::named;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A port that is reached from outside of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// In the container.
    pub target: u16,
    /// None: any that is free.
    pub published: Option<u16>,
    pub protocol: Protocol,
    pub mode: PortMode,
    /// None: all addresses of the node.
    #[serde(default)]
    pub host_ip: Option<IpAddr>,
}

named! {
    #[derive(PartialOrd, Ord)]
    Protocol {
        Tcp "tcp",
        Udp "udp",
        Sctp "sctp",
    }
}

named! {
    PortMode {
        /// On every node, whichever runs the task.
        Ingress "ingress",
        /// On the task's own node.
        Host "host",
    }
}

/// Ports that a container offers to others of its networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExposedPort {
    pub first: u16,
    pub last: u16,
    pub protocol: Protocol,
}

named! {
    /// What the name of a service means to others.
    #[derive(Default)]
    Endpoint {
        /// One address for all its tasks.
        #[default]
        VirtualIp "vip",
        /// The addresses of its tasks.
        DnsRoundRobin "dnsrr",
    }
}

/// What a service is on one of its networks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Attachment {
    /// Which of those that had the name; the managers fill it in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkId>,
    /// Other names by which those on the network know it.
    pub aliases: Vec<String>,
    /// Names by which it alone knows other services, these by their full names.
    pub links: BTreeMap<String, Name>,
    pub ipv4_address: Option<IpAddr>,
    pub ipv6_address: Option<IpAddr>,
    /// Where several networks could have it, the highest is the one.
    pub priority: i64,
    pub driver_options: BTreeMap<String, String>,
}
