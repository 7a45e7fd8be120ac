//! Elections, and the real leader behind a played log and a played network.

use crate::checks;
use crate::world::{Happening, LastLeader, World};
use common::{IdGen, NodeId, Stamp, Timestamp, Version};
use manager_core::change::{Batch, Event};
use manager_core::leader::{Beat, Input, Leader, Output, Predecessor, SessionId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Cluster time when the world begins.
const EPOCH: u64 = 1_000_000;
/// A new leader's clock may be behind that of the one before by so much.
const CLOCK_BEHIND_MS: u64 = 3_000;

pub(crate) struct Leading {
    pub(crate) node: NodeId,
    pub(crate) term: u64,
    pub(crate) core: Leader,
    wake: Option<u64>,
    /// By session: whose it is.
    pub(crate) sessions: BTreeMap<SessionId, NodeId>,
    /// How far its clock is behind the world's.
    behind: u64,
    pub(crate) known: Known,
    /// When a majority answered it for the last time.
    quorum_at: Timestamp,
}

/// What a leader has been told, noted where it was handed over.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) since: u64,
    pub(crate) predecessor: LastLeader,
    pub(crate) heard: BTreeMap<NodeId, u64>,
    pub(crate) images: BTreeMap<NodeId, BTreeSet<String>>,
    pub(crate) committed: Version,
    pub(crate) proposals_under_way: u32,
    /// The state may be ahead of the events that tell of it.
    pub(crate) events_under_way: u32,
}

impl Leading {
    pub(crate) fn expect_events(&mut self) {
        self.known.events_under_way += 1;
    }

    fn note(&mut self, input: &Input, now: u64) {
        match input {
            Input::Opened { session, hello, .. } => {
                let Some(node) = self.sessions.get(session) else { return };
                self.known.heard.insert(*node, now);
                match &hello.images {
                    Some(images) => self.known.images.insert(*node, images.clone()),
                    None => self.known.images.remove(node),
                };
            }
            Input::Beat { session, .. } => {
                if let Some(node) = self.sessions.get(session) {
                    self.known.heard.insert(*node, now);
                }
            }
            Input::Images { session, images } => {
                if let Some(node) = self.sessions.get(session) {
                    self.known.images.insert(*node, images.clone());
                }
            }
            Input::Committed { version } => {
                self.known.committed = *version;
                self.known.proposals_under_way -= 1;
            }
            Input::ProposalFailed => self.known.proposals_under_way -= 1,
            Input::Published { .. }
            | Input::Closed { .. }
            | Input::Statuses { .. }
            | Input::Volumes { .. }
            | Input::Described { .. }
            | Input::Goodbye { .. } => {}
        }
    }
}

impl World {
    /// Cluster time.
    pub(crate) fn stamp(&self) -> Stamp {
        match &self.leader {
            Some(leading) => Stamp {
                at: Timestamp(EPOCH + self.now - leading.behind),
                wall: self.wall(leading.node),
            },
            None => Stamp {
                at: self.log.state().clock().at.max(Timestamp(EPOCH)),
                wall: self.wall(self.managers.first().copied().unwrap_or(NodeId(0))),
            },
        }
    }

    pub(crate) fn elect(&mut self) {
        let next = 1_000 + self.chance.below(1_000);
        self.after(next, Happening::Election);
        if let Some(leading) = &self.leader {
            if self.has_quorum(leading.node) {
                let (node, at) = (leading.node, self.now);
                self.last_leader = LastLeader::Silent { node, at };
                return;
            }
            self.depose();
        }
        let able: Vec<NodeId> =
            self.managers.iter().copied().filter(|it| self.has_quorum(*it)).collect();
        if !able.is_empty() {
            let node = able[self.chance.below(able.len() as u64) as usize];
            self.enthrone(node);
        }
    }

    fn enthrone(&mut self, node: NodeId) {
        self.terms += 1;
        let term = self.terms;
        self.say(|| format!("{node} leads in term {term}"));
        // Never before the last stamp, whatever it heard of the former leader's clock.
        let earliest = self.log.state().clock().at.0.max(EPOCH + self.now.min(CLOCK_BEHIND_MS));
        let latest = (EPOCH + self.now).max(earliest);
        let at = self.between(earliest.max(latest.saturating_sub(CLOCK_BEHIND_MS)), latest);
        let behind = (EPOCH + self.now).saturating_sub(at);
        let known = Known {
            since: self.now,
            predecessor: std::mem::take(&mut self.last_leader),
            heard: BTreeMap::new(),
            images: BTreeMap::new(),
            committed: Version(0),
            proposals_under_way: 0,
            events_under_way: 0,
        };
        let predecessor = match known.predecessor {
            LastLeader::Silent { node: former, at } if former != node => {
                let last_heard = Timestamp((EPOCH + at).saturating_sub(behind));
                Some(Predecessor::Silent { node: former, last_heard })
            }
            LastLeader::Orderly { node: former } if former != node => {
                Some(Predecessor::Orderly { node: former })
            }
            LastLeader::Silent { .. } | LastLeader::Orderly { .. } | LastLeader::Nobody => None,
        };
        let ids = IdGen::from_seed(self.chance.next_u64());
        let now = Stamp { at: Timestamp(at), wall: self.wall(node) };
        let core = Leader::new(node, Arc::new(self.log.state().clone()), ids, predecessor, now);
        let sessions = BTreeMap::new();
        let quorum_at = now.at;
        let wake = None;
        self.leader = Some(Leading { node, term, core, wake, sessions, behind, known, quorum_at });
        self.with_leader(term, |_, _| Vec::new());
    }

