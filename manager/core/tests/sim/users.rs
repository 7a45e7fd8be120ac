//! What users want, drawn from the seed.

use crate::founding::{self, MANAGERS, STEADY_NODE};
use crate::machine::Fate;
use crate::world::World;
use common::container::{Access, ContainerSpec, Mount, MountSource, VolumeMount};
use common::node::{Availability, NodeSpec};
use common::resources::Resources;
use common::service::{Dependency, DependencyCondition, Mode, ServiceSpec, TaskSpec};
use common::update::{FailureAction, Ratio, UpdateOrder, UpdatePolicy};
use common::volume::VolumePolicy;
use common::{IdGen, NodeId};
use manager_core::change::Change;
use manager_core::requests;
use manager_core::volume_requests::{self, Removal};
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn create_service(world: &mut World) {
    let number = world.chance.below(6);
    let mut task = TaskSpec::of_container(ContainerSpec::of_image(founding::any_image(world)));
    task.restart.delay = Duration::from_millis(world.chance.below(3) * 2_500);
    if world.one_in(4) {
        mount(world, &mut task);
    }
    let mode = match world.chance.below(8) {
        0 => Mode::Global,
        1 | 2 => Mode::ReplicatedJob {
            completions: world.between(1, 4) as u32,
            concurrent_max: world.chance.below(3) as u32,
        },
        replicas => Mode::Replicated { replicas: replicas as u32 - 2 },
    };
    // A service that is to run everywhere has to fit everywhere.
    if mode != Mode::Global && founding::volumes(&task).next().is_none() {
        task.reservations = any_reservation(world);
    }
    task.at_most_one = world.one_in(3);
    let name = format!("service{number}").parse().expect("a good name");
    let [mut update, mut rollback] = [any_policy(world), any_policy(world)];
    rollback.on_failure = FailureAction::Pause;
    if task.at_most_one {
        (update.order, rollback.order) = (UpdateOrder::StopFirst, UpdateOrder::StopFirst);
    }
    let depends_on = any_dependency(world, number).into_iter().collect();
    let spec = ServiceSpec { depends_on, update, rollback, ..ServiceSpec::new(name, mode, task) };
    let mut ids = IdGen::from_seed(world.chance.next_u64());
    if let Ok(created) = requests::create_service(world.log.state(), spec, &mut ids) {
        world.ask(created.changes);
    }
}

/// On one of those with smaller numbers, so that nobody waits for himself; it may not be there.
fn any_dependency(world: &mut World, number: u64) -> Option<Dependency> {
    if number == 0 || !world.one_in(3) {
        return None;
    }
    let service = format!("service{}", world.chance.below(number));
    let known = world.log.state().service_named(&service);
    let condition = match known.map(|it| it.spec.mode.is_job()) {
        Some(true) => DependencyCondition::CompletedSuccessfully,
        Some(false) if world.one_in(2) => DependencyCondition::Healthy,
        Some(false) | None => DependencyCondition::Started,
    };
    let service = service.parse().expect("a good name");
    Some(Dependency { service, condition, required: !world.one_in(4) })
}

/// One of a few volumes, which may be another service's, too. What is held to one node must find
/// room there, so it reserves nothing.
fn mount(world: &mut World, task: &mut TaskSpec) {
    let name = format!("volume{}", world.chance.below(3));
    let volume = VolumeMount { name: Some(name.clone()), ..VolumeMount::default() };
    let (source, target) = (MountSource::Volume(volume), "/data".to_owned());
    task.container.mounts = vec![Mount { target, access: Access::ReadWrite, source }];
    let policies = [VolumePolicy::Strict, VolumePolicy::Preferred, VolumePolicy::None];
    if let Some(policy) = policies.get(world.chance.below(5) as usize) {
        task.volume_policies.insert(name, *policy);
    }
}

pub(crate) fn remove_volume(world: &mut World) {
    let names: Vec<String> = world.log.state().volumes().map(|it| it.name.clone()).collect();
    let Some(name) = names.get(world.chance.below(3) as usize) else { return };
    let removal = Removal { volumes: vec![name.clone()], nodes: Vec::new(), force: false };
    if let Ok(changes) = volume_requests::remove(world.log.state(), &removal) {
        world.ask(changes);
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
        1 if spec.mode != Mode::Global && founding::volumes(task).next().is_none() => {
            task.reservations = any_reservation(world)
        }
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
    // Together with others now and then, as in a stack.
    let all: Vec<String> =
        world.log.state().active_services().map(|it| it.spec.name.to_string()).collect();
    let names = if world.one_in(3) { all } else { vec![name] };
    if let Ok(changes) = requests::remove_services(world.log.state(), &names) {
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

fn is_home(world: &World, node: NodeId) -> bool {
    world.log.state().volumes().any(|it| it.home == Some(node))
}

/// Users have no more wishes; what they have drained may stay so.
pub(crate) fn end(world: &mut World) {
    let nodes: Vec<_> = world.log.state().nodes().cloned().collect();
    let mut changes = Vec::new();
    for node in nodes {
        let is_kept = match node.spec.availability {
            Availability::Active => true,
            Availability::Pause => false,
            // Data that lies there would wait for it for ever.
            Availability::Drain => !is_home(world, node.id) && world.one_in(3),
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
        let is_under_way = service.update.as_ref().is_some_and(|it| it.state.is_under_way());
        let mut spec = service.spec.clone();
        let progress_deadline = Duration::from_secs(300);
        if is_paused || is_bad {
            // All at once: where one found no room, others would go on as what does not work.
            let (parallelism, default) = (0, UpdatePolicy::default());
            spec.update = UpdatePolicy { progress_deadline, parallelism, ..default };
            let task = Arc::make_mut(&mut spec.task);
            task.container.image = founding::any_image(world);
            task.force += 1;
        } else if is_under_way {
            // It might pause while the nodes come back, and nobody would say any more that it may
            // go on.
            spec.update.progress_deadline = progress_deadline;
        } else {
            continue;
        }
        changes.push(Change::SetServiceSpec {
            service: service.id,
            base: service.version,
            spec: Box::new(spec),
        });
    }
    world.decree(changes);
}
