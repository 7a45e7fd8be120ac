//! One attempt to run one container.

use crate::id::{NodeId, ServiceId, TaskId, Version};
use crate::time::{Stamp, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    pub id: TaskId,
    pub service: ServiceId,
    pub slot: Slot,
    /// The version of the service's specification it was made from.
    pub template: Version,
    pub placement: Placement,
    /// Owned by the managers.
    pub desired: DesiredState,
    /// Owned by the node's agent from `Assigned` on.
    pub status: TaskStatus,
    pub created: Stamp,
    /// When it came to run; kept when it has ended.
    #[serde(default)]
    pub ran: Option<Timestamp>,
}

/// The place in a service that a task fills; one live task in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Slot {
    /// Counted from 1.
    Replica(u32),
    /// Of a global service.
    Node(NodeId),
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Slot::Replica(number) => number.fmt(f),
            Slot::Node(node) => node.fmt(f),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Placement {
    Unplaced,
    OnNode(NodeId),
}

impl Placement {
    pub fn node(self) -> Option<NodeId> {
        match self {
            Placement::Unplaced => None,
            Placement::OnNode(node) => Some(node),
        }
    }
}

/// Only ever raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DesiredState {
    /// Everything is made ready, and nothing started yet: another task has the slot still.
    Ready,
    Running,
    /// To be stopped; its record and its container stay for the history.
    Shutdown,
    /// To be stopped and forgotten.
    Remove,
}

impl DesiredState {
    pub fn as_str(self) -> &'static str {
        match self {
            DesiredState::Ready => "Ready",
            DesiredState::Running => "Running",
            DesiredState::Shutdown => "Shutdown",
            DesiredState::Remove => "Remove",
        }
    }
}

/// A task's logical clock: the greater observation is the later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TaskState {
    New,
    Pending,
    Assigned,
    Accepted,
    Preparing,
    Ready,
    Starting,
    Running,
    Complete,
    Shutdown,
    Failed,
    Rejected,
    /// Its node has been gone for so long that nobody waits for its word any more.
    Orphaned,
}

impl TaskState {
    /// Nothing follows.
    pub fn is_terminal(self) -> bool {
        self > TaskState::Running
    }

    /// Whether it must survive the loss of the leader. The rest is reported anew.
    pub fn is_kept(self) -> bool {
        match self {
            TaskState::New
            | TaskState::Pending
            | TaskState::Accepted
            | TaskState::Preparing
            | TaskState::Ready
            | TaskState::Starting => false,
            TaskState::Assigned
            | TaskState::Running
            | TaskState::Complete
            | TaskState::Shutdown
            | TaskState::Failed
            | TaskState::Rejected
            | TaskState::Orphaned => true,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            TaskState::New => "New",
            TaskState::Pending => "Pending",
            TaskState::Assigned => "Assigned",
            TaskState::Accepted => "Accepted",
            TaskState::Preparing => "Preparing",
            TaskState::Ready => "Ready",
            TaskState::Starting => "Starting",
            TaskState::Running => "Running",
            TaskState::Complete => "Complete",
            TaskState::Shutdown => "Shutdown",
            TaskState::Failed => "Failed",
            TaskState::Rejected => "Rejected",
            TaskState::Orphaned => "Orphaned",
        }
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a task cannot go from {from} to {to}")]
pub struct BackwardMove {
    pub from: TaskState,
    pub to: TaskState,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskStatus {
    pub state: TaskState,
    pub since: Stamp,
    /// Why it ended as it did; none where nothing went wrong.
    #[serde(default)]
    pub failure: Option<Failure>,
}

/// What an agent observed of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    pub state: TaskState,
    #[serde(default)]
    pub failure: Option<Failure>,
    /// What it is busy with, for people: `pulling redis:7 (12 of 30 MiB)`. Never kept.
    #[serde(default)]
    pub message: String,
}

impl Observation {
    pub fn of(state: TaskState) -> Observation {
        Observation { state, failure: None, message: String::new() }
    }

    pub fn failed(state: TaskState, failure: Failure) -> Observation {
        Observation { state, failure: Some(failure), message: String::new() }
    }
}

/// Why a task did not do what it should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// The container's process ended by itself.
    Exited {
        code: i64,
        out_of_memory: bool,
    },
    /// It ended because its machine or its engine was restarted.
    MachineRestarted,
    /// Its health check failed so often that it does not count as running any more.
    Unhealthy {
        /// What the check said last.
        detail: String,
    },
    /// Somebody removed the container behind our back.
    ContainerGone,
    /// The node has not got the image, and no registry gave it.
    NoSuchImage {
        image: String,
        detail: String,
    },
    /// The registry did not answer; another try later may do.
    RegistryUnreachable {
        image: String,
        detail: String,
        /// How often in a row on this node. The leader counts.
        #[serde(default)]
        tries: u32,
    },
    BindSourceMissing {
        path: String,
    },
    /// The engine would not create or start the container.
    EngineRefused {
        detail: String,
    },
    /// The node never came back.
    NodeLost,
    /// Its node had no lease any more, and it must not run twice.
    CutOff,
}

impl Failure {
    /// Whether the task failed for want of its image, which another node may have.
    pub fn wants_image(&self) -> bool {
        match self {
            Failure::NoSuchImage { .. } | Failure::RegistryUnreachable { .. } => true,
            Failure::Exited { .. }
            | Failure::MachineRestarted
            | Failure::Unhealthy { .. }
            | Failure::ContainerGone
            | Failure::BindSourceMissing { .. }
            | Failure::EngineRefused { .. }
            | Failure::NodeLost
            | Failure::CutOff => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Exited { code, out_of_memory: false } => {
                write!(f, "task: non-zero exit ({code})")
            }
            Failure::Exited { code, out_of_memory: true } => {
                write!(f, "out of memory: killed by the kernel at its memory limit (exit {code})")
            }
            Failure::MachineRestarted => f.write_str("its machine or Docker Engine was restarted"),
            Failure::Unhealthy { detail } => {
                write!(f, "its health check failed{}", paren(detail))
            }
            Failure::ContainerGone => f.write_str("its container was removed from outside"),
            Failure::NoSuchImage { image, detail } => {
                write!(f, "No such image: {image}{}", paren(detail))
            }
            Failure::RegistryUnreachable { image, detail, .. } => {
                write!(f, "No such image: {image}; the registry does not answer{}", paren(detail))
            }
            Failure::BindSourceMissing { path } => {
                write!(f, "bind source path does not exist on this node: {path}")
            }
            Failure::EngineRefused { detail } => f.write_str(detail),
            Failure::NodeLost => f.write_str("its node was lost"),
            Failure::CutOff => {
                f.write_str("its node was cut off from the managers, and it must not run twice")
            }
        }
    }
}

fn paren(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(" ({detail})") }
}

impl Task {
    /// An observation is a fact, not a plan: it may only move the task's clock forward.
    pub fn check_advance(&self, to: TaskState) -> Result<(), BackwardMove> {
        let from = self.status.state;
        if to <= from || from.is_terminal() {
            return Err(BackwardMove { from, to });
        }
        Ok(())
    }

    /// Whether it has a node, and waits there for its turn to run.
    pub fn is_prepared(&self) -> bool {
        self.placement.node().is_some() && self.desired == DesiredState::Ready
    }

    /// Whether it fills its slot or is to fill it: wanted, and not ended.
    pub fn is_live(&self) -> bool {
        self.desired <= DesiredState::Running && !self.status.state.is_terminal()
    }
}
