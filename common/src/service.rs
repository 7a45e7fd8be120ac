//! What a user wishes: a service.

use crate::constraint::Constraint;
use crate::container::ContainerSpec;
use crate::id::{ServiceId, Version};
use crate::name::Name;
use crate::network::{Attachment, Endpoint, Port};
use crate::resources::{GenericResources, Resources};
use crate::time::Stamp;
use crate::update::{Update, UpdatePolicy};
use crate::volume::VolumePolicy;
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
    /// The stack that it belongs to.
    #[serde(default)]
    pub stack: Option<Name>,
    /// How its tasks are replaced when what they are made from changes.
    #[serde(default)]
    pub update: UpdatePolicy,
    /// The same when they go back to what they were made from before.
    #[serde(default)]
    pub rollback: UpdatePolicy,
    /// What has to be there before its first tasks start.
    #[serde(default)]
    pub depends_on: Vec<Dependency>,
    #[serde(default)]
    pub ports: Vec<Port>,
    #[serde(default)]
    pub endpoint: Endpoint,
}

impl ServiceSpec {
    pub fn new(name: Name, mode: Mode, task: TaskSpec) -> ServiceSpec {
        ServiceSpec {
            name,
            labels: BTreeMap::new(),
            mode,
            task: Arc::new(task),
            stack: None,
            update: UpdatePolicy::default(),
            rollback: UpdatePolicy::default(),
            depends_on: Vec::new(),
            ports: Vec::new(),
            endpoint: Endpoint::default(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// So many tasks, anywhere.
    Replicated { replicas: u32 },
    /// One task on every node that may run it.
    Global,
    /// So many tasks that run to their end, no more of them at a time than said; zero: all.
    ReplicatedJob { completions: u32, concurrent_max: u32 },
    /// One task that runs to its end on every node that may run it.
    GlobalJob,
}

impl Mode {
    /// Whether a task that has done its work is not replaced.
    pub fn is_job(self) -> bool {
        match self {
            Mode::Replicated { .. } | Mode::Global => false,
            Mode::ReplicatedJob { .. } | Mode::GlobalJob => true,
        }
    }

    /// Whether every node has a slot of its own.
    pub fn is_per_node(self) -> bool {
        match self {
            Mode::Replicated { .. } | Mode::ReplicatedJob { .. } => false,
            Mode::Global | Mode::GlobalJob => true,
        }
    }

    pub fn is_same_kind(self, other: Mode) -> bool {
        (self.is_job(), self.is_per_node()) == (other.is_job(), other.is_per_node())
    }
}

/// The part of a service that its tasks are made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSpec {
    pub container: ContainerSpec,
    #[serde(default)]
    pub limits: Resources,
    #[serde(default)]
    pub reservations: Resources,
    /// What else is reserved.
    #[serde(default)]
    pub generic: GenericResources,
    #[serde(default)]
    pub restart: RestartPolicy,
    #[serde(default)]
    pub constraints: Vec<Constraint>,
    /// No more tasks of this service on one node than this; none: no such limit.
    #[serde(default)]
    pub replicas_max_per_node: Option<u32>,
    /// Labels over whose values tasks are spread, the most important first.
    #[serde(default)]
    pub spread: Vec<String>,
    /// None: as many processes as the node allows.
    #[serde(default)]
    pub pids_max: Option<u64>,
    /// Rather none than two tasks in a slot, also where a node is only cut off.
    #[serde(default)]
    pub at_most_one: bool,
    /// By their full names; they say nothing where the container's network is the node's or none.
    #[serde(default)]
    pub networks: BTreeMap<String, Attachment>,
    /// By the names of volumes, where it is not what follows from the number of tasks.
    #[serde(default)]
    pub volume_policies: BTreeMap<String, VolumePolicy>,
    /// Counted up to have new tasks though nothing else differs.
    #[serde(default)]
    pub force: u64,
}

impl TaskSpec {
    /// Whether a task that was made from the other may go on as one of this: what differs, if
    /// anything, says where tasks go and what becomes of ended ones.
    pub fn is_satisfied_by(&self, other: &TaskSpec) -> bool {
        let made_from = |it: &TaskSpec| (it.limits, it.pids_max, it.at_most_one, it.force);
        // What else is reserved, a container is told in its environment.
        (&self.container, &self.networks, &self.generic, made_from(self))
            == (&other.container, &other.networks, &other.generic, made_from(other))
    }

    pub fn of_container(container: ContainerSpec) -> TaskSpec {
        TaskSpec {
            container,
            limits: Resources::NONE,
            reservations: Resources::NONE,
            generic: GenericResources::new(),
            restart: RestartPolicy::default(),
            constraints: Vec::new(),
            replicas_max_per_node: None,
            spread: Vec::new(),
            pids_max: None,
            at_most_one: false,
            networks: BTreeMap::new(),
            volume_policies: BTreeMap::new(),
            force: 0,
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

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// Its full name.
    pub service: Name,
    pub condition: DependencyCondition,
    /// Otherwise it is waited for no longer than a while.
    pub required: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DependencyCondition {
    /// One of its tasks runs, or has run.
    Started,
    /// One of its tasks runs, and is healthy if it has a health check.
    Healthy,
    /// All its tasks have come to a good end.
    CompletedSuccessfully,
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
    /// How often the specification has changed; how many replicas there are does not count.
    #[serde(default = "first_number")]
    pub number: u32,
    /// When the specification became what it is.
    #[serde(default)]
    pub renewed: Stamp,
    /// What it was before, oldest first: the last ones, and whatever tasks were made from.
    #[serde(default)]
    pub former: Vec<Former>,
    /// The last one; none where the tasks never changed.
    #[serde(default)]
    pub update: Option<Update>,
    pub phase: ServicePhase,
}

fn first_number() -> u32 {
    1
}

/// A specification that a service had before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Former {
    pub number: u32,
    pub template: Version,
    /// When it became the service's.
    pub since: Stamp,
    pub spec: Arc<ServiceSpec>,
}

impl Service {
    pub fn new(id: ServiceId, spec: ServiceSpec, version: Version, created: Stamp) -> Service {
        Service {
            id,
            version,
            created,
            updated: created,
            spec,
            template: version,
            number: first_number(),
            renewed: created,
            former: Vec::new(),
            update: None,
            phase: ServicePhase::Active,
        }
    }

    /// What tasks of a template are made from.
    pub fn task_spec(&self, template: Version) -> &Arc<TaskSpec> {
        if template == self.template {
            return &self.spec.task;
        }
        let former = self.former.iter().rev().find(|it| it.template == template);
        former.map_or(&self.spec.task, |it| &it.spec.task)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServicePhase {
    Active,
    /// Its name is free again; it stays until the last of its tasks is gone.
    Removing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_new_tasks() {
        let image = "redis".parse().expect("an image");
        let plain = TaskSpec::of_container(ContainerSpec::of_image(image));
        /// An edit, and whether tasks go on all the same.
        type Case = (fn(&mut TaskSpec), bool);
        let cases: [Case; 6] = [
            (|_| {}, true),
            (|it| it.spread = vec!["node.labels.zone".to_owned()], true),
            (|it| it.restart.attempts_max = Some(1), true),
            (|it| it.container.tty = true, false),
            (|it| it.force = 1, false),
            (|it| it.networks = [("back".to_owned(), Attachment::default())].into(), false),
        ];
        for (number, (edit, goes_on)) in cases.into_iter().enumerate() {
            let mut edited = plain.clone();
            edit(&mut edited);
            assert_eq!(edited.is_satisfied_by(&plain), goes_on, "case {number}");
        }
    }
}
