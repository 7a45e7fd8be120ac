//! After every commit.

use super::{Rule, Violation};
use crate::log::Log;
use crate::machine::Machine;
use common::NodeId;
use common::task::{Task, TaskState};
use manager_core::invariants;
use manager_core::state::State;
use std::collections::BTreeMap;

pub(crate) fn violations(
    before: &State,
    log: &Log,
    machines: &BTreeMap<NodeId, Machine>,
) -> Vec<Violation> {
    let after = log.state();
    let broken = invariants::violations(after);
    let mut wrong: Vec<Violation> =
        broken.into_iter().map(|detail| Violation { rule: Rule::StateHolds, detail }).collect();
    for old in before.tasks() {
        wrong.extend(match after.task(old.id) {
            Some(new) => backward(old, new),
            None => forgotten(old, after, machines),
        });
    }
    if after.clock().at < before.clock().at {
        let detail = "cluster time was set back".to_owned();
        wrong.push(Violation { rule: Rule::NothingGoesBack, detail });
    }
    if log.follower() != after {
        let detail = difference(log.follower(), after);
        wrong.push(Violation { rule: Rule::ManagersAgree, detail });
    }
    wrong
}

fn backward(old: &Task, new: &Task) -> Option<Violation> {
    let states = (old.status.state, new.status.state);
    let moved_back = states.1 < states.0 || old.status.state.is_terminal() && states.0 != states.1;
    let lowered = new.desired < old.desired;
    let rehomed = old.placement.node().is_some() && old.placement != new.placement;
    (moved_back || lowered || rehomed).then(|| {
        let detail = format!("{} went back: {old:?} became {new:?}", new.id);
        Violation { rule: Rule::NothingGoesBack, detail }
    })
}

/// Its process must have ended, as far as its node is still a member.
fn forgotten(old: &Task, after: &State, machines: &BTreeMap<NodeId, Machine>) -> Option<Violation> {
    let node = old.placement.node().filter(|it| after.node(*it).is_some())?;
    let runs = machines.get(&node)?.engine.running().any(|it| it == old.id);
    runs.then(|| {
        let detail = format!("{} runs on {node}", old.id);
        Violation { rule: Rule::NoLiveTaskForgotten, detail }
    })
}

fn difference(a: &State, b: &State) -> String {
    for service in b.services() {
        let other = a.service(service.id);
        if other != Some(service) {
            return format!("{service:?} is {other:?} elsewhere");
        }
    }
    for task in b.tasks() {
        let other = a.task(task.id);
        if other != Some(task) {
            return format!("{task:?} is {other:?} elsewhere");
        }
    }
    for node in b.nodes() {
        let other = a.node(node.id);
        if other != Some(node) {
            return format!("{node:?} is {other:?} elsewhere");
        }
    }
    let unplaced = b.unplaced().map(|it| it.status.state).collect::<Vec<TaskState>>();
    format!("clocks {:?} and {:?}, unplaced {unplaced:?}", a.clock(), b.clock())
}
