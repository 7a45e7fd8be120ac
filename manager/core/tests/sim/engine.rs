//! The engine of one machine: containers, images, operations that take their time, events that
//! come late or never, and now and then nothing at all.

use crate::agent;
use crate::checks;
use crate::founding;
use crate::world::{Attempt, Happening, World};
use agent_core::container::{
    ContainerEvent, ContainerEventKind, ContainerId, Exit, Operation, OperationFailure, Outcome,
    Phase, Seen,
};
use agent_core::health::Health;
use common::assignment::Assignment;
use common::image::ImageRef;
use common::{NodeId, TaskId};
use std::collections::{BTreeMap, BTreeSet};

const KILLED: Exit = Exit { code: 137, out_of_memory: false };
/// How often a request to a hung engine is looked at again.
const HUNG_MS: u64 = 200;

/// It outlives the agent, and of a power cut the disk is left.
#[derive(Debug)]
pub(crate) struct Engine {
    images: BTreeSet<String>,
    volumes: BTreeSet<String>,
    /// Their names contain the task, so there is one for each at most.
    containers: BTreeMap<TaskId, Container>,
    mood: Mood,
    silent_since: Option<u64>,
    /// How often it was started.
    boot: u64,
    ids: u64,
    started: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Well,
    Hung,
    /// It is being restarted.
    Away,
}

#[derive(Debug, Clone)]
pub(crate) struct Container {
    pub(crate) id: ContainerId,
    pub(crate) phase: Phase,
    volumes: BTreeSet<String>,
}

#[derive(Debug)]
pub(crate) enum Event {
    Perform {
        life: u64,
        /// Of a program that froze before it sent it: with the program the request is gone.
        is_late: bool,
        task: TaskId,
        operation: Operation,
    },
    Back,
    LateWord {
        task: TaskId,
    },
    /// Its process comes to its own end.
    Ends {
        task: TaskId,
        exit: Exit,
    },
}

impl Engine {
    pub(crate) fn new(images: BTreeSet<String>) -> Engine {
        Engine {
            images,
            volumes: BTreeSet::new(),
            containers: BTreeMap::new(),
            mood: Mood::Well,
            silent_since: None,
            boot: 1,
            ids: 0,
            started: 0,
        }
    }

    pub(crate) fn started(&self) -> u64 {
        self.started
    }

    pub(crate) fn images(&self) -> &BTreeSet<String> {
        &self.images
    }

    pub(crate) fn volumes(&self) -> &BTreeSet<String> {
        &self.volumes
    }

