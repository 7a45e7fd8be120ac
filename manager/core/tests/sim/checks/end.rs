//! Once all faults are over and there was time.

use super::{Rule, Violation, data, order, work};
use crate::machine::{Fate, Machine};
use crate::world::World;
use common::node::{Availability, Node};
use common::resources::Resources;
use common::service::{Mode, Service, ServicePhase};
use common::task::{DesiredState, Slot, Task, TaskState};
use common::update::UpdateState;
use common::{NodeId, TaskId};
use manager_core::orchestrator;
use manager_core::state::State;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn violations(world: &World) -> Vec<Violation> {
    let mut wrong: Vec<Violation> = work::twins(world).into_iter().collect();
    let mut blame = |rule, detail| wrong.push(Violation { rule, detail });
    if world.leader.is_none() {
        blame(Rule::SomebodyLeads, "nobody leads".to_owned());
    }
    let state = world.log.state();
    for service in state.services() {
        let wrong = match (service.phase, service.spec.mode) {
            (ServicePhase::Removing, _) => not_so_many(world, service, 0),
            (ServicePhase::Active, Mode::Replicated { replicas }) => {
                not_so_many(world, service, replicas)
            }
            // Some may have begun when all was there.
            (ServicePhase::Active, Mode::Global) if order::unmet(state, service).is_some() => None,
            (ServicePhase::Active, Mode::Global) => not_everywhere(world, service),
            (ServicePhase::Active, Mode::ReplicatedJob { completions, .. }) => {
                not_done(world, service, completions)
            }
            (ServicePhase::Active, Mode::GlobalJob) => None,
        };
        if let Some(detail) = wrong {
            blame(Rule::Replicas, format!("{}: {detail}", service.spec.name));
        }
        if let Some(detail) = out_of_date(world, service) {
            blame(Rule::UpToDate, format!("{}: {detail}", service.spec.name));
        }
    }
    let leaves = |it: &NodeId| world.machine(*it).fate != Fate::Lost;
    for volume in state.volumes() {
        if volume.holders.keys().filter(|it| leaves(it)).any(|it| volume.is_leaving(*it)) {
            blame(Rule::AllForgotten, format!("{} is still being removed", volume.name));
        }
    }
    for task in state.tasks() {
        if !is_as_said(world, task) {
            let id = task.id;
            blame(Rule::RunsAsSaid, format!("{id} counts as running and does not run"));
        }
        if task.desired == DesiredState::Remove && !is_on_lost(world, task) {
            blame(Rule::AllForgotten, format!("{} is {}", task.id, task.status.state));
        }
    }
    for machine in world.machines.values().filter(|it| it.has_power()) {
        for detail in leftovers(state, machine) {
            blame(Rule::NothingLeftOver, detail);
        }
        if machine.fate == Fate::Member {
            for report in machine.agent.unacknowledged() {
                blame(Rule::AllAcknowledged, format!("{}: {report:?}", machine.node));
            }
        }
    }
    wrong
}

fn live<'a>(state: &'a State, service: &Service) -> impl Iterator<Item = &'a Task> {
    state.tasks_of(service.id).map(|it| &**it).filter(|it| it.is_live())
}

/// An update comes to an end of some kind, and one that went through has reached everything.
fn out_of_date(world: &World, service: &Service) -> Option<String> {
    let update = service.update.as_ref().filter(|_| service.phase == ServicePhase::Active)?;
    if update.state.is_paused() || service.spec.mode.is_job() {
        return None;
    }
    let waits = live(world.log.state(), service).any(|it| it.placement.node().is_none());
    if update.state == UpdateState::RollingBack && waits {
        return None;
    }
    if update.state.is_under_way() {
        return Some("it is being updated for ever".to_owned());
    }
    let is_old = |it: &&Task| {
        !service.spec.task.is_satisfied_by(service.task_spec(it.template)) && !is_on_lost(world, it)
    };
    let old = live(world.log.state(), service).find(is_old)?;
    Some(format!("{} was made from version {}", old.id, old.template))
}

/// What of a job is not done must lack room everywhere.
fn not_done(world: &World, service: &Service, completions: u32) -> Option<String> {
    let state = world.log.state();
    let done = orchestrator::completed_slots(state, service);
    let live: Vec<&Task> = live(state, service).collect();
    // What waits for a machine that is lost does so for its data.
    let waits = live.iter().any(|it| it.placement.node().is_none() || is_on_lost(world, it));
    let has_room = |node: &&Node| {
        let free = node.description.resources.saturating_sub(state.load(node.id).reserved);
        may_run(world, service, node) && free.shortage_for(service.spec.task.reservations).is_none()
    };
    let room = state.nodes().map(|it| &**it).find(has_room);
    let is_right =
        if done == completions as usize { live.is_empty() } else { waits && room.is_none() };
    (!is_right).then(|| format!("{done} of {completions} are done, {} live", live.len()))
}

