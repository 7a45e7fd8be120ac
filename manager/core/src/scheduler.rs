//! Pending tasks to nodes.
//!
//! Tasks of one service are alike, so a service is placed in one pass: the nodes are filtered
//! and ranked once, the best gets a task and is ranked again. N tasks on M nodes cost
//! O(M + N log M).

pub mod filter;
pub(crate) mod generic;
mod homes;
pub(crate) mod images;
mod rank;
mod waiting;

pub use filter::Refusal;
pub use waiting::Waiting;

use crate::dependencies;
use crate::draft::Draft;
use crate::fence;
use crate::state::Load;
use crate::update;
use common::service::{Service, TaskSpec};
use common::task::{DesiredState, Slot, Task};
use common::update::UpdateOrder;
use common::{NodeId, TaskId, Version};
use filter::Candidate;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// What the tasks that are placed in one pass have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish<'a> {
    pub(crate) service: &'a Service,
    pub(crate) template: Version,
    pub(crate) spec: &'a TaskSpec,
}

/// Places what it can and answers for the rest why not.
pub(crate) fn place(draft: &mut Draft<'_>) -> BTreeMap<TaskId, Waiting> {
    let unplaced = draft.unplaced();
    let mut waiting = BTreeMap::new();
    if unplaced.is_empty() {
        return waiting;
    }
    let mut loads = draft.loads();
    for ((service, template), tasks) in unplaced {
        let Some(service) = draft.service(service) else { continue };
        let tasks = dependencies::hold_back(draft, service, tasks, &mut waiting);
        let tasks = fence::hold_back(draft, service, tasks, &mut waiting);
        let wish = Wish { service, template, spec: service.task_spec(template) };
        place_alike(draft, &mut loads, (wish, tasks), &mut waiting);
    }
    waiting
}

fn place_alike(
    draft: &mut Draft<'_>,
    loads: &mut BTreeMap<NodeId, Load>,
    (wish, tasks): (Wish<'_>, Vec<TaskId>),
    waiting: &mut BTreeMap<TaskId, Waiting>,
) {
    let mut candidates = candidates(draft, loads, wish);
    let mut free = Vec::new();
    let binds = homes::holds(wish);
    for task in tasks {
        let Some(found) = draft.task(task) else { continue };
        let room = room_of_predecessor(draft, wish, found);
        let slot = found.slot;
        if binds {
            homes::know(draft, wish, &mut candidates);
            homes::await_reports(draft, wish, found, &mut candidates);
        }
        match (slot, room) {
            (Slot::Replica(_), None) if binds => {
                place_free(draft, wish, (vec![task], &mut candidates), waiting);
            }
            (Slot::Replica(_), None) => free.push(task),
            (Slot::Replica(_), Some(room)) => {
                place_successor(draft, wish, (task, room, &mut candidates), waiting);
            }
            (Slot::Node(node), room) => {
                let candidate = candidates.iter_mut().find(|it| it.node == node);
                place_pinned(draft, wish, (task, room, candidate), waiting);
            }
        }
    }
    place_free(draft, wish, (free, &mut candidates), waiting);
    for candidate in candidates {
        loads.insert(candidate.node, candidate.load);
    }
}

/// Where a task takes over from another that is stopped before it starts, it may have the
/// other's room.
fn room_of_predecessor<'a>(draft: &Draft<'a>, wish: Wish<'_>, task: &Task) -> Option<Room<'a>> {
    if task.desired != DesiredState::Ready {
        return None;
    }
    let is_predecessor = |it: &&Task| it.slot == task.slot && it.id != task.id && it.is_live();
    let predecessor = draft.tasks_of(task.service).find(is_predecessor)?;
    let node = predecessor.placement.node()?;
    let spec = match update::order(wish.service) {
        UpdateOrder::StopFirst => Some(&**draft.spec(predecessor)?),
        UpdateOrder::StartFirst => None,
    };
    Some(Room { node, spec })
}

#[derive(Debug, Clone, Copy)]
struct Room<'a> {
    node: NodeId,
    /// What is given back for it, if anything is.
    spec: Option<&'a TaskSpec>,
}

