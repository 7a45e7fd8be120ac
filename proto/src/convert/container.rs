//! What runs in a task.

mod health;
mod kernel;
mod mount;

use super::{Malformed, enums, parsed, specified_if_any};
use crate::v1;
use crate::v1::container_spec as wire;
use common::container::{
    ContainerNetwork, ContainerSpec, Dns, HealthCheck, HostAddress, Kernel, Logging, Mount,
    PullPolicy,
};
use common::file::Grant;
use common::platform::Platform;
use common::time::millis;
use std::time::Duration;

enums! {
    "container.pull_policy": wire::PullPolicy = PullPolicy { Always Missing Never }
    "container.network": wire::ContainerNetwork = ContainerNetwork { Engine Host None }
}

impl TryFrom<v1::ContainerSpec> for ContainerSpec {
    type Error = Malformed;
    fn try_from(it: v1::ContainerSpec) -> Result<ContainerSpec, Malformed> {
        let mounts = it.mounts.into_iter().map(Mount::try_from);
        let hosts = it.extra_hosts.into_iter();
        let hosts = hosts.map(|(host, addresses)| Ok((host, addresses.try_into()?)));
        Ok(ContainerSpec {
            image: parsed(&it.image, "container.image")?,
            // Nobody who asks for nothing has to say so.
            pull_policy: specified_if_any::<wire::PullPolicy, _>(
                it.pull_policy,
                "container.pull_policy",
            )?
            .unwrap_or_default(),
            platform: it.platform.map(Platform::from),
            entrypoint: it.entrypoint.map(|it| it.words),
            args: it.args.map(|it| it.words),
            env: it.env,
            labels: it.labels,
            annotations: it.annotations,
            hostname: it.hostname,
            domain_name: it.domain_name,
            workdir: it.workdir,
            user: it.user,
            groups: it.groups,
            mounts: mounts.collect::<Result<_, _>>()?,
            stop_signal: it.stop_signal,
            stop_grace: Duration::from_millis(it.stop_grace_millis),
            init: it.init,
            health: it.health.map(HealthCheck::try_from).transpose()?,
            tty: it.tty,
            stdin_open: it.stdin_open,
            read_only: it.read_only,
            network: specified_if_any::<wire::ContainerNetwork, _>(
                it.network,
                "container.network",
            )?
            .unwrap_or_default(),
            dns: it.dns.map(Dns::try_from).transpose()?.unwrap_or_default(),
            extra_hosts: hosts.collect::<Result<_, Malformed>>()?,
            logging: it.logging.map(Logging::from),
            kernel: it.kernel.map(Kernel::try_from).transpose()?.unwrap_or_default(),
            grants: it.grants.into_iter().map(Grant::try_from).collect::<Result<_, _>>()?,
        })
    }
}

impl From<&ContainerSpec> for v1::ContainerSpec {
    fn from(spec: &ContainerSpec) -> v1::ContainerSpec {
        let words = |it: &Option<Vec<String>>| it.clone().map(|words| v1::Words { words });
        let hosts = spec.extra_hosts.iter().map(|(host, it)| (host.clone(), it.as_slice().into()));
        v1::ContainerSpec {
            image: spec.image.as_given().to_owned(),
            pull_policy: Some(wire::PullPolicy::from(spec.pull_policy).into()),
            platform: spec.platform.as_ref().map(v1::Platform::from),
            entrypoint: words(&spec.entrypoint),
            args: words(&spec.args),
            env: spec.env.clone(),
            labels: spec.labels.clone(),
            annotations: spec.annotations.clone(),
            hostname: spec.hostname.clone(),
            domain_name: spec.domain_name.clone(),
            workdir: spec.workdir.clone(),
            user: spec.user.clone(),
            groups: spec.groups.clone(),
            mounts: spec.mounts.iter().map(v1::Mount::from).collect(),
            stop_signal: spec.stop_signal.clone(),
            stop_grace_millis: millis(spec.stop_grace),
            init: spec.init,
            health: spec.health.as_ref().map(v1::HealthCheck::from),
            grants: spec.grants.iter().map(v1::Grant::from).collect(),
            tty: spec.tty,
            stdin_open: spec.stdin_open,
            read_only: spec.read_only,
            network: Some(wire::ContainerNetwork::from(spec.network).into()),
            dns: Some((&spec.dns).into()),
            extra_hosts: hosts.collect(),
            logging: spec.logging.as_ref().map(v1::Logging::from),
            kernel: Some((&spec.kernel).into()),
        }
    }
}

impl TryFrom<v1::Dns> for Dns {
    type Error = Malformed;
    fn try_from(wire: v1::Dns) -> Result<Dns, Malformed> {
        let servers = wire.servers.iter().map(|it| parsed(it, "dns.servers"));
        let servers = servers.collect::<Result<_, _>>()?;
        Ok(Dns { servers, search: wire.search, options: wire.options })
    }
}

impl From<&Dns> for v1::Dns {
    fn from(dns: &Dns) -> v1::Dns {
        v1::Dns {
            servers: dns.servers.iter().map(ToString::to_string).collect(),
            search: dns.search.clone(),
            options: dns.options.clone(),
        }
    }
}

impl TryFrom<v1::HostAddresses> for Vec<HostAddress> {
    type Error = Malformed;
    fn try_from(wire: v1::HostAddresses) -> Result<Vec<HostAddress>, Malformed> {
        const FIELD: &str = "container.extra_hosts";
        let address = |it: v1::HostAddress| match it.of {
            Some(v1::host_address::Of::Ip(ip)) => Ok(HostAddress::Ip(parsed(&ip, FIELD)?)),
            Some(v1::host_address::Of::HostGateway(v1::Empty {})) => Ok(HostAddress::HostGateway),
            None => Err(Malformed::missing(FIELD)),
        };
        wire.addresses.into_iter().map(address).collect()
    }
}

impl From<&[HostAddress]> for v1::HostAddresses {
    fn from(addresses: &[HostAddress]) -> v1::HostAddresses {
        let of = |address: &HostAddress| match address {
            HostAddress::Ip(ip) => v1::host_address::Of::Ip(ip.to_string()),
            HostAddress::HostGateway => v1::host_address::Of::HostGateway(v1::Empty {}),
        };
        let wire = |it: &HostAddress| v1::HostAddress { of: Some(of(it)) };
        v1::HostAddresses { addresses: addresses.iter().map(wire).collect() }
    }
}

impl From<v1::Logging> for Logging {
    fn from(wire: v1::Logging) -> Logging {
        Logging { driver: wire.driver, options: wire.options }
    }
}

impl From<&Logging> for v1::Logging {
    fn from(logging: &Logging) -> v1::Logging {
        v1::Logging { driver: logging.driver.clone(), options: logging.options.clone() }
    }
}
