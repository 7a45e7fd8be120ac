//! What users want, drawn from the seed.

use crate::founding::{self, MANAGERS, STEADY_NODE};
use crate::machine::Fate;
use crate::world::World;
use common::container::ContainerSpec;
use common::node::{Availability, NodeSpec};
use common::resources::Resources;
use common::service::{Mode, ServiceSpec, TaskSpec};
use common::{IdGen, NodeId};
use manager_core::change::Change;
use manager_core::requests;
use std::time::Duration;

pub(crate) fn create_service(world: &mut World) {
    let number = world.chance.below(6);
    let mut task = TaskSpec::of_container(ContainerSpec::of_image(founding::any_image(world)));
    task.restart.delay = Duration::from_millis(world.chance.below(3) * 2_500);
    let mode = match world.chance.below(6) {
        0 => Mode::Global,
        replicas => Mode::Replicated { replicas: replicas as u32 },
    };
    // A service that is to run everywhere has to fit everywhere.
    if mode != Mode::Global {
        let memory_bytes = [0, 128 << 20, 300 << 20][world.chance.below(3) as usize];
        task.reservations = Resources { cpu_nanos: 0, memory_bytes };
    }
    let name = format!("service{number}").parse().expect("a good name");
    let spec = ServiceSpec::new(name, mode, task);
    let mut ids = IdGen::from_seed(world.chance.next_u64());
    if let Ok(created) = requests::create_service(world.log.state(), spec, &mut ids) {
        world.ask(created.changes);
    }
}

fn some_service(world: &mut World) -> Option<String> {
    let active = world.log.state().active_services();
    let names: Vec<String> = active.map(|it| it.spec.name.to_string()).collect();
    let at = world.chance.below(names.len().max(1) as u64) as usize;
    names.get(at).cloned()
}

pub(crate) fn scale(world: &mut World) {
    let replicas = world.chance.below(8) as u32;
    let Some(name) = some_service(world) else { return };
    if let Ok(changes) = requests::scale(world.log.state(), &[(name, replicas)]) {
        world.ask(changes);
    }
}

pub(crate) fn remove_service(world: &mut World) {
    let Some(name) = some_service(world) else { return };
    if let Ok(changes) = requests::remove_services(world.log.state(), &[name]) {
        world.ask(changes);
    }
}

/// One that was drained or paused takes tasks again.
pub(crate) fn toggle_availability(world: &mut World, id: NodeId) {
    let other = if world.one_in(3) { Availability::Pause } else { Availability::Drain };
    let Some(node) = world.log.state().node(id) else { return };
    let availability = match node.spec.availability {
        Availability::Active if id != STEADY_NODE => other,
        Availability::Active | Availability::Pause | Availability::Drain => Availability::Active,
    };
    if availability != node.spec.availability {
        let spec = NodeSpec { availability, ..node.spec.clone() };
        let change = Change::SetNodeSpec { node: id, base: node.version, spec };
        world.ask(vec![change]);
    }
}

/// Whatever its state; a manager would have to be demoted first.
pub(crate) fn remove_node(world: &mut World, id: NodeId) {
    if id.0 <= MANAGERS {
        return;
    }
    if let Ok(changes) = requests::remove_node(world.log.state(), &id.to_string(), true) {
        world.ask(changes);
        if world.log.state().was_removed(id) {
            world.machine_mut(id).fate = Fate::Removed;
        }
    }
}

/// Users have no more wishes; what they have drained may stay so.
pub(crate) fn end(world: &mut World) {
    let nodes: Vec<_> = world.log.state().nodes().cloned().collect();
    let mut changes = Vec::new();
    for node in nodes {
        let is_kept = match node.spec.availability {
            Availability::Active => true,
            Availability::Pause => false,
            Availability::Drain => world.one_in(3),
        };
        if !is_kept {
            let spec = NodeSpec { availability: Availability::Active, ..node.spec.clone() };
            changes.push(Change::SetNodeSpec { node: node.id, base: node.version, spec });
        }
    }
    world.decree(changes);
}
