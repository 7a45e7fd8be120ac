//! What there may be several of, added and removed one by one. Removing what is not there is as
//! good as having removed it. The order of the two is Docker's, which differs from one to the
//! other: what is both added and removed stays where it is a label, host, sysctl or limit, of
//! which the new value is meant, and goes everywhere else.

use crate::cli::args::bad_service::BadService;
use crate::cli::args::mount::parse_mount;
use crate::cli::args::pairs::{EnvWish, environment, parse_env, parse_label};
use crate::cli::args::values::{
    Host, HostPattern, NamedUlimit, parse_device, parse_generic, parse_host, parse_host_pattern,
    parse_preference, parse_sysctl, parse_ulimit,
};
use clap::Args;
use common::constraint::Constraint;
use common::container::{ContainerSpec, Device, HostAddress, Kernel, Mount};
use common::service::TaskSpec;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

type Pair = (String, String);

macro_rules! list_flags {
    ($(
        $field:ident: $type:ty, $flag:literal $value:literal $help:literal
        $(, $parser:expr)?;
    )*) => {
        #[derive(Debug, Args)]
        pub(in crate::cli) struct ListFlags {$(
            #[arg(
                long = $flag,
                value_name = $value,
                help = $help,
                $(value_parser = $parser)?
            )]
            $field: Vec<$type>,
        )*}
    };
}

list_flags! {
    labels_added: Pair, "label-add" "NAME=VALUE" "A label of the service", parse_label;
    labels_removed: String, "label-rm" "NAME" "Takes a label of the service away";
    constraints_added: Constraint, "constraint-add" "CONSTRAINT" "Where its tasks may run";
    constraints_removed: Constraint, "constraint-rm" "CONSTRAINT" "Takes a constraint away";
    spread_added: String, "placement-pref-add" "PREFERENCE"
        "A label over whose values its tasks are spread, as in spread=node.labels.zone",
        parse_preference;
    spread_removed: String, "placement-pref-rm" "PREFERENCE" "Takes a preference away",
        parse_preference;
    env_added: EnvWish, "env-add" "NAME=VALUE"
        "An environment variable; NAME alone takes its value from where this is typed", parse_env;
    env_removed: String, "env-rm" "NAME" "Takes an environment variable away";
    container_labels_added: Pair, "container-label-add" "NAME=VALUE" "A label of its containers",
        parse_label;
    container_labels_removed: String, "container-label-rm" "NAME"
        "Takes a label of its containers away";
    mounts_added: Mount, "mount-add" "MOUNT"
        "A folder or volume, in place of what else is mounted there", parse_mount;
    mounts_removed: String, "mount-rm" "TARGET" "Takes away what is mounted there";
    hosts_added: Host, "host-add" "NAME:ADDRESS"
        "A name for an address, as in db:10.0.0.7, or host-gateway for that of the node",
        parse_host;
    hosts_removed: HostPattern, "host-rm" "NAME[:ADDRESS]" "Takes a name for addresses away",
        parse_host_pattern;
    dns_servers_added: IpAddr, "dns-add" "ADDRESS" "A server that is asked for addresses";
    dns_servers_removed: IpAddr, "dns-rm" "ADDRESS" "Takes such a server away";
    dns_options_added: String, "dns-option-add" "OPTION" "An option of the resolver";
    dns_options_removed: String, "dns-option-rm" "OPTION" "Takes such an option away";
    dns_search_added: String, "dns-search-add" "DOMAIN"
        "A domain in which short names are looked for";
    dns_search_removed: String, "dns-search-rm" "DOMAIN" "Takes such a domain away";
    groups_added: String, "group-add" "GROUP" "A group beside the user's own";
    groups_removed: String, "group-rm" "GROUP" "Takes such a group away";
    sysctls_added: Pair, "sysctl-add" "NAME=VALUE" "A setting of the kernel", parse_sysctl;
    sysctls_removed: String, "sysctl-rm" "NAME" "Takes such a setting away";
    ulimits_added: NamedUlimit, "ulimit-add" "NAME=SOFT[:HARD]" "A limit for each process",
        parse_ulimit;
    ulimits_removed: String, "ulimit-rm" "NAME" "Takes such a limit away";
    devices_added: Device, "device-add" "DEVICE"
        "A device of the node, in place of what else has its name in the container",
        parse_device;
    devices_removed: String, "device-rm" "TARGET"
        "Takes away the device that has this name in the container";
    generic_added: (String, u64), "generic-resource-add" "KIND=NUMBER"
        "What else a node must have free for a task, as in gpu=2", parse_generic;
    generic_removed: String, "generic-resource-rm" "KIND" "Takes such a wish away";
    security_options_added: String, "security-opt-add" "OPTION"
        "What the security modules are told";
    security_options_removed: String, "security-opt-rm" "OPTION" "Takes such an option away";
}

