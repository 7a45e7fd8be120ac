//! The world: a clock, a queue of what will happen, machines, a log, and a leader now and then.

use crate::agents::{Agent, AgentEvent};
use crate::checks;
use crate::faults;
use common::{IdGen, NodeId, Stamp, Timestamp, Version, WallTime};
use manager_core::change::{Batch, Change, Event, Unity};
use manager_core::leader::{Input, Leader, Output, Predecessor, SessionId, Telling};
use manager_core::state::State;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

/// For so long faults and users act.
const FAULTS_MS: u64 = 60_000;
/// Then everything has so long to become right: a node that flapped often waits for 300 s.
const HEALING_MS: u64 = 400_000;
/// And after that, nothing may be written for so long.
const QUIET_MS: u64 = 20_000;
const STEPS_MAX: u64 = 2_000_000;

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) chance: IdGen,
    queue: BinaryHeap<Reverse<(u64, u64, Happening)>>,
    sequence: u64,
    pub(crate) agents: BTreeMap<NodeId, Agent>,
    /// Nodes that vote.
    pub(crate) managers: Vec<NodeId>,
    /// What is committed, whoever knows of it.
    pub(crate) state: State,
    pub(crate) leader: Option<Leading>,
    epoch: u64,
    sessions: u64,
    /// Streams on which something was lost: nothing behind that arrives either.
    pub(crate) broken: BTreeSet<SessionId>,
    /// Proposals fail until then, as on a full disk.
    pub(crate) log_fails_until: u64,
    last_word: Option<(NodeId, u64)>,
    pub(crate) last_commit: u64,
    pub(crate) wrong: Vec<String>,
    trace: bool,
}

pub(crate) struct Leading {
    pub(crate) node: NodeId,
    pub(crate) epoch: u64,
    core: Leader,
    wake: Option<u64>,
    /// By session: whose it is.
    sessions: BTreeMap<SessionId, NodeId>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Happening {
    Fault,
    Election,
    LeaderWakes { epoch: u64 },
    ProposalEnds { epoch: u64, id: u64 },
    Answer { epoch: u64, id: u64 },
    ToLeader { epoch: u64, id: u64 },
    ToAgent { node: NodeId, session: SessionId, id: u64 },
    Agent { node: NodeId, life: u64, event: AgentEvent },
}

/// What travels, kept apart from the queue because it has no order of its own.
pub(crate) enum Parcel {
    Input(Input),
    Telling(Telling),
    Batch(Batch),
    Published { events: Vec<Event> },
    Outcome(Result<Version, ()>),
}

type Parcels = RefCell<BTreeMap<u64, Parcel>>;

thread_local! {
    /// Parcels under way, by id. A run is one thread.
    static PARCELS: Parcels = const { RefCell::new(BTreeMap::new()) };
}

impl World {
    pub(crate) fn new(seed: u64, trace: bool) -> World {
        PARCELS.with_borrow_mut(BTreeMap::clear);
        let mut world = World {
            now: 0,
            chance: IdGen::from_seed(seed ^ 0x5eed),
            queue: BinaryHeap::new(),
            sequence: 0,
            agents: BTreeMap::new(),
            managers: Vec::new(),
            state: State::default(),
            leader: None,
            epoch: 0,
            sessions: 0,
            broken: BTreeSet::new(),
            log_fails_until: 0,
            last_word: None,
            last_commit: 0,
            wrong: Vec::new(),
            trace,
        };
        faults::found(&mut world);
        world.after(100, Happening::Election);
        world.after(500, Happening::Fault);
        world
    }

    pub(crate) fn started(&self) -> u64 {
        self.agents.values().map(|it| it.engine.started).sum()
    }

    /// Runs faults, healing and quiet, and answers what was wrong.
    pub(crate) fn run(&mut self) -> Vec<String> {
        self.run_until(FAULTS_MS);
        faults::end(self);
        self.run_until(FAULTS_MS + HEALING_MS);
        let settled = self.last_commit;
        self.run_until(FAULTS_MS + HEALING_MS + QUIET_MS);
        if self.wrong.is_empty() {
            self.wrong = checks::liveness(self);
            if self.last_commit != settled {
                self.wrong.push("an idle cluster writes".to_owned());
            }
        }
        std::mem::take(&mut self.wrong)
    }

    fn run_until(&mut self, end: u64) {
        let mut steps = 0;
        while let Some(Reverse((at, _, _))) = self.queue.peek() {
            if *at > end || !self.wrong.is_empty() {
                break;
            }
            let Some(Reverse((at, _, happening))) = self.queue.pop() else { break };
            self.now = at;
            self.happen(happening);
            steps += 1;
            if steps > STEPS_MAX {
                self.wrong.push("it does not come to rest".to_owned());
            }
        }
        self.now = self.now.max(end);
    }

    pub(crate) fn after(&mut self, delay: u64, happening: Happening) {
        self.sequence += 1;
        self.queue.push(Reverse((self.now + delay, self.sequence, happening)));
    }

