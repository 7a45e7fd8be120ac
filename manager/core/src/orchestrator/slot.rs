//! A service's tasks, grouped by the place they fill.

use crate::draft::Draft;
use crate::restart::{self, Restart};
use common::service::Service;
use common::task::{DesiredState, Slot, Task, TaskState};
use common::{NodeId, TaskId, Timestamp};
use std::collections::BTreeMap;

/// What the tasks of one slot come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SlotView {
    pub(crate) live: Vec<LiveTask>,
    /// Counts only where nothing lives.
    pub(crate) restart: Restart,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LiveTask {
    pub(crate) id: TaskId,
    pub(crate) node: Option<NodeId>,
    pub(crate) state: TaskState,
    pub(crate) created: Timestamp,
}

/// Slots with a task that is not to be forgotten. A slot whose tasks all are is free again.
pub(crate) fn slots(draft: &Draft<'_>, service: &Service) -> BTreeMap<Slot, SlotView> {
    let mut tasks_by_slot: BTreeMap<Slot, Vec<&Task>> = BTreeMap::new();
    for task in draft.tasks_of(service.id) {
        if task.desired != DesiredState::Remove {
            tasks_by_slot.entry(task.slot).or_default().push(task);
        }
    }
    tasks_by_slot.into_iter().map(|(slot, tasks)| (slot, view(draft, service, tasks))).collect()
}

fn view(draft: &Draft<'_>, service: &Service, mut tasks: Vec<&Task>) -> SlotView {
    let live: Vec<LiveTask> = tasks.iter().filter(|it| it.is_live()).map(|it| live(it)).collect();
    let restart = if live.is_empty() {
        tasks.sort_by_key(|it| (it.created.at, it.id));
        restart::decide(&service.spec.task.restart, &tasks, draft.now.at)
    } else {
        Restart::Never
    };
    SlotView { live, restart }
}

fn live(task: &Task) -> LiveTask {
    LiveTask {
        id: task.id,
        node: task.placement.node(),
        state: task.status.state,
        created: task.created.at,
    }
}

impl SlotView {
    /// The one that stays where several live: one that runs, and of these the oldest.
    pub(crate) fn keeper(&self) -> Option<&LiveTask> {
        self.live.iter().min_by_key(|it| (it.state != TaskState::Running, it.created, it.id))
    }
}

/// Ends all but one of the tasks that live in the same slot.
pub(crate) fn end_twins(draft: &mut Draft<'_>, slot: &SlotView) {
    let keeper = slot.keeper().map(|it| it.id);
    for twin in slot.live.iter().filter(|it| Some(it.id) != keeper) {
        draft.raise_desired(twin.id, DesiredState::Shutdown);
    }
}
