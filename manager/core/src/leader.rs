//! The leader, as a machine without IO: what it hears goes in, what it says and proposes comes
//! out. The shell feeds it one input at a time and calls [`Leader::settle`] when its queue is
//! empty, so that whatever came together is planned and committed together.

mod facts;
mod sessions;

pub use facts::NodeFact;
pub use sessions::{Hello, Membership, SessionId, Telling};

use crate::change::{Batch, Event, Unity};
use crate::draft::{Draft, Observed};
use crate::liveness::{Liveness, Verdict};
use crate::planner::{CREATED_PER_PLAN_MAX, Planner};
use crate::scheduler::Waiting;
use crate::soft::Soft;
use crate::state::State;
use common::lease::QUORUM_PROOF;
use common::node::{DownReason, NodeDescription, NodeState};
use common::task::{Observation, TaskState};
use common::{IdGen, NodeId, Stamp, TaskId, Timestamp, Version, WallTime};
use facts::Facts;
use sessions::Sessions;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// After a proposal that failed, so that a cluster without quorum is not asked in a tight loop.
const RETRY_AFTER: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub struct Leader {
    state: Arc<State>,
    soft: Soft,
    planner: Planner,
    liveness: Liveness,
    ids: IdGen,
    sessions: Sessions,
    facts: Facts,
    round: Round,
    waiting: BTreeMap<TaskId, Waiting>,
    /// Something happened that a plan has not seen yet.
    plan_due: bool,
    plan_at: Option<Timestamp>,
}

/// At most one proposal is under way; what comes meanwhile goes into the next.
#[derive(Debug)]
enum Round {
    Open,
    Proposed(Facts),
    /// Committed, but the state that shows it has not been published yet. No plan is ever made
    /// on a state older than the last commit.
    Committed(Version, Facts),
}

impl Round {
    /// Whether that is being proposed; it may fail, and is proposed again then.
    fn takes_down(&self, node: NodeId) -> bool {
        match self {
            Round::Proposed(facts) => facts.takes_down(node),
            Round::Open | Round::Committed(..) => false,
        }
    }

    /// Whether others may know a node as down, or are about to, whom the state shows as up.
    fn fells(&self, node: NodeId) -> bool {
        match self {
            Round::Proposed(facts) | Round::Committed(_, facts) => facts.fells(node),
            Round::Open => false,
        }
    }
}

#[derive(Debug)]
pub enum Input {
    Published { state: Arc<State>, events: Vec<Event> },
    Committed { version: Version },
    ProposalFailed,
    Opened { session: SessionId, node: NodeId, hello: Box<Hello> },
    Closed { session: SessionId },
    Beat { session: SessionId, beat: Beat },
    Statuses { session: SessionId, number: u64, reports: Vec<(TaskId, Observation)> },
    Images { session: SessionId, images: BTreeSet<String> },
    Volumes { session: SessionId, names: BTreeSet<String> },
    Described { session: SessionId, description: Box<NodeDescription> },
    Goodbye { session: SessionId, parting: Parting },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    pub number: u64,
    pub wall: WallTime,
    pub engine_ill: String,
    /// A majority of the managers has answered what this one sent to them then, or since.
    pub quorum_at: Timestamp,
}

/// How an agent takes its leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parting {
    /// Its tasks move at once.
    Down(DownReason),
    /// Nothing moves: the program will be back.
    Restart,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    Propose(Batch),
    Tell { session: SessionId, message: Telling },
    Close { session: SessionId },
}

/// What a new leader knows of the one before.
#[derive(Debug, Clone, Copy)]
pub enum Predecessor {
    /// Its silence was witnessed by this manager itself.
    Silent { node: NodeId, last_heard: Timestamp },
    /// It gave the leadership away, and will be back.
    Orderly { node: NodeId },
}

