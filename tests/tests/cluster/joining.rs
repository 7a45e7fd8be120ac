//! Who may join, and what the others are told.

use common::token::JoinToken;
use integration::inprocess::{Cluster, joining};
use proto::v1;

/// A join that is refused, and what its error says: the cause and the remedy.
struct Refusal {
    what: &'static str,
    token: String,
    manager: String,
    says: [&'static str; 2],
}

#[tokio::test]
async fn whoever_may_not_join_is_told_why() {
    let mut cluster = Cluster::new(3);
    cluster.start_all().await;
    cluster.found(0).await;
    let (client, address) = (cluster.client(0), cluster.nodes()[0].address().to_string());
    let old = client.token(v1::Role::Worker).await.expect("a manager has tokens");
    let good = client.rotated_token(v1::Role::Worker).await.expect("a token can be replaced");
    assert_ne!(old, good);
    // Another cluster, with tokens and an authority of its own.
    cluster.found(1).await;
    let foreign = cluster.client(1).token(v1::Role::Worker).await.expect("a manager has tokens");
    let other = cluster.nodes()[1].address().to_string();
    let refusals = refusals(&Tokens { old, good: good.clone(), foreign }, &address, &other);
    for Refusal { what, token, manager, says } in refusals {
        let node = &cluster.nodes()[2];
        let request =
            v1::LocalJoinRequest { manager, ..joining(node, &cluster.nodes()[0], &token) };
        let refused = node.client().join(request).await.expect_err(what);
        for words in says {
            assert!(refused.message().contains(words), "{what}: {}", refused.message());
        }
        assert!(!refused.message().contains('\n'), "{what}: one line is enough");
        let status = node.client().status().await.expect("the daemon answers");
        assert!(!status.member, "{what}: it stays out");
        assert_eq!(node.identities().load().expect("nothing is damaged"), None, "{what}");
    }
    let rows = cluster.client(0).nodes().await.expect("a manager answers").rows;
    assert_eq!(rows.len(), 1, "nobody was let in: {rows:?}");
    let node = &cluster.nodes()[2];
    let joined = node.client().join(joining(node, &cluster.nodes()[0], &good)).await;
    joined.expect("the new token is good");
}

struct Tokens {
    old: String,
    good: String,
    foreign: String,
}

fn refusals(tokens: &Tokens, address: &str, other: &str) -> Vec<Refusal> {
    let mut altered: JoinToken = tokens.good.parse().expect("a token is one");
    altered.secret[0] ^= 1;
    let to = |manager: &str, what, token: &str, says| {
        let (token, manager) = (token.to_owned(), manager.to_owned());
        Refusal { what, token, manager, says }
    };
    let not_valid = ["not valid any more", "skep join-token worker"];
    let damaged = &tokens.good[..tokens.good.len() - 1];
    vec![
        to(address, "no token", "", ["not a join token", "skep join-token worker"]),
        to(address, "one of Swarm", "SWMTKN-1-3pu6", ["Docker Swarm", "skep join-token worker"]),
        to(address, "one cut short", damaged, ["cut short", "join token"]),
        to(address, "a wrong secret", &altered.to_string(), not_valid),
        to(address, "a token that was replaced", &tokens.old, not_valid),
        to(address, "a foreign one", &tokens.foreign, ["another cluster", "take the token"]),
        to(other, "a foreign manager", &tokens.good, ["another cluster", "the address"]),
        to("127.0.0.1:9", "nobody", &tokens.good, ["nothing listens", "is skep running there"]),
    ]
}

#[tokio::test]
async fn a_token_lets_in_as_what_it_is_for() {
    let mut cluster = Cluster::new(3);
    cluster.start_all().await;
    cluster.found(0).await;
    for (position, role) in [(1, v1::Role::Worker), (2, v1::Role::Manager)] {
        cluster.join(position, role).await;
        let status = cluster.client(position).status().await.expect("the daemon answers");
        assert_eq!(status.role(), role);
    }
    cluster.wait_whole().await;
    let node = &cluster.nodes()[1];
    let again = node.client().join(joining(node, &cluster.nodes()[0], "SKEP-1-")).await;
    let refused = again.expect_err("it is a member");
    assert!(refused.message().contains("a member of a cluster already"), "{refused:?}");
}
