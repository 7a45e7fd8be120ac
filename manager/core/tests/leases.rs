//! Whom a leader grants leases, and for how long it waits for those it has granted.

use common::node::{DownReason, Node, NodeDescription, NodeKind, NodeSpec, NodeState, Role};
use common::{IdGen, NodeId, Stamp, Timestamp, Version, WallTime};
use manager_core::change::{Batch, Change, Event, Unity};
use manager_core::leader::{Beat, Hello, Input, Leader, Output, Parting, SessionId, Telling};
use manager_core::state::State;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

const NODE: NodeId = NodeId(1);
const SESSION: SessionId = SessionId(1);
const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

fn at(millis: u64) -> Stamp {
    Stamp { at: Timestamp(millis), ..Stamp::default() }
}

fn state() -> State {
    let mut state = State::default();
    let (name, spec) = ("a".parse().expect("a name"), NodeSpec::of_role(Role::Worker));
    let mut node = Node::joining(NODE, name, spec, (ADDRESS, NodeKind::AgentOnly));
    node.status.state = NodeState::Ready;
    let changes = vec![Change::AddNode(Box::new(node))];
    state.apply(Version(1), &Batch { stamp: at(1_000), unity: Unity::EachAlone, changes });
    state
}

/// With one worker, which is connected.
fn leader() -> Leader {
    let ids = IdGen::from_seed(1);
    let mut leader = Leader::new(NodeId(2), Arc::new(state()), ids, None, at(1_000));
    let hello = Hello {
        description: NodeDescription::default(),
        images: Some(BTreeSet::new()),
        volumes: Some(BTreeSet::new()),
        kind: NodeKind::AgentOnly,
        address: ADDRESS,
    };
    let opened = Input::Opened { session: SESSION, node: NODE, hello: Box::new(hello) };
    leader.handle(opened, at(1_000));
    leader.settle(at(1_000));
    leader
}

/// What a beat is answered with, whose leader had its last proof of a quorum then.
fn granted(leader: &mut Leader, now: u64, quorum_at: u64) -> bool {
    let (number, quorum_at) = (now, Timestamp(quorum_at));
    let beat = Beat { number, wall: WallTime(0), engine_ill: String::new(), quorum_at };
    let answers = leader.handle(Input::Beat { session: SESSION, beat }, at(now));
    let lease = answers.iter().find_map(|it| match it {
        Output::Tell { message: Telling::Beat { lease, .. }, .. } => Some(*lease),
        _ => None,
    });
    // Who said goodbye and was heard is answered no more.
    lease.unwrap_or(false)
}

#[test]
fn a_lease_needs_a_quorum_of_late() {
    let mut leader = leader();
    assert!(granted(&mut leader, 2_000, 2_000));
    assert!(granted(&mut leader, 3_000, 2_000));
    assert!(!granted(&mut leader, 3_001, 2_000));
    assert_eq!(leader.soft().leases_over_at(NODE), Timestamp(3_000 + 12_000));
    // Of one that it has not heard of, it knows what leaders before it may have granted.
    assert_eq!(leader.soft().leases_over_at(NodeId(9)), Timestamp(1_000 + 12_000));
}

#[test]
fn a_node_that_falls_gets_none_until_it_is_up_for_everybody() {
    let mut leader = leader();
    assert!(granted(&mut leader, 2_000, 2_000));
    let parting = Parting::Down(DownReason::ShutDown);
    leader.handle(Input::Goodbye { session: SESSION, parting }, at(2_100));
    assert!(!granted(&mut leader, 2_200, 2_200), "before it is proposed");
    let (out, _) = leader.settle(at(2_300));
    let batch = out.into_iter().find_map(|it| match it {
        Output::Propose(batch) => Some(batch),
        _ => None,
    });
    assert!(!granted(&mut leader, 2_400, 2_400), "while it is proposed");
    leader.handle(Input::Committed { version: Version(2) }, at(2_500));
    assert!(!granted(&mut leader, 2_500, 2_500), "before it is published");
    let mut state = state();
    state.apply(Version(2), &batch.expect("its fall is proposed"));
    let (state, events) = (Arc::new(state), vec![Event::NodeChanged(NODE)]);
    leader.handle(Input::Published { state, events }, at(2_600));
    assert!(!granted(&mut leader, 2_700, 2_700), "while it is down");
    assert_eq!(leader.soft().leases_over_at(NODE), Timestamp(2_000 + 12_000));
}