impl Leader {
    pub fn new(
        own: NodeId,
        state: Arc<State>,
        ids: IdGen,
        predecessor: Option<Predecessor>,
        now: Stamp,
    ) -> Leader {
        let mut liveness = Liveness::new(own, now.at);
        for node in state.nodes() {
            liveness.watch(node.id, node.spec.down_after, now.at);
        }
        match predecessor {
            Some(Predecessor::Silent { node, last_heard }) => liveness.witnessed(node, last_heard),
            Some(Predecessor::Orderly { node }) => liveness.restarts(node),
            None => {}
        }
        let mut planner = Planner::new(CREATED_PER_PLAN_MAX);
        planner.on_event(&state, Event::Resync);
        Leader {
            state,
            soft: Soft::of_leader_since(now.at),
            planner,
            liveness,
            ids,
            sessions: Sessions::default(),
            facts: Facts::default(),
            round: Round::Open,
            waiting: BTreeMap::new(),
            plan_due: true,
            plan_at: None,
        }
    }

    pub fn state(&self) -> &Arc<State> {
        &self.state
    }

    pub fn soft(&self) -> &Soft {
        &self.soft
    }

    /// Why tasks have no node yet, or are ready and not started.
    pub fn waiting(&self) -> &BTreeMap<TaskId, Waiting> {
        &self.waiting
    }

    pub fn session_of(&self, node: NodeId) -> Option<SessionId> {
        self.sessions.of_node(node)
    }

    pub fn handle(&mut self, input: Input, now: Stamp) -> Vec<Output> {
        let mut out = Vec::new();
        match input {
            Input::Published { state, events } => self.published(state, events, now, &mut out),
            Input::Committed { version } => {
                if let Round::Proposed(facts) = &mut self.round {
                    self.round = Round::Committed(version, std::mem::take(facts));
                    self.sessions.round_kept(&mut out);
                    self.close_round();
                }
            }
            Input::ProposalFailed => self.proposal_failed(now),
            Input::Opened { session, node, hello } => {
                self.opened(session, node, *hello, now, &mut out);
            }
            Input::Closed { session } => {
                if let Some(node) = self.sessions.node(session) {
                    self.soft.set_in_touch(node, false);
                }
                self.sessions.ended(session, &mut out);
            }
            Input::Beat { session, beat } => self.beat(session, &beat, now, &mut out),
            Input::Statuses { session, number, reports } => {
                self.statuses(session, number, reports, now);
            }
            Input::Images { session, images } => {
                if let Some(node) = self.sessions.node(session) {
                    self.soft.set_images(node, images);
                    self.plan_due = true;
                }
            }
            Input::Volumes { session, names } => {
                if let Some(node) = self.sessions.node(session) {
                    self.volumes_named(node, names);
                }
            }
            Input::Described { session, description } => {
                if let Some(node) = self.sessions.node(session) {
                    self.described(node, *description, None);
                }
            }
            Input::Goodbye { session, parting } => self.goodbye(session, parting),
        }
        out
    }

    fn volumes_named(&mut self, node: NodeId, names: BTreeSet<String>) {
        self.soft.set_volumes(node, names);
        self.planner.on_volumes(node);
        self.plan_due = true;
    }

    fn goodbye(&mut self, session: SessionId, parting: Parting) {
        let Some(node) = self.sessions.goodbye(session) else { return };
        match parting {
            Parting::Restart => self.liveness.restarts(node),
            Parting::Down(reason) => {
                self.facts.node(node, NodeFact::Down(reason));
                self.plan_due = true;
            }
        }
    }

    fn published(
        &mut self,
        state: Arc<State>,
        events: Vec<Event>,
        now: Stamp,
        out: &mut Vec<Output>,
    ) {
        self.state = state;
        self.plan_due |= !events.is_empty();
        for event in events {
            self.planner.on_event(&self.state, event);
            match event {
                Event::TaskChanged { task, node, .. } => {
                    if let Some(node) = node {
                        self.sessions.assignments_changed(node);
                    }
                    if self.state.task(task).is_none() {
                        self.soft.forget_task(task);
                    }
                }
                Event::NodeChanged(node) => self.node_changed(node, now, out),
                Event::VolumesChanged => self.sessions.volumes_changed(),
                Event::ServiceChanged(_)
                | Event::ClusterChanged
                | Event::FileChanged(_)
                | Event::NetworkChanged(_) => {}
                Event::Resync => {
                    self.sessions.everything_changed();
                    let nodes: Vec<NodeId> = self.state.nodes().map(|it| it.id).collect();
                    nodes.into_iter().for_each(|node| self.node_changed(node, now, out));
                    let state = Arc::clone(&self.state);
                    self.liveness.retain(|node| state.node(node).is_some());
                    self.sessions.farewell_all_but(|node| state.node(node).is_some(), out);
                }
            }
        }
        self.close_round();
    }