fn candidates(draft: &Draft<'_>, loads: &BTreeMap<NodeId, Load>, wish: Wish<'_>) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> =
        draft.nodes().map(|node| Candidate::new(node, loads)).collect();
    rank::count_service(draft, wish, &mut candidates);
    images::know(draft, wish, &mut candidates);
    homes::know(draft, wish, &mut candidates);
    generic::know(draft, wish.spec, &mut candidates);
    candidates
}

fn place_pinned(
    draft: &mut Draft<'_>,
    wish: Wish<'_>,
    (task, room, candidate): (TaskId, Option<Room<'_>>, Option<&mut Candidate>),
    waiting: &mut BTreeMap<TaskId, Waiting>,
) {
    let Some(candidate) = candidate else { return };
    give_back(candidate, room);
    match filter::check(draft, wish.spec, candidate) {
        Ok(()) => {
            draft.place(task, candidate.node);
            candidate.take(wish.spec);
        }
        Err(refusal) => {
            note(draft, waiting, task, Waiting::of(vec![(candidate.node, refusal)]));
        }
    }
}

fn give_back(candidate: &mut Candidate, room: Option<Room<'_>>) {
    let here = room.filter(|it| it.node == candidate.node);
    if let Some(spec) = here.and_then(|it| it.spec) {
        candidate.load.reserved = candidate.load.reserved.saturating_sub(spec.reservations);
        generic::give_back(&mut candidate.generic_free, &spec.generic);
    }
}

fn place_successor(
    draft: &mut Draft<'_>,
    wish: Wish<'_>,
    (task, room, candidates): (TaskId, Room<'_>, &mut [Candidate]),
    waiting: &mut BTreeMap<TaskId, Waiting>,
) {
    candidates.iter_mut().for_each(|it| give_back(it, Some(room)));
    let best = candidates
        .iter_mut()
        .filter(|it| filter::check(draft, wish.spec, it).is_ok())
        .min_by_key(|it| rank::rank(it));
    match best {
        Some(candidate) => {
            draft.place(task, candidate.node);
            candidate.take(wish.spec);
        }
        None => {
            let why = Waiting::of(refusals(draft, wish, candidates));
            note(draft, waiting, task, why);
        }
    }
}

fn place_free(
    draft: &mut Draft<'_>,
    wish: Wish<'_>,
    (tasks, candidates): (Vec<TaskId>, &mut [Candidate]),
    waiting: &mut BTreeMap<TaskId, Waiting>,
) {
    if tasks.is_empty() {
        return;
    }
    // The heap holds the rank and the place in `candidates` of each node that can take one more.
    let mut heap: BinaryHeap<Reverse<(rank::Rank, usize)>> = candidates
        .iter()
        .enumerate()
        .filter(|(_, it)| filter::check(draft, wish.spec, it).is_ok())
        .map(|(at, it)| Reverse((rank::rank(it), at)))
        .collect();
    let mut tasks = tasks.into_iter();
    for task in tasks.by_ref() {
        let Some(Reverse((_, at))) = heap.pop() else {
            let why = Waiting::of(refusals(draft, wish, candidates));
            note(draft, waiting, task, why.clone());
            for task in tasks {
                note(draft, waiting, task, why.clone());
            }
            return;
        };
        let candidate = &mut candidates[at];
        draft.place(task, candidate.node);
        candidate.take(wish.spec);
        if filter::check(draft, wish.spec, candidate).is_ok() {
            heap.push(Reverse((rank::rank(candidate), at)));
        }
    }
}

fn refusals(draft: &Draft<'_>, wish: Wish<'_>, candidates: &[Candidate]) -> Vec<(NodeId, Refusal)> {
    candidates
        .iter()
        .filter_map(|it| Some((it.node, filter::check(draft, wish.spec, it).err()?)))
        .collect()
}

fn note(
    draft: &mut Draft<'_>,
    waiting: &mut BTreeMap<TaskId, Waiting>,
    task: TaskId,
    why: Waiting,
) {
    if let Some(at) = why.over_at() {
        draft.wake_at(at);
    }
    waiting.insert(task, why);
}
