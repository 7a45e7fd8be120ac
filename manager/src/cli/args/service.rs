//! The flags of `service create`, and the service that they describe.

use super::attachments::NetworkFlags;
use super::bad_service::BadService;
use super::choices::{ModeWord, parse_mode};
use super::grants::GrantFlags;
use super::groups::{
    CapabilityFlags, HealthFlags, KernelFlags, LogFlags, ResourceFlags, RestartFlags,
    RollbackPolicyFlags, RunFlags, UpdatePolicyFlags,
};
use super::later::RefusedFlags;
use super::mount::parse_mount;
use super::pairs::{EnvWish, environment, parse_env, parse_label};
use super::ports::PublishFlags;
use super::values::{
    Host, NamedUlimit, parse_device, parse_generic, parse_host, parse_preference, parse_sysctl,
    parse_ulimit,
};
use clap::Args;
use common::Name;
use common::constraint::Constraint;
use common::container::{ContainerSpec, Device, Mount};
use common::image::ImageRef;
use common::service::{Mode, ServiceSpec, TaskSpec};
use std::net::IpAddr;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(in crate::cli) struct CreateFlags {
    /// Its name; one is made up where none is given
    #[arg(long)]
    pub(in crate::cli) name: Option<Name>,
    /// Where its tasks run: replicated, so many of them anywhere, or global, one on every node;
    /// replicated-job and global-job, whose tasks are to come to an end
    #[arg(long, default_value = "replicated", value_parser = parse_mode)]
    mode: ModeWord,
    /// How many tasks [default: 1]
    #[arg(long, allow_negative_numbers = true)]
    replicas: Option<u32>,
    /// How many of a job's tasks run at a time [default: all of them]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    max_concurrent: Option<u32>,
    /// At most so many of its tasks on one node
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    replicas_max_per_node: Option<u32>,
    /// Where its tasks may run, as in node.labels.zone==west
    #[arg(long = "constraint", value_name = "CONSTRAINT")]
    constraints: Vec<Constraint>,
    /// A label over whose values its tasks are spread, as in spread=node.labels.zone
    #[arg(long = "placement-pref", value_name = "PREFERENCE", value_parser = parse_preference)]
    spread: Vec<String>,
    /// A label of the service
    #[arg(long = "label", short, value_name = "NAME=VALUE", value_parser = parse_label)]
    labels: Vec<(String, String)>,
    #[command(flatten)]
    lists: ListFlags,
    #[command(flatten)]
    run: RunFlags,
    #[command(flatten)]
    health: HealthFlags,
    #[command(flatten)]
    log: LogFlags,
    #[command(flatten)]
    capabilities: CapabilityFlags,
    #[command(flatten)]
    kernel: KernelFlags,
    #[command(flatten)]
    resources: ResourceFlags,
    #[command(flatten)]
    restart: RestartFlags,
    #[command(flatten)]
    update: UpdatePolicyFlags,
    #[command(flatten)]
    rollback: RollbackPolicyFlags,
    #[command(flatten)]
    pub(in crate::cli) grants: GrantFlags,
    /// What else a node must have free for a task, as in gpu=2
    #[arg(long = "generic-resource", value_name = "KIND=NUMBER", value_parser = parse_generic)]
    generic: Vec<(String, u64)>,
    #[command(flatten)]
    networks: NetworkFlags,
    #[command(flatten)]
    publish: PublishFlags,
    #[command(flatten)]
    refused: RefusedFlags,
    /// The image, and what runs in place of its command
    #[arg(
        required = true,
        trailing_var_arg = true,
        value_names = ["IMAGE", "COMMAND", "ARG"]
    )]
    image_and_command: Vec<String>,
}

/// Of these there may be several, which `service update` adds and removes one by one.
#[derive(Debug, Args)]
pub(in crate::cli) struct ListFlags {
    /// An environment variable; NAME alone takes its value from where this is typed
    #[arg(long, short, value_name = "NAME=VALUE", value_parser = parse_env)]
    env: Vec<EnvWish>,
    /// A file with an environment variable on each line
    #[arg(long = "env-file", value_name = "FILE")]
    env_files: Vec<PathBuf>,
    /// A label of its containers
    #[arg(long = "container-label", value_name = "NAME=VALUE", value_parser = parse_label)]
    container_labels: Vec<(String, String)>,
    /// A folder or volume, as in type=volume,source=data,target=/var/lib/data
    #[arg(long = "mount", value_name = "MOUNT", value_parser = parse_mount)]
    mounts: Vec<Mount>,
    /// A name for an address, as in db:10.0.0.7, or host-gateway for that of the node
    #[arg(long = "host", value_name = "NAME:ADDRESS", value_parser = parse_host)]
    hosts: Vec<Host>,
    /// A server that is asked for addresses
    #[arg(long = "dns", value_name = "ADDRESS")]
    dns_servers: Vec<IpAddr>,
    /// An option of the resolver, as in ndots:2
    #[arg(long = "dns-option", value_name = "OPTION")]
    dns_options: Vec<String>,
    /// A domain in which short names are looked for
    #[arg(long = "dns-search", value_name = "DOMAIN")]
    dns_search: Vec<String>,
    /// A group beside the user's own
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// A setting of the kernel, as in net.core.somaxconn=1024
    #[arg(long = "sysctl", value_name = "NAME=VALUE", value_parser = parse_sysctl)]
    sysctls: Vec<(String, String)>,
    /// A limit for each process, as in nofile=1024:2048
    #[arg(long = "ulimit", value_name = "NAME=SOFT[:HARD]", value_parser = parse_ulimit)]
    ulimits: Vec<NamedUlimit>,
    /// A device of the node, as in /dev/ttyUSB0
    #[arg(long = "device", value_name = "DEVICE", value_parser = parse_device)]
    devices: Vec<Device>,
    /// What the security modules are told, as in no-new-privileges
    #[arg(long = "security-opt", value_name = "OPTION")]
    security_options: Vec<String>,
}

