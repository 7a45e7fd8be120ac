//! Who needs whom, at the beginning and at the end.

use super::{Rule, Violation};
use common::service::{Dependency, DependencyCondition, Service, ServicePhase};
use common::task::{DesiredState, Slot, Task, TaskState};
use manager_core::change::{Batch, Change};
use manager_core::orchestrator;
use manager_core::state::State;
use std::collections::BTreeSet;

pub(crate) fn violations(before: &State, batch: &Batch, after: &State) -> Vec<Violation> {
    let removed = batch.changes.iter().filter_map(|change| {
        let Change::RaiseDesired { task, desired: DesiredState::Remove } = change else {
            return None;
        };
        needed_still(before, after, before.task(*task)?)
    });
    removed.collect()
}

/// What has never run waits for what it needs.
pub(crate) fn too_early(task: &Task, before: &State, after: &State) -> Option<Violation> {
    let service = after.service(task.service)?;
    let mut earlier = before.tasks_of(service.id).filter(|it| it.slot == task.slot);
    if earlier.any(|it| it.status.state >= TaskState::Assigned) {
        return None;
    }
    let unmet = unmet(after, service)?;
    let detail = format!("{} was placed before {} was as it should be", task.id, unmet.service);
    Some(Violation { rule: Rule::FirstThingsFirst, detail })
}

/// The first that is not as a service has to have it.
pub(crate) fn unmet<'a>(state: &State, service: &'a Service) -> Option<&'a Dependency> {
    let required = service.spec.depends_on.iter().filter(|it| it.required);
    required.into_iter().find(|it| !is_met(state, it))
}

fn is_met(state: &State, dependency: &Dependency) -> bool {
    let Some(service) = state.service_named(dependency.service.as_str()) else { return false };
    let mut tasks = state.tasks_of(service.id);
    match dependency.condition {
        DependencyCondition::Started => tasks.any(|it| it.ran.is_some()),
        DependencyCondition::Healthy => {
            tasks.any(|it| it.is_live() && it.status.state == TaskState::Running)
        }
        DependencyCondition::CompletedSuccessfully => {
            let done = tasks.filter(|it| it.status.state == TaskState::Complete);
            let done: BTreeSet<Slot> = done.map(|it| it.slot).collect();
            done.len() >= orchestrator::wanted_tasks(state, service).max(1)
        }
    }
}

/// Of services that are removed together, what is needed goes after what needs it.
fn needed_still(before: &State, after: &State, task: &Task) -> Option<Violation> {
    let is_removing = |it: &&Service| it.phase == ServicePhase::Removing;
    let service = before.service(task.service).map(|it| &**it).filter(is_removing)?;
    let needs_it =
        |other: &Service| other.spec.depends_on.iter().any(|it| it.service == service.spec.name);
    let may_run = |it: &Task| {
        let node = it.placement.node().and_then(|id| after.node(id));
        !it.status.state.is_terminal() && node.is_some_and(|it| !it.status.state.is_down())
    };
    let others = before.services().map(|it| &**it).filter(is_removing);
    let user = others
        .filter(|it| needs_it(it))
        .find(|other| after.tasks_of(other.id).any(|it| may_run(it)))?;
    let detail = format!("{} goes, and {} needs it still", service.spec.name, user.spec.name);
    Some(Violation { rule: Rule::LastThingsLast, detail })
}
