//! One task on every node that may run it.

use super::slot;
use super::{Outcome, raise_all};
use crate::draft::Draft;
use crate::scheduler::filter;
use crate::state::State;
use crate::update;
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
    let mut slots = slot::slots(draft, service);
    let may_have: BTreeSet<NodeId> = draft
        .nodes()
        .filter(|it| filter::may_have_global(it, &service.spec.task))
        .map(|it| it.id)
        .collect();
    for slot in slots.keys() {
        if !matches!(slot, Slot::Node(node) if may_have.contains(node)) {
            raise_all(draft, service, DesiredState::Shutdown, |it| it.slot == *slot);
        }
    }
    // Nothing new for a node that is away; what it runs is still right.
    let is_there = |node: &NodeId| draft.node(*node).is_some_and(|it| !it.status.state.is_down());
    let wanted: BTreeSet<NodeId> = may_have.into_iter().filter(is_there).collect();
    slots.retain(|slot, _| matches!(slot, Slot::Node(node) if wanted.contains(node)));
    let mut missing = 0;
    for slot in wanted.into_iter().map(Slot::Node).filter(|it| !slots.contains_key(it)) {
        if room == 0 {
            return Outcome::NoRoom;
        }
        (room, missing) = (room - 1, missing + 1);
        draft.create_task(service, slot);
    }
    update::advance(draft, service, (&slots, missing), room)
}
