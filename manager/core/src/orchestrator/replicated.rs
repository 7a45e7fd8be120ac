//! So many tasks, anywhere: create missing slots, remove surplus ones, replace what died.

use super::slot::{self, SlotView};
use super::{Outcome, raise_all};
use crate::draft::Draft;
use crate::{update, volumes};
use common::NodeId;
use common::service::Service;
use common::task::{DesiredState, Slot, TaskState};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn orchestrate(
    draft: &mut Draft<'_>,
    service: &Service,
    replicas: u32,
    mut room: usize,
) -> Outcome {
    let mut slots = slot::slots(draft, service);
    let wanted = replicas as usize;
    if slots.len() > wanted {
        let homes = volumes::homes(draft.state, &service.spec.task);
        for surplus in surplus(&slots, &homes, slots.len() - wanted) {
            slots.remove(&surplus);
            raise_all(draft, service, DesiredState::Remove, |it| it.slot == surplus);
        }
    }
    let missing = wanted.saturating_sub(slots.len());
    let created: Vec<u32> = free_numbers(&slots).take(missing.min(room)).collect();
    room -= created.len();
    for number in created {
        draft.create_task(service, Slot::Replica(number));
    }
    if missing > 0 && room == 0 {
        return Outcome::NoRoom;
    }
    update::advance(draft, service, (&slots, missing), room)
}

fn free_numbers(slots: &BTreeMap<Slot, SlotView>) -> impl Iterator<Item = u32> {
    (1..).filter(|number| !slots.contains_key(&Slot::Replica(*number)))
}

/// What does not run goes first, then whatever shares its node with the most of its kind; what is
/// at home where the data lies goes last.
fn surplus(slots: &BTreeMap<Slot, SlotView>, homes: &BTreeSet<NodeId>, count: usize) -> Vec<Slot> {
    let mut tasks_by_node: BTreeMap<Option<NodeId>, BTreeSet<(bool, Reverse<Slot>)>> =
        BTreeMap::new();
    let mut surplus = Vec::new();
    for (slot, view) in slots {
        let keeper = view.keeper();
        let runs = keeper.is_some_and(|it| it.state == TaskState::Running);
        let node = keeper.and_then(|it| it.node);
        tasks_by_node.entry(node).or_default().insert((runs, Reverse(*slot)));
    }
    let mut idle: Vec<Slot> = tasks_by_node
        .values()
        .flatten()
        .filter(|(runs, _)| !runs)
        .map(|(_, Reverse(slot))| *slot)
        .collect();
    idle.sort_by_key(|it| Reverse(*it));
    surplus.extend(idle.into_iter().take(count));
    for slots in tasks_by_node.values_mut() {
        slots.retain(|(runs, _)| *runs);
    }
    while surplus.len() < count {
        let fullest = tasks_by_node
            .iter_mut()
            .max_by_key(|(node, slots)| {
                let is_away = node.is_none_or(|it| !homes.contains(&it));
                (!slots.is_empty(), is_away, slots.len(), Reverse(**node))
            })
            .and_then(|(_, slots)| slots.pop_first());
        match fullest {
            Some((_, Reverse(slot))) => surplus.push(slot),
            None => break,
        }
    }
    surplus
}