/// What a command line cannot know by itself.
pub(in crate::cli) struct Surroundings<'a> {
    /// The content of the `--env-file`s, in their order.
    pub(in crate::cli) env_files: &'a [EnvWish],
    pub(in crate::cli) variable: &'a dyn Fn(&str) -> Option<String>,
    /// For the name, where none is given.
    pub(in crate::cli) random: u64,
}

impl CreateFlags {
    pub(in crate::cli) fn env_files(&self) -> &[PathBuf] {
        &self.lists.env_files
    }

    pub(in crate::cli) fn spec(
        &self,
        around: &Surroundings<'_>,
    ) -> Result<ServiceSpec, BadService> {
        let mode = self.mode()?;
        // Docker says 0 where no number is meant.
        let replicas_max_per_node = self.replicas_max_per_node.filter(|it| *it > 0);
        if mode.is_per_node() && replicas_max_per_node.is_some() {
            return Err(BadService::MaxPerNodeOfGlobal);
        }
        let mut task = TaskSpec {
            constraints: self.constraints.clone(),
            spread: self.spread.clone(),
            replicas_max_per_node,
            ..TaskSpec::of_container(self.container(around)?)
        };
        self.resources.apply(&mut task);
        self.restart.apply(&mut task);
        task.generic = self.generic.iter().cloned().collect();
        self.networks.apply(&mut task)?;
        let made_up = || super::made_up_name::made_up(around.random);
        let name = self.name.clone().unwrap_or_else(made_up);
        let mut spec = ServiceSpec::new(name, mode, task);
        spec.labels = self.labels.iter().cloned().collect();
        self.update.apply(&mut spec.update);
        self.rollback.apply(&mut spec.rollback);
        self.publish.apply(&mut spec);
        Ok(spec)
    }

    fn mode(&self) -> Result<Mode, BadService> {
        if self.mode != ModeWord::ReplicatedJob && self.max_concurrent.is_some() {
            return Err(BadService::ConcurrentOfOther);
        }
        match (self.mode, self.replicas) {
            (ModeWord::Replicated, replicas) => {
                Ok(Mode::Replicated { replicas: replicas.unwrap_or(1) })
            }
            (ModeWord::ReplicatedJob, replicas) => Ok(Mode::ReplicatedJob {
                completions: replicas.unwrap_or(1),
                concurrent_max: self.max_concurrent.unwrap_or(0),
            }),
            (ModeWord::Global, None) => Ok(Mode::Global),
            (ModeWord::GlobalJob, None) => Ok(Mode::GlobalJob),
            (ModeWord::Global | ModeWord::GlobalJob, Some(_)) => Err(BadService::ReplicasOfGlobal),
        }
    }

    fn container(&self, around: &Surroundings<'_>) -> Result<ContainerSpec, BadService> {
        let (image, args) = self.image_and_command.split_first().expect("clap demands one or more");
        let mut container = ContainerSpec::of_image(image.parse::<ImageRef>()?);
        container.args = (!args.is_empty()).then(|| args.to_vec());
        self.run.apply(&mut container)?;
        self.health.apply(&mut container.health)?;
        self.log.apply(&mut container.logging);
        self.capabilities.apply(&mut container.kernel);
        self.kernel.apply(&mut container.kernel);
        self.lists.fill(&mut container, around);
        Ok(container)
    }
}

impl ListFlags {
    fn fill(&self, container: &mut ContainerSpec, around: &Surroundings<'_>) {
        container.env = environment(around.env_files.iter().chain(&self.env), around.variable);
        container.labels = self.container_labels.iter().cloned().collect();
        container.mounts.clone_from(&self.mounts);
        for (host, address) in &self.hosts {
            container.extra_hosts.entry(host.clone()).or_default().push(*address);
        }
        container.dns.servers.clone_from(&self.dns_servers);
        container.dns.options.clone_from(&self.dns_options);
        container.dns.search.clone_from(&self.dns_search);
        container.groups.clone_from(&self.groups);
        container.kernel.sysctls = self.sysctls.iter().cloned().collect();
        container.kernel.ulimits = self.ulimits.iter().cloned().collect();
        container.kernel.devices.clone_from(&self.devices);
        container.kernel.security_options.clone_from(&self.security_options);
    }
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
