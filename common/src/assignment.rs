//! What a manager tells one node to run.

use crate::id::{NodeId, ServiceId, TaskId};
use crate::service::TaskSpec;
use crate::task::{DesiredState, Slot};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    pub task: TaskId,
    pub service: ServiceId,
    pub service_name: String,
    pub service_labels: BTreeMap<String, String>,
    pub slot: Slot,
    pub node: NodeId,
    pub desired: DesiredState,
    pub spec: Arc<TaskSpec>,
}

impl Assignment {
    /// `SERVICE.SLOT`: what `ps` calls the task.
    pub fn slot_name(&self) -> String {
        format!("{}.{}", self.service_name, self.slot)
    }

    /// `SERVICE.SLOT.TASK`: the name of its container.
    pub fn container_name(&self) -> String {
        format!("{}.{}.{}", self.service_name, self.slot, self.task)
    }
}

/// What changed for a node since it was last told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssignmentSet {
    /// All there is: whatever else the node runs of ours is a leftover.
    Complete(Vec<Assignment>),
    Changes {
        put: Vec<Assignment>,
        remove: Vec<TaskId>,
    },
}
