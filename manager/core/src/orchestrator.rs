//! Which tasks a service should have, whatever its mode.

mod global;
mod job;
mod replicated;
pub(crate) mod slot;

use crate::dependencies;
use crate::draft::Draft;
use crate::state::State;
use common::service::{Mode, Service, ServicePhase};
use common::task::{DesiredState, Slot, Task, TaskState};
use common::{ServiceId, TaskId, Timestamp};
use std::collections::BTreeSet;
use std::sync::Arc;

/// When a service wants to be looked at again without anything having happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    At(Timestamp),
    /// The plan is full; the rest of the service's tasks go into the next.
    NoRoom,
}

impl Outcome {
    /// At that moment, too.
    pub(crate) fn also_at(self, at: Timestamp) -> Outcome {
        match self {
            Outcome::At(other) => Outcome::At(other.min(at)),
            Outcome::Done => Outcome::At(at),
            Outcome::NoRoom => Outcome::NoRoom,
        }
    }
}

pub(crate) fn orchestrate(draft: &mut Draft<'_>, service: &Service, room: usize) -> Outcome {
    match (service.phase, service.spec.mode) {
        // They go in the order in which they need each other.
        (ServicePhase::Removing, _) if dependencies::is_needed(draft, service) => Outcome::Done,
        (ServicePhase::Removing, _) => {
            raise_all(draft, service, DesiredState::Remove, |_| true);
            Outcome::Done
        }
        (ServicePhase::Active, Mode::Replicated { replicas }) => {
            replicated::orchestrate(draft, service, replicas, room)
        }
        (ServicePhase::Active, Mode::Global) => global::orchestrate(draft, service, room),
        (ServicePhase::Active, Mode::ReplicatedJob { completions, concurrent_max }) => {
            job::replicated(draft, service, (completions, concurrent_max), room)
        }
        (ServicePhase::Active, Mode::GlobalJob) => job::global(draft, service, room),
    }
}

/// How many tasks the service is to have now, as far as nodes are there to run them.
pub fn wanted_tasks(state: &State, service: &Service) -> usize {
    match service.spec.mode {
        Mode::Replicated { replicas } => replicas as usize,
        Mode::ReplicatedJob { completions, .. } => completions as usize,
        Mode::Global | Mode::GlobalJob => global::wanted_tasks(state, service),
    }
}

/// Of a job: how much of it is done.
pub fn completed_slots(state: &State, service: &Service) -> usize {
    if !service.spec.mode.is_job() {
        return 0;
    }
    let satisfies =
        |task: &Task| service.spec.task.is_satisfied_by(service.task_spec(task.template));
    let is_done = |it: &&Arc<Task>| {
        it.status.state == TaskState::Complete && it.desired <= DesiredState::Running
    };
    let done = state.tasks_of(service.id).filter(is_done).filter(|it| satisfies(it));
    done.map(|it| it.slot).collect::<BTreeSet<Slot>>().len()
}

pub(crate) fn global_services(state: &State) -> impl Iterator<Item = ServiceId> {
    state.active_services().filter(|it| it.spec.mode.is_per_node()).map(|it| it.id)
}

/// What is desired of a task only ever rises; of one of which as much is desired already, nothing
/// changes.
fn raise_all(
    draft: &mut Draft<'_>,
    service: &Service,
    desired: DesiredState,
    which: impl Fn(&Task) -> bool,
) {
    let tasks: Vec<TaskId> = draft
        .tasks_of(service.id)
        .filter(|it| it.desired < desired && which(it))
        .map(|it| it.id)
        .collect();
    for task in tasks {
        draft.raise_desired(task, desired);
    }
}