    /// The answer to a proposal and the state that shows it come in either order.
    fn close_round(&mut self) {
        if let Round::Committed(version, _) = &self.round
            && self.state.version() >= *version
        {
            self.round = Round::Open;
        }
    }

    fn node_changed(&mut self, id: NodeId, now: Stamp, out: &mut Vec<Output>) {
        self.sessions.members_changed();
        match self.state.node(id) {
            Some(node) => self.liveness.watch(id, node.spec.down_after, now.at),
            None => {
                self.liveness.forget(id);
                self.soft.forget_node(id);
                self.sessions.farewell(id, out);
            }
        }
    }

    fn proposal_failed(&mut self, now: Stamp) {
        if let Round::Proposed(facts) = std::mem::replace(&mut self.round, Round::Open) {
            self.facts.put_back(facts);
            // What the plan had decided is decided again, from the state as it is then.
            self.planner.on_event(&self.state, Event::Resync);
            self.plan_at = Some(now.at + RETRY_AFTER);
        }
    }

    fn opened(
        &mut self,
        session: SessionId,
        node: NodeId,
        hello: Hello,
        now: Stamp,
        out: &mut Vec<Output>,
    ) {
        if self.state.node(node).is_none() {
            // One that has just joined may be here before the news of it: it tries again.
            if self.state.was_removed(node) {
                out.push(Output::Tell { session, message: Telling::Farewell });
            }
            out.push(Output::Close { session });
            return;
        }
        self.soft.set_in_touch(node, false);
        match hello.images {
            Some(images) => self.soft.set_images(node, images),
            None => self.soft.forget_node(node),
        }
        if let Some(names) = hello.volumes {
            self.volumes_named(node, names);
        }
        self.liveness.connected(node, now.at);
        self.sessions.open(session, node, out);
        let period = self.liveness.beat_period(node);
        self.sessions.welcome(session, &self.state, period, out);
        self.is_up(node, Up::Connected);
        self.described(node, hello.description, Some((hello.kind, hello.address)));
        self.plan_due = true;
    }

    fn described(
        &mut self,
        id: NodeId,
        description: NodeDescription,
        seat: Option<(common::node::NodeKind, std::net::SocketAddr)>,
    ) {
        let Some(node) = self.state.node(id) else { return };
        let (kind, address) = seat.unwrap_or((node.kind, node.address));
        if (&node.description, node.kind, node.address) != (&description, kind, address) {
            self.facts.describe(id, description, kind, address);
            self.plan_due = true;
        }
    }

    fn beat(&mut self, session: SessionId, beat: &Beat, now: Stamp, out: &mut Vec<Output>) {
        let Some(node) = self.sessions.node(session) else { return };
        let lease = self.may_have_lease(node, beat.quorum_at, now.at);
        if lease {
            self.soft.grant_lease(node, now.at);
        }
        let number = beat.number;
        out.push(Output::Tell { session, message: Telling::Beat { number, lease } });
        self.soft.set_in_touch(node, true);
        self.liveness.heard(node, &beat.engine_ill, now.at);
        let offset = i128::from(beat.wall.0) - i128::from(now.wall.0);
        self.soft.set_clock_offset(node, i64::try_from(offset).unwrap_or(i64::MAX));
        if beat.engine_ill.is_empty() && !self.sessions.said_goodbye(session) {
            self.is_up(node, Up::Well);
        }
    }

    /// Whether what must not run twice may go on there: nobody can be about to replace it. Others
    /// may lead where too few answer, and have replaced it.
    fn may_have_lease(&self, node: NodeId, quorum_at: Timestamp, now: Timestamp) -> bool {
        let is_ready = self.state.node(node).is_some_and(|it| it.status.state == NodeState::Ready);
        let is_falling = self.facts.fells(node) || self.round.fells(node);
        is_ready && !is_falling && now.since(quorum_at) <= QUORUM_PROOF
    }

