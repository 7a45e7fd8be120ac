//! The agents that are connected, and what each was told.

use super::Output;
use crate::assignments::{self, Told};
use crate::deliveries::{self, FilesTold};
use crate::state::State;
use crate::volumes;
use common::NodeId;
use common::assignment::AssignmentSet;
use common::file::FileSet;
use common::node::{NodeDescription, NodeKind, Role};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// Counted by the shell; never used twice by one leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// How an agent introduces itself.
#[derive(Debug, Clone)]
pub struct Hello {
    pub description: NodeDescription,
    /// None: its engine has not been asked yet.
    pub images: Option<BTreeSet<String>>,
    /// None: its engine has not been asked yet.
    pub volumes: Option<BTreeSet<String>>,
    pub kind: NodeKind,
    pub address: SocketAddr,
}

/// What an agent is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Telling {
    Welcome {
        node_name: String,
        beat_period: Duration,
        membership: Membership,
    },
    Beat {
        number: u64,
        lease: bool,
    },
    /// Before the assignments that need them.
    Files(FileSet),
    Assignments(AssignmentSet),
    /// All that it is to remove, each time it is another list.
    VolumesLeaving(BTreeSet<String>),
    StatusesKept(u64),
    Membership(Membership),
    Farewell,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    pub managers: Vec<SocketAddr>,
    pub role: Role,
}

#[derive(Debug)]
struct Session {
    node: NodeId,
    told: Told,
    files_told: FilesTold,
    leaving_told: BTreeSet<String>,
    membership: Membership,
    /// Numbers of status messages: the last one received, the last one that the proposal under
    /// way covers, the last one the agent may forget.
    received: u64,
    in_round: u64,
    kept: u64,
    parting: Parted,
}

/// An agent that takes its leave stays on the line until its word is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parted {
    No,
    Said,
    InRound,
}

#[derive(Debug, Default)]
pub(super) struct Sessions {
    sessions: BTreeMap<SessionId, Session>,
    by_node: BTreeMap<NodeId, SessionId>,
    changed: BTreeSet<NodeId>,
    members_changed: bool,
}

impl Sessions {
    pub(super) fn node(&self, session: SessionId) -> Option<NodeId> {
        self.sessions.get(&session).map(|it| it.node)
    }

    pub(super) fn of_node(&self, node: NodeId) -> Option<SessionId> {
        self.by_node.get(&node).copied()
    }

    /// A node has one session: the newest. An older one hangs on a connection that died.
    pub(super) fn open(&mut self, session: SessionId, node: NodeId, out: &mut Vec<Output>) {
        if let Some(old) = self.by_node.insert(node, session) {
            self.sessions.remove(&old);
            out.push(Output::Close { session: old });
        }
        self.sessions.insert(
            session,
            Session {
                node,
                told: Told::new(),
                files_told: FilesTold::new(),
                leaving_told: BTreeSet::new(),
                membership: Membership { managers: Vec::new(), role: Role::Worker },
                received: 0,
                in_round: 0,
                kept: 0,
                parting: Parted::No,
            },
        );
    }

    pub(super) fn welcome(
        &mut self,
        id: SessionId,
        state: &State,
        beat_period: Duration,
        out: &mut Vec<Output>,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(node) = state.node(session.node) else { return };
        session.membership = membership(state, node.spec.role);
        let (files, files_told) = deliveries::complete(state, session.node);
        session.files_told = files_told;
        let (node_name, membership) = (node.name.to_string(), session.membership.clone());
        let (set, told) = assignments::complete(state, session.node);
        session.told = told;
        let welcome = Telling::Welcome { node_name, beat_period, membership };
        out.push(Output::Tell { session: id, message: welcome });
        out.push(Output::Tell { session: id, message: Telling::Files(files) });
        out.push(Output::Tell { session: id, message: Telling::Assignments(set) });
        self.changed.extend(self.node(id));
    }

    /// Its agent has said all it had to say.
    pub(super) fn ended(&mut self, session: SessionId, out: &mut Vec<Output>) {
        if !self.said_goodbye(session) {
            self.close(session, out);
        }
    }

    fn close(&mut self, session: SessionId, out: &mut Vec<Output>) {
        out.push(Output::Close { session });
        if let Some(closed) = self.sessions.remove(&session)
            && self.by_node.get(&closed.node) == Some(&session)
        {
            self.by_node.remove(&closed.node);
        }
    }

