//! A machine with an engine and an agent that obeys. The agent here is the simplest that keeps
//! the contract; it shares no line with the real one, so that the two cannot agree by mistake.

use crate::world::{Happening, World};
use common::assignment::{Assignment, AssignmentSet};
use common::node::{NodeDescription, NodeKind};
use common::resources::Resources;
use common::task::{DesiredState, Failure, Observation, TaskState};
use common::{NodeId, TaskId, WallTime};
use manager_core::leader::{Hello, Input, SessionId, Telling};
use std::collections::{BTreeMap, BTreeSet};

const BEAT_MS: u64 = 500;
const ANSWER_LIMIT_MS: u64 = 1_500;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AgentEvent {
    Connect,
    Beat,
    Started { task: TaskId },
    Stopped { task: TaskId },
}

/// What the machine runs; it outlives the agent, and of a power cut the disk is left.
#[derive(Debug, Default)]
pub(crate) struct Engine {
    pub(crate) images: BTreeSet<String>,
    pub(crate) containers: BTreeMap<TaskId, Container>,
    pub(crate) hung: bool,
    pub(crate) started: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Container {
    Starting,
    Running,
    Ended(Ended),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Stopped,
    Exit(i64),
    PowerCut,
}

#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) node: NodeId,
    pub(crate) power: bool,
    pub(crate) cut: bool,
    pub(crate) engine: Engine,
    life: u64,
    session: Option<SessionId>,
    answered: u64,
    beats: u64,
    assigned: BTreeMap<TaskId, Assignment>,
    /// No set that names everything has come in this life.
    ignorant: bool,
    reports: BTreeMap<TaskId, Observation>,
    unkept: BTreeMap<u64, BTreeMap<TaskId, Observation>>,
    /// What was said of each task in this session.
    said: BTreeMap<TaskId, TaskState>,
    number: u64,
    inbox: u64,
    outbox: u64,
}

impl Agent {
    pub(crate) fn new(node: NodeId, images: BTreeSet<String>) -> Agent {
        Agent {
            node,
            power: true,
            cut: false,
            engine: Engine { images, ..Engine::default() },
            life: 1,
            session: None,
            answered: 0,
            beats: 0,
            assigned: BTreeMap::new(),
            ignorant: true,
            reports: BTreeMap::new(),
            unkept: BTreeMap::new(),
            said: BTreeMap::new(),
            number: 0,
            inbox: 0,
            outbox: 0,
        }
    }

    pub(crate) fn life(&self) -> u64 {
        self.life
    }

    /// Streams keep the order of what they carry.
    pub(crate) fn inbox_at(&self, now: u64) -> u64 {
        self.inbox.max(now)
    }

    pub(crate) fn inbox_until(&mut self, at: u64) {
        self.inbox = at;
    }

    pub(crate) fn outbox_at(&self, now: u64) -> u64 {
        self.outbox.max(now)
    }

    pub(crate) fn outbox_until(&mut self, at: u64) {
        self.outbox = at;
    }

    pub(crate) fn hello(&self) -> Hello {
        Hello {
            description: NodeDescription {
                hostname: format!("node{}", self.node.0),
                resources: Resources { cpu_nanos: 4_000_000_000, memory_bytes: 1 << 30 },
                ..NodeDescription::default()
            },
            images: Some(self.engine.images.clone()),
            kind: NodeKind::Full,
            address: ([10, 0, 0, 1], 7373).into(),
        }
    }

