//! A service's tasks, grouped by the place they fill.

use crate::draft::Draft;
use crate::restart::{self, Restart};
use crate::update;
use common::service::{Service, TaskSpec};
use common::task::{DesiredState, Slot, Task, TaskState};
use common::{NodeId, TaskId, Timestamp, Version};
use std::collections::{BTreeMap, BTreeSet};

/// What the tasks of one slot come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SlotView {
    pub(crate) live: Vec<LiveTask>,
    /// One that is to end has not ended yet, on a node that is there to end it.
    pub(crate) is_stopping: bool,
    /// Counts only where nothing lives.
    pub(crate) restart: Restart,
    /// Of the newest task.
    pub(crate) last: Last,
    /// When the last task failed that speaks against the update under way.
    pub(crate) failed: Option<Failed>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Last {
    pub(crate) template: Version,
    pub(crate) is_current: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) task: TaskId,
    pub(crate) at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LiveTask {
    pub(crate) id: TaskId,
    pub(crate) node: Option<NodeId>,
    pub(crate) state: TaskState,
    pub(crate) desired: DesiredState,
    pub(crate) created: Timestamp,
    pub(crate) ran: Option<Timestamp>,
    /// Made from what the service is now, or from something that comes to the same.
    pub(crate) is_current: bool,
}

/// Slots with a task that is not to be forgotten. A slot whose tasks all are is free again.
pub(crate) fn slots(draft: &Draft<'_>, service: &Service) -> BTreeMap<Slot, SlotView> {
    let mut tasks_by_slot: BTreeMap<Slot, Vec<&Task>> = BTreeMap::new();
    for task in draft.tasks_of(service.id) {
        if task.desired != DesiredState::Remove {
            tasks_by_slot.entry(task.slot).or_default().push(task);
        }
    }
    let crowded = crowded(&service.spec.task, service.template, draft.tasks_of(service.id));
    let mut currency = Currency { service, crowded, known: Vec::new() };
    tasks_by_slot
        .into_iter()
        .map(|(slot, tasks)| (slot, view(draft, &mut currency, tasks)))
        .collect()
}

fn view(draft: &Draft<'_>, currency: &mut Currency<'_>, mut tasks: Vec<&Task>) -> SlotView {
    tasks.sort_by_key(|it| (it.created.at, it.id));
    let is_stopping =
        tasks.iter().any(|it| it.desired > DesiredState::Running && draft.may_run(it));
    let failed = tasks.iter().rev().find_map(|it| update::failure(currency.service, it));
    let mut live = Vec::new();
    for task in tasks.iter().filter(|it| it.is_live()) {
        live.push(LiveTask {
            id: task.id,
            node: task.placement.node(),
            state: draft.observed(task),
            desired: task.desired,
            created: task.created.at,
            ran: task.ran,
            is_current: currency.is_current(draft, task),
        });
    }
    // What was made ready and came to nothing never had the slot.
    tasks.retain(|it| it.desired != DesiredState::Ready);
    let restart = if live.is_empty() {
        restart::decide(&currency.service.spec, &tasks, draft.now.at)
    } else {
        Restart::Never
    };
    let last = tasks.last().map_or(currency.nothing(), |it| Last {
        template: it.template,
        is_current: currency.is_current(draft, it),
    });
    SlotView { live, is_stopping, restart, last, failed }
}

/// The tasks of each node that are more than the specification allows there now. Those stay that
/// were made from it, and then the oldest.
pub(crate) fn crowded<'t>(
    spec: &TaskSpec,
    template: Version,
    tasks: impl Iterator<Item = &'t Task>,
) -> BTreeSet<TaskId> {
    let Some(most) = spec.replicas_max_per_node else { return BTreeSet::new() };
    let mut tasks_by_node: BTreeMap<NodeId, Vec<&Task>> = BTreeMap::new();
    for task in tasks.filter(|it| it.is_live()) {
        if let Some(node) = task.placement.node() {
            tasks_by_node.entry(node).or_default().push(task);
        }
    }
    let mut crowded = BTreeSet::new();
    for mut tasks in tasks_by_node.into_values() {
        tasks.sort_by_key(|it| (it.template != template, it.created.at, it.id));
        crowded.extend(tasks.iter().skip(most as usize).map(|it| it.id));
    }
    crowded
}

/// Which tasks may go on as they are.
struct Currency<'a> {
    service: &'a Service,
    crowded: BTreeSet<TaskId>,
    /// By template, whether what was made from it does for the service as it is now.
    known: Vec<(Version, bool)>,
}

impl Currency<'_> {
    fn nothing(&self) -> Last {
        Last { template: self.service.template, is_current: true }
    }

    fn is_current(&mut self, draft: &Draft<'_>, task: &Task) -> bool {
        if task.template == self.service.template {
            return true;
        }
        let spec = &self.service.spec.task;
        let known = self.known.iter().find(|(template, _)| *template == task.template);
        let satisfies = known.map(|(_, satisfies)| *satisfies).unwrap_or_else(|| {
            let satisfies = spec.is_satisfied_by(self.service.task_spec(task.template));
            self.known.push((task.template, satisfies));
            satisfies
        });
        let node = task.placement.node().and_then(|it| draft.node(it));
        let fits = node.is_some_and(|it| spec.constraints.iter().all(|c| c.matches(&it.traits())));
        satisfies && (fits || task.status.state.is_terminal()) && !self.crowded.contains(&task.id)
    }
}

impl SlotView {
    /// The one that stays where several live: one that runs, and of these the oldest.
    pub(crate) fn keeper(&self) -> Option<&LiveTask> {
        keeper(self.live.iter())
    }
}

pub(crate) fn keeper<'a>(live: impl Iterator<Item = &'a LiveTask>) -> Option<&'a LiveTask> {
    live.min_by_key(|it| {
        let runs = it.state == TaskState::Running && it.desired == DesiredState::Running;
        (!runs, it.desired != DesiredState::Running, it.created, it.id)
    })
}
