//! Who waits for whom: at the start for what must be there first, at the end for those that still
//! need it.

use crate::draft::Draft;
use crate::orchestrator;
use crate::scheduler::Waiting;
use crate::state::State;
use common::service::{Dependency, DependencyCondition, Service, ServicePhase};
use common::task::{Slot, Task, TaskState};
use common::{Name, ServiceId, TaskId};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// What need not be there is waited for no longer than this.
const OPTIONAL_PATIENCE: Duration = Duration::from_secs(60);

/// What a service waits for before its first tasks start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    pub service: Name,
    pub condition: DependencyCondition,
    pub state: UnmetState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnmetState {
    NoSuchService,
    OnItsWay,
    /// Its last task failed.
    Failing,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.condition {
            DependencyCondition::Started => "run",
            DependencyCondition::Healthy => "be healthy",
            DependencyCondition::CompletedSuccessfully => "complete",
        };
        write!(f, "{} to {what}", self.service)?;
        match self.state {
            UnmetState::NoSuchService => f.write_str(" (there is no such service)"),
            UnmetState::OnItsWay => Ok(()),
            UnmetState::Failing => f.write_str(" (its last task failed)"),
        }
    }
}

/// Takes those tasks out that have to wait for other services. Only what has never run waits: a
/// service whose database falls over is not to fall with it.
pub(crate) fn hold_back(
    draft: &mut Draft<'_>,
    service: &Service,
    tasks: Vec<TaskId>,
    waiting: &mut BTreeMap<TaskId, Waiting>,
) -> Vec<TaskId> {
    if service.spec.depends_on.is_empty() {
        return tasks;
    }
    let began: BTreeSet<Slot> =
        draft.tasks_of(service.id).filter(|it| has_begun(it)).map(|it| it.slot).collect();
    let mut free = Vec::new();
    for id in tasks {
        let Some(task) = draft.task(id) else { continue };
        if began.contains(&task.slot) {
            free.push(id);
            continue;
        }
        let patience_ends = task.created.at + OPTIONAL_PATIENCE;
        let unmet: Vec<Unmet> = service
            .spec
            .depends_on
            .iter()
            .filter(|it| it.required || draft.now.at < patience_ends)
            .filter_map(|it| unmet(draft, it))
            .collect();
        if unmet.is_empty() {
            free.push(id);
            continue;
        }
        let waits_for_optional = service.spec.depends_on.iter().any(|it| !it.required);
        let until = waits_for_optional.then_some(patience_ends).filter(|it| *it > draft.now.at);
        if let Some(until) = until {
            draft.wake_at(until);
        }
        waiting.insert(id, Waiting::for_services(unmet, until));
    }
    free
}

fn has_begun(task: &Task) -> bool {
    task.status.state >= TaskState::Assigned
}

fn unmet(draft: &Draft<'_>, dependency: &Dependency) -> Option<Unmet> {
    let Dependency { service, condition, required } = dependency;
    let unmet = |state| Some(Unmet { service: service.clone(), condition: *condition, state });
    let Some(known) = draft.state.service_named(service.as_str()) else {
        return if *required { unmet(UnmetState::NoSuchService) } else { None };
    };
    let mut tasks = draft.tasks_of(known.id);
    let is_met = match condition {
        DependencyCondition::Started => tasks.any(|it| it.ran.is_some()),
        DependencyCondition::Healthy => {
            tasks.any(|it| it.is_live() && it.status.state == TaskState::Running)
        }
        DependencyCondition::CompletedSuccessfully => {
            let done: BTreeSet<Slot> = tasks
                .filter(|it| it.status.state == TaskState::Complete)
                .map(|it| it.slot)
                .collect();
            done.len() >= orchestrator::wanted_tasks(draft.state, known).max(1)
        }
    };
    if is_met {
        return None;
    }
    let last = draft.tasks_of(known.id).max_by_key(|it| (it.created.at, it.id));
    let is_failing = last
        .is_some_and(|it| it.status.state.is_terminal() && it.status.state != TaskState::Complete);
    unmet(if is_failing { UnmetState::Failing } else { UnmetState::OnItsWay })
}

/// Whether others that are being removed as well still need it.
pub(crate) fn is_needed(draft: &Draft<'_>, service: &Service) -> bool {
    let removing = draft.state.services().filter(|it| it.phase == ServicePhase::Removing);
    removing
        .filter(|it| depends(it, &service.spec.name))
        // Those that need each other go together.
        .filter(|it| !reaches(draft.state, service, it.id))
        .any(|it| draft.tasks_of(it.id).any(|task| draft.may_run(task)))
}

fn depends(service: &Service, on: &Name) -> bool {
    service.spec.depends_on.iter().any(|it| it.service == *on)
}

fn reaches(state: &State, from: &Service, to: ServiceId) -> bool {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from.id]);
    while let Some(id) = next.pop() {
        if !seen.insert(id) {
            continue;
        }
        let Some(service) = state.service(id) else { continue };
        next.extend(needed_by(state, service));
    }
    seen.contains(&to)
}

/// The services that are being removed of which it said that it needs them.
pub(crate) fn needed_by(state: &State, service: &Service) -> Vec<ServiceId> {
    let removing = state.services().filter(|it| it.phase == ServicePhase::Removing);
    removing.filter(|it| depends(service, &it.spec.name)).map(|it| it.id).collect()
}
