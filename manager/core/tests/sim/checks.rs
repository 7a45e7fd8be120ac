//! What must hold. Knows nothing of how it is brought about.

use crate::world::World;
use common::service::Mode;
use common::task::{DesiredState, Task, TaskState};
use common::{NodeId, TaskId};
use manager_core::invariants;
use manager_core::state::State;
use std::collections::BTreeMap;

/// After every commit.
pub(crate) fn safety(before: &State, after: &State) -> Vec<String> {
    let mut wrong = invariants::violations(after);
    for task in after.tasks() {
        let Some(old) = before.task(task.id) else { continue };
        wrong.extend(backward(old, task));
    }
    if after.clock().at < before.clock().at {
        wrong.push("cluster time was set back".to_owned());
    }
    wrong
}

fn backward(old: &Task, new: &Task) -> Option<String> {
    let states = (old.status.state, new.status.state);
    let moved_back = states.1 < states.0 || old.status.state.is_terminal() && states.0 != states.1;
    let lowered = new.desired < old.desired;
    let rehomed = old.placement.node().is_some() && old.placement != new.placement;
    (moved_back || lowered || rehomed)
        .then(|| format!("{} went back: {old:?} became {new:?}", new.id))
}

/// A container is on one machine only, whatever else may be wrong for a moment.
pub(crate) fn twins(world: &World) -> Option<String> {
    let mut seen: BTreeMap<TaskId, NodeId> = BTreeMap::new();
    for agent in world.agents.values() {
        for task in agent.engine.containers.keys() {
            if let Some(other) = seen.insert(*task, agent.node) {
                return Some(format!("{task} has containers on {other} and {}", agent.node));
            }
        }
    }
    None
}

/// Once all faults are over and there was time.
pub(crate) fn liveness(world: &World) -> Vec<String> {
    let mut wrong: Vec<String> = twins(world).into_iter().collect();
    let mut running: BTreeMap<TaskId, NodeId> = BTreeMap::new();
    for agent in world.agents.values() {
        running.extend(agent.running().map(|task| (task, agent.node)));
    }
    let mut wanted = 0;
    for service in world.state.services() {
        let Mode::Replicated { replicas } = service.spec.mode else { continue };
        let live: Vec<_> = world
            .state
            .tasks_of(service.id)
            .filter(|it| it.is_live() && it.status.state == TaskState::Running)
            .collect();
        let name = &service.spec.name;
        if live.len() != replicas as usize {
            wrong.push(format!("{name} has {} of {replicas} replicas", live.len()));
        }
        for task in &live {
            if running.get(&task.id).copied() != task.placement.node() {
                wrong.push(format!("{name}: {} counts as running and does not run", task.id));
            }
        }
        wanted += live.len();
    }
    let globals = world.state.services().filter(|it| it.spec.mode == Mode::Global);
    for service in globals {
        let live = world.state.tasks_of(service.id);
        let live = live.filter(|it| it.is_live() && it.status.state == TaskState::Running).count();
        if live != world.agents.len() {
            wrong.push(format!("{} runs on {live} nodes", service.spec.name));
        }
        wanted += live;
    }
    if running.len() != wanted {
        wrong.push(format!("{} containers run, {wanted} should", running.len()));
    }
    let waiting = world.state.tasks().filter(|it| it.desired == DesiredState::Remove).count();
    if waiting > 0 {
        wrong.push(format!("{waiting} tasks are still to be forgotten"));
    }
    wrong
}
