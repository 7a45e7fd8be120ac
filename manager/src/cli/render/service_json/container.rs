//! What runs in a task, with the key names that Swarm has for it.

use super::is_false;
use super::kernel::{HostJson, UlimitJson};
use super::mounts::MountJson;
use crate::cli::render::grants_json::{GrantJson, of_kind};
use common::container::{ContainerSpec, HealthCheck, HostAddress, Probe, ProbeCommand, PullPolicy};
use common::file::FileKind;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ContainerJson<'a> {
    image: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pull_policy: Option<&'static str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a BTreeMap<String, String>,
    /// Swarm's word for the entry point; an empty list is none at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domainname: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    env: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    dir: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    groups: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    init: Option<bool>,
    #[serde(rename = "TTY", skip_serializing_if = "is_false")]
    tty: bool,
    #[serde(skip_serializing_if = "is_false")]
    open_stdin: bool,
    #[serde(skip_serializing_if = "is_false")]
    read_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_signal: Option<&'a str>,
    /// In nanoseconds, as every duration here.
    stop_grace_period: u128,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthcheck: Option<HealthJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mounts: Vec<MountJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<GrantJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    configs: Vec<GrantJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<String>,
    #[serde(rename = "DNSConfig", skip_serializing_if = "Option::is_none")]
    dns: Option<DnsJson<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    sysctls: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    capability_add: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    capability_drop: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ulimits: Vec<UlimitJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oom_score_adj: Option<i64>,
    /// What Swarm has no place for, under the name that it has on a container.
    #[serde(skip_serializing_if = "Option::is_none")]
    host_config: Option<HostJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct HealthJson<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    test: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_period: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_interval: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retries: Option<u64>,
}

#[derive(Serialize, PartialEq)]
#[serde(rename_all = "PascalCase")]
struct DnsJson<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nameservers: Vec<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    search: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    options: &'a [String],
}

impl<'a> ContainerJson<'a> {
    pub(super) fn of(it: &'a ContainerSpec) -> ContainerJson<'a> {
        let pull_policy = Some(it.pull_policy).filter(|it| *it != PullPolicy::default());
        ContainerJson {
            image: it.image.as_given(),
            platform: it.platform.as_ref().map(ToString::to_string),
            pull_policy: pull_policy.map(PullPolicy::as_str),
            labels: &it.labels,
            command: it.entrypoint.as_deref(),
            args: it.args.as_deref(),
            hostname: it.hostname.as_deref(),
            domainname: it.domain_name.as_deref(),
            env: &it.env,
            dir: it.workdir.as_deref(),
            user: it.user.as_deref(),
            groups: &it.groups,
            init: it.init,
            tty: it.tty,
            open_stdin: it.stdin_open,
            read_only: it.read_only,
            stop_signal: it.stop_signal.as_deref(),
            stop_grace_period: it.stop_grace.as_nanos(),
            healthcheck: it.health.as_ref().map(HealthJson::of),
            mounts: it.mounts.iter().map(MountJson::of).collect(),
            secrets: of_kind(&it.grants, FileKind::Secret),
            configs: of_kind(&it.grants, FileKind::Config),
            hosts: hosts(it),
            dns: DnsJson::of(it),
            sysctls: &it.kernel.sysctls,
            capability_add: &it.kernel.capabilities_added,
            capability_drop: &it.kernel.capabilities_dropped,
            ulimits: it.kernel.ulimits.iter().map(UlimitJson::of).collect(),
            oom_score_adj: it.kernel.oom_score_adjustment,
            host_config: HostJson::of(it),
        }
    }
}

/// Address first, as in `/etc/hosts`.
fn hosts(container: &ContainerSpec) -> Vec<String> {
    let lines = container.extra_hosts.iter().flat_map(|(host, addresses)| {
        addresses.iter().map(move |address| match address {
            HostAddress::Ip(ip) => format!("{ip} {host}"),
            HostAddress::HostGateway => format!("host-gateway {host}"),
        })
    });
    lines.collect()
}

impl<'a> DnsJson<'a> {
    fn of(container: &'a ContainerSpec) -> Option<DnsJson<'a>> {
        let dns = &container.dns;
        let is_said = !(dns.servers.is_empty() && dns.search.is_empty() && dns.options.is_empty());
        is_said.then(|| DnsJson {
            nameservers: dns.servers.iter().map(ToString::to_string).collect(),
            search: &dns.search,
            options: &dns.options,
        })
    }
}

impl<'a> HealthJson<'a> {
    fn of(health: &'a HealthCheck) -> HealthJson<'a> {
        let off = Probe::default();
        let (test, probe) = match health {
            HealthCheck::Disabled => (vec!["NONE"], &off),
            HealthCheck::Enabled(probe) => (test(probe), probe),
        };
        HealthJson {
            test,
            interval: probe.interval.map(|it| it.as_nanos()),
            timeout: probe.timeout.map(|it| it.as_nanos()),
            start_period: probe.start_period.map(|it| it.as_nanos()),
            start_interval: probe.start_interval.map(|it| it.as_nanos()),
            retries: probe.retries,
        }
    }
}

fn test(probe: &Probe) -> Vec<&str> {
    match &probe.test {
        None => Vec::new(),
        Some(ProbeCommand::Shell(line)) => vec!["CMD-SHELL", line],
        Some(ProbeCommand::Exec(words)) => {
            std::iter::once("CMD").chain(words.iter().map(String::as_str)).collect()
        }
    }
}
