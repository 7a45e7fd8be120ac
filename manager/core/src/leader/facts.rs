//! What was heard and has to be remembered, until it is committed.

use crate::change::Event;
use crate::draft::Draft;
use common::node::{DownReason, Node, NodeDescription, NodeKind, NodeState};
use common::task::Observation;
use common::{NodeId, TaskId, Timestamp};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// A node that was silent has to stay this long before it gets new tasks. Anybody may fall a few
/// times, over a cable or a fuse; from then on it is twice as long with each time, until the node
/// has stayed for [`FLAPS_COUNT_FOR`].
const STEADY_FIRST: Duration = Duration::from_secs(2);
const STEADY_MOST: Duration = Duration::from_secs(300);
const FLAPS_FORGIVEN: u32 = 3;
const FLAPS_COUNT_FOR: Duration = Duration::from_secs(600);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeFact {
    Up,
    Down(DownReason),
}

#[derive(Debug, Default)]
pub(super) struct Facts {
    nodes: BTreeMap<NodeId, NodeFact>,
    descriptions: BTreeMap<NodeId, (NodeDescription, NodeKind, SocketAddr)>,
    observed: BTreeMap<TaskId, (NodeId, Observation)>,
    put_back: bool,
}

impl Facts {
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.descriptions.is_empty() && self.observed.is_empty()
    }

    /// Whether these were proposed before, in vain.
    pub(super) fn is_put_back(&self) -> bool {
        self.put_back
    }

    /// Answers whether it is news.
    pub(super) fn node(&mut self, node: NodeId, fact: NodeFact) -> bool {
        let same = match (self.nodes.get(&node), &fact) {
            (Some(NodeFact::Up), NodeFact::Up) => true,
            // The first reason is the true one; its duration alone is no news.
            (Some(NodeFact::Down(_)), NodeFact::Down(_)) => true,
            (Some(NodeFact::Up), NodeFact::Down(_))
            | (Some(NodeFact::Down(_)), NodeFact::Up)
            | (None, _) => false,
        };
        if !same {
            self.nodes.insert(node, fact);
        }
        !same
    }

    pub(super) fn takes_down(&self, node: NodeId) -> bool {
        matches!(self.nodes.get(&node), Some(NodeFact::Down(DownReason::Silent { .. })))
    }

    pub(super) fn fells(&self, node: NodeId) -> bool {
        matches!(self.nodes.get(&node), Some(NodeFact::Down(_)))
    }

    pub(super) fn describe(
        &mut self,
        node: NodeId,
        description: NodeDescription,
        kind: NodeKind,
        address: SocketAddr,
    ) {
        self.descriptions.insert(node, (description, kind, address));
    }

    /// The greater observation is the later one, whatever order they arrived in.
    pub(super) fn observe(&mut self, task: TaskId, node: NodeId, observed: Observation) {
        match self.observed.get(&task) {
            Some((_, known)) if known.state >= observed.state => {}
            Some(_) | None => {
                self.observed.insert(task, (node, observed));
            }
        }
    }

    pub(super) fn observed(&self) -> impl Iterator<Item = (&TaskId, &(NodeId, Observation))> {
        self.observed.iter()
    }

    /// What was heard since is newer.
    pub(super) fn put_back(&mut self, older: Facts) {
        let newer = std::mem::take(self);
        *self = older;
        self.nodes.extend(newer.nodes);
        self.descriptions.extend(newer.descriptions);
        for (task, (node, observed)) in newer.observed {
            self.observe(task, node, observed);
        }
        self.put_back = true;
    }

    pub(super) fn apply_to_nodes(&self, draft: &mut Draft<'_>) -> Vec<Event> {
        let mut events = Vec::new();
        for (id, (description, kind, address)) in &self.descriptions {
            draft.describe_node(*id, description, *kind, *address);
        }
        for (id, fact) in &self.nodes {
            let Some(node) = draft.node(*id) else { continue };
            if is_old(node, fact) {
                continue;
            }
            let (state, steady_at, flaps) = turn(node, fact, draft.now.at);
            draft.set_node_state(*id, state, steady_at, flaps);
            events.push(Event::NodeChanged(*id));
        }
        events
    }
}

/// A node that is down already does not fall again, unless it says why itself.
fn is_old(node: &Node, fact: &NodeFact) -> bool {
    match fact {
        NodeFact::Down(reason) => node.status.state.is_down() && !is_orderly(reason),
        NodeFact::Up => node.status.state == NodeState::Ready,
    }
}

/// What a fact makes of a node: its new state, when it is steady again, and how often it fell.
fn turn(node: &Node, fact: &NodeFact, now: Timestamp) -> (NodeState, Timestamp, u32) {
    let status = &node.status;
    match (fact, &status.state) {
        (NodeFact::Down(reason), _) => {
            let recent = now.since(status.since.at) < FLAPS_COUNT_FOR;
            let before = if recent { status.flaps } else { 0 };
            let flaps = if is_orderly(reason) { before } else { before.saturating_add(1) };
            (NodeState::Down(reason.clone()), now, flaps)
        }
        (NodeFact::Up, NodeState::Down(reason)) if !is_orderly(reason) => {
            let doublings = status.flaps.saturating_sub(FLAPS_FORGIVEN).min(16);
            let pause = STEADY_FIRST.saturating_mul(1 << doublings).min(STEADY_MOST);
            (NodeState::Ready, now + pause, status.flaps)
        }
        (NodeFact::Up, NodeState::Down(_) | NodeState::Joining | NodeState::Ready) => {
            (NodeState::Ready, now, status.flaps)
        }
    }
}

fn is_orderly(reason: &DownReason) -> bool {
    match reason {
        DownReason::ShutDown | DownReason::Left => true,
        DownReason::Silent { .. } | DownReason::EngineIll { .. } => false,
    }
}