    pub(crate) fn containers(&self) -> impl Iterator<Item = (TaskId, &Container)> {
        self.containers.iter().map(|(task, it)| (*task, it))
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = TaskId> {
        self.containers().filter(|(_, it)| it.phase.is_running()).map(|(task, _)| task)
    }

    pub(crate) fn answers(&self) -> bool {
        self.mood == Mood::Well
    }

    pub(crate) fn is_silent_for(&self, now: u64, least_ms: u64) -> bool {
        self.silent_since.is_some_and(|since| now - since >= least_ms)
    }

    pub(crate) fn list(&self) -> Vec<Seen> {
        let seen = |(task, it): (TaskId, &Container)| {
            let Container { id, phase, .. } = it.clone();
            Seen { task, id, phase }
        };
        self.containers().map(seen).collect()
    }

    pub(crate) fn lose_power(&mut self) {
        self.die();
        (self.mood, self.silent_since) = (Mood::Well, None);
    }

    fn die(&mut self) -> Vec<TaskId> {
        self.boot += 1;
        let running: Vec<TaskId> = self.running().collect();
        for task in &running {
            if let Some(it) = self.containers.get_mut(task) {
                it.phase = Phase::Exited(KILLED);
            }
        }
        running
    }

    /// What no container has mounted goes; of the rest nothing is said.
    pub(crate) fn remove_volumes(&mut self, names: &BTreeSet<String>) {
        let mounted = self.containers.values().flat_map(|it| &it.volumes);
        let used: BTreeSet<String> = mounted.cloned().collect();
        self.volumes.retain(|it| !names.contains(it) || used.contains(it));
    }

    fn find(&mut self, id: &ContainerId) -> Result<(TaskId, &mut Container), OperationFailure> {
        let mut all = self.containers.iter_mut().map(|(task, it)| (*task, it));
        all.find(|(_, it)| it.id == *id).ok_or(OperationFailure::NoSuchContainer)
    }

    fn create(&mut self, assignment: &Assignment) -> Result<ContainerId, OperationFailure> {
        if self.containers.contains_key(&assignment.task) {
            return Err(OperationFailure::NameTaken);
        }
        if !self.images.contains(assignment.spec.container.image.full()) {
            return Err(OperationFailure::ImageMissing);
        }
        self.ids += 1;
        let id = ContainerId(format!("{}-{}", assignment.task, self.ids));
        let volumes: BTreeSet<String> = founding::volumes(&assignment.spec).collect();
        self.volumes.extend(volumes.iter().cloned());
        let container = Container { id: id.clone(), phase: Phase::Created, volumes };
        self.containers.insert(assignment.task, container);
        Ok(id)
    }
}

/// An agent asks for something to be done.
pub(crate) fn ask(world: &mut World, node: NodeId, task: TaskId, operation: Operation) {
    let wrong = checks::work::violations(world, node, task, &operation);
    world.wrong.extend(wrong);
    world.say(|| format!("{node}: {task}: {operation:?}"));
    let by_lease = world.at_most_one.contains_key(&task);
    let is_late = by_lease && world.is_faulty() && world.one_in(10);
    let delay = match &operation {
        Operation::Pull(_) => world.between(100, 3_000),
        Operation::Start(_) if is_late => world.between(5_000, 30_000),
        Operation::Create(_) | Operation::Start(_) => world.between(10, 200),
        Operation::Stop(_) | Operation::Cut(_) => world.between(10, 1_500),
        Operation::Remove(_) => world.between(5, 100),
    };
    let machine = world.machine(node);
    let (boot, life) = (machine.engine.boot, machine.agent.life());
    let event = Event::Perform { life, is_late, task, operation };
    world.after(delay, Happening::Engine { node, boot, event });
}

pub(crate) fn event(world: &mut World, node: NodeId, boot: u64, event: Event) {
    let is_dropped = world.one_in(2);
    let machine = world.machine(node);
    if !machine.has_power() {
        return;
    }
    let engine = &machine.engine;
    match event {
        Event::Perform { life, task, operation, .. } if engine.boot != boot => {
            let detail = "it was restarted".to_owned();
            answer(world, node, life, (task, failed(&operation, detail)));
        }
        Event::Perform { .. } if engine.mood == Mood::Hung => {
            world.after(HUNG_MS, Happening::Engine { node, boot, event });
        }
        // Whoever asked is gone, and so is the request.
        Event::Perform { life, is_late, .. }
            if (is_dropped || is_late) && machine.agent.life() != life => {}
        Event::Perform { life, task, operation, .. } => {
            let outcome = perform(world, node, task, &operation);
            answer(world, node, life, (task, outcome));
        }
        Event::Back if engine.boot == boot => {
            let engine = &mut world.machine_mut(node).engine;
            (engine.mood, engine.silent_since) = (Mood::Well, None);
        }
        Event::Back => {}
        Event::Ends { task, exit } => {
            let container = engine.containers.get(&task);
            if engine.boot == boot
                && container.is_some_and(|it| matches!(it.phase, Phase::Running(_)))
            {
                end(world, node, task, exit);
            }
        }
        Event::LateWord { task } => {
            let container = engine.containers.get(&task);
            if let Some(Container { id, phase: Phase::Exited(exit), .. }) = container.cloned() {
                emit(
                    world,
                    node,
                    ContainerEvent { task, id, kind: ContainerEventKind::Died(exit) },
                );
            }
        }
    }
}

fn answer(world: &mut World, node: NodeId, life: u64, (task, outcome): (TaskId, Outcome)) {
    let delay = world.between(0, 20);
    let event = agent::Event::Finished { task, outcome };
    world.after(delay, Happening::Agent { node, life, event });
}

fn failed(operation: &Operation, detail: String) -> Outcome {
    let failure = OperationFailure::EngineAway { detail };
    match operation {
        Operation::Pull(_) => Outcome::Pulled(Err(failure)),
        Operation::Create(_) => Outcome::Created(Err(failure)),
        Operation::Start(_) => Outcome::Started(Err(failure)),
        Operation::Stop(_) | Operation::Cut(_) => Outcome::Stopped(Err(failure)),
        Operation::Remove(_) => Outcome::Removed(Err(failure)),
    }
}

fn perform(world: &mut World, node: NodeId, task: TaskId, operation: &Operation) -> Outcome {
    match operation {
        Operation::Pull(wish) => Outcome::Pulled(pull(world, node, &wish.image)),
        Operation::Create(assignment) => {
            if assignment.spec.at_most_one {
                let slot = (assignment.service_name.clone(), assignment.slot);
                world.at_most_one.insert(task, slot);
            }
            let created = world.machine_mut(node).engine.create(assignment);
            if created.is_ok() && founding::volumes(&assignment.spec).next().is_some() {
                agent::images_changed(world, node);
            }
            Outcome::Created(created)
        }
        Operation::Start(id) => {
            Outcome::Started(start(world, node, id).map(|()| Health::Unchecked))
        }
        Operation::Stop(id) | Operation::Cut(id) => Outcome::Stopped(stop(world, node, id)),
        Operation::Remove(id) => {
            let found = world.machine_mut(node).engine.find(id).map(|(_, it)| it.phase.clone());
            Outcome::Removed(match found {
                Ok(Phase::Running(_)) => {
                    Err(OperationFailure::Refused { detail: "it is running".to_owned() })
                }
                Ok(Phase::Created | Phase::Starting | Phase::Exited(_) | Phase::Halted) => {
                    remove(world, node, task);
                    Ok(())
                }
                Err(failure) => Err(failure),
            })
        }
    }
}

fn pull(world: &mut World, node: NodeId, image: &ImageRef) -> Result<(), OperationFailure> {
    let detail = String::new();
    if !world.registry.answers {
        return Err(OperationFailure::RegistryUnreachable { detail });
    }
    if !world.registry.images.contains(image.full()) {
        return Err(OperationFailure::NoSuchImage { detail });
    }
    set_image(world, node, image.full(), true);
    Ok(())
}

fn start(world: &mut World, node: NodeId, id: &ContainerId) -> Result<(), OperationFailure> {
    let refuses = world.is_faulty() && world.one_in(40);
    let engine = &mut world.machine_mut(node).engine;
    let (task, container) = engine.find(id)?;
    if refuses && container.phase == Phase::Created {
        return Err(OperationFailure::Refused { detail: "no such device".to_owned() });
    }
    if !container.phase.is_running() {
        container.phase = Phase::Running(Health::Unchecked);
        engine.started += 1;
        let wrong = checks::work::started(world, node, task)
            .or_else(|| checks::work::runs_twice(world, node, task));
        world.wrong.extend(wrong);
        let life = world.machine(node).agent.life();
        world.attempts.insert(task, Attempt { node, life, is_removed_by_hand: false });
        let kind = ContainerEventKind::Started(Health::Unchecked);
        emit(world, node, ContainerEvent { task, id: id.clone(), kind });
        comes_to_its_end(world, node, task);
    }
    Ok(())
}

/// Jobs do, well or ill, and what does not work does.
fn comes_to_its_end(world: &mut World, node: NodeId, task: TaskId) {
    let state = world.log.state();
    let Some(known) = state.task(task) else { return };
    let is_job = state.service(known.service).is_some_and(|it| it.spec.mode.is_job());
    let spec = state.task_spec(known);
    let is_bad = spec.is_some_and(|it| it.container.image == founding::bad_image());
    if !is_job && !is_bad {
        return;
    }
    let fails = is_bad || world.is_faulty() && world.one_in(4);
    let exit = Exit { code: i64::from(fails), out_of_memory: false };
    let delay = if is_bad { world.between(0, 500) } else { world.between(50, 3_000) };
    let boot = world.machine(node).engine.boot;
    world.after(delay, Happening::Engine { node, boot, event: Event::Ends { task, exit } });
}

fn stop(world: &mut World, node: NodeId, id: &ContainerId) -> Result<(), OperationFailure> {
    let (task, container) = world.machine_mut(node).engine.find(id)?;
    if container.phase.is_running() {
        end(world, node, task, KILLED);
    }
    Ok(())
}

/// Past the engine, by the kernel.
pub(crate) fn halt(world: &mut World, node: NodeId, task: TaskId, id: &ContainerId) {
    let found = world.machine_mut(node).engine.find(id);
    if found.is_ok_and(|(_, it)| it.phase.is_running()) {
        world.say(|| format!("{task} on {node} is halted"));
        end(world, node, task, KILLED);
    }
}

/// Whatever has become of it, it runs no more, and a request to start it finds nothing.
pub(crate) fn bar(world: &mut World, node: NodeId, task: TaskId, id: &ContainerId) {
    halt(world, node, task, id);
    if world.machine_mut(node).engine.find(id).is_ok() {
        world.say(|| format!("{task} on {node} is barred"));
        if let Some(attempt) = world.attempts.get_mut(&task) {
            attempt.is_removed_by_hand = true;
        }
        remove(world, node, task);
    }
}

/// A container's process ends, whoever had it end.
pub(crate) fn end(world: &mut World, node: NodeId, task: TaskId, exit: Exit) {
    let Some(container) = world.machine_mut(node).engine.containers.get_mut(&task) else { return };
    container.phase = Phase::Exited(exit);
    let id = container.id.clone();
    emit(world, node, ContainerEvent { task, id, kind: ContainerEventKind::Died(exit) });
}

pub(crate) fn remove(world: &mut World, node: NodeId, task: TaskId) {
    if let Some(Container { id, .. }) = world.machine_mut(node).engine.containers.remove(&task) {
        emit(world, node, ContainerEvent { task, id, kind: ContainerEventKind::Removed });
    }
}

/// Tells whoever watches, in order; a reader that is slow misses something.
fn emit(world: &mut World, node: NodeId, event: ContainerEvent) {
    let Some(watch) = world.machine(node).agent.watch() else { return };
    if world.is_faulty() && world.one_in(50) {
        return;
    }
    let jitter = world.between(0, 20);
    let now = world.now;
    let machine = world.machine_mut(node);
    let (life, delay) = (machine.agent.life(), machine.engine_words.next(now, jitter));
    let event = agent::Event::Container { watch, event };
    world.after(delay, Happening::Agent { node, life, event });
}

pub(crate) fn set_image(world: &mut World, node: NodeId, image: &str, there: bool) {
    let images = &mut world.machine_mut(node).engine.images;
    let changed = if there { images.insert(image.to_owned()) } else { images.remove(image) };
    if changed {
        agent::images_changed(world, node);
    }
}

/// It takes requests and answers none, or answers again.
pub(crate) fn set_hung(world: &mut World, node: NodeId, hung: bool) {
    let now = world.now;
    let engine = &mut world.machine_mut(node).engine;
    let mood = if hung { Mood::Hung } else { Mood::Well };
    if engine.mood != Mood::Away && engine.mood != mood {
        (engine.mood, engine.silent_since) = (mood, hung.then_some(now));
    }
}

pub(crate) fn is_hung(world: &World, node: NodeId) -> bool {
    world.machine(node).engine.mood == Mood::Hung
}

/// Its containers go down with it, and of some it tells only when it is back.
pub(crate) fn restart(world: &mut World, node: NodeId) {
    let now = world.now;
    let engine = &mut world.machine_mut(node).engine;
    let victims = engine.die();
    (engine.mood, engine.silent_since) = (Mood::Away, Some(now));
    let boot = engine.boot;
    let away = world.between(300, 4_000);
    world.after(away, Happening::Engine { node, boot, event: Event::Back });
    for task in victims {
        let late = away + world.between(0, 2_000);
        world.after(late, Happening::Engine { node, boot, event: Event::LateWord { task } });
    }
    agent::engine_gone(world, node);
}
