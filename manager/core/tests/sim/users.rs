//! What users want, drawn from the seed.

use crate::founding::{self, MANAGERS, STEADY_NODE};
use crate::machine::Fate;
use crate::world::World;
use common::container::ContainerSpec;
use common::node::{Availability, NodeSpec};
use common::resources::Resources;
use common::service::{Mode, ServiceSpec, TaskSpec};
use common::update::{FailureAction, Ratio, UpdateOrder, UpdatePolicy};
use common::{IdGen, NodeId};
use manager_core::change::Change;
use manager_core::requests;
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn create_service(world: &mut World) {
    let number = world.chance.below(6);
    let mut task = TaskSpec::of_container(ContainerSpec::of_image(founding::any_image(world)));
    task.restart.delay = Duration::from_millis(world.chance.below(3) * 2_500);
    let mode = match world.chance.below(8) {
        0 => Mode::Global,
        1 | 2 => Mode::ReplicatedJob {
            completions: world.between(1, 4) as u32,
            concurrent_max: world.chance.below(3) as u32,
        },
        replicas => Mode::Replicated { replicas: replicas as u32 - 2 },
    };
    // A service that is to run everywhere has to fit everywhere.
    if mode != Mode::Global {
        task.reservations = any_reservation(world);
    }
    task.at_most_one = world.one_in(3);
    let name = format!("service{number}").parse().expect("a good name");
    let [mut update, mut rollback] = [any_policy(world), any_policy(world)];
    rollback.on_failure = FailureAction::Pause;
    if task.at_most_one {
        (update.order, rollback.order) = (UpdateOrder::StopFirst, UpdateOrder::StopFirst);
    }
    let spec = ServiceSpec { update, rollback, ..ServiceSpec::new(name, mode, task) };
    let mut ids = IdGen::from_seed(world.chance.next_u64());
    if let Ok(created) = requests::create_service(world.log.state(), spec, &mut ids) {
        world.ask(created.changes);
    }
}

fn any_reservation(world: &mut World) -> Resources {
    let memory_bytes = [0, 128 << 20, 300 << 20][world.chance.below(3) as usize];
    Resources { cpu_nanos: 0, memory_bytes }
}

fn any_policy(world: &mut World) -> UpdatePolicy {
    let actions = [FailureAction::Pause, FailureAction::Continue, FailureAction::Rollback];
    let start_first = world.one_in(2);
    UpdatePolicy {
        parallelism: world.chance.below(4) as u32,
        delay: Duration::from_millis(world.chance.below(3) * 1_000),
        on_failure: actions[world.chance.below(3) as usize],
        monitor: Duration::from_millis(world.chance.below(3) * 2_000),
        failure_ratio_max: [Ratio::ZERO, Ratio(500_000)][world.chance.below(2) as usize],
        order: if start_first { UpdateOrder::StartFirst } else { UpdateOrder::StopFirst },
        progress_deadline: Duration::from_secs(20),
    }
}

/// To another image or other wishes, or just anew; now and then to what does not work, which
/// goes back by itself.
pub(crate) fn update_service(world: &mut World) {
    let Some(name) = some_service(world) else { return };
    let Some(service) = world.log.state().service_named(&name).cloned() else { return };
    let mut spec = service.spec.clone();
    let task = Arc::make_mut(&mut spec.task);
    match world.chance.below(5) {
        0 => task.force += 1,
        1 if spec.mode != Mode::Global => task.reservations = any_reservation(world),
        2 => {
            spec.labels.insert("said".to_owned(), world.now.to_string());
        }
        3 if !spec.mode.is_job() => {
            task.container.image = founding::bad_image();
            spec.update.on_failure = FailureAction::Rollback;
            spec.update.monitor = Duration::from_secs(3);
        }
        _ => {
            task.container.image = founding::any_image(world);
            task.force += 1;
        }
    }
    let looked_at = (service.id, service.version);
    if let Ok((changes, _)) = requests::update_service(world.log.state(), looked_at, spec) {
        world.ask(changes);
    }
}

pub(crate) fn roll_back(world: &mut World) {
    let Some(name) = some_service(world) else { return };
    let state = world.log.state();
    let former = state.service_named(&name).and_then(|it| it.former.last());
    if former.is_some_and(|it| it.spec.task.container.image == founding::bad_image()) {
        return;
    }
    if let Ok((_, _, change)) = requests::roll_back(state, &name, None) {
        world.ask(vec![change]);
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
    let services: Vec<_> = world.log.state().active_services().cloned().collect();
    for service in services {
        let is_paused = service.update.as_ref().is_some_and(|it| it.state.is_paused());
        let is_bad = service.spec.task.container.image == founding::bad_image();
        if is_paused || is_bad {
            let mut spec = service.spec.clone();
            let progress_deadline = Duration::from_secs(300);
            spec.update = UpdatePolicy { progress_deadline, ..UpdatePolicy::default() };
            let task = Arc::make_mut(&mut spec.task);
            task.container.image = founding::any_image(world);
            task.force += 1;
            let change = Change::SetServiceSpec {
                service: service.id,
                base: service.version,
                spec: Box::new(spec),
            };
            changes.push(change);
        }
    }
    world.decree(changes);
}