    fn park(&mut self, parcel: Parcel) -> u64 {
        self.sequence += 1;
        let id = self.sequence;
        PARCELS.with_borrow_mut(|it| it.insert(id, parcel));
        id
    }

    fn unpark(id: u64) -> Option<Parcel> {
        PARCELS.with_borrow_mut(|it| it.remove(&id))
    }

    pub(crate) fn say(&self, text: impl FnOnce() -> String) {
        if self.trace {
            use std::io::Write;
            drop(writeln!(std::io::stderr(), "{:>7} {}", self.now, text()));
        }
    }

    pub(crate) fn stamp(&self) -> Stamp {
        let at = 1_000_000 + self.now;
        Stamp { at: Timestamp(at), wall: WallTime(at) }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Fault => faults::strike(self),
            Happening::Election => self.elect(),
            Happening::LeaderWakes { epoch } => self.with_leader(epoch, |_, _| Vec::new()),
            Happening::ProposalEnds { epoch, id } => self.proposal_ends(epoch, id),
            Happening::Answer { epoch, id } => self.answer(epoch, id),
            Happening::ToLeader { epoch, id } => {
                if let Some(Parcel::Input(input)) = Self::unpark(id) {
                    self.with_leader(epoch, |core, now| core.handle(input, now));
                }
            }
            Happening::ToAgent { node, session, id } => {
                if let Some(Parcel::Telling(telling)) = Self::unpark(id) {
                    crate::agents::told(self, node, session, telling);
                }
            }
            Happening::Agent { node, life, event } => crate::agents::event(self, node, life, event),
        }
    }

    // --- the leader

    pub(crate) fn reaches(&self, a: NodeId, b: NodeId) -> bool {
        let fine = |id: NodeId| self.agents.get(&id).is_some_and(|it| it.power && !it.cut);
        a == b && self.agents[&a].power || fine(a) && fine(b)
    }

    fn has_quorum(&self, node: NodeId) -> bool {
        let reached = self.managers.iter().filter(|it| self.reaches(node, **it)).count();
        reached * 2 > self.managers.len()
    }

    fn elect(&mut self) {
        let next = 1_000 + self.chance.below(1_000);
        self.after(next, Happening::Election);
        if let Some(leading) = &self.leader {
            if self.has_quorum(leading.node) {
                self.last_word = Some((leading.node, self.now));
                return;
            }
            self.depose();
        }
        let able: Vec<NodeId> =
            self.managers.iter().copied().filter(|it| self.has_quorum(*it)).collect();
        if able.is_empty() {
            return;
        }
        let node = able[self.chance.below(able.len() as u64) as usize];
        self.epoch += 1;
        let epoch = self.epoch;
        self.say(|| format!("{node} leads in term {epoch}"));
        let last_word = self.last_word.take().filter(|(former, _)| *former != node);
        let predecessor = last_word
            .map(|(node, at)| Predecessor::Silent { node, last_heard: Timestamp(1_000_000 + at) });
        let ids = IdGen::from_seed(self.chance.next_u64());
        let core = Leader::new(Arc::new(self.state.clone()), ids, predecessor, self.stamp());
        self.leader = Some(Leading { node, epoch, core, wake: None, sessions: BTreeMap::new() });
        self.with_leader(epoch, |_, _| Vec::new());
    }

    pub(crate) fn depose(&mut self) {
        if let Some(leading) = self.leader.take() {
            self.say(|| format!("{} does not lead any more", leading.node));
            self.last_word = Some((leading.node, self.now));
        }
    }

    /// Lets the leader of that term act, and settles it as the shell does.
    fn with_leader(&mut self, epoch: u64, act: impl FnOnce(&mut Leader, Stamp) -> Vec<Output>) {
        let now = self.stamp();
        let leads = self.leader.as_ref().is_some_and(|it| it.epoch == epoch);
        let Some(mut leading) = self.leader.take_if(|_| leads) else { return };
        let mut outputs = act(&mut leading.core, now);
        let (more, wake_at) = leading.core.settle(now);
        outputs.extend(more);
        let wake = wake_at.map(|it| it.0.saturating_sub(1_000_000).max(self.now + 1));
        if wake.is_some() && wake != leading.wake {
            leading.wake = wake;
            let delay = wake.map_or(0, |it| it - self.now);
            self.after(delay, Happening::LeaderWakes { epoch });
        }
        self.leader = Some(leading);
        for output in outputs {
            self.perform(epoch, output);
        }
    }

    fn perform(&mut self, epoch: u64, output: Output) {
        match output {
            Output::Propose(batch) => {
                let delay = 2 + self.chance.below(60);
                let id = self.park(Parcel::Batch(batch));
                self.after(delay, Happening::ProposalEnds { epoch, id });
            }
            Output::Tell { session, message } => {
                let node = self.leader.as_ref().and_then(|it| it.sessions.get(&session).copied());
                let Some(node) = node else { return };
                let at = self.agents.get_mut(&node).map_or(0, |it| it.inbox_at(self.now));
                let delay = at.max(self.now) - self.now + 1 + self.chance.below(5);
                if let Some(agent) = self.agents.get_mut(&node) {
                    agent.inbox_until(self.now + delay);
                }
                let id = self.park(Parcel::Telling(message));
                self.after(delay, Happening::ToAgent { node, session, id });
            }
            Output::Close { session } => {
                if let Some(leading) = &mut self.leader {
                    leading.sessions.remove(&session);
                }
            }
        }
    }

