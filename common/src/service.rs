//! What a user wishes: a service.

use crate::constraint::Constraint;
use crate::container::ContainerSpec;
use crate::id::{ServiceId, Version};
use crate::name::Name;
use crate::resources::Resources;
use crate::time::Stamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub const RESTART_DELAY_DEFAULT: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    pub name: Name,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    pub mode: Mode,
    pub task: Arc<TaskSpec>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// So many tasks, anywhere.
    Replicated { replicas: u32 },
    /// One task on every node that may run it.
    Global,
}

/// The part of a service that its tasks are made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSpec {
    pub container: ContainerSpec,
    #[serde(default)]
    pub limits: Resources,
    #[serde(default)]
    pub reservations: Resources,
    #[serde(default)]
    pub restart: RestartPolicy,
    #[serde(default)]
    pub constraints: Vec<Constraint>,
    /// No more tasks of this service on one node than this; none: no such limit.
    #[serde(default)]
    pub replicas_max_per_node: Option<u32>,
}

impl TaskSpec {
    pub fn of_container(container: ContainerSpec) -> TaskSpec {
        TaskSpec {
            container,
            limits: Resources::NONE,
            reservations: Resources::NONE,
            restart: RestartPolicy::default(),
            constraints: Vec::new(),
            replicas_max_per_node: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RestartPolicy {
    pub condition: RestartCondition,
    pub delay: Duration,
    /// None: as often as need be.
    pub attempts_max: Option<u32>,
    /// Only failures of this last stretch count towards the attempts; zero: all of them.
    pub window: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            condition: RestartCondition::Any,
            delay: RESTART_DELAY_DEFAULT,
            attempts_max: None,
            window: Duration::ZERO,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestartCondition {
    Never,
    OnFailure,
    Any,
}

/// A service in the cluster's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    pub id: ServiceId,
    pub version: Version,
    pub created: Stamp,
    pub updated: Stamp,
    pub spec: ServiceSpec,
    /// The version at which the task specification last changed: tasks that name an older one
    /// were made from another specification.
    pub template: Version,
    pub phase: ServicePhase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServicePhase {
    Active,
    /// Its name is free again; it stays until the last of its tasks is gone.
    Removing,
}
