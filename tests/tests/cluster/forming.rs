//! Clusters come to be, and run services that any manager is asked for.

use std::collections::BTreeMap;

use integration::inprocess::{Cluster, founding, joining};
use proto::v1;

#[tokio::test]
async fn clusters_form_with_one_three_and_five_managers() {
    for managers in [1, 3, 5] {
        let mut cluster = Cluster::formed(managers, 1).await;
        let leader = cluster.wait_leader().await;
        let voters = cluster.nodes()[leader].manager(|it| it.replica().voters().voters.len());
        assert_eq!(voters, Some(usize::from(managers)));
    }
}

#[tokio::test]
async fn six_tasks_that_a_follower_was_asked_for_spread_and_run() {
    let mut cluster = Cluster::formed(3, 0).await;
    let leader = cluster.wait_leader().await;
    let follower = (leader + 1) % 3;
    cluster.client(follower).create("web", 6).await.expect("a follower passes a write on");
    for asked in 0..3 {
        cluster.wait_running(asked, "web", 6).await;
    }
    let mut on_node = BTreeMap::<usize, usize>::new();
    for (_, position) in cluster.containers("web") {
        *on_node.entry(position).or_default() += 1;
    }
    assert_eq!(on_node, BTreeMap::from([(0, 2), (1, 2), (2, 2)]));
}

/// All machines of a process have the same host name.
#[tokio::test]
async fn nodes_of_the_same_host_name_are_told_apart() {
    let mut cluster = Cluster::new(3);
    cluster.start_all().await;
    let first = v1::InitRequest { name: String::new(), ..founding(&cluster.nodes()[0]) };
    let host = cluster.client(0).init(first).await.expect("a cluster is made").name;
    let token = cluster.client(0).token(v1::Role::Worker).await.expect("a manager has tokens");
    for (position, suffix) in [(1, "-2"), (2, "-3")] {
        let (node, manager) = (&cluster.nodes()[position], &cluster.nodes()[0]);
        let nameless =
            v1::LocalJoinRequest { name: String::new(), ..joining(node, manager, &token) };
        let joined = node.client().join(nameless).await.expect("a second one may join");
        assert_eq!(joined.name, format!("{host}{suffix}"));
    }
    cluster.wait_whole().await;
    let (node, manager) = (&cluster.nodes()[2], &cluster.nodes()[0]);
    node.client().leave(false).await.expect("a worker may leave");
    let taken = v1::LocalJoinRequest { name: host.clone(), ..joining(node, manager, &token) };
    let refused = node.client().join(taken).await.expect_err("a name that was asked for is kept");
    assert!(refused.message().contains(&format!("a node named {host} exists already")));
}
