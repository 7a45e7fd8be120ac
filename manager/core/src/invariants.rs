//! Facts that hold in every state, whatever happened before.

use crate::state::State;
use common::Version;
use common::task::{Placement, Slot, TaskState};
use std::collections::BTreeMap;

/// What is wrong with a state; empty where nothing is.
pub fn violations(state: &State) -> Vec<String> {
    let mut found = Vec::new();
    indexes(state, &mut found);
    tasks(state, &mut found);
    slots(state, &mut found);
    grants(state, &mut found);
    networks(state, &mut found);
    found
}

fn indexes(state: &State, found: &mut Vec<String>) {
    let rebuilt = State::from(state.tables().clone());
    if rebuilt.indexes != state.indexes {
        found.push("the indexes are not what the tables say".to_owned());
    }
}

fn tasks(state: &State, found: &mut Vec<String>) {
    for task in state.tasks() {
        if state.service(task.service).is_none() {
            found.push(format!("task {} is of no service", task.id));
        }
        let placed = task.placement != Placement::Unplaced;
        let begun = task.status.state >= TaskState::Assigned;
        if begun != placed && task.status.state != TaskState::Orphaned {
            found.push(format!("task {} is {} without a node", task.id, task.status.state));
        }
    }
}

/// One live task in each slot; and while it is replaced, a second that was made from something
/// else.
fn slots(state: &State, found: &mut Vec<String>) {
    for service in state.services() {
        let mut live: BTreeMap<Slot, Vec<Version>> = BTreeMap::new();
        for task in state.tasks_of(service.id).filter(|it| it.is_live()) {
            live.entry(task.slot).or_default().push(task.template);
            let is_per_node = match task.slot {
                Slot::Replica(_) => false,
                Slot::Node(_) => true,
            };
            if is_per_node != service.spec.mode.is_per_node() {
                found.push(format!("task {} is in a slot of another mode", task.id));
            }
        }
        for (slot, mut templates) in live {
            let count = templates.len();
            templates.sort();
            templates.dedup();
            if count > 2 || templates.len() < count {
                found.push(format!("{count} live tasks in slot {slot} of {}", service.spec.name));
            }
        }
    }
}

/// No service that stays waits for a file that is gone.
fn grants(state: &State, found: &mut Vec<String>) {
    for service in state.active_services() {
        for grant in &service.spec.task.container.grants {
            if state.file(grant.file).is_none() {
                found.push(format!("{} has no {} {}", service.spec.name, grant.kind, grant.name));
            }
        }
    }
}

/// Nor is it on a network that is gone; and no two networks share addresses, unless one takes
/// over from the other.
fn networks(state: &State, found: &mut Vec<String>) {
    for service in state.active_services() {
        if let Err(conflict) = state.check_networks(&service.spec) {
            found.push(format!("{}: {conflict}", service.spec.name));
        }
    }
    for network in state.networks() {
        let others = state.networks().filter(|it| it.id < network.id);
        for other in others.filter(|it| it.spec.name != network.spec.name) {
            if network.spec.subnets().any(|a| other.spec.subnets().any(|b| a.overlaps(b))) {
                found.push(format!("{} and {} overlap", network.spec.name, other.spec.name));
            }
        }
    }
}
