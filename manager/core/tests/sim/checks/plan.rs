//! Where a leader proposes, judged by the state it had and by what it had been told.

use super::{Rule, Violation, data, order, update};
use crate::leading::{Known, Leading};
use crate::world::LastLeader;
use common::node::{Availability, DownReason, NodeState};
use common::resources::Resources;
use common::task::{DesiredState, Failure, Task, TaskState};
use common::update::UpdateOrder;
use common::{NodeId, Timestamp, Version};
use manager_core::change::{Batch, Change};
use manager_core::invariants;
use manager_core::state::State;

/// A node of which a leader has heard is not silent before this.
const SILENCE_LEAST_MS: u64 = 2_000;
/// One that a new leader has not heard yet has had so long to find it.
const RECONNECT_LEAST_MS: u64 = 5_000;

pub(crate) fn violations(leading: &Leading, batch: &Batch, now: u64) -> Vec<Violation> {
    let (before, known) = (leading.core.state(), &leading.known);
    let mut found = Vec::new();
    let mut blame = |rule, detail| found.push(Violation { rule, detail });
    if known.proposals_under_way > 0 {
        blame(Rule::OneProposal, "another one is under way".to_owned());
    }
    if before.version() < known.committed {
        blame(Rule::NoOldState, format!("{} after {}", before.version(), known.committed));
    }
    if batch.stamp.at <= before.clock().at {
        blame(Rule::TimeGoesOn, format!("{:?} after {:?}", batch.stamp.at, before.clock().at));
    }
    let mut after = (**before).clone();
    let applied = after.apply(Version(before.version().0 + 1), batch);
    for (position, conflict) in applied.refused {
        let change = &batch.changes[position];
        blame(Rule::NothingInVain, format!("{change:?}: {conflict}"));
    }
    for detail in invariants::violations(&after) {
        blame(Rule::StateHolds, format!("after a plan: {detail}"));
    }
    if known.events_under_way == 0 {
        found.extend(after.tasks().filter_map(|it| stranded(it, &after)));
    }
    found.extend(update::violations(leading, batch, &after));
    found.extend(order::violations(before, batch, &after));
    for change in &batch.changes {
        if let Some(task) = placed(change, &after) {
            found.extend(misplaced(task, &after, batch.stamp.at));
            found.extend(strayed(task, before));
            found.extend(order::too_early(task, before, &after));
            found.extend(crowded(task, &after, known));
            found.extend(refused_before(task, &after, known));
        }
        if let Change::SetNodeState { node, state, .. } = change
            && let NodeState::Down(DownReason::Silent { .. }) = state
        {
            found.extend(heard(*node, known, now));
        }
    }
    found
}

fn placed<'a>(change: &Change, after: &'a State) -> Option<&'a Task> {
    let id = if let Change::CreateTask(task) = change {
        task.id
    } else if let Change::PlaceTask { task, .. } = change {
        *task
    } else {
        return None;
    };
    after.task(id).map(|it| &**it).filter(|it| it.placement.node().is_some())
}

/// Of a node that went away, and of one that is to be emptied, everything moves at once.
fn stranded(task: &Task, after: &State) -> Option<Violation> {
    let id = task.placement.node().filter(|_| task.is_live())?;
    let service = after.service(task.service)?;
    let why = match after.node(id) {
        None => "is no member",
        Some(node) if node.spec.availability == Availability::Drain => "is to be emptied",
        Some(node)
            if node.status.state.is_down()
                && !service.spec.mode.is_per_node()
                && (task.desired < DesiredState::Running
                    || data::home(after, task) != Some(id)) =>
        {
            "is down"
        }
        Some(_) => return None,
    };
    let detail = format!("{} is {} on {id}, which {why}", task.id, task.status.state);
    Some(Violation { rule: Rule::NothingMustStay, detail })
}

fn misplaced(task: &Task, after: &State, now: Timestamp) -> Option<Violation> {
    let id = task.placement.node()?;
    let node = after.node(id)?;
    let taken = reserved(after, id);
    let total = node.description.resources;
    let own = after.task_spec(task)?.reservations;
    let why = match (&node.status.state, node.spec.availability) {
        (NodeState::Down(_) | NodeState::Joining, _) => "is not there",
        (_, Availability::Drain | Availability::Pause) => "takes no tasks",
        (NodeState::Ready, _) if now < node.status.steady_at => "has just come back",
        (NodeState::Ready, _) if own != Resources::NONE && total.shortage_for(taken).is_some() => {
            "is full"
        }
        (NodeState::Ready, Availability::Active) => return None,
    };
    let detail = format!("{} was placed on {id}, which {why}", task.id);
    Some(Violation { rule: Rule::FitPlace, detail })
}