    fn is_up(&mut self, id: NodeId, up: Up) {
        let Some(node) = self.state.node(id) else { return };
        let is_news = match &node.status.state {
            NodeState::Ready => self.facts.takes_down(id) || self.round.takes_down(id),
            NodeState::Joining => true,
            // A new connection says nothing of the engine; a beat does.
            NodeState::Down(DownReason::EngineIll { .. }) => up == Up::Well,
            NodeState::Down(_) => true,
        };
        if is_news && self.facts.node(id, NodeFact::Up) {
            self.plan_due = true;
        }
    }

    fn statuses(
        &mut self,
        session: SessionId,
        number: u64,
        reports: Vec<(TaskId, Observation)>,
        now: Stamp,
    ) {
        let Some(node) = self.sessions.node(session) else { return };
        for (task, observed) in reports {
            // Nobody speaks for another node's tasks.
            if self.state.task(task).is_none_or(|it| it.placement.node() != Some(node)) {
                continue;
            }
            self.soft.observe(task, observed.clone(), now);
            // What has been made ready may have its turn now.
            if observed.state == TaskState::Ready
                && let Some(task) = self.state.task(task)
            {
                self.planner.mark(task.service);
                self.plan_due = true;
            }
            if observed.state.is_kept() {
                self.facts.observe(task, node, observed);
                self.plan_due = true;
            }
        }
        self.sessions.received(session, number);
    }

    /// Plans, proposes and tells, once everything that waited has been handled. Answers when it
    /// wants to be called again though nothing should have happened.
    pub fn settle(&mut self, now: Stamp) -> (Vec<Output>, Option<Timestamp>) {
        let mut out = Vec::new();
        self.look_for_the_silent(now);
        let is_time = self.plan_at.is_some_and(|at| at <= now.at);
        let may_retry = self.plan_at.is_none() || is_time || !self.facts.is_put_back();
        if matches!(self.round, Round::Open) && (self.plan_due || is_time) && may_retry {
            self.plan(now, &mut out);
        }
        if matches!(self.round, Round::Open) && self.facts.is_empty() {
            self.sessions.nothing_to_keep(&mut out);
        }
        self.sessions.tell_changes(&self.state, &mut out);
        let state = Arc::clone(&self.state);
        let is_up = |id| state.node(id).is_some_and(|it| !it.status.state.is_down());
        let look_at = self.liveness.look_at(is_up);
        let plan_at = match self.round {
            Round::Open => self.plan_at,
            Round::Proposed(_) | Round::Committed(..) => None,
        };
        (out, [look_at, plan_at].into_iter().flatten().min())
    }

    fn look_for_the_silent(&mut self, now: Stamp) {
        for (id, verdict) in self.liveness.overdue(now.at) {
            let is_down = self.state.node(id).is_none_or(|it| it.status.state.is_down());
            if is_down {
                continue;
            }
            let reason = match verdict {
                Verdict::Silent { for_at_least } => DownReason::Silent { for_at_least },
                Verdict::EngineIll { detail } => DownReason::EngineIll { detail },
            };
            if self.facts.node(id, NodeFact::Down(reason)) {
                self.plan_due = true;
            }
        }
    }

    fn plan(&mut self, now: Stamp, out: &mut Vec<Output>) {
        // Later than everything before, so that the tasks of a slot have an order.
        let at = now.at.max(self.state.clock().at + Duration::from_millis(1));
        let stamp = Stamp { at, ..now };
        let facts = std::mem::take(&mut self.facts);
        let state = Arc::clone(&self.state);
        let mut draft = Draft::new(&state, &self.soft, stamp, &mut self.ids);
        for event in facts.apply_to_nodes(&mut draft) {
            self.planner.on_event(&state, event);
        }
        for (task, (node, observed)) in facts.observed() {
            match draft.observe(*task, *node, observed) {
                Observed::News(service) => self.planner.mark(service),
                Observed::Old | Observed::Unknown => {}
            }
        }
        let plan = self.planner.plan(draft);
        plan.tell_who_waits(&mut self.waiting, &state);
        self.plan_at = plan.wake_at;
        self.plan_due = plan.unfinished;
        if !plan.changes.is_empty() {
            self.sessions.round_begins();
            let changes = plan.changes;
            out.push(Output::Propose(Batch { stamp, unity: Unity::EachAlone, changes }));
            self.round = Round::Proposed(facts);
        }
    }
}

/// How a node shows that it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Up {
    Connected,
    Well,
}