    /// A batch reaches a majority, or does not, whatever the leader learns of it.
    fn proposal_ends(&mut self, epoch: u64, id: u64) {
        let Some(Parcel::Batch(batch)) = Self::unpark(id) else { return };
        let leads = self.leader.as_ref().filter(|it| it.epoch == epoch).map(|it| it.node);
        let fails = self.now < self.log_fails_until;
        // One that was under way when its leader died may be in the log all the same.
        let commits = match leads {
            Some(node) => self.has_quorum(node) && (!fails || self.chance.below(3) == 0),
            None => self.leader.is_none() && self.chance.below(2) == 0,
        };
        let outcome = if commits { Ok(self.commit(&batch)) } else { Err(()) };
        if leads.is_some() {
            let outcome = if fails { Err(()) } else { outcome };
            let id = self.park(Parcel::Outcome(outcome));
            let delay = self.chance.below(4);
            self.after(delay, Happening::Answer { epoch, id });
        }
    }

    fn answer(&mut self, epoch: u64, id: u64) {
        match Self::unpark(id) {
            Some(Parcel::Outcome(Ok(version))) => {
                self.with_leader(epoch, |core, now| core.handle(Input::Committed { version }, now));
            }
            Some(Parcel::Outcome(Err(()))) => {
                self.with_leader(epoch, |core, now| core.handle(Input::ProposalFailed, now));
            }
            Some(Parcel::Published { events }) => {
                let state = Arc::new(self.state.clone());
                self.with_leader(epoch, |core, now| {
                    core.handle(Input::Published { state, events }, now)
                });
            }
            Some(Parcel::Input(_) | Parcel::Telling(_) | Parcel::Batch(_)) | None => {}
        }
    }

    fn commit(&mut self, batch: &Batch) -> Version {
        let version = Version(self.state.version().0 + 1);
        let before = self.state.clone();
        let applied = self.state.apply(version, batch);
        self.last_commit = self.now;
        for change in &batch.changes {
            self.say(|| format!("commit {version}: {change:?}"));
        }
        self.wrong.extend(checks::safety(&before, &self.state));
        if let Some(epoch) = self.leader.as_ref().map(|it| it.epoch) {
            let id = self.park(Parcel::Published { events: applied.events });
            let delay = self.chance.below(6);
            self.after(delay, Happening::Answer { epoch, id });
        }
        version
    }

    /// A user's wish, if anybody is there to hear it.
    pub(crate) fn ask(&mut self, changes: Vec<Change>) {
        let heard = self.leader.as_ref().is_some_and(|it| self.has_quorum(it.node));
        if heard && self.now >= self.log_fails_until {
            self.found(changes);
        }
    }

    /// Committed whatever the circumstances: how a world begins.
    pub(crate) fn found(&mut self, changes: Vec<Change>) {
        let batch = Batch { stamp: self.stamp(), unity: Unity::AllOrNothing, changes };
        self.commit(&batch);
    }

    // --- sessions

    /// An agent that reaches the leader opens a session.
    pub(crate) fn open_session(&mut self, node: NodeId) -> Option<SessionId> {
        let leading = self.leader.as_ref()?;
        let (leader, epoch) = (leading.node, leading.epoch);
        if !self.reaches(node, leader) {
            return None;
        }
        self.sessions += 1;
        let session = SessionId(self.sessions);
        self.leader.as_mut()?.sessions.insert(session, node);
        let hello = self.agents.get(&node)?.hello();
        let input = Input::Opened { session, node, hello: Box::new(hello) };
        let id = self.park(Parcel::Input(input));
        self.after(1, Happening::ToLeader { epoch, id });
        Some(session)
    }

    /// Answers whether the agent's connection still stands as far as it can tell.
    pub(crate) fn tell_leader(&mut self, node: NodeId, session: SessionId, input: Input) -> bool {
        let Some(leading) = &self.leader else { return false };
        let (leader, epoch) = (leading.node, leading.epoch);
        if leading.sessions.get(&session) != Some(&node) {
            return false;
        }
        if !self.reaches(node, leader) || self.broken.contains(&session) {
            // It is lost on the way, and nobody knows yet.
            self.broken.insert(session);
            return true;
        }
        let at = self.agents.get_mut(&node).map_or(0, |it| it.outbox_at(self.now));
        let delay = at.max(self.now) - self.now + 1 + self.chance.below(5);
        if let Some(agent) = self.agents.get_mut(&node) {
            agent.outbox_until(self.now + delay);
        }
        let id = self.park(Parcel::Input(input));
        self.after(delay, Happening::ToLeader { epoch, id });
        true
    }

    pub(crate) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.chance.below(most - least + 1)
    }

    pub(crate) fn time(&self) -> Duration {
        Duration::from_millis(self.now)
    }
}
