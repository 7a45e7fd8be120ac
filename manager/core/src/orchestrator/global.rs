//! One task on every node that may run it.

use super::slot;
use super::{Outcome, raise_all};
use crate::draft::Draft;
use crate::restart::Restart;
use crate::scheduler::filter;
use crate::state::State;
use common::NodeId;
use common::service::Service;
use common::task::{DesiredState, Slot};
use std::collections::BTreeSet;

/// A node that is down keeps what it has and gets nothing new.
pub(super) fn wanted_tasks(state: &State, service: &Service) -> usize {
    let has_one = |node| {
        state.tasks_of(service.id).any(|it| it.is_live() && it.placement.node() == Some(node))
    };
    let may_have = state.nodes().filter(|it| filter::may_have_global(it, &service.spec.task));
    may_have.filter(|it| !it.status.state.is_down() || has_one(it.id)).count()
}

pub(crate) fn orchestrate(draft: &mut Draft<'_>, service: &Service, mut room: usize) -> Outcome {
    let slots = slot::slots(draft, service);
    let wanted: BTreeSet<NodeId> = draft
        .nodes()
        .filter(|it| filter::may_have_global(it, &service.spec.task))
        .map(|it| it.id)
        .collect();
    for slot in slots.keys() {
        if !matches!(slot, Slot::Node(node) if wanted.contains(node)) {
            raise_all(draft, service, DesiredState::Shutdown, |it| it.slot == *slot);
        }
    }
    let mut outcome = Outcome::Done;
    for node in wanted {
        let is_up = draft.node(node).is_some_and(|it| !it.status.state.is_down());
        let restart = match slots.get(&Slot::Node(node)) {
            Some(view) => {
                slot::end_twins(draft, view);
                if view.live.is_empty() { view.restart } else { Restart::Never }
            }
            None => Restart::Now,
        };
        match restart {
            Restart::Never => {}
            Restart::At(at) => outcome = outcome.also_at(at),
            // Nothing new for a node that is away; what it runs is still right.
            Restart::Now if !is_up => {}
            Restart::Now if room == 0 => return Outcome::NoRoom,
            Restart::Now => {
                room -= 1;
                draft.create_task(service, Slot::Node(node));
            }
        }
    }
    outcome
}
