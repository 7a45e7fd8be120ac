//! An agent that takes its leave may go once its word is kept, and not before.

use common::node::{DownReason, Node, NodeDescription, NodeKind, NodeSpec, NodeState, Role};
use common::{IdGen, NodeId, Stamp, Timestamp, Version};
use manager_core::change::{Batch, Change, Unity};
use manager_core::leader::{Hello, Input, Leader, Output, Parting, SessionId};
use manager_core::state::State;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

const NODE: NodeId = NodeId(1);
const SESSION: SessionId = SessionId(1);
const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

fn now() -> Stamp {
    Stamp { at: Timestamp(1_000), ..Stamp::default() }
}

/// A leader with one worker, which is connected.
fn leader() -> Leader {
    let mut state = State::default();
    let (name, spec) = ("a".parse().expect("a name"), NodeSpec::of_role(Role::Worker));
    let mut node = Node::joining(NODE, name, spec, (ADDRESS, NodeKind::AgentOnly));
    node.status.state = NodeState::Ready;
    let changes = vec![Change::AddNode(Box::new(node))];
    state.apply(Version(1), &Batch { stamp: now(), unity: Unity::EachAlone, changes });
    let mut leader = Leader::new(NodeId(2), Arc::new(state), IdGen::from_seed(1), None, now());
    let hello = Hello {
        description: NodeDescription::default(),
        images: Some(BTreeSet::new()),
        volumes: Some(BTreeSet::new()),
        kind: NodeKind::AgentOnly,
        address: ADDRESS,
    };
    let opened = Input::Opened { session: SESSION, node: NODE, hello: Box::new(hello) };
    assert!(!closes(&leader.handle(opened, now())));
    assert!(!closes(&leader.settle(now()).0));
    leader
}

fn closes(outputs: &[Output]) -> bool {
    outputs.contains(&Output::Close { session: SESSION })
}

fn proposes(outputs: &[Output]) -> bool {
    outputs.iter().any(|it| matches!(it, Output::Propose(_)))
}

fn say(leader: &mut Leader, parting: Parting) -> Vec<Output> {
    let mut out = leader.handle(Input::Goodbye { session: SESSION, parting }, now());
    out.extend(leader.handle(Input::Closed { session: SESSION }, now()));
    out.extend(leader.settle(now()).0);
    out
}

#[test]
fn a_shutdown_may_go_on_once_it_is_committed() {
    let mut leader = leader();
    let out = say(&mut leader, Parting::Down(DownReason::ShutDown));
    assert!(proposes(&out) && !closes(&out), "{out:?}");
    let out = leader.handle(Input::ProposalFailed, now());
    assert!(!closes(&out), "{out:?}");
    let later = Stamp { at: Timestamp(2_000), ..now() };
    let (out, _) = leader.settle(later);
    assert!(proposes(&out) && !closes(&out), "{out:?}");
    let out = leader.handle(Input::Committed { version: Version(2) }, later);
    assert!(closes(&out), "{out:?}");
}

#[test]
fn a_restart_has_nothing_to_wait_for() {
    let mut leader = leader();
    let out = say(&mut leader, Parting::Restart);
    assert!(!proposes(&out) && closes(&out), "{out:?}");
}

#[test]
fn a_line_that_breaks_is_forgotten_at_once() {
    let mut leader = leader();
    assert!(closes(&leader.handle(Input::Closed { session: SESSION }, now())));
    assert_eq!(leader.session_of(NODE), None);
}
