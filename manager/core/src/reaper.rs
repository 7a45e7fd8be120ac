//! How much of a service's history is kept.

use crate::change::Change;
use crate::draft::Draft;
use crate::fence;
use crate::scheduler::images;
use common::cluster::TASK_HISTORY_DEFAULT;
use common::service::{Service, ServicePhase};
use common::task::{DesiredState, Slot, Task};
use common::{TaskId, Timestamp};
use std::collections::BTreeMap;

/// However many attempts a policy allows, no slot keeps more ended tasks than this.
const HISTORY_MAX: usize = 100;

/// Answers when there may be more to forget.
pub(crate) fn reap(draft: &mut Draft<'_>, service: &Service) -> Option<Timestamp> {
    let mut gone: Vec<TaskId> = forgotten(draft, service).chain(surplus(draft, service)).collect();
    let mut later: Option<Timestamp> = None;
    gone.retain(|id| {
        let until = draft.task(*id).and_then(|it| fence::remembered_until(draft, it));
        later = [later, until].into_iter().flatten().min();
        until.is_none()
    });
    for task in gone {
        draft.remove_task(task);
    }
    let is_empty = draft.tasks_of(service.id).next().is_none();
    if service.phase == ServicePhase::Removing && is_empty {
        draft.push(Change::DropService { service: service.id });
    }
    later
}

/// Tasks that are to be forgotten and have ended, or never had a node.
fn forgotten(draft: &Draft<'_>, service: &Service) -> impl Iterator<Item = TaskId> {
    let tasks: Vec<TaskId> = draft
        .tasks_of(service.id)
        .filter(|it| it.desired == DesiredState::Remove)
        .filter(|it| it.status.state.is_terminal() || it.placement.node().is_none())
        .map(|it| it.id)
        .collect();
    tasks.into_iter()
}

/// The oldest ended tasks of slots that hold more of them than are kept.
fn surplus(draft: &Draft<'_>, service: &Service) -> Vec<TaskId> {
    let history = draft.state.cluster().map_or(TASK_HISTORY_DEFAULT, |it| it.task_history);
    // The restart policy counts what is kept, so at least as much as it counts has to be.
    let attempts = service.spec.task.restart.attempts_max.map_or(0, |it| it.saturating_add(1));
    let kept = (history.max(attempts) as usize).min(HISTORY_MAX.max(history as usize));
    let mut ended: BTreeMap<Slot, Vec<&Task>> = BTreeMap::new();
    for task in draft.tasks_of(service.id) {
        let never_placed = task.placement.node().is_none() && !task.is_live();
        if task.desired != DesiredState::Remove && (task.status.state.is_terminal() || never_placed)
        {
            ended.entry(task.slot).or_default().push(task);
        }
    }
    let mut surplus = Vec::new();
    for tasks in ended.values_mut() {
        tasks.sort_by_key(|it| (it.created.at, it.id));
        let count = tasks.len().saturating_sub(kept);
        surplus.extend(
            tasks.iter().take(count).filter(|it| !images::keeps_out(draft, it)).map(|it| it.id),
        );
    }
    surplus
}
