//! Preferences, as one comparable tuple that ends in the node's id. The smallest is the best.

use super::Wish;
use super::filter::Candidate;
use crate::draft::Draft;
use common::NodeId;
use common::task::{DesiredState, Failure, Slot, Task, TaskState};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A service that fails this often within [`FAILURES_WINDOW`] on one node tries another first.
const FAILURES_TOLERATED: u32 = 3;
const FAILURES_WINDOW: Duration = Duration::from_secs(300);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    image_comes_later: bool,
    strays: bool,
    failures: u32,
    of_service: u32,
    share_permille: u64,
    tasks: u32,
    node: NodeId,
}

pub(crate) fn rank(candidate: &Candidate) -> Rank {
    Rank {
        image_comes_later: candidate.image.comes_later,
        strays: candidate.home.strays,
        failures: candidate.recent_failures / FAILURES_TOLERATED,
        of_service: candidate.of_service,
        share_permille: share_permille(candidate),
        tasks: candidate.load.tasks,
        node: candidate.node,
    }
}

/// How much of this node is spoken for: of its processors or its memory, whichever is more.
fn share_permille(candidate: &Candidate) -> u64 {
    let share = |reserved: u64, total: u64| {
        // In 128 bits: a terabyte times a thousand is too much for what is left of 64.
        let permille = u128::from(reserved) * 1_000 / u128::from(total.max(1));
        u64::try_from(permille).unwrap_or(u64::MAX)
    };
    let (reserved, total) = (candidate.load.reserved, candidate.total);
    share(reserved.cpu_nanos, total.cpu_nanos).max(share(reserved.memory_bytes, total.memory_bytes))
}

/// Counts, per node, what of the service lives there and what of it failed there lately.
pub(crate) fn count_service(draft: &Draft<'_>, wish: Wish<'_>, candidates: &mut [Candidate]) {
    let mut counts: BTreeMap<NodeId, (u32, u32)> = BTreeMap::new();
    let is_new = |task: &Task| task.template == wish.template;
    // Where all were made from the same, none is another's successor.
    let is_mixed = draft.tasks_of(wish.service.id).any(|it| it.is_live() && !is_new(it));
    let successors =
        draft.tasks_of(wish.service.id).filter(|it| is_mixed && it.is_live() && is_new(it));
    let taken_over: BTreeSet<Slot> = successors.map(|it| it.slot).collect();
    for task in draft.tasks_of(wish.service.id) {
        let Some(node) = task.placement.node() else { continue };
        let (live, failed) = counts.entry(node).or_default();
        // What is about to be replaced does not count beside its successor.
        if task.is_live() && (is_new(task) || !taken_over.contains(&task.slot)) {
            *live += 1;
        }
        let weight = match task.status.state {
            // Its node has done nothing wrong but to be cut off.
            TaskState::Failed if task.status.failure == Some(Failure::CutOff) => 0,
            TaskState::Failed => 1,
            // Two nodes could otherwise pass it to and fro for ever, each forgetting in time.
            TaskState::Rejected if lacks_bind_source(task) => FAILURES_TOLERATED,
            TaskState::Rejected => 1,
            TaskState::New
            | TaskState::Pending
            | TaskState::Assigned
            | TaskState::Accepted
            | TaskState::Preparing
            | TaskState::Ready
            | TaskState::Starting
            | TaskState::Running
            | TaskState::Complete
            | TaskState::Shutdown
            | TaskState::Orphaned => 0,
        };
        let is_recent = draft.now.at.since(task.status.since.at) <= FAILURES_WINDOW;
        if is_recent && is_new(task) && task.desired <= DesiredState::Running {
            *failed += weight;
        }
    }
    for candidate in candidates {
        let (live, failed) = counts.get(&candidate.node).copied().unwrap_or_default();
        (candidate.of_service, candidate.recent_failures) = (live, failed);
    }
}

/// The same task comes to the same end there, until somebody makes the folder.
fn lacks_bind_source(task: &Task) -> bool {
    matches!(task.status.failure, Some(Failure::BindSourceMissing { .. }))
}
