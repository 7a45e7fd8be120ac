//! Which tasks a service should have, whatever its mode.

mod global;
mod replicated;
mod slot;

use crate::draft::Draft;
use crate::state::State;
use common::service::{Mode, Service, ServicePhase};
use common::task::DesiredState;
use common::{ServiceId, TaskId, Timestamp};

/// When a service wants to be looked at again without anything having happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    At(Timestamp),
    /// The plan is full; the rest of the service's tasks go into the next.
    NoRoom,
}

pub(crate) fn orchestrate(draft: &mut Draft<'_>, service: &Service, room: usize) -> Outcome {
    match (service.phase, service.spec.mode) {
        (ServicePhase::Removing, _) => {
            remove_all(draft, service);
            Outcome::Done
        }
        (ServicePhase::Active, Mode::Replicated { replicas }) => {
            replicated::orchestrate(draft, service, replicas, room)
        }
        (ServicePhase::Active, Mode::Global) => global::orchestrate(draft, service, room),
    }
}

pub(crate) fn global_services(state: &State) -> impl Iterator<Item = ServiceId> {
    state.active_services().filter(|it| it.spec.mode == Mode::Global).map(|it| it.id)
}

fn remove_all(draft: &mut Draft<'_>, service: &Service) {
    let tasks: Vec<TaskId> = draft
        .tasks_of(service.id)
        .filter(|it| it.desired != DesiredState::Remove)
        .map(|it| it.id)
        .collect();
    for task in tasks {
        draft.raise_desired(task, DesiredState::Remove);
    }
}
