//! Without a quorum a cluster shows what it knows, says that it may be old, and takes no write.

use agent::node::Ending;
use integration::inprocess::{Client, Cluster, SOON};

#[tokio::test]
async fn one_of_three_managers_reads_and_does_not_write() {
    let mut cluster = Cluster::formed(3, 0).await;
    cluster.client(0).create("web", 3).await.expect("the leader takes a write");
    cluster.wait_running(0, "web", 3).await;
    // Whether the one that is left leads or follows, it has to notice.
    for lost in [[1, 2], [0, 1], [0, 2]] {
        let left = 3 - lost[0] - lost[1];
        for position in lost {
            cluster.node(position).kill();
        }
        let client = cluster.client(left);
        a_write_at_that_moment_is_in_doubt(&client).await;
        reads_are_stale(&mut cluster, left).await;
        writes_are_refused(&client).await;
        for position in lost {
            cluster.start(position).await;
        }
        cluster.wait_whole().await;
        let name = format!("after-{left}");
        client.create(&name, 1).await.expect("there is a quorum again");
    }
    let services = cluster.client(0).services().await.expect("a manager answers").rows;
    assert_eq!(services.len(), 4, "what was refused was not done: {services:?}");
}

async fn reads_are_stale(cluster: &mut Cluster, left: usize) {
    cluster
        .wait_for("reads say that they may be old", async |it| {
            let services = it.client(left).services().await.expect("reads are answered");
            let (count, stale) = (services.rows.len(), services.stale.unwrap_or_default());
            assert!(count >= 1, "all that is known is shown");
            stale.contains("may be old") || stale.contains("no leader answers")
        })
        .await;
}

/// The managers that are lost have not been missed yet.
async fn a_write_at_that_moment_is_in_doubt(client: &Client) {
    let written = client.put_label("n1", "zone", "north").await;
    let status = written.expect_err("nobody has a quorum");
    let says = ["no quorum", "the leader went away"];
    assert!(says.iter().any(|it| status.message().starts_with(it)), "{status:?}");
}

async fn writes_are_refused(client: &Client) {
    let refused = tokio::time::timeout(SOON, async {
        (client.create("never", 1).await, client.scale("web", 9).await)
    });
    let (created, scaled) = refused.await.expect("writes are refused");
    for answer in [created.map(drop), scaled] {
        let status = answer.expect_err("there is no quorum");
        assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}");
        assert!(status.message().starts_with("no quorum"), "{status:?}");
        assert!(status.message().contains("Start the missing"), "the remedy: {status:?}");
    }
}

#[tokio::test]
async fn a_cluster_whose_followers_stop_in_order_has_no_quorum_either() {
    let mut cluster = Cluster::formed(3, 0).await;
    cluster.client(0).create("web", 1).await.expect("the leader takes a write");
    let leader = cluster.wait_leader().await;
    let followers = [(leader + 1) % 3, (leader + 2) % 3];
    for position in followers {
        cluster.node(position).stop(Ending::Restart).await;
    }
    reads_are_stale(&mut cluster, leader).await;
    writes_are_refused(&cluster.client(leader)).await;
    cluster.start(followers[1]).await;
    cluster
        .wait_for("two managers find each other", async |it| {
            it.client(leader).services().await.is_ok_and(|it| it.stale.is_none())
        })
        .await;
    cluster.client(leader).create("more", 1).await.expect("two of three are a quorum");
}