    /// The agent alone, or the machine with it.
    pub(crate) fn lose_power(&mut self, machine: bool) {
        if machine {
            self.power = false;
            for container in self.engine.containers.values_mut() {
                match container {
                    Container::Starting | Container::Running => {
                        *container = Container::Ended(Ended::PowerCut);
                    }
                    Container::Ended(_) => {}
                }
            }
        }
        // What was being started when its agent died was not started.
        self.engine.containers.retain(|_, it| *it != Container::Starting);
        self.life += 1;
        self.session = None;
        self.assigned.clear();
        self.ignorant = true;
        self.reports.clear();
        self.unkept.clear();
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = TaskId> {
        self.engine
            .containers
            .iter()
            .filter(|(_, it)| **it == Container::Running)
            .map(|(task, _)| *task)
    }

    fn observe(&mut self, task: TaskId, observed: Observation) {
        let newer = self.reports.get(&task).is_none_or(|it| it.state < observed.state);
        if newer {
            self.reports.insert(task, observed);
        }
    }
}

/// The agent starts, again or for the first time.
pub(crate) fn start(world: &mut World, node: NodeId) {
    let delay = world.between(1, 300);
    let Some(agent) = world.agents.get(&node) else { return };
    let life = agent.life();
    world.after(delay, Happening::Agent { node, life, event: AgentEvent::Connect });
    world.after(delay + BEAT_MS, Happening::Agent { node, life, event: AgentEvent::Beat });
}

pub(crate) fn event(world: &mut World, node: NodeId, life: u64, event: AgentEvent) {
    let Some(agent) = world.agents.get(&node) else { return };
    if agent.life != life || !agent.power {
        return;
    }
    match event {
        AgentEvent::Connect => connect(world, node, life),
        AgentEvent::Beat => beat(world, node, life),
        AgentEvent::Started { task } => started(world, node, task),
        AgentEvent::Stopped { task } => stopped(world, node, task),
    }
    work(world, node);
}

fn connect(world: &mut World, node: NodeId, life: u64) {
    if world.agents.get(&node).is_some_and(|it| it.session.is_some()) {
        return;
    }
    let session = world.open_session(node);
    let now = world.now;
    let Some(agent) = world.agents.get_mut(&node) else { return };
    match session {
        Some(_) => {
            agent.session = session;
            agent.answered = now;
            agent.unkept.clear();
            // A new leader knows nothing of what was said to the old one.
            let containers: Vec<TaskId> = agent.engine.containers.keys().copied().collect();
            containers.into_iter().for_each(|task| look(agent, task));
            send(world, node, true);
        }
        None => {
            let delay = world.between(50, 1_000);
            world.after(delay, Happening::Agent { node, life, event: AgentEvent::Connect });
        }
    }
}

fn beat(world: &mut World, node: NodeId, life: u64) {
    let jitter = world.between(0, 50);
    world.after(BEAT_MS + jitter, Happening::Agent { node, life, event: AgentEvent::Beat });
    let (now, wall) = (world.now, WallTime(world.now));
    let Some(agent) = world.agents.get_mut(&node) else { return };
    let Some(session) = agent.session else { return };
    agent.beats += 1;
    let number = agent.beats;
    let engine_ill = if agent.engine.hung { "no answer".to_owned() } else { String::new() };
    let lost = now.saturating_sub(agent.answered) > ANSWER_LIMIT_MS;
    let beat = Input::Beat { session, number, wall, engine_ill };
    if lost || !world.tell_leader(node, session, beat) {
        if let Some(agent) = world.agents.get_mut(&node) {
            agent.session = None;
        }
        world.after(1, Happening::Agent { node, life, event: AgentEvent::Connect });
    }
}

pub(crate) fn told(world: &mut World, node: NodeId, session: SessionId, telling: Telling) {
    let now = world.now;
    let reached = world.leader.as_ref().is_some_and(|it| world.reaches(node, it.node));
    let Some(agent) = world.agents.get_mut(&node) else { return };
    if agent.session != Some(session) || !agent.power {
        return;
    }
    if !reached || world.broken.contains(&session) {
        world.broken.insert(session);
        return;
    }
    match telling {
        Telling::Beat { .. } => {
            agent.answered = now;
            return;
        }
        Telling::StatusesKept(number) => kept(world, node, number),
        Telling::Assignments(AssignmentSet::Complete(all)) => {
            agent.assigned = all.into_iter().map(|it| (it.task, it)).collect();
            agent.ignorant = false;
        }
        Telling::Assignments(AssignmentSet::Changes { put, remove }) => {
            agent.assigned.extend(put.into_iter().map(|it| (it.task, it)));
            remove.iter().for_each(|task| drop(agent.assigned.remove(task)));
        }
        Telling::Welcome { .. } | Telling::Membership(_) => {}
        Telling::Farewell => agent.session = None,
    }
    work(world, node);
}

/// The engine says that its images have changed.
pub(crate) fn images_changed(world: &mut World, node: NodeId) {
    let Some(agent) = world.agents.get(&node).filter(|it| it.power) else { return };
    let (images, session) = (agent.engine.images.clone(), agent.session);
    if let Some(session) = session {
        world.tell_leader(node, session, Input::Images { session, images });
    }
}

/// What was acknowledged must be in the state, or its task gone.
fn kept(world: &mut World, node: NodeId, number: u64) {
    let Some(agent) = world.agents.get_mut(&node) else { return };
    let later = agent.unkept.split_off(&(number + 1));
    let kept = std::mem::replace(&mut agent.unkept, later);
    for (task, observed) in kept.into_values().flatten() {
        let Some(known) = world.state.task(task) else { continue };
        let is_there = known.status.state >= observed.state || known.status.state.is_terminal();
        if observed.state.is_kept() && !is_there {
            let state = known.status.state;
            world
                .wrong
                .push(format!("{task}: {} was acknowledged, {state} is kept", observed.state));
        }
    }
}

/// Whatever there is to do about each task, one operation at a time.
fn work(world: &mut World, node: NodeId) {
    let Some(agent) = world.agents.get(&node) else { return };
    if !agent.power || agent.ignorant || agent.engine.hung {
        return;
    }
    let life = agent.life;
    let leftovers: Vec<TaskId> = agent
        .engine
        .containers
        .keys()
        .filter(|it| !agent.assigned.contains_key(it))
        .copied()
        .collect();
    for task in leftovers {
        end(world, node, life, task, true);
    }
    let assigned: Vec<Assignment> = world
        .agents
        .get(&node)
        .map(|it| it.assigned.values().cloned().collect())
        .unwrap_or_default();
    for assignment in assigned {
        attend(world, node, life, &assignment);
    }
    send(world, node, false);
}

fn attend(world: &mut World, node: NodeId, life: u64, assignment: &Assignment) {
    let task = assignment.task;
    let delay = world.between(20, 400);
    let Some(agent) = world.agents.get_mut(&node) else { return };
    let known = agent.engine.containers.get(&task).cloned();
    match (assignment.desired, known) {
        (DesiredState::Running, None) => {
            if agent.reports.get(&task).is_some_and(|it| it.state.is_terminal()) {
                return;
            }
            let image = assignment.spec.container.image.full().to_owned();
            if agent.engine.images.contains(&image) {
                agent.engine.containers.insert(task, Container::Starting);
                agent.observe(task, Observation::of(TaskState::Starting));
                world.after(
                    delay,
                    Happening::Agent { node, life, event: AgentEvent::Started { task } },
                );
            } else {
                let failure = Failure::NoSuchImage { image, detail: String::new() };
                agent.observe(task, Observation::failed(TaskState::Rejected, failure));
            }
        }
        (DesiredState::Running, Some(_)) => look(agent, task),
        (DesiredState::Shutdown | DesiredState::Remove, None) => {
            agent.observe(task, Observation::of(TaskState::Shutdown));
        }
        (DesiredState::Shutdown | DesiredState::Remove, Some(Container::Ended(_))) => {
            look(agent, task);
            if assignment.desired == DesiredState::Remove {
                agent.engine.containers.remove(&task);
                agent.observe(task, Observation::of(TaskState::Shutdown));
            }
        }
        (DesiredState::Shutdown | DesiredState::Remove, Some(_)) => {
            end(world, node, life, task, false);
        }
    }
}

/// What a container says of its task.
fn look(agent: &mut Agent, task: TaskId) {
    let observed = match agent.engine.containers.get(&task) {
        Some(Container::Starting) => Observation::of(TaskState::Starting),
        Some(Container::Running) => Observation::of(TaskState::Running),
        Some(Container::Ended(Ended::Stopped)) => Observation::of(TaskState::Shutdown),
        Some(Container::Ended(Ended::Exit(0))) => Observation::of(TaskState::Complete),
        Some(Container::Ended(Ended::Exit(code))) => {
            let failure = Failure::Exited { code: *code, out_of_memory: false };
            Observation::failed(TaskState::Failed, failure)
        }
        Some(Container::Ended(Ended::PowerCut)) => {
            Observation::failed(TaskState::Failed, Failure::MachineRestarted)
        }
        None => return,
    };
    agent.observe(task, observed);
}

fn end(world: &mut World, node: NodeId, life: u64, task: TaskId, leftover: bool) {
    let delay = world.between(20, 1_500);
    let Some(agent) = world.agents.get_mut(&node) else { return };
    match agent.engine.containers.get(&task) {
        Some(Container::Ended(_)) if leftover => {
            agent.engine.containers.remove(&task);
        }
        Some(Container::Running | Container::Starting) => {
            world
                .after(delay, Happening::Agent { node, life, event: AgentEvent::Stopped { task } });
        }
        Some(Container::Ended(_)) | None => {}
    }
}

fn started(world: &mut World, node: NodeId, task: TaskId) {
    let Some(agent) = world.agents.get_mut(&node) else { return };
    if agent.engine.containers.get(&task) == Some(&Container::Starting) {
        agent.engine.containers.insert(task, Container::Running);
        agent.engine.started += 1;
        look(agent, task);
    }
}

fn stopped(world: &mut World, node: NodeId, task: TaskId) {
    let Some(agent) = world.agents.get_mut(&node) else { return };
    if let Some(container @ (Container::Running | Container::Starting)) =
        agent.engine.containers.get_mut(&task)
    {
        *container = Container::Ended(Ended::Stopped);
        look(agent, task);
    }
}

/// Sends what is new; everything after a new connection, for a new leader knows nothing.
fn send(world: &mut World, node: NodeId, everything: bool) {
    let Some(agent) = world.agents.get_mut(&node) else { return };
    let Some(session) = agent.session else { return };
    if everything {
        agent.said.clear();
    }
    let said = &mut agent.said;
    let told: BTreeMap<TaskId, Observation> = agent
        .reports
        .iter()
        .filter(|(task, it)| said.insert(**task, it.state) != Some(it.state))
        .map(|(task, it)| (*task, it.clone()))
        .collect();
    // What is neither assigned nor there any more needs no report ever again.
    let (assigned, containers) = (&agent.assigned, &agent.engine.containers);
    agent.reports.retain(|task, _| assigned.contains_key(task) || containers.contains_key(task));
    if told.is_empty() {
        return;
    }
    agent.number += 1;
    let number = agent.number;
    agent.unkept.insert(number, told.clone());
    let reports = told.into_iter().collect();
    world.tell_leader(node, session, Input::Statuses { session, number, reports });
}
