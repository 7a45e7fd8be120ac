//! The flags of `service update`, and what they make of a service as it is.

use super::attachments::NetworkUpdateFlags;
use super::bad_service::BadService;
use super::grants::GrantUpdateFlags;
use super::groups::{
    CapabilityFlags, HealthFlags, KernelFlags, LogFlags, ResourceFlags, RestartFlags,
    RollbackPolicyFlags, RunFlags, UpdatePolicyFlags, words,
};
use super::later::RefusedFlags;
use super::ports::PublishUpdateFlags;
use clap::Args;
use common::image::ImageRef;
use common::service::{Mode, ServiceSpec};
use std::sync::Arc;

mod lists;

pub(in crate::cli) use lists::ListFlags;

/// All that says how a service should be; clap names a group of flags by its type.
const CHANGES: [&str; 20] = [
    "image",
    "args",
    "replicas",
    "max_concurrent",
    "replicas_max_per_node",
    "force",
    "ListFlags",
    "RunFlags",
    "HealthFlags",
    "LogFlags",
    "CapabilityFlags",
    "KernelFlags",
    "ResourceFlags",
    "RestartFlags",
    "UpdatePolicyFlags",
    "RollbackPolicyFlags",
    "GrantUpdateFlags",
    "NetworkUpdateFlags",
    "PublishUpdateFlags",
    "RefusedFlags",
];

#[derive(Debug, Args)]
pub(in crate::cli) struct UpdateFlags {
    /// The image
    #[arg(long)]
    image: Option<ImageRef>,
    /// What runs in place of the image's command
    #[arg(long, value_name = "COMMAND", allow_hyphen_values = true)]
    args: Option<String>,
    /// How many tasks
    #[arg(long, allow_negative_numbers = true)]
    replicas: Option<u32>,
    /// How many of a job's tasks run at a time
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    max_concurrent: Option<u32>,
    /// At most so many of its tasks on one node; 0: no such limit
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    replicas_max_per_node: Option<u32>,
    /// New tasks even if nothing else differs
    #[arg(long)]
    force: bool,
    /// Back to what it was before the last update; goes with nothing else
    #[arg(long, conflicts_with_all = CHANGES)]
    rollback: bool,
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
    update_policy: UpdatePolicyFlags,
    #[command(flatten)]
    rollback_policy: RollbackPolicyFlags,
    #[command(flatten)]
    pub(in crate::cli) grants: GrantUpdateFlags,
    #[command(flatten)]
    networks: NetworkUpdateFlags,
    #[command(flatten)]
    publish: PublishUpdateFlags,
    #[command(flatten)]
    refused: RefusedFlags,
}

impl UpdateFlags {
    /// Whether the service is to go back, instead of being changed.
    pub(in crate::cli) fn is_rollback(&self) -> bool {
        self.rollback
    }

    /// Whether somebody asks for what is not served yet.
    pub(in crate::cli) fn asks_for_networks(&self) -> bool {
        self.networks.attaches() || self.publish.publishes()
    }

    /// `variable` is for environment variables that are named without a value.
    pub(in crate::cli) fn spec(
        &self,
        current: &ServiceSpec,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<ServiceSpec, BadService> {
        let mut spec = current.clone();
        spec.mode = self.mode(current.mode)?;
        self.lists.labels(&mut spec.labels);
        self.update_policy.apply(&mut spec.update);
        self.rollback_policy.apply(&mut spec.rollback);
        self.publish.apply(&mut spec);
        let task = Arc::make_mut(&mut spec.task);
        if let Some(most) = self.replicas_max_per_node {
            task.replicas_max_per_node = Some(most).filter(|it| *it > 0);
        }
        if spec.mode.is_per_node() && task.replicas_max_per_node.is_some() {
            return Err(BadService::MaxPerNodeOfGlobal);
        }
        task.force += u64::from(self.force);
        self.resources.apply(task);
        self.restart.apply(task);
        self.lists.placement(task);
        self.networks.apply(task)?;
        let container = &mut task.container;
        if let Some(image) = &self.image {
            container.image = image.clone();
        }
        if let Some(line) = &self.args {
            container.args = words("args", line)?;
        }
        self.run.apply(container)?;
        self.health.apply(&mut container.health)?;
        self.log.apply(&mut container.logging);
        self.capabilities.apply(&mut container.kernel);
        self.kernel.apply(&mut container.kernel);
        self.lists.container(container, variable)?;
        self.grants.remove(&mut container.grants);
        Ok(spec)
    }

    fn mode(&self, current: Mode) -> Result<Mode, BadService> {
        let replicas = self.replicas;
        match current {
            Mode::ReplicatedJob { completions, concurrent_max } => Ok(Mode::ReplicatedJob {
                completions: replicas.unwrap_or(completions),
                concurrent_max: self.max_concurrent.unwrap_or(concurrent_max),
            }),
            Mode::Replicated { .. } | Mode::Global | Mode::GlobalJob
                if self.max_concurrent.is_some() =>
            {
                Err(BadService::ConcurrentOfOther)
            }
            Mode::Replicated { replicas: before } => {
                Ok(Mode::Replicated { replicas: replicas.unwrap_or(before) })
            }
            Mode::Global | Mode::GlobalJob if replicas.is_some() => {
                Err(BadService::ReplicasOfGlobal)
            }
            Mode::Global | Mode::GlobalJob => Ok(current),
        }
    }
}

#[cfg(test)]
mod tests;
