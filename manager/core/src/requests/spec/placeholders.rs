//! Whether nodes can fill in what a specification leaves to them.

use common::assignment::Assignment;
use common::placeholder::{Site, Unfilled};
use common::platform::Platform;
use common::service::{Mode, ServiceSpec, TaskSpec};
use common::task::{DesiredState, Slot};
use common::{NodeId, ServiceId, TaskId};
use std::sync::Arc;

/// As a node of the shortest name would have it: what is too long or makes no sense there makes
/// none anywhere.
pub(super) fn sample(spec: &ServiceSpec) -> Result<Arc<TaskSpec>, Unfilled> {
    let node = NodeId(0);
    let assignment = Assignment {
        task: TaskId(0),
        service: ServiceId(0),
        service_name: spec.name.to_string(),
        service_labels: spec.labels.clone(),
        slot: match spec.mode {
            Mode::Replicated { .. } | Mode::ReplicatedJob { .. } => Slot::Replica(1),
            Mode::Global | Mode::GlobalJob => Slot::Node(node),
        },
        node,
        desired: DesiredState::Running,
        spec: Arc::clone(&spec.task),
    };
    let platform = Platform::from_machine("linux", "armv7l");
    let site = Site { node_name: "n".to_owned(), platform };
    Ok(assignment.filled_in(&site)?.spec)
}
