//! Many writes at once, while the leadership moves.

use std::collections::BTreeMap;
use std::time::Duration;

use agent::node::Ending;
use integration::inprocess::{Client, Cluster};
use shell::supervisor::{OnFailure, Scope};
use tokio::sync::mpsc;
use tonic::Code;

const SERVICES: usize = 30;
/// The leader goes once so many are made.
const BEFORE: usize = 5;
const ATTEMPTS_MAX: usize = 200;
const STOP_LIMIT: Duration = Duration::from_secs(1);

/// How the leadership moves.
#[derive(Debug, Clone, Copy)]
enum Move {
    Kill,
    StopInOrder,
}

#[tokio::test]
async fn what_is_acknowledged_while_a_leader_is_killed_exists_once() {
    many_at_once(Move::Kill).await;
}

#[tokio::test]
async fn what_is_acknowledged_while_a_leader_hands_over_exists_once() {
    many_at_once(Move::StopInOrder).await;
}

async fn many_at_once(how: Move) {
    let mut cluster = Cluster::formed(3, 0).await;
    let leader = cluster.wait_leader().await;
    let scope = Scope::root("writers");
    let (tell, mut made) = mpsc::channel(SERVICES);
    for number in 0..SERVICES {
        // The ones that are asked first stay; the leader is asked for some.
        let clients = [1, 2, 0].map(|it| cluster.client((leader + it + number) % 3));
        let (tell, name) = (tell.clone(), format!("s{number}"));
        scope.spawn("writer", OnFailure::StopScope, async move {
            create_in_the_end(&clients, &name).await;
            tell.send(name).await
        });
    }
    drop(tell);
    let mut names = Vec::new();
    while let Some(name) = made.recv().await {
        names.push(name);
        if names.len() == BEFORE {
            match how {
                Move::Kill => cluster.node(leader).kill(),
                Move::StopInOrder => cluster.node(leader).stop(Ending::Restart).await,
            }
        }
    }
    scope.stop(STOP_LIMIT).await.expect("no writer gave up");
    assert_eq!(names.len(), SERVICES, "every writer was acknowledged in the end");
    cluster.start(leader).await;
    cluster.wait_whole().await;
    for asked in 0..3 {
        assert_eq!(counts(&cluster.client(asked)).await, once(names.iter().cloned()));
    }
    for name in &names {
        cluster.wait_running(leader, name, 1).await;
        assert_eq!(cluster.containers(name).len(), 1, "{name} runs once");
    }
}

/// Like a person: asks another manager after an error, and is content that it exists.
async fn create_in_the_end(clients: &[Client], name: &str) {
    for attempt in 0..ATTEMPTS_MAX {
        match clients[attempt % clients.len()].create(name, 1).await {
            Ok(_) => return,
            Err(status) if status.code() == Code::FailedPrecondition => {
                assert!(attempt > 0, "{name} existed before: {status:?}");
                return;
            }
            Err(status) => eprintln!("{name}: {}", status.message()),
        }
    }
    panic!("{name} was never acknowledged");
}

async fn counts(client: &Client) -> BTreeMap<String, usize> {
    let services = client.services().await.expect("a manager answers");
    assert_eq!(services.stale, None);
    let mut counts = BTreeMap::new();
    for view in services.rows {
        let spec = view.service.and_then(|it| it.spec).expect("a service has a specification");
        *counts.entry(spec.name).or_default() += 1;
    }
    counts
}

fn once(names: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    names.map(|it| (it, 1)).collect()
}