/// Beside an empty copy it would look as if the data were lost.
fn strayed(task: &Task, before: &State) -> Option<Violation> {
    let (node, home) = (task.placement.node()?, data::home(before, task)?);
    (node != home).then(|| {
        let detail = format!("{} was placed on {node}, and its data is on {home}", task.id);
        Violation { rule: Rule::WithItsData, detail }
    })
}

fn reserved(state: &State, node: NodeId) -> Resources {
    let live = state.tasks_on(node).filter(|it| it.is_live() && !gives_way(state, it));
    live.filter_map(|it| state.task_spec(it))
        .fold(Resources::NONE, |sum, it| sum.saturating_add(it.reservations))
}

/// What is stopped before its successor starts leaves it its room.
fn gives_way(state: &State, task: &Task) -> bool {
    let Some(service) = state.service(task.service) else { return false };
    let successor = update::successor(state, task);
    update::policy(service).order == UpdateOrder::StopFirst
        && successor.is_some_and(|it| it.desired == DesiredState::Ready)
}

/// On a node that has not got the image, nobody joins a task that is finding out whether it can
/// be had.
fn crowded(task: &Task, after: &State, known: &Known) -> Option<Violation> {
    let node = task.placement.node()?;
    let image = after.task_spec(task)?.container.image.full();
    let is_alike = |it: &Task| {
        let own = after.task_spec(it).map(|it| it.container.image.full());
        it.service == task.service && own == Some(image)
    };
    if known.images.get(&node)?.contains(image) {
        return None;
    }
    let wanted = |it: &&&Task| it.desired <= DesiredState::Running && is_alike(it);
    let on_node: Vec<&Task> = after.tasks_on(node).map(|it| &**it).collect();
    let has_proof = on_node.iter().any(|it| is_alike(it) && it.status.state == TaskState::Running);
    let trying = on_node.iter().filter(wanted).filter(|it| it.status.state < TaskState::Running);
    (!has_proof && trying.count() > 1).then(|| {
        let detail = format!("{} joins another on {node}, which has no {image}", task.id);
        Violation { rule: Rule::OneTrial, detail }
    })
}

/// A node that said it cannot have the image is left alone until it reports that very image, or
/// somebody asks for an update.
fn refused_before(task: &Task, after: &State, known: &Known) -> Option<Violation> {
    let node = task.placement.node()?;
    let image = after.task_spec(task)?.container.image.full();
    let asked = after.service(task.service)?.update.as_ref().map(|it| it.started.at);
    let refused = after.tasks_on(node).find(|it| {
        let failure = it.status.failure.as_ref();
        let own = after.task_spec(it).map(|it| it.container.image.full());
        it.service == task.service
            && own == Some(image)
            && asked.is_none_or(|asked| it.created.at >= asked)
            && matches!(failure, Some(Failure::NoSuchImage { .. }))
    })?;
    let reports = known.images.get(&node).is_some_and(|it| it.contains(image));
    (!reports).then(|| {
        let detail = format!("{node} gets {} after it refused {}", task.id, refused.id);
        Violation { rule: Rule::OneTrial, detail }
    })
}

fn heard(node: NodeId, known: &Known, now: u64) -> Option<Violation> {
    let (since, least) = match (known.heard.get(&node), known.predecessor) {
        (Some(at), _) => (*at, SILENCE_LEAST_MS),
        (None, LastLeader::Silent { node: former, at }) if former == node => (at, SILENCE_LEAST_MS),
        (None, LastLeader::Silent { .. } | LastLeader::Orderly { .. } | LastLeader::Nobody) => {
            (known.since, RECONNECT_LEAST_MS)
        }
    };
    let silent_for = now - since;
    (silent_for < least).then(|| {
        let detail = format!("{node} was heard {silent_for} ms ago");
        Violation { rule: Rule::TrulySilent, detail }
    })
}
