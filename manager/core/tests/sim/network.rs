//! Who reaches whom, and what travels between an agent and its leader.

use crate::world::{Happening, World};
use common::NodeId;
use manager_core::leader::{Input, SessionId, Telling};

impl World {
    pub(crate) fn reaches(&self, a: NodeId, b: NodeId) -> bool {
        let (a, b) = (self.machine(a), self.machine(b));
        a.has_power() && b.has_power() && (a.node == b.node || !a.is_cut && !b.is_cut)
    }

    pub(crate) fn has_quorum(&self, node: NodeId) -> bool {
        if self.machine(node).frozen.is_some() {
            return false;
        }
        let reached = self.managers.iter().filter(|it| self.reaches(node, **it)).count();
        reached * 2 > self.managers.len()
    }

    /// An agent that reaches the leader opens a session.
    pub(crate) fn open_session(&mut self, node: NodeId) -> Option<SessionId> {
        let leader = self.leader.as_ref()?.node;
        if !self.reaches(node, leader) {
            return None;
        }
        self.sessions += 1;
        let session = SessionId(self.sessions);
        let hello = Box::new(self.machine(node).hello());
        let leading = self.leader.as_mut()?;
        leading.sessions.insert(session, node);
        let term = leading.term;
        self.after(1, Happening::ToLeader { term, input: Input::Opened { session, node, hello } });
        Some(session)
    }

    /// Answers whether the agent's connection still stands as far as it can tell.
    pub(crate) fn tell_leader(&mut self, node: NodeId, session: SessionId, input: Input) -> bool {
        let Some(leading) = &self.leader else { return false };
        let (leader, term) = (leading.node, leading.term);
        if leading.sessions.get(&session) != Some(&node) {
            return false;
        }
        if !self.reaches(node, leader) || self.broken.contains(&session) {
            // It is lost on the way, and nobody knows yet.
            self.broken.insert(session);
            return true;
        }
        let (now, jitter) = (self.now, self.between(1, 5));
        let delay = self.machine_mut(node).outward.next(now, jitter);
        self.after(delay, Happening::ToLeader { term, input });
        true
    }

    pub(crate) fn tell_agent(&mut self, session: SessionId, telling: Telling) {
        let owner = self.leader.as_ref().and_then(|it| it.sessions.get(&session).copied());
        let Some(node) = owner else { return };
        let (now, jitter) = (self.now, self.between(1, 5));
        let delay = self.machine_mut(node).inward.next(now, jitter);
        self.after(delay, Happening::ToAgent { node, session, telling });
    }

    /// The agent's end of a stream is gone; the leader's end notices sooner or later.
    pub(crate) fn hang_up(&mut self, session: SessionId) {
        let delay = self.between(1, 4_000);
        let Some(leading) = &self.leader else { return };
        let term = leading.term;
        self.after(delay, Happening::ToLeader { term, input: Input::Closed { session } });
    }
}
