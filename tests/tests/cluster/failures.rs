//! Daemons and machines that fail, and come back.

use std::collections::BTreeSet;
use std::time::Duration;

use agent::fake::Call;
use agent::node::Ending;
use integration::inprocess::{Client, Cluster, Node};
use proto::v1;
use proto::v1::node_status::State;

/// How a daemon ceases to be there.
#[derive(Debug, Clone, Copy)]
enum Loss {
    Killed,
    Hangs,
}

#[tokio::test]
async fn a_leader_that_is_killed_is_replaced() {
    a_lost_leader_is_replaced(Loss::Killed).await;
}

#[tokio::test]
async fn a_leader_that_hangs_is_replaced_and_gives_in() {
    a_lost_leader_is_replaced(Loss::Hangs).await;
}

async fn a_lost_leader_is_replaced(loss: Loss) {
    let mut cluster = Cluster::formed(3, 0).await;
    let lost = cluster.wait_leader().await;
    let witness = (lost + 1) % 3;
    cluster.client(lost).create("web", 6).await.expect("the leader takes a write");
    cluster.wait_running(lost, "web", 6).await;
    match loss {
        Loss::Killed => cluster.node(lost).kill(),
        Loss::Hangs => {
            cluster.node(lost).hang();
            a_call_under_way_is_not_left_hanging(&cluster.client(witness)).await;
        }
    }
    let next = cluster.wait_leader().await;
    assert_ne!(next, lost, "only one of the others can lead");
    cluster.client(witness).create("later", 2).await.expect("the next leader takes a write");
    cluster.wait_running(witness, "web", 6).await;
    cluster.wait_running(witness, "later", 2).await;
    match loss {
        Loss::Killed => cluster.start(lost).await,
        Loss::Hangs => cluster.node(lost).go_on(),
    }
    cluster.wait_whole().await;
    // What was replaced is stopped where it went on running.
    cluster.wait_for("no task runs twice", async |it| it.containers("web").len() == 6).await;
    cluster.wait_running(lost, "web", 6).await;
    let leaders = leading(&cluster);
    assert_eq!(leaders.len(), 1, "{loss:?}: {leaders:?} all lead");
}

/// For longer than a beat may go unanswered, and for no longer than elections wait.
#[tokio::test]
async fn managers_that_stumble_for_a_moment_are_heard_again() {
    let mut cluster = Cluster::formed(3, 0).await;
    for follows_leader_by in [0, 1] {
        let stumbles = (cluster.wait_leader().await + follows_leader_by) % 3;
        cluster.node(stumbles).hang();
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        cluster.node(stumbles).go_on();
        cluster.wait_whole().await;
        let name = cluster.nodes()[stumbles].name().to_owned();
        let written = cluster.client(stumbles).put_label(&name, "stumbled", "once").await;
        written.expect("it takes part as before");
    }
}

/// Its connection to the leader is whole, and nobody answers.
async fn a_call_under_way_is_not_left_hanging(client: &Client) {
    let written = client.put_label("n1", "zone", "north").await;
    let status = written.expect_err("the leader hangs");
    assert!(status.message().contains("it fell silent"), "{status:?}");
    let read = client.services().await.expect("what is only read is asked of the next leader");
    assert_eq!(read.rows.len(), 1);
}

fn leading(cluster: &Cluster) -> Vec<&str> {
    use manager::raft::Leadership;
    let leads = |node: &&Node| {
        let leadership = node.manager(|it| it.replica().leadership());
        matches!(leadership, Some(Leadership::Mine { .. }))
    };
    cluster.nodes().iter().filter(leads).map(Node::name).collect()
}

#[tokio::test]
async fn a_lost_worker_is_replaced_and_taken_back() {
    let mut cluster = Cluster::formed(1, 2).await;
    cluster.client(0).create("web", 6).await.expect("the leader takes a write");
    cluster.wait_running(0, "web", 6).await;
    cluster.node(2).kill();
    cluster
        .wait_for("it is down", async |it| {
            let Ok(nodes) = it.client(0).nodes().await else { return false };
            nodes.rows.iter().filter(|it| state_of(it) == State::Down).count() == 1
        })
        .await;
    cluster.wait_running(0, "web", 6).await;
    cluster.start(2).await;
    cluster.wait_whole().await;
    cluster.wait_for("no task runs twice", async |it| it.containers("web").len() == 6).await;
}

fn state_of(view: &v1::NodeView) -> State {
    let node = view.node.as_ref().expect("a row is about a node");
    node.status.as_ref().map(v1::NodeStatus::state).unwrap_or_default()
}

/// How all of a cluster's daemons end, and in which order they are started again.
struct Restart {
    ending: Option<Ending>,
    order: [usize; 3],
}

#[tokio::test]
async fn a_cluster_that_was_down_goes_on_in_whatever_order_it_starts() {
    let mut cluster = Cluster::formed(3, 0).await;
    cluster.client(0).create("web", 6).await.expect("the leader takes a write");
    cluster.wait_running(0, "web", 6).await;
    let before = cluster.containers("web");
    let restarts = [
        Restart { ending: Some(Ending::Restart), order: [0, 1, 2] },
        Restart { ending: None, order: [2, 0, 1] },
        Restart { ending: Some(Ending::Restart), order: [1, 2, 0] },
        Restart { ending: None, order: [2, 1, 0] },
    ];
    for Restart { ending, order } in restarts {
        for position in 0..3 {
            match ending {
                Some(ending) => cluster.node(position).stop(ending).await,
                None => cluster.node(position).kill(),
            }
        }
        for position in order {
            cluster.start(position).await;
        }
        cluster.wait_whole().await;
        cluster.wait_running(order[0], "web", 6).await;
        assert_eq!(cluster.containers("web"), before, "{ending:?}, then {order:?}: adopted");
    }
    let created: usize = cluster.nodes().iter().map(created).sum();
    assert_eq!(created, 6, "no container was made twice");
    let services = cluster.client(1).services().await.expect("a manager answers").rows;
    assert_eq!(services.len(), 1);
}

fn created(node: &Node) -> usize {
    let calls = node.engine().calls().into_iter();
    let names: BTreeSet<_> = calls.filter(|(call, _)| *call == Call::Create).collect();
    names.len()
}