impl ListFlags {
    pub(super) fn labels(&self, labels: &mut BTreeMap<String, String>) {
        put_pairs(labels, &self.labels_removed, &self.labels_added);
    }

    pub(super) fn placement(&self, task: &mut TaskSpec) {
        put_values(&mut task.constraints, &self.constraints_added, &self.constraints_removed);
        put_pairs(&mut task.generic, &self.generic_removed, &self.generic_added);
        put_values(&mut task.spread, &self.spread_added, &self.spread_removed);
    }

    pub(super) fn container(
        &self,
        container: &mut ContainerSpec,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), BadService> {
        self.environment(&mut container.env, variable);
        put_pairs(
            &mut container.labels,
            &self.container_labels_removed,
            &self.container_labels_added,
        );
        self.mounts(&mut container.mounts)?;
        self.hosts(&mut container.extra_hosts);
        let dns = &mut container.dns;
        put_values(&mut dns.servers, &self.dns_servers_added, &self.dns_servers_removed);
        put_values(&mut dns.options, &self.dns_options_added, &self.dns_options_removed);
        put_values(&mut dns.search, &self.dns_search_added, &self.dns_search_removed);
        put_values(&mut container.groups, &self.groups_added, &self.groups_removed);
        self.kernel(&mut container.kernel);
        Ok(())
    }

    fn kernel(&self, kernel: &mut Kernel) {
        put_pairs(&mut kernel.sysctls, &self.sysctls_removed, &self.sysctls_added);
        put_pairs(&mut kernel.ulimits, &self.ulimits_removed, &self.ulimits_added);
        let replaced = |it: &Device| self.devices_added.iter().any(|new| new.target == it.target);
        kernel.devices.retain(|it| !replaced(it));
        kernel.devices.extend_from_slice(&self.devices_added);
        kernel.devices.retain(|it| !self.devices_removed.contains(&it.target));
        put_values(
            &mut kernel.security_options,
            &self.security_options_added,
            &self.security_options_removed,
        );
    }

    fn environment(&self, env: &mut Vec<String>, variable: &dyn Fn(&str) -> Option<String>) {
        let split = |it: &String| {
            let (name, value) = it.split_once('=').unwrap_or((it.as_str(), ""));
            EnvWish::Value { name: name.to_owned(), value: value.to_owned() }
        };
        let before: Vec<EnvWish> = env.iter().map(split).collect();
        *env = environment(before.iter().chain(&self.env_added), variable);
        let name = |pair: &String| pair.split('=').next().unwrap_or_default().to_owned();
        env.retain(|it| !self.env_removed.contains(&name(it)));
    }

    fn mounts(&self, mounts: &mut Vec<Mount>) -> Result<(), BadService> {
        let mut targets = BTreeSet::new();
        for target in self.mounts_added.iter().map(|it| it.target.as_str()) {
            if !targets.insert(target) {
                return Err(BadService::MountTwice(target.to_owned()));
            }
        }
        mounts.retain(|it| !targets.contains(it.target.as_str()));
        mounts.extend_from_slice(&self.mounts_added);
        mounts.retain(|it| !self.mounts_removed.contains(&it.target));
        Ok(())
    }

    fn hosts(&self, hosts: &mut BTreeMap<String, Vec<HostAddress>>) {
        for (name, address) in &self.hosts_removed {
            match (address, hosts.get_mut(name)) {
                (Some(address), Some(addresses)) => addresses.retain(|it| it != address),
                (None, Some(addresses)) => addresses.clear(),
                (_, None) => {}
            }
        }
        for (name, address) in &self.hosts_added {
            let addresses = hosts.entry(name.clone()).or_default();
            if !addresses.contains(address) {
                addresses.push(*address);
            }
        }
        hosts.retain(|_, addresses| !addresses.is_empty());
    }
}

/// Each once, in the order in which they came.
fn put_values<T: Clone + PartialEq>(values: &mut Vec<T>, added: &[T], removed: &[T]) {
    for value in added {
        if !values.contains(value) {
            values.push(value.clone());
        }
    }
    values.retain(|it| !removed.contains(it));
}

fn put_pairs<T: Clone>(pairs: &mut BTreeMap<String, T>, removed: &[String], added: &[(String, T)]) {
    pairs.retain(|name, _| !removed.contains(name));
    pairs.extend(added.iter().cloned());
}