    pub(crate) fn depose(&mut self) {
        if let Some(leading) = self.leader.take() {
            self.say(|| format!("{} does not lead any more", leading.node));
            self.last_leader = LastLeader::Silent { node: leading.node, at: self.now };
        }
    }

    pub(crate) fn hand_over(&mut self) {
        if let Some(leading) = self.leader.take() {
            self.say(|| format!("{} gives the leadership away", leading.node));
            self.last_leader = LastLeader::Orderly { node: leading.node };
        }
    }

    /// What the leader knows of its quorum is not quite new.
    fn prove_quorum(&mut self, beat: &mut Beat) {
        let (proven, now) = (self.between(0, 600), self.stamp().at);
        let has_quorum = self.leader.as_ref().is_some_and(|it| self.has_quorum(it.node));
        let Some(leading) = &mut self.leader else { return };
        if has_quorum {
            leading.quorum_at = leading.quorum_at.max(Timestamp(now.0 - proven));
        }
        beat.quorum_at = leading.quorum_at;
    }

    pub(crate) fn hear(&mut self, term: u64, mut input: Input) {
        let now = self.now;
        if let Input::Beat { beat, .. } = &mut input {
            self.prove_quorum(beat);
        }
        if let Some(leading) = self.leader.as_mut().filter(|it| it.term == term) {
            leading.note(&input, now);
            if let Input::Closed { session } = &input {
                leading.sessions.remove(session);
            }
        }
        self.with_leader(term, |core, now| core.handle(input, now));
    }

    pub(crate) fn publish(&mut self, term: u64, mut events: Vec<Event>) {
        // A reader that lags behind is told so, and no more.
        if self.is_faulty() && self.one_in(20) {
            events = vec![Event::Resync];
        }
        let Some(leading) = self.leader.as_mut().filter(|it| it.term == term) else { return };
        leading.known.events_under_way -= 1;
        let state = Arc::new(self.log.state().clone());
        self.with_leader(term, |core, now| core.handle(Input::Published { state, events }, now));
    }

    /// Lets the leader of that term act, and settles it as the shell does.
    pub(crate) fn with_leader(
        &mut self,
        term: u64,
        act: impl FnOnce(&mut Leader, Stamp) -> Vec<Output>,
    ) {
        let now = self.stamp();
        let leads = self.leader.as_ref().is_some_and(|it| it.term == term);
        let Some(mut leading) = self.leader.take_if(|_| leads) else { return };
        let mut outputs = act(&mut leading.core, now);
        let (more, wake_at) = leading.core.settle(now);
        outputs.extend(more);
        let in_world = |at: Timestamp| (at.0 + leading.behind).saturating_sub(EPOCH);
        let wake = wake_at.map(|at| in_world(at).max(self.now + 1));
        if let Some(at) = wake.filter(|_| wake != leading.wake) {
            leading.wake = wake;
            self.after(at - self.now, Happening::LeaderWakes { term });
        }
        self.leader = Some(leading);
        for output in outputs {
            self.perform(term, output);
        }
    }

    fn perform(&mut self, term: u64, output: Output) {
        match output {
            Output::Propose(batch) => {
                if let Some(leading) = &mut self.leader {
                    let wrong = checks::plan::violations(leading, &batch, self.now);
                    self.wrong.extend(wrong);
                    leading.known.proposals_under_way += 1;
                }
                let delay = 2 + self.chance.below(60);
                self.after(delay, Happening::ProposalEnds { term, batch });
            }
            Output::Tell { session, message } => self.tell_agent(session, message),
            Output::Close { session } => {
                if let Some(leading) = &mut self.leader {
                    leading.sessions.remove(&session);
                }
            }
        }
    }

    /// A batch reaches a majority, or does not, whatever the leader learns of it.
    pub(crate) fn proposal_ends(&mut self, term: u64, batch: &Batch) {
        let leads = self.leader.as_ref().filter(|it| it.term == term).map(|it| it.node);
        let fails = self.log.fails(self.now);
        // One that was under way when its leader died may be in the log all the same.
        let commits = match leads {
            Some(node) => self.has_quorum(node) && (!fails || self.one_in(3)),
            None => self.leader.is_none() && self.one_in(2),
        };
        let version = commits.then(|| self.commit(batch));
        if leads.is_some() {
            let input = match version.filter(|_| !fails) {
                Some(version) => Input::Committed { version },
                None => Input::ProposalFailed,
            };
            let delay = self.chance.below(4);
            self.after(delay, Happening::ToLeader { term, input });
        }
    }
}
