//! What a plan may do to the slots of a service that is being updated, and of a job.

use super::{Rule, Violation};
use crate::leading::Leading;
use common::service::{Mode, Service};
use common::task::{DesiredState, Slot, Task, TaskState};
use common::update::{UpdateOrder, UpdatePolicy};
use common::{ServiceId, TaskId};
use manager_core::change::{Batch, Change};
use manager_core::state::State;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(crate) fn policy(service: &Service) -> &UpdatePolicy {
    let is_rollback = service.update.as_ref().is_some_and(|it| it.state.is_rollback());
    if is_rollback { &service.spec.rollback } else { &service.spec.update }
}

/// Another that lives in the same slot and was made later from something else.
pub(crate) fn successor<'a>(state: &'a State, task: &Task) -> Option<&'a Task> {
    let is_successor = |it: &&Task| {
        it.slot == task.slot && it.is_live() && it.template > task.template && it.id != task.id
    };
    state.tasks_of(task.service).map(|it| &**it).find(is_successor)
}

pub(crate) fn violations(leading: &Leading, batch: &Batch, after: &State) -> Vec<Violation> {
    let before = leading.core.state();
    let mut found = Vec::new();
    let mut stopped: BTreeMap<ServiceId, BTreeSet<Slot>> = BTreeMap::new();
    for change in &batch.changes {
        let Change::RaiseDesired { task, desired } = change else { continue };
        let Some(old) = before.task(*task) else { continue };
        match desired {
            DesiredState::Running => found.extend(too_early(after, old)),
            DesiredState::Shutdown if stops_for_successor(before, after, old) => {
                found.extend(not_ready(leading, after, old));
                stopped.entry(old.service).or_default().insert(old.slot);
            }
            DesiredState::Ready | DesiredState::Shutdown | DesiredState::Remove => {}
        }
    }
    for (service, slots) in stopped {
        found.extend(too_many((before, after), service, &slots));
    }
    found.extend(after.services().filter_map(|it| crowded_job(after, it)));
    found
}

/// It could have stayed where it is.
fn stops_for_successor(before: &State, after: &State, old: &Task) -> bool {
    let is_well = old.placement.node().and_then(|it| after.node(it)).is_some_and(|node| {
        !node.status.state.is_down() && node.spec.availability != common::node::Availability::Drain
    });
    let is_outdated = before.service(old.service).is_some_and(|it| {
        old.template != it.template && !it.spec.task.is_satisfied_by(it.task_spec(old.template))
    });
    let runs = old.status.state == TaskState::Running && old.desired == DesiredState::Running;
    is_well && is_outdated && runs && successor(before, old).is_some()
}

fn order(state: &State, task: &Task) -> Option<UpdateOrder> {
    state.service(task.service).map(|it| policy(it).order)
}

fn not_ready(leading: &Leading, after: &State, old: &Task) -> Option<Violation> {
    let successor = successor(after, old)?;
    let kept = successor.status.state;
    let said = leading.core.soft().ahead_of(successor.id, kept).map_or(kept, |(it, _)| it.state);
    let least = match order(after, old)? {
        UpdateOrder::StopFirst => TaskState::Ready,
        UpdateOrder::StartFirst => TaskState::Running,
    };
    (said < least).then(|| {
        let detail = format!("{} is stopped for {}, which is {said}", old.id, successor.id);
        Violation { rule: Rule::NeverWithout, detail }
    })
}

/// Where what was there before is stopped first, it has ended before the next is started.
fn too_early(after: &State, raised: &Task) -> Option<Violation> {
    if order(after, raised)? != UpdateOrder::StopFirst {
        return None;
    }
    let is_there = |it: &&Task| {
        let node = it.placement.node().and_then(|it| after.node(it));
        it.slot == raised.slot
            && it.id != raised.id
            // What was only made ready goes without ever having run.
            && it.desired != DesiredState::Remove
            && it.status.state >= TaskState::Assigned
            && !it.status.state.is_terminal()
            && node.is_some_and(|it| !it.status.state.is_down())
    };
    let other: TaskId = after.tasks_of(raised.service).map(|it| &**it).find(is_there)?.id;
    let detail = format!("{} is to run beside {other}", raised.id);
    Some(Violation { rule: Rule::OneAfterTheOther, detail })
}

/// With those that are on their way already.
fn too_many(
    (before, after): (&State, &State),
    id: ServiceId,
    stopped: &BTreeSet<Slot>,
) -> Option<Violation> {
    let service = after.service(id)?;
    let policy = policy(service);
    if policy.parallelism == 0 || policy.order == UpdateOrder::StartFirst {
        return None;
    }
    let tasks: Vec<&Task> = after.tasks_of(id).map(|it| &**it).collect();
    let is_new = |it: &Task| it.template == service.template;
    let is_alone = |task: &Task| {
        !tasks.iter().any(|it| it.slot == task.slot && it.id != task.id && it.is_live())
    };
    let failed_before = |task: &Task| {
        // What is to run for ever and came to a good end has not done what it should either.
        let is_bad =
            |it: &Task| it.status.failure.is_some() || it.status.state == TaskState::Complete;
        let failed = |it: &&&Task| it.status.state.is_terminal() && is_bad(it);
        tasks.iter().filter(failed).any(|it| it.slot == task.slot && is_new(it))
    };
    // What waits for its node takes no turn, for it might wait for ever; if that ends in the very
    // plan that gives the turn to another, nobody is worse off.
    let waited = |task: &Task| {
        let is_unplaced = |it: &&Arc<Task>| it.placement.node().is_none();
        service.spec.mode.is_per_node() && before.task(task.id).filter(is_unplaced).is_some()
    };
    let is_there = |task: &Task| match task.placement.node() {
        Some(node) => {
            after.node(node).is_some_and(|it| !it.status.state.is_down()) && !waited(task)
        }
        None => !service.spec.mode.is_per_node(),
    };
    let on_its_way = |it: &&&Task| {
        it.is_live()
            && is_there(it)
            && is_new(it)
            && it.status.state < TaskState::Running
            && is_alone(it)
            && !failed_before(it)
    };
    let under_way: BTreeSet<Slot> = tasks.iter().filter(on_its_way).map(|it| it.slot).collect();
    let count = under_way.union(stopped).count();
    (count > policy.parallelism as usize).then(|| {
        let detail = format!("{count} slots of {}, not {}", service.spec.name, policy.parallelism);
        Violation { rule: Rule::InTurn, detail }
    })
}

fn crowded_job(after: &State, service: &Service) -> Option<Violation> {
    let Mode::ReplicatedJob { concurrent_max, .. } = service.spec.mode else { return None };
    let live = after.tasks_of(service.id).filter(|it| it.is_live()).count();
    (concurrent_max > 0 && live > concurrent_max as usize).then(|| {
        let detail = format!("{} has {live} tasks", service.spec.name);
        Violation { rule: Rule::AtATime, detail }
    })
}
