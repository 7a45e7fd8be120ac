//! The flags of `service create`, and the service that they describe.

use super::choices::{ModeWord, parse_mode, parse_restart_condition};
use super::grants::GrantFlags;
use super::later::LaterFlags;
use super::mount::parse_mount;
use super::pairs::{EnvWish, environment, parse_env, parse_label};
use super::shell_words;
use clap::Args;
use common::Name;
use common::constraint::Constraint;
use common::container::{ContainerSpec, Mount, STOP_GRACE_DEFAULT};
use common::image::{BadImage, ImageRef};
use common::resources::Resources;
use common::service::{
    Mode, RESTART_DELAY_DEFAULT, RestartCondition, RestartPolicy, ServiceSpec, TaskSpec,
};
use common::units::{parse_bytes, parse_cpus, parse_duration};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Args)]
pub(in crate::cli) struct CreateFlags {
    /// Its name; one is made up where none is given
    #[arg(long)]
    pub(in crate::cli) name: Option<Name>,
    /// Where its tasks run: replicated, so many of them anywhere, or global, one on every node
    #[arg(long, default_value = "replicated", value_parser = parse_mode)]
    mode: ModeWord,
    /// How many tasks [default: 1]
    #[arg(long, allow_negative_numbers = true)]
    replicas: Option<u32>,
    /// At most so many of its tasks on one node
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    replicas_max_per_node: Option<u32>,
    /// Where its tasks may run, as in node.labels.zone==west
    #[arg(long = "constraint", value_name = "CONSTRAINT")]
    constraints: Vec<Constraint>,
    /// A label of the service
    #[arg(long = "label", short, value_name = "NAME=VALUE", value_parser = parse_label)]
    labels: Vec<(String, String)>,
    #[command(flatten)]
    container: ContainerFlags,
    #[command(flatten)]
    resources: ResourceFlags,
    #[command(flatten)]
    restart: RestartFlags,
    #[command(flatten)]
    pub(in crate::cli) grants: GrantFlags,
    #[command(flatten)]
    later: LaterFlags,
    /// The image, and what runs in place of its command
    #[arg(
        required = true,
        trailing_var_arg = true,
        value_names = ["IMAGE", "COMMAND", "ARG"]
    )]
    image_and_command: Vec<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ContainerFlags {
    /// An environment variable; NAME alone takes its value from where this is typed
    #[arg(long, short, value_name = "NAME=VALUE", value_parser = parse_env)]
    env: Vec<EnvWish>,
    /// A file with an environment variable on each line
    #[arg(long = "env-file", value_name = "FILE")]
    pub(in crate::cli) env_files: Vec<PathBuf>,
    /// A label of its containers
    #[arg(long = "container-label", value_name = "NAME=VALUE", value_parser = parse_label)]
    container_labels: Vec<(String, String)>,
    /// A folder or volume, as in type=volume,source=data,target=/var/lib/data
    #[arg(long = "mount", value_name = "MOUNT", value_parser = parse_mount)]
    mounts: Vec<Mount>,
    /// Replaces the image's entry point
    #[arg(long, value_name = "COMMAND")]
    entrypoint: Option<String>,
    /// Name or number, and group behind a colon
    #[arg(long, short, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// The folder in which the command runs
    #[arg(long, short, value_name = "PATH")]
    workdir: Option<String>,
    /// The containers' host name
    #[arg(long)]
    hostname: Option<String>,
    /// The signal that asks a container to stop
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<String>,
    /// How long a container may take to stop before it is killed [default: 10s]
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = parse_duration,
        allow_hyphen_values = true
    )]
    stop_grace_period: Option<Duration>,
    /// A small init in each container, which reaps orphans and passes signals on
    #[arg(long)]
    init: bool,
    /// A terminal for each container
    #[arg(long, short)]
    tty: bool,
    /// The containers' root file system cannot be written
    #[arg(long)]
    read_only: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ResourceFlags {
    /// Most processors a task may use, as in 0.5
    #[arg(long, value_name = "CPUS", value_parser = parse_cpus)]
    limit_cpu: Option<u64>,
    /// Most memory a task may use, as in 64m
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    limit_memory: Option<u64>,
    /// Processors that a node must have free for a task
    #[arg(long, value_name = "CPUS", value_parser = parse_cpus)]
    reserve_cpu: Option<u64>,
    /// Memory that a node must have free for a task
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    reserve_memory: Option<u64>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RestartFlags {
    /// When a task that ended is replaced: none, on-failure or any
    #[arg(
        long,
        value_name = "CONDITION",
        default_value = "any",
        value_parser = parse_restart_condition
    )]
    restart_condition: RestartCondition,
    /// How long to wait before that [default: 5s]
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = parse_duration,
        allow_hyphen_values = true
    )]
    restart_delay: Option<Duration>,
    /// How often at most; 0: as often as need be
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    restart_max_attempts: Option<u32>,
    /// Only attempts within this time count
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = parse_duration,
        allow_hyphen_values = true
    )]
    restart_window: Option<Duration>,
}

