//! What `service update` makes of a service.

use clap::Args;
use common::image::ImageRef;
use common::service::{Mode, ServiceSpec};
use std::sync::Arc;

#[derive(Debug, Args)]
pub(in crate::cli) struct UpdateFlags {
    /// Another image
    #[arg(long)]
    image: Option<ImageRef>,
    /// Replaces the tasks also where nothing changes
    #[arg(long)]
    force: bool,
    /// How many tasks
    #[arg(long)]
    replicas: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::cli) enum BadUpdate {
    #[error("a global service has as many tasks as there are nodes for it: no --replicas")]
    ReplicasOfGlobal,
}

impl UpdateFlags {
    pub(in crate::cli) fn edit(&self, spec: &ServiceSpec) -> Result<ServiceSpec, BadUpdate> {
        let mut spec = spec.clone();
        if let Some(replicas) = self.replicas {
            match &mut spec.mode {
                Mode::Replicated { replicas: wanted }
                | Mode::ReplicatedJob { completions: wanted, .. } => *wanted = replicas,
                Mode::Global | Mode::GlobalJob => return Err(BadUpdate::ReplicasOfGlobal),
            }
        }
        let task = Arc::make_mut(&mut spec.task);
        if let Some(image) = &self.image {
            task.container.image = image.clone();
        }
        task.force += u64::from(self.force);
        Ok(spec)
    }
}