/// Those that have no place must lack room everywhere.
fn not_so_many(world: &World, service: &Service, replicas: u32) -> Option<String> {
    let state = world.log.state();
    let replicas = replicas as usize;
    // A successor that finds no room beside what runs is one too many, and starts nothing.
    let live: Vec<&Task> =
        live(state, service).filter(|it| it.desired == DesiredState::Running).collect();
    let running = live.iter().filter(|it| it.status.state == TaskState::Running).count();
    let is_away = |it: &&&Task| it.placement.node().is_none() || is_on_lost(world, it);
    let waits = |it: &&&Task| it.status.state < TaskState::Running && is_away(it);
    let waiting = live.iter().filter(waits).count();
    if live.len() != replicas || running + waiting != replicas {
        return Some(format!("{running} of {replicas} run, {waiting} wait, {} live", live.len()));
    }
    let wish = service.spec.task.reservations;
    let has_room = |node: &&Node| {
        let free = node.description.resources.saturating_sub(state.load(node.id).reserved);
        may_run(world, service, node) && free.shortage_for(wish).is_none()
    };
    let room = state.nodes().map(|it| &**it).find(has_room);
    match room {
        Some(node) if waiting > 0 => Some(format!("{waiting} wait, and {} has room", node.id)),
        Some(_) | None => None,
    }
}

fn may_run(world: &World, service: &Service, node: &Node) -> bool {
    if order::unmet(world.log.state(), service).is_some() {
        return false;
    }
    let home = data::home_of(world.log.state(), service, &service.spec.task);
    // There it may lack the image, for which others could have been tried.
    let image = service.spec.task.container.image.full();
    let machine = world.machine(node.id);
    let is_fit = match home {
        None => true,
        Some(home) => {
            let has_image = machine.engine.images().contains(image);
            home == node.id && (has_image || world.registry.images.contains(image))
        }
    };
    is_fit && world.machine(node.id).has_power() && node.spec.availability == Availability::Active
}

/// On a machine that is lost its task stays, for it may come back.
fn not_everywhere(world: &World, service: &Service) -> Option<String> {
    debug_assert_eq!(service.spec.task.reservations, Resources::NONE, "it fits everywhere");
    let state = world.log.state();
    let wanted: BTreeSet<NodeId> =
        state.nodes().filter(|it| may_run(world, service, it)).map(|it| it.id).collect();
    let is_running = |it: &&Task| it.status.state == TaskState::Running && !is_on_lost(world, it);
    let running = live(state, service).filter(is_running).map(|it| it.slot);
    let running: Vec<Slot> = running.collect();
    let right: Vec<Slot> = wanted.iter().map(|it| Slot::Node(*it)).collect();
    let mut sorted = running.clone();
    sorted.sort();
    (sorted != right).then(|| format!("it runs on {running:?}, not on {wanted:?}"))
}

fn is_on_lost(world: &World, task: &Task) -> bool {
    let pinned = match task.slot {
        Slot::Node(node) => Some(node),
        Slot::Replica(_) => None,
    };
    let node = task.placement.node().or(pinned);
    node.is_some_and(|it| world.machine(it).fate == Fate::Lost)
}

fn is_as_said(world: &World, task: &Task) -> bool {
    let counts = task.is_live() && task.status.state == TaskState::Running;
    let Some(node) = task.placement.node().filter(|_| counts && !is_on_lost(world, task)) else {
        return true;
    };
    world.machine(node).engine.running().any(|it| it == task.id)
}

/// Containers whose task is not there, and processes of tasks that ended or were to end.
fn leftovers(state: &State, machine: &Machine) -> Vec<String> {
    let on_node: BTreeMap<TaskId, &Task> =
        state.tasks_on(machine.node).map(|it| (it.id, &**it)).collect();
    let mut found = Vec::new();
    for (id, container) in machine.engine.containers() {
        let task = on_node.get(&id).filter(|_| machine.fate == Fate::Member);
        let runs = container.phase.is_running();
        match task {
            None => found.push(format!("{id} has a container on {}", machine.node)),
            Some(task) if runs && !task.is_live() => {
                found.push(format!("{id} is {} and runs", task.status.state));
            }
            Some(_) => {}
        }
    }
    found
}
