//! Where the data of a task lies that may be nowhere else.

use crate::founding;
use common::NodeId;
use common::service::{Mode, Service, TaskSpec};
use common::task::Task;
use common::volume::VolumePolicy;
use manager_core::state::State;

/// None where nobody has made it yet, or where it does not matter.
pub(crate) fn home(state: &State, task: &Task) -> Option<NodeId> {
    let service = state.service(task.service)?;
    home_of(state, service, state.task_spec(task)?)
}

pub(crate) fn home_of(state: &State, service: &Service, spec: &TaskSpec) -> Option<NodeId> {
    let volume = founding::volumes(spec).next()?;
    let is_held = match (spec.volume_policies.get(&volume), service.spec.mode) {
        (_, Mode::Global | Mode::GlobalJob) => false,
        (Some(policy), _) => *policy == VolumePolicy::Strict,
        (None, Mode::Replicated { replicas: wanted }) => wanted < 2,
        (None, Mode::ReplicatedJob { completions: wanted, .. }) => wanted < 2,
    };
    state.volume(&volume).filter(|_| is_held)?.home
}
