//! Pending tasks to nodes.
//!
//! Tasks of one service are alike, so a service is placed in one pass: the nodes are filtered
//! and ranked once, the best gets a task and is ranked again. N tasks on M nodes cost
//! O(M + N log M).

pub mod filter;
pub(crate) mod images;
mod rank;
mod waiting;

pub use filter::Refusal;
pub use waiting::Waiting;

use crate::draft::Draft;
use crate::state::Load;
use common::service::Service;
use common::task::Slot;
use common::{NodeId, ServiceId, TaskId};
use filter::Candidate;
use std::collections::{BTreeMap, BinaryHeap};

/// Places what it can and answers for the rest why not.
pub(crate) fn place(draft: &mut Draft<'_>) -> BTreeMap<TaskId, Waiting> {
    let unplaced = draft.unplaced();
    let mut waiting = BTreeMap::new();
    if unplaced.is_empty() {
        return waiting;
    }
    let mut loads = draft.loads();
    for (service, tasks) in unplaced {
        place_service(draft, &mut loads, (service, tasks), &mut waiting);
    }
    waiting
}

fn place_service(
    draft: &mut Draft<'_>,
    loads: &mut BTreeMap<NodeId, Load>,
    (id, tasks): (ServiceId, Vec<TaskId>),
    waiting: &mut BTreeMap<TaskId, Waiting>,
) {
    let Some(service) = draft.service(id) else { return };
    let mut candidates = candidates(draft, loads, service);
    let is_per_node = service.spec.mode.is_per_node();
    let (pinned, free) = if is_per_node { (tasks, Vec::new()) } else { (Vec::new(), tasks) };
    for task in pinned {
        let node = pinned_to(draft, task);
        let candidate = candidates.iter_mut().find(|it| Some(it.node) == node);
        place_pinned(draft, service, (task, candidate), waiting);
    }
    place_free(draft, service, (free, &mut candidates), waiting);
    for candidate in candidates {
        loads.insert(candidate.node, candidate.load);
    }
}

fn pinned_to(draft: &Draft<'_>, task: TaskId) -> Option<NodeId> {
    match draft.task(task)?.slot {
        Slot::Node(node) => Some(node),
        Slot::Replica(_) => None,
    }
}

fn candidates(
    draft: &Draft<'_>,
    loads: &BTreeMap<NodeId, Load>,
    service: &Service,
) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> =
        draft.nodes().map(|node| Candidate::new(node, loads)).collect();
    rank::count_service(draft, service, &mut candidates);
    images::know(draft, service, &mut candidates);
    candidates
}

fn place_pinned(
    draft: &mut Draft<'_>,
    service: &Service,
    (task, candidate): (TaskId, Option<&mut Candidate>),
    waiting: &mut BTreeMap<TaskId, Waiting>,
) {
    let Some(candidate) = candidate else { return };
    match filter::check(draft, service, candidate) {
        Ok(()) => {
            draft.place(task, candidate.node);
            candidate.take(service);
        }
        Err(refusal) => {
            note(draft, waiting, task, Waiting::of(vec![(candidate.node, refusal)]));
        }
    }
}

fn place_free(
    draft: &mut Draft<'_>,
    service: &Service,
    (tasks, candidates): (Vec<TaskId>, &mut [Candidate]),
    waiting: &mut BTreeMap<TaskId, Waiting>,
) {
    if tasks.is_empty() {
        return;
    }
    // The heap holds the rank and the place in `candidates` of each node that can take one more.
    let mut heap: BinaryHeap<std::cmp::Reverse<(rank::Rank, usize)>> = candidates
        .iter()
        .enumerate()
        .filter(|(_, it)| filter::check(draft, service, it).is_ok())
        .map(|(at, it)| std::cmp::Reverse((rank::rank(it), at)))
        .collect();
    let mut tasks = tasks.into_iter();
    for task in tasks.by_ref() {
        let Some(std::cmp::Reverse((_, at))) = heap.pop() else {
            let why = Waiting::of(refusals(draft, service, candidates));
            note(draft, waiting, task, why.clone());
            for task in tasks {
                note(draft, waiting, task, why.clone());
            }
            return;
        };
        let candidate = &mut candidates[at];
        draft.place(task, candidate.node);
        candidate.take(service);
        if filter::check(draft, service, candidate).is_ok() {
            heap.push(std::cmp::Reverse((rank::rank(candidate), at)));
        }
    }
}

fn refusals(
    draft: &Draft<'_>,
    service: &Service,
    candidates: &[Candidate],
) -> Vec<(NodeId, Refusal)> {
    candidates
        .iter()
        .filter_map(|it| Some((it.node, filter::check(draft, service, it).err()?)))
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
