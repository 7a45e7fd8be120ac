//! Tasks that run to their end, once for each slot.

use super::slot::{self, SlotView};
use super::{Outcome, raise_all};
use crate::draft::Draft;
use crate::restart::Restart;
use crate::scheduler::filter;
use common::service::Service;
use common::task::{DesiredState, Slot};
use std::collections::{BTreeMap, BTreeSet};

/// No more than `concurrent_max` at a time; zero: all.
pub(crate) fn replicated(
    draft: &mut Draft<'_>,
    service: &Service,
    (completions, concurrent_max): (u32, u32),
    room: usize,
) -> Outcome {
    let wanted: BTreeSet<Slot> = (1..=completions).map(Slot::Replica).collect();
    let slots = slot::slots(draft, service);
    for slot in slots.keys().filter(|it| !wanted.contains(it)) {
        raise_all(draft, service, DesiredState::Remove, |it| it.slot == *slot);
    }
    let limit = if concurrent_max == 0 { usize::MAX } else { concurrent_max as usize };
    run(draft, service, (&slots, wanted), limit, room)
}

/// On every node that may run it.
pub(crate) fn global(draft: &mut Draft<'_>, service: &Service, room: usize) -> Outcome {
    let slots = slot::slots(draft, service);
    let may_have = |slot: &Slot| match slot {
        Slot::Node(id) => {
            draft.node(*id).is_some_and(|it| filter::may_have_global(it, &service.spec.task))
        }
        Slot::Replica(_) => false,
    };
    let unwanted: Vec<Slot> = slots.keys().filter(|it| !may_have(it)).copied().collect();
    let wanted = draft
        .nodes()
        .filter(|it| !it.status.state.is_down())
        .map(|it| Slot::Node(it.id))
        .filter(may_have)
        .collect();
    for slot in unwanted {
        raise_all(draft, service, DesiredState::Shutdown, |it| it.slot == slot);
    }
    run(draft, service, (&slots, wanted), usize::MAX, room)
}

fn run(
    draft: &mut Draft<'_>,
    service: &Service,
    (slots, wanted): (&BTreeMap<Slot, SlotView>, BTreeSet<Slot>),
    limit: usize,
    mut room: usize,
) -> Outcome {
    let mut at_work = 0;
    for task in slots.values().flat_map(|it| &it.live) {
        if task.is_current {
            at_work += 1;
        } else {
            // It belongs to a run that another has taken over.
            draft.raise_desired(task.id, DesiredState::Shutdown);
        }
    }
    let mut outcome = Outcome::Done;
    for slot in wanted {
        match slots.get(&slot).map_or(Restart::Now, next) {
            Restart::Never => {}
            Restart::At(at) => outcome = outcome.also_at(at),
            Restart::Now if at_work >= limit => break,
            Restart::Now if room == 0 => return Outcome::NoRoom,
            Restart::Now => {
                (room, at_work) = (room - 1, at_work + 1);
                draft.create_task(service, slot);
            }
        }
    }
    outcome
}

fn next(view: &SlotView) -> Restart {
    if view.live.iter().any(|it| it.is_current) {
        Restart::Never
    } else if view.last.is_current {
        view.restart
    } else {
        Restart::Now
    }
}