    pub(super) fn goodbye(&mut self, session: SessionId) -> Option<NodeId> {
        let session = self.sessions.get_mut(&session)?;
        session.parting = Parted::Said;
        Some(session.node)
    }

    pub(super) fn said_goodbye(&self, session: SessionId) -> bool {
        self.sessions.get(&session).is_some_and(|it| it.parting != Parted::No)
    }

    pub(super) fn farewell(&mut self, node: NodeId, out: &mut Vec<Output>) {
        if let Some(session) = self.by_node.remove(&node) {
            self.sessions.remove(&session);
            out.push(Output::Tell { session, message: Telling::Farewell });
            out.push(Output::Close { session });
        }
    }

    pub(super) fn farewell_all_but(
        &mut self,
        is_member: impl Fn(NodeId) -> bool,
        out: &mut Vec<Output>,
    ) {
        let gone: Vec<NodeId> = self.by_node.keys().copied().filter(|it| !is_member(*it)).collect();
        gone.into_iter().for_each(|node| self.farewell(node, out));
    }

    pub(super) fn assignments_changed(&mut self, node: NodeId) {
        self.changed.insert(node);
    }

    pub(super) fn volumes_changed(&mut self) {
        self.changed.extend(self.by_node.keys());
    }

    pub(super) fn members_changed(&mut self) {
        self.members_changed = true;
    }

    pub(super) fn everything_changed(&mut self) {
        self.changed.extend(self.by_node.keys());
        self.members_changed = true;
    }

    pub(super) fn received(&mut self, session: SessionId, number: u64) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.received = session.received.max(number);
        }
    }

    pub(super) fn round_begins(&mut self) {
        for session in self.sessions.values_mut() {
            session.in_round = session.received;
            session.parting = match session.parting {
                Parted::No => Parted::No,
                Parted::Said | Parted::InRound => Parted::InRound,
            };
        }
    }

    pub(super) fn round_kept(&mut self, out: &mut Vec<Output>) {
        for (id, session) in &mut self.sessions {
            if session.in_round > session.kept {
                session.kept = session.in_round;
                let message = Telling::StatusesKept(session.kept);
                out.push(Output::Tell { session: *id, message });
            }
        }
        let parted = self.sessions.iter().filter(|(_, it)| it.parting == Parted::InRound);
        let parted: Vec<SessionId> = parted.map(|(id, _)| *id).collect();
        parted.into_iter().for_each(|session| self.close(session, out));
    }

    /// All that was received either is in the state already or need not be kept.
    pub(super) fn nothing_to_keep(&mut self, out: &mut Vec<Output>) {
        self.round_begins();
        self.round_kept(out);
    }

    pub(super) fn tell_changes(&mut self, state: &State, out: &mut Vec<Output>) {
        for node in std::mem::take(&mut self.changed) {
            let Some(id) = self.by_node.get(&node) else { continue };
            let Some(session) = self.sessions.get_mut(id) else { continue };
            if let Some(files) = deliveries::difference(state, node, &mut session.files_told) {
                out.push(Output::Tell { session: *id, message: Telling::Files(files) });
            }
            if let Some(set) = assignments::difference(state, node, &mut session.told) {
                out.push(Output::Tell { session: *id, message: Telling::Assignments(set) });
            }
            let leaving = volumes::leaving(state, node);
            if leaving != session.leaving_told {
                session.leaving_told.clone_from(&leaving);
                out.push(Output::Tell { session: *id, message: Telling::VolumesLeaving(leaving) });
            }
        }
        if std::mem::take(&mut self.members_changed) {
            for (id, session) in &mut self.sessions {
                let Some(node) = state.node(session.node) else { continue };
                let membership = membership(state, node.spec.role);
                if membership != session.membership {
                    session.membership = membership.clone();
                    let message = Telling::Membership(membership);
                    out.push(Output::Tell { session: *id, message });
                }
            }
        }
    }
}

fn membership(state: &State, role: Role) -> Membership {
    let managers =
        state.nodes().filter(|it| it.spec.role == Role::Manager).map(|it| it.address).collect();
    Membership { managers, role }
}
