//! How a service is reached and what it reaches. Docker has no keys for addresses and links.

use common::container::ContainerNetwork;
use common::network::{Attachment, Port};
use common::service::{ServiceSpec, TaskSpec};
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::IpAddr;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct EndpointJson {
    mode: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ports: Vec<PortJson>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PortJson {
    protocol: &'static str,
    target_port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    published_port: Option<u16>,
    publish_mode: &'static str,
    #[serde(rename = "HostIP", skip_serializing_if = "Option::is_none")]
    host_ip: Option<IpAddr>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NetworkJson<'a> {
    target: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    aliases: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<String>,
    #[serde(rename = "IPv4Address", skip_serializing_if = "Option::is_none")]
    ipv4_address: Option<IpAddr>,
    #[serde(rename = "IPv6Address", skip_serializing_if = "Option::is_none")]
    ipv6_address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    driver_opts: Option<&'a BTreeMap<String, String>>,
}

impl EndpointJson {
    pub(super) fn of(spec: &ServiceSpec) -> EndpointJson {
        EndpointJson {
            mode: spec.endpoint.as_str(),
            ports: spec.ports.iter().map(PortJson::of).collect(),
        }
    }
}

impl PortJson {
    fn of(port: &Port) -> PortJson {
        PortJson {
            protocol: port.protocol.as_str(),
            target_port: port.target,
            published_port: port.published,
            publish_mode: port.mode.as_str(),
            host_ip: port.host_ip,
        }
    }
}

impl<'a> NetworkJson<'a> {
    pub(super) fn of(task: &'a TaskSpec) -> Vec<NetworkJson<'a>> {
        match task.container.network {
            ContainerNetwork::Engine => task.networks.iter().map(NetworkJson::attached).collect(),
            it @ (ContainerNetwork::Host | ContainerNetwork::None) => {
                vec![NetworkJson::named(it.as_str())]
            }
        }
    }

    fn named(target: &'a str) -> NetworkJson<'a> {
        NetworkJson {
            target,
            aliases: &[],
            links: Vec::new(),
            ipv4_address: None,
            ipv6_address: None,
            priority: None,
            driver_opts: None,
        }
    }

    fn attached((target, it): (&'a String, &'a Attachment)) -> NetworkJson<'a> {
        NetworkJson {
            aliases: &it.aliases,
            links: it.links.iter().map(|(alias, service)| format!("{service}:{alias}")).collect(),
            ipv4_address: it.ipv4_address,
            ipv6_address: it.ipv6_address,
            priority: Some(it.priority).filter(|it| *it != 0),
            driver_opts: Some(&it.driver_options).filter(|it| !it.is_empty()),
            ..NetworkJson::named(target)
        }
    }
}