/// What a command line cannot know by itself.
pub(in crate::cli) struct Surroundings<'a> {
    /// The content of the `--env-file`s, in their order.
    pub(in crate::cli) env_files: &'a [EnvWish],
    pub(in crate::cli) variable: &'a dyn Fn(&str) -> Option<String>,
    /// For the name, where none is given.
    pub(in crate::cli) random: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::cli) enum BadService {
    #[error("--replicas goes with --mode replicated: a global service has one task on every node")]
    ReplicasOfGlobal,
    #[error(
        "--replicas-max-per-node goes with --mode replicated: a global service has one task on \
         every node"
    )]
    MaxPerNodeOfGlobal,
    #[error(transparent)]
    Image(#[from] BadImage),
    #[error("--entrypoint: {0}")]
    Entrypoint(#[from] shell_words::BadWords),
    #[error("--{flag}: `{value}` is not an absolute path")]
    RelativePath { flag: &'static str, value: String },
}

impl CreateFlags {
    pub(in crate::cli) fn env_files(&self) -> &[PathBuf] {
        &self.container.env_files
    }

    pub(in crate::cli) fn spec(
        &self,
        around: &Surroundings<'_>,
    ) -> Result<ServiceSpec, BadService> {
        let mode = match (self.mode, self.replicas) {
            (ModeWord::Replicated, replicas) => {
                Mode::Replicated { replicas: replicas.unwrap_or(1) }
            }
            (ModeWord::ReplicatedJob, replicas) => {
                Mode::ReplicatedJob { completions: replicas.unwrap_or(1), concurrent_max: 0 }
            }
            (ModeWord::Global, None) => Mode::Global,
            (ModeWord::GlobalJob, None) => Mode::GlobalJob,
            (ModeWord::Global | ModeWord::GlobalJob, Some(_)) => {
                return Err(BadService::ReplicasOfGlobal);
            }
        };
        // Docker says 0 where no number is meant.
        let replicas_max_per_node = self.replicas_max_per_node.filter(|it| *it > 0);
        if mode.is_per_node() && replicas_max_per_node.is_some() {
            return Err(BadService::MaxPerNodeOfGlobal);
        }
        let made_up = || super::made_up_name::made_up(around.random);
        let task = TaskSpec {
            limits: Resources {
                cpu_nanos: self.resources.limit_cpu.unwrap_or(0),
                memory_bytes: self.resources.limit_memory.unwrap_or(0),
            },
            reservations: Resources {
                cpu_nanos: self.resources.reserve_cpu.unwrap_or(0),
                memory_bytes: self.resources.reserve_memory.unwrap_or(0),
            },
            restart: self.restart.policy(),
            constraints: self.constraints.clone(),
            replicas_max_per_node,
            ..TaskSpec::of_container(self.container(around)?)
        };
        let name = self.name.clone().unwrap_or_else(made_up);
        let labels = self.labels.iter().cloned().collect();
        Ok(ServiceSpec { labels, ..ServiceSpec::new(name, mode, task) })
    }

    fn container(&self, around: &Surroundings<'_>) -> Result<ContainerSpec, BadService> {
        let flags = &self.container;
        let (image, args) = self.image_and_command.split_first().expect("clap demands one or more");
        let workdir = flags.workdir.clone();
        if let Some(value) = workdir.clone().filter(|it| !it.starts_with('/')) {
            return Err(BadService::RelativePath { flag: "workdir", value });
        }
        let entrypoint = flags.entrypoint.as_deref().map(shell_words::split).transpose()?;
        Ok(ContainerSpec {
            entrypoint: entrypoint.unwrap_or_default(),
            args: args.to_vec(),
            env: environment(around.env_files.iter().chain(&flags.env), around.variable),
            labels: flags.container_labels.iter().cloned().collect(),
            hostname: flags.hostname.clone(),
            workdir,
            user: flags.user.clone(),
            mounts: flags.mounts.clone(),
            stop_signal: flags.stop_signal.clone(),
            stop_grace: flags.stop_grace_period.unwrap_or(STOP_GRACE_DEFAULT),
            init: flags.init,
            tty: flags.tty,
            read_only: flags.read_only,
            ..ContainerSpec::of_image(image.parse::<ImageRef>()?)
        })
    }
}

impl RestartFlags {
    fn policy(&self) -> RestartPolicy {
        RestartPolicy {
            condition: self.restart_condition,
            delay: self.restart_delay.unwrap_or(RESTART_DELAY_DEFAULT),
            attempts_max: self.restart_max_attempts.filter(|it| *it > 0),
            window: self.restart_window.unwrap_or(Duration::ZERO),
        }
    }
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
