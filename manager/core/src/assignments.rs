//! What one node should run.

use crate::state::State;
use common::NodeId;
use common::TaskId;
use common::assignment::{Assignment, AssignmentSet};
use common::task::{DesiredState, Task};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a node was told: enough to find out what to tell it next.
pub type Told = BTreeMap<TaskId, DesiredState>;

/// Everything, for a node that knows nothing yet.
pub fn complete(state: &State, node: NodeId) -> (AssignmentSet, Told) {
    let assignments: Vec<Assignment> =
        state.tasks_on(node).filter_map(|task| assignment(state, task)).collect();
    let told = assignments.iter().map(|it| (it.task, it.desired)).collect();
    (AssignmentSet::Complete(assignments), told)
}

/// What has changed for a node since it was `told`; none where nothing has.
pub fn difference(state: &State, node: NodeId, told: &mut Told) -> Option<AssignmentSet> {
    let mut put = Vec::new();
    let mut gone = std::mem::take(told);
    for task in state.tasks_on(node) {
        let desired = desired(task);
        let known = gone.remove(&task.id);
        // An end that the node itself reported is no news to it.
        let is_news = known != Some(desired)
            && !(known.is_some()
                && task.status.state.is_terminal()
                && desired == DesiredState::Shutdown);
        if is_news && let Some(assignment) = assignment(state, task) {
            put.push(assignment);
        }
        told.insert(task.id, desired);
    }
    let remove: Vec<TaskId> = gone.into_keys().collect();
    (!put.is_empty() || !remove.is_empty()).then_some(AssignmentSet::Changes { put, remove })
}

/// What a task runs.
fn assignment(state: &State, task: &Task) -> Option<Assignment> {
    let service = state.service(task.service)?;
    Some(Assignment {
        task: task.id,
        service: service.id,
        service_name: service.spec.name.to_string(),
        service_labels: service.spec.labels.clone(),
        slot: task.slot,
        node: task.placement.node()?,
        desired: desired(task),
        spec: Arc::clone(state.task_spec(task)?),
    })
}

/// A task that has ended is never to be run, even if the node has forgotten that it ended.
fn desired(task: &Task) -> DesiredState {
    if task.status.state.is_terminal() {
        task.desired.max(DesiredState::Shutdown)
    } else {
        task.desired
    }
}
