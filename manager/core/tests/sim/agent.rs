//! The real agent's core, driven as the agent's own loop drives it, between a played engine and a
//! played network.

mod watch;

pub(crate) use watch::{engine_gone, images_changed};

use crate::checks::{self, Rule};
use crate::engine;
use crate::fence;
use crate::machine::Fate;
use crate::world::{Happening, World};
use agent_core::container::{
    ContainerEvent, ContainerEventKind, ContainerId, Operation, OperationFailure, Outcome, Seen,
};
use agent_core::reports::{Outbox, TaskReport};
use agent_core::standing;
use agent_core::worker::{Action, BootMark, Input as WorkerInput, Worker};
use common::assignment::AssignmentSet;
use common::{NodeId, TaskId, Timestamp};
use manager_core::leader::{Beat, Input, Parting, SessionId, Telling};
use std::collections::{BTreeMap, BTreeSet};
use watch::Watch;

const BEAT_MS: u64 = 500;
const ANSWER_LIMIT_MS: u64 = 1_500;
/// An engine that says nothing for so long is ill.
const PATIENCE_MS: u64 = 2_000;
const LIST_LATER_MS: u64 = 5_000;

#[derive(Debug)]
pub(crate) enum Event {
    Connect,
    Beat,
    /// Looks for the engine.
    Attach,
    EngineLost {
        watch: u64,
    },
    ListDue {
        watch: u64,
    },
    /// The engine reads its list, which arrives later.
    Snapshot {
        watch: u64,
    },
    Listed {
        watch: u64,
        seen: Vec<Seen>,
    },
    Container {
        watch: u64,
        event: ContainerEvent,
    },
    Images,
    /// Of the lease there is less left.
    LessRoom,
    Finished {
        task: TaskId,
        outcome: Outcome,
    },
}

#[derive(Debug)]
pub(crate) struct Agent {
    life: u64,
    worker: Worker,
    outbox: Outbox,
    session: Option<Session>,
    beats: u64,
    /// By number.
    sent: BTreeMap<u64, u64>,
    watches: u64,
    watch: Option<Watch>,
    /// As the engine told them; none before it answered for the first time.
    images: Option<BTreeSet<String>>,
    volumes: Option<BTreeSet<String>>,
    /// Volumes that managers want removed.
    leaving: BTreeSet<String>,
    /// What the last list showed; none while what is known may be wrong.
    listed: Option<BTreeSet<TaskId>>,
    is_leaving: bool,
}

/// How far the conversation with one leader is.
#[derive(Debug)]
struct Session {
    id: SessionId,
    answered: u64,
    has_heard_everything: bool,
    /// By number of the message: what nobody has acknowledged yet.
    unkept: BTreeMap<u64, Vec<TaskReport>>,
}

impl Agent {
    pub(crate) fn new(life: u64, boot_mark: BootMark) -> Agent {
        Agent {
            life,
            worker: Worker::new(boot_mark),
            outbox: Outbox::default(),
            session: None,
            beats: 0,
            sent: BTreeMap::new(),
            watches: 0,
            watch: None,
            images: None,
            volumes: None,
            leaving: BTreeSet::new(),
            listed: None,
            is_leaving: false,
        }
    }

    pub(crate) fn life(&self) -> u64 {
        self.life
    }

    pub(crate) fn watch(&self) -> Option<u64> {
        self.watch.as_ref().map(|it| it.id)
    }

    pub(crate) fn images(&self) -> Option<&BTreeSet<String>> {
        self.images.as_ref()
    }

    pub(crate) fn volumes(&self) -> Option<&BTreeSet<String>> {
        self.volumes.as_ref()
    }

    pub(crate) fn listed(&self) -> Option<&BTreeSet<TaskId>> {
        self.listed.as_ref()
    }

    /// Whether it has said so, to whomever.
    pub(crate) fn has_ended(&self, task: TaskId) -> bool {
        let mut standing = self.worker.standing();
        standing.any(|it| it.task == task && it.observation.state.is_terminal())
    }

    /// What a leader that knew nothing would be told, though another has been told already.
    pub(crate) fn unacknowledged(&self) -> Vec<TaskReport> {
        let mut outbox = self.outbox.clone();
        outbox.start_over([]);
        outbox.next_batch().map(|it| it.reports).unwrap_or_default()
    }
}

/// The agent starts, again or for the first time.
pub(crate) fn start(world: &mut World, node: NodeId) {
    let life = world.machine(node).agent.life;
    for event in [Event::Attach, Event::Connect] {
        let delay = world.between(1, 300);
        world.after(delay, Happening::Agent { node, life, event });
    }
    world.after(300 + BEAT_MS, Happening::Agent { node, life, event: Event::Beat });
}

/// Its stream breaks, as far as others can tell.
pub(crate) fn is_gone(world: &mut World, node: NodeId) {
    if let Some(session) = world.machine(node).agent.session.as_ref().map(|it| it.id) {
        world.hang_up(session);
    }
}

