//! Nodes change their role, leave and are removed.

use std::collections::BTreeSet;

use common::NodeId;
use integration::inprocess::Cluster;
use proto::v1;
use tonic::Code;

/// The nodes that vote, by position, as the leader knows them.
fn voters(cluster: &Cluster) -> Option<BTreeSet<usize>> {
    let leader = &cluster.nodes()[cluster.leader()?];
    let voters = leader.manager(|it| it.replica().voters().voters)?;
    let position = |node: &NodeId| {
        let is_it = |it: &&integration::inprocess::Node| it.id() == Some(*node);
        cluster.nodes().iter().enumerate().find(|(_, it)| is_it(it)).map(|(at, _)| at)
    };
    voters.iter().map(position).collect()
}

async fn wait_voters(cluster: &mut Cluster, expected: &[usize]) {
    wait_voters_of(cluster, expected).await;
    cluster.wait_whole().await;
}

async fn wait_voters_of(cluster: &mut Cluster, expected: &[usize]) {
    let expected: BTreeSet<usize> = expected.iter().copied().collect();
    let what = format!("voters: {expected:?}");
    cluster.wait_for(what, async |it| voters(it).as_ref() == Some(&expected)).await;
}

#[tokio::test]
async fn a_promoted_worker_votes_and_a_demoted_manager_does_not() {
    use v1::Role::{Manager, Worker};
    let mut cluster = Cluster::formed(2, 1).await;
    cluster.client(0).create("web", 3).await.expect("the leader takes a write");
    let steps: [(usize, v1::Role, &[usize]); 5] = [
        (2, Manager, &[0, 1, 2]),
        (1, Worker, &[0, 2]),
        (1, Manager, &[0, 1, 2]),
        (0, Worker, &[1, 2]),
        (2, Worker, &[1]),
    ];
    let mut asked = 1;
    for (position, role, expected) in steps {
        let name = cluster.nodes()[position].name().to_owned();
        // The manager that is asked is the one that changes, at times.
        cluster.client(asked).set_role(&name, role).await.expect("roles are changed");
        asked = expected[0];
        wait_voters(&mut cluster, expected).await;
        cluster
            .wait_for(format!("{name} knows what it is"), async |it| {
                it.nodes()[position].manager(|_| ()).is_some() == (role == Manager)
            })
            .await;
        cluster.wait_running(asked, "web", 3).await;
    }
    let refused = cluster.client(1).set_role("n2", Worker).await.expect_err("it is the last one");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    let refused = cluster.client(0).services().await.expect_err("it is a worker now");
    assert!(refused.message().contains("run the command on a manager"), "{refused:?}");
}

#[tokio::test]
async fn a_demotion_after_which_nothing_could_be_decided_is_refused() {
    let mut cluster = Cluster::formed(3, 0).await;
    let leader = cluster.wait_leader().await;
    let (dead, other) = ((leader + 1) % 3, (leader + 2) % 3);
    let name = |it: &Cluster, position: usize| it.nodes()[position].name().to_owned();
    let (dead_name, other_name) = (name(&cluster, dead), name(&cluster, other));
    cluster.node(dead).kill();
    let is_known = async |it: &Cluster| {
        let rows = it.client(leader).nodes().await.expect("the leader answers").rows;
        let is_down = |it: &v1::NodeView| {
            let status = it.node.as_ref().and_then(|it| it.status.as_ref());
            status.is_some_and(|it| it.state() == v1::node_status::State::Down)
        };
        rows.iter().any(is_down)
    };
    cluster.wait_for("its death is known", is_known).await;
    let client = cluster.client(leader);
    let refused = client.set_role(&other_name, v1::Role::Worker).await.expect_err("it is needed");
    assert!(refused.message().contains("no majority"), "{refused:?}");
    client.set_role(&dead_name, v1::Role::Worker).await.expect("the dead one may go");
    wait_voters_of(&mut cluster, &[leader, other]).await;
    cluster.client(other).create("web", 2).await.expect("the two go on");
}

/// So shortly after a death that nobody has noticed it yet.
#[tokio::test]
async fn a_demotion_that_comes_too_early_leaves_a_majority() {
    let mut cluster = Cluster::formed(3, 0).await;
    let leader = cluster.wait_leader().await;
    let (dead, other) = ((leader + 1) % 3, (leader + 2) % 3);
    let other_name = cluster.nodes()[other].name().to_owned();
    cluster.node(dead).kill();
    // Taken or refused: what counts is what becomes of it.
    drop(cluster.client(leader).set_role(&other_name, v1::Role::Worker).await);
    for attempt in 0..10 {
        let (client, value) = (cluster.client(leader), attempt.to_string());
        let written = client.put_label(&other_name, "n", &value).await;
        written.expect("the two that live can decide");
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    cluster.start(dead).await;
    cluster.client(leader).set_role(&other_name, v1::Role::Worker).await.expect("now it may go");
    wait_voters_of(&mut cluster, &[leader, dead]).await;
}

/// With tasks running, and the leader among those that go.
#[tokio::test]
async fn a_manager_is_demoted_before_it_is_removed() {
    let mut cluster = Cluster::formed(3, 0).await;
    cluster.client(0).create("web", 3).await.expect("the leader takes a write");
    cluster.wait_running(0, "web", 3).await;
    let leader = cluster.wait_leader().await;
    let (asked, name) = ((leader + 1) % 3, cluster.nodes()[leader].name().to_owned());
    let other = (leader + 2) % 3;
    let client = cluster.client(asked);
    let refused = client.remove_node(&name, true).await.expect_err("it is a manager");
    assert!(refused.message().contains("demote it first"), "{refused:?}");
    client.set_role(&name, v1::Role::Worker).await.expect("it is demoted");
    wait_voters(&mut cluster, &[asked, other]).await;
    let refused = client.remove_node(&name, false).await.expect_err("it is up");
    assert!(refused.message().contains("is not down"), "{refused:?}");
    client.remove_node(&name, true).await.expect("it is removed");
    cluster
        .wait_for("it knows that it is out", async |it| {
            it.client(leader).status().await.is_ok_and(|it| !it.member)
        })
        .await;
    cluster.wait_running(asked, "web", 3).await;
    let left = cluster.containers("web").into_iter().map(|(_, position)| position);
    assert!(left.into_iter().all(|it| it != leader), "a removed node runs nothing");
    let rows = client.nodes().await.expect("a manager answers").rows;
    assert_eq!(rows.len(), 2, "{rows:?}");
}

#[tokio::test]
async fn a_node_that_leaves_may_join_again() {
    let mut cluster = Cluster::formed(1, 1).await;
    let refused = cluster.client(0).leave(false).await.expect_err("with it the cluster ends");
    assert!(refused.message().contains("the whole cluster ends"), "{refused:?}");
    cluster.client(1).leave(false).await.expect("a worker may leave");
    assert!(!cluster.client(1).status().await.expect("the daemon answers").member);
    cluster.client(0).remove_node("n2", false).await.expect("it is down, and goes");
    cluster.join(1, v1::Role::Worker).await;
    cluster.wait_whole().await;
    let rows = cluster.client(0).nodes().await.expect("a manager answers").rows;
    assert_eq!(rows.len(), 2, "{rows:?}");
}
