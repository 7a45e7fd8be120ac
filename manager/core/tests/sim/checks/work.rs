//! Where an agent acts, and where it is told that it may forget what it said.

use super::{Rule, Violation};
use crate::machine::Fate;
use crate::world::World;
use agent_core::container::Operation;
use agent_core::lease::Room;
use agent_core::reports::TaskReport;
use common::assignment::Assignment;
use common::task::Failure;
use common::{NodeId, TaskId};
use std::collections::BTreeMap;

/// Judges what is asked of an engine when it is asked.
pub(crate) fn violations(
    world: &World,
    node: NodeId,
    task: TaskId,
    operation: &Operation,
) -> Option<Violation> {
    match operation {
        Operation::Create(assignment) => {
            creates_blindly(world, node, task).or_else(|| creates_another(world, assignment))
        }
        Operation::Stop(_) | Operation::Remove(_) => ends_what_is_wanted(world, node, task),
        Operation::Cut(_) => cuts_without_need(world, node, task),
        Operation::Pull(_) | Operation::Start(_) => None,
    }
}

fn creates_blindly(world: &World, node: NodeId, task: TaskId) -> Option<Violation> {
    let why = match world.machine(node).agent.listed() {
        None => "without having looked",
        Some(listed) if listed.contains(&task) => "though there was one",
        Some(_) => return None,
    };
    let detail = format!("{node} creates a container of {task} {why}");
    Some(Violation { rule: Rule::LooksFirst, detail })
}

/// A task is made from one specification for as long as it lives, whatever its service becomes.
fn creates_another(world: &World, assignment: &Assignment) -> Option<Violation> {
    let state = world.log.state();
    let task = state.task(assignment.task)?;
    let right = state.task_spec(task)?;
    let given = &assignment.spec.container.image;
    (given != &right.container.image).then(|| {
        let detail = format!("{} is made from {given}, not {}", task.id, right.container.image);
        Violation { rule: Rule::AsMade, detail }
    })
}

/// What is wanted and has not ended is never ended: an agent hears of a wish after it was committed, and wishes for
/// a task only ever fall.
fn ends_what_is_wanted(world: &World, node: NodeId, id: TaskId) -> Option<Violation> {
    let task = world.log.state().task(id)?;
    let has_ended = world.machine(node).agent.has_ended(id);
    let is_wanted = task.is_live() && !has_ended && task.placement.node() == Some(node);
    (is_wanted && world.machine(node).fate != Fate::Removed).then(|| {
        let detail = format!("{node} ends {id}, which is {}", task.status.state);
        Violation { rule: Rule::StopsOnlyUnwanted, detail }
    })
}

fn cuts_without_need(world: &World, node: NodeId, task: TaskId) -> Option<Violation> {
    let room = world.machine(node).fence.room(world.now);
    (room != Room::None || !world.at_most_one.contains_key(&task)).then(|| {
        let detail = format!("{node} cuts {task}, and has a lease");
        Violation { rule: Rule::StopsOnlyUnwanted, detail }
    })
}

/// Of a service that must not, wherever it is and whoever knows of it.
pub(crate) fn runs_twice(world: &World, node: NodeId, task: TaskId) -> Option<Violation> {
    let slot = world.at_most_one.get(&task)?;
    let running = world.machines.values().flat_map(|it| {
        let on = it.node;
        it.engine.running().map(move |task| (on, task))
    });
    let is_twin =
        |it: &(NodeId, TaskId)| it.1 != task && world.at_most_one.get(&it.1) == Some(slot);
    let (other_node, other) = running.into_iter().find(is_twin)?;
    let detail = format!("{task} on {node} and {other} on {other_node} are both {slot:?}");
    Some(Violation { rule: Rule::NeverTwice, detail })
}

/// A container of this task has just begun to run. Of one that was removed by hand, an agent that
/// started since cannot know.
pub(crate) fn started(world: &World, node: NodeId, task: TaskId) -> Option<Violation> {
    let earlier = world.attempts.get(&task)?;
    let knows = earlier.life == world.machine(node).agent.life();
    (knows || !earlier.is_removed_by_hand).then(|| {
        let detail = format!("{task} runs on {node} and ran on {}", earlier.node);
        Violation { rule: Rule::OneAttempt, detail }
    })
}

/// An agent says that something of a task has come to its end.
pub(crate) fn said(world: &World, node: NodeId, report: &TaskReport) -> Option<Violation> {
    let TaskReport { task, observation } = report;
    let mut containers = world.machine(node).engine.containers();
    let (_, container) = containers.find(|(id, _)| id == task)?;
    let is_wrong = observation.failure == Some(Failure::ContainerGone)
        || observation.state.is_terminal() && container.phase.is_running();
    is_wrong.then(|| {
        let (said, phase) = (observation.state, container.phase.clone());
        let detail = format!("{node} says {said} of {task}, whose container is {phase:?}");
        Violation { rule: Rule::EndsAreFinal, detail }
    })
}

/// What was acknowledged must be in the state, or its task gone.
pub(crate) fn kept(world: &World, reports: impl Iterator<Item = TaskReport>) -> Vec<Violation> {
    let mut wrong = Vec::new();
    for TaskReport { task, observation } in reports {
        let Some(known) = world.log.state().task(task) else { continue };
        let (said, kept) = (observation.state, known.status.state);
        if said.is_kept() && kept < said && !kept.is_terminal() {
            let detail = format!("{task}: {said} was acknowledged, {kept} is kept");
            wrong.push(Violation { rule: Rule::KeptIsKept, detail });
        }
    }
    wrong
}

/// A container is on one machine only, whatever else may be wrong for a moment.
pub(crate) fn twins(world: &World) -> Option<Violation> {
    let mut seen: BTreeMap<TaskId, NodeId> = BTreeMap::new();
    for machine in world.machines.values() {
        for (task, _) in machine.engine.containers() {
            if let Some(other) = seen.insert(task, machine.node) {
                let detail = format!("{task} has containers on {other} and {}", machine.node);
                return Some(Violation { rule: Rule::NoTwins, detail });
            }
        }
    }
    None
}