pub(crate) fn event(world: &mut World, node: NodeId, life: u64, event: Event) {
    let machine = world.machine(node);
    if machine.agent.life != life || !machine.has_power() {
        return;
    }
    match event {
        Event::Connect => connect(world, node),
        Event::Beat => beat(world, node),
        Event::Images => watch::look_at_images(world, node),
        Event::LessRoom => look_at_lease(world, node),
        Event::Finished { task, outcome } => finished(world, node, task, outcome),
        Event::Attach => watch::attach(world, node),
        Event::EngineLost { watch } if machine.agent.watch() == Some(watch) => {
            let agent = &mut world.machine_mut(node).agent;
            (agent.watch, agent.listed) = (None, None);
            decide(world, node, WorkerInput::EngineLost);
            soon(world, node, (100, 1_000), Event::Attach);
        }
        Event::ListDue { watch } if machine.agent.watch() == Some(watch) => {
            watch::begin_list(world, node)
        }
        Event::Snapshot { watch } if machine.agent.watch() == Some(watch) => {
            watch::snapshot(world, node, watch);
        }
        Event::Listed { watch, seen } if machine.agent.watch() == Some(watch) => {
            watch::listed(world, node, seen);
        }
        Event::Container { watch, event } if machine.agent.watch() == Some(watch) => {
            let standing = world.machine(node).fence.standing(&event.id);
            decide(world, node, WorkerInput::Container(standing::event(standing, event)));
        }
        // Words of an engine that was lost since.
        Event::EngineLost { .. }
        | Event::ListDue { .. }
        | Event::Snapshot { .. }
        | Event::Listed { .. }
        | Event::Container { .. } => {}
    }
    report(world, node);
}

fn soon(world: &mut World, node: NodeId, (least, most): (u64, u64), event: Event) {
    let delay = world.between(least, most);
    let life = world.machine(node).agent.life;
    world.after(delay, Happening::Agent { node, life, event });
}

fn finished(world: &mut World, node: NodeId, task: TaskId, outcome: Outcome) {
    let machine = world.machine_mut(node);
    if let Some(id) = machine.agent.worker.container(task).cloned() {
        if matches!(outcome, Outcome::Started(Ok(_))) {
            machine.fence.started(&id);
        } else if standing::is_forestalled(machine.fence.standing(&id), &outcome) {
            let event = ContainerEvent { task, id, kind: ContainerEventKind::Halted };
            decide(world, node, WorkerInput::Container(event));
        }
    }
    decide(world, node, WorkerInput::Finished { task, outcome });
}

/// First of all, so that nothing is begun or judged by a lease that is over.
fn look_at_lease(world: &mut World, node: NodeId) {
    let room = world.machine(node).fence.room(world.now);
    decide_so(world, node, WorkerInput::Room(room));
}

fn decide(world: &mut World, node: NodeId, input: WorkerInput) {
    look_at_lease(world, node);
    decide_so(world, node, input);
    let machine = world.machine_mut(node);
    machine.fence.clear(|id| machine.agent.worker.may_run_in(id));
}

fn start_container(world: &mut World, node: NodeId, task: TaskId, id: ContainerId) {
    let by_lease = world.machine(node).agent.worker.is_at_most_one(task);
    if by_lease && !fence::register(world, node, task, &id) {
        let outcome = Outcome::Started(Err(OperationFailure::NoLease));
        return soon(world, node, (0, 0), Event::Finished { task, outcome });
    }
    engine::ask(world, node, task, Operation::Start(id));
}

fn decide_so(world: &mut World, node: NodeId, input: WorkerInput) {
    for action in world.machine_mut(node).agent.worker.handle(input) {
        match action {
            Action::Begin { task, operation: Operation::Start(id) } => {
                start_container(world, node, task, id);
            }
            Action::Begin { task, operation } => engine::ask(world, node, task, operation),
            Action::Report(report) => {
                let wrong = checks::work::said(world, node, &report);
                world.wrong.extend(wrong);
                world.machine_mut(node).agent.outbox.push(report);
            }
            // No container of this world has a health check.
            Action::Probe(_) => {}
            Action::List => watch::list_in(world, node, 0),
            Action::ListLater => watch::list_in(world, node, LIST_LATER_MS),
        }
    }
}

fn connect(world: &mut World, node: NodeId) {
    let agent = &world.machine(node).agent;
    if agent.session.is_some() || agent.is_leaving {
        return;
    }
    let Some(id) = world.open_session(node) else {
        return soon(world, node, (50, 1_000), Event::Connect);
    };
    let answered = world.now;
    let agent = &mut world.machine_mut(node).agent;
    let unkept = BTreeMap::new();
    agent.session = Some(Session { id, answered, has_heard_everything: false, unkept });
    agent.outbox.start_over(agent.worker.standing());
}

