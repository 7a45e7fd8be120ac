//! How many tasks, where, with what, and how they are replaced.
//!
//! What older files say beside `deploy` (`restart`, `scale`, `mem_limit`, `cpus`, `pids_limit`) is
//! said here too.

use super::Pairs;
use common::constraint::Constraint;
pub use common::container::{DeviceChoice, DeviceRequest};
pub use common::network::Endpoint;
use common::resources::GenericResources;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Deploy {
    pub mode: Mode,
    /// Of the service; those of its containers are the service's own.
    pub labels: Pairs,
    pub endpoint: Endpoint,
    pub constraints: Vec<Constraint>,
    /// Labels over whose values tasks are spread, such as `node.labels.zone`.
    pub spread: Vec<String>,
    pub replicas_max_per_node: Option<u32>,
    pub limits: Limits,
    pub reservations: Reservations,
    pub restart: Option<RestartPolicy>,
    pub update: Option<UpdatePolicy>,
    pub rollback: Option<UpdatePolicy>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Replicated { replicas: u32 },
    Global,
    ReplicatedJob { replicas: u32 },
    GlobalJob,
}

impl Default for Mode {
    fn default() -> Self {
        Mode::Replicated { replicas: 1 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    pub cpu_nanos: Option<u64>,
    pub memory_bytes: Option<u64>,
    /// Above zero.
    pub pids: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reservations {
    pub cpu_nanos: Option<u64>,
    pub memory_bytes: Option<u64>,
    pub generic: GenericResources,
    pub devices: Vec<DeviceRequest>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RestartPolicy {
    /// None: any, or of a job on failure.
    pub condition: Option<RestartCondition>,
    pub delay: Option<Duration>,
    pub attempts_max: Option<u32>,
    pub window: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartCondition {
    Never,
    OnFailure,
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct UpdatePolicy {
    /// Zero: all at once.
    pub parallelism: Option<u64>,
    pub delay: Option<Duration>,
    pub failure_action: Option<FailureAction>,
    pub monitor: Option<Duration>,
    /// From 0 to 1.
    pub failure_ratio_max: Option<f64>,
    pub order: Option<UpdateOrder>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureAction {
    Pause,
    Continue,
    Rollback,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateOrder {
    StopFirst,
    StartFirst,
}