fn beat(world: &mut World, node: NodeId) {
    soon(world, node, (BEAT_MS - 50, BEAT_MS + 50), Event::Beat);
    let (now, wall) = (world.now, world.wall(node));
    let machine = world.machine_mut(node);
    let Some(session) = &machine.agent.session else { return };
    let (session, lost) = (session.id, now - session.answered > ANSWER_LIMIT_MS);
    machine.agent.beats += 1;
    let number = machine.agent.beats;
    machine.agent.sent.insert(number, now);
    let is_ill = machine.engine.is_silent_for(now, PATIENCE_MS);
    let engine_ill = if is_ill { "no answer".to_owned() } else { String::new() };
    // What the leader knows of its quorum is told where it is known.
    let beat = Beat { number, wall, engine_ill, quorum_at: Timestamp(0) };
    let beat = Input::Beat { session, beat };
    if lost || !world.tell_leader(node, session, beat) {
        world.hang_up(session);
        lose_session(world, node);
    }
}

/// Whatever was under way on it is lost, and the agent looks for the leader again.
pub(crate) fn lose_session(world: &mut World, node: NodeId) {
    if let Some(session) = world.machine_mut(node).agent.session.take() {
        world.broken.insert(session.id);
        soon(world, node, (1, 50), Event::Connect);
    }
}

/// A last word before the program or the machine goes down.
pub(crate) fn say_goodbye(world: &mut World, node: NodeId, parting: Parting) {
    if let Some(session) = world.machine(node).agent.session.as_ref().map(|it| it.id) {
        world.tell_leader(node, session, Input::Goodbye { session, parting });
    }
}

pub(crate) fn told(world: &mut World, node: NodeId, id: SessionId, telling: Telling) {
    let now = world.now;
    let reached = world.leader.as_ref().is_some_and(|it| world.reaches(node, it.node));
    let is_broken = world.broken.contains(&id);
    let agent = &mut world.machine_mut(node).agent;
    let Some(session) = agent.session.as_mut().filter(|it| it.id == id) else { return };
    if !reached || is_broken {
        world.broken.insert(id);
        return;
    }
    match telling {
        Telling::Beat { number, lease } => {
            session.answered = now;
            let sent = agent.sent.get(&number).copied();
            agent.sent.retain(|it, _| *it > number);
            if let Some(sent) = sent.filter(|_| lease) {
                granted(world, node, sent);
            }
        }
        Telling::StatusesKept(number) => {
            let later = session.unkept.split_off(&(number + 1));
            let kept = std::mem::replace(&mut session.unkept, later);
            agent.outbox.acknowledged(number);
            let wrong = checks::work::kept(world, kept.into_values().flatten());
            world.wrong.extend(wrong);
        }
        Telling::Assignments(set) => {
            let is_complete = match &set {
                AssignmentSet::Complete(_) => true,
                AssignmentSet::Changes { .. } => session.has_heard_everything,
            };
            session.has_heard_everything |= is_complete;
            let heard = !agent.is_leaving;
            if !is_complete {
                let detail = format!("{node} was told a difference to nothing");
                world.blame(Rule::CompleteFirst, detail);
            }
            if heard {
                decide(world, node, WorkerInput::Assignments(set));
            }
        }
        Telling::VolumesLeaving(names) => {
            agent.leaving = names;
            watch::look_at_images(world, node);
        }
        Telling::Welcome { .. } | Telling::Membership(_) | Telling::Files(_) => {}
        Telling::Farewell => leave(world, node),
    }
    report(world, node);
}

fn granted(world: &mut World, node: NodeId, sent: u64) {
    fence::granted(world, node, sent);
    look_at_lease(world, node);
    let now = world.now;
    for left in [3_000, 4_000] {
        let at = (sent + 10_000 - left).max(now);
        soon(world, node, (at - now, at - now), Event::LessRoom);
    }
}

/// It is no member any more, so nothing is to be left.
fn leave(world: &mut World, node: NodeId) {
    let machine = world.machine_mut(node);
    machine.agent.is_leaving = true;
    machine.agent.session = None;
    let fate = machine.fate;
    if fate != Fate::Removed {
        world.blame(Rule::MembersStay, format!("{node} was told to leave"));
    }
    decide(world, node, WorkerInput::Assignments(AssignmentSet::Complete(Vec::new())));
}

fn report(world: &mut World, node: NodeId) {
    let agent = &mut world.machine_mut(node).agent;
    let Some(session) = &mut agent.session else { return };
    let Some(batch) = agent.outbox.next_batch() else { return };
    let (number, id) = (batch.number, session.id);
    session.unkept.insert(number, batch.reports.clone());
    let reports = batch.reports.into_iter().map(|it| (it.task, it.observation)).collect();
    world.tell_leader(node, id, Input::Statuses { session: id, number, reports });
}
