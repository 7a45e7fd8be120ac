//! Who may talk to whom over the network.

use crate::ca::Subject;
use crate::world::{LIMIT, TestCluster, ask, days_ago, days_ahead, outcome, serve};
use common::node::Role::{Manager, Worker};
use common::{ClusterId, NodeId};
use shell::identity::Identity;
use shell::net::{connect, may_have_arrived};
use shell::supervisor::Scope;
use shell::tls::{Credentials, Expect};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const GRACE: Duration = Duration::from_secs(5);

struct Case {
    what: &'static str,
    server: Identity,
    client: Option<Identity>,
    expect: Expect,
    outcome: &'static str,
}

async fn check(case: Case) {
    let scope = Scope::root("test");
    let address = serve(&scope, &Credentials::new(case.server).unwrap()).await;
    let client = case.client.map(|it| Credentials::new(it).unwrap());
    let connected = connect(&address.to_string(), case.expect, client.as_ref(), LIMIT).await;
    assert_eq!(outcome(connected).await, case.outcome, "{}", case.what);
    assert_eq!(scope.stop(GRACE).await, Ok(()), "{}", case.what);
}

#[tokio::test]
async fn members_meet_members_and_nobody_else() {
    let (here, there) = (TestCluster::made(7, days_ago(200)), TestCluster::made(8, days_ago(1)));
    let manager = || here.identity(1, Manager, days_ago(0));
    let worker = || here.identity(2, Worker, days_ago(0));
    let stranger = || there.identity(3, Manager, days_ago(0));
    let impostor = Identity { authority_pem: manager().authority_pem, ..stranger() };
    let other_name = Subject { node: NodeId(4), cluster: ClusterId(8), role: Worker };
    let other_name = here.identity_for(other_name, days_ago(0));
    let (of_here, of_there) =
        (Expect::AuthorityDigest(here.digest()), Expect::AuthorityDigest(there.digest()));
    let node_1 = Expect::Node(NodeId(1));
    for (what, server, client, expect, outcome) in [
        ("a worker", manager(), Some(worker()), Expect::Manager, "worker 2 of 7"),
        ("another manager", manager(), Some(manager()), node_1, "manager 1 of 7"),
        ("a joiner", manager(), None, of_here, "unknown"),
        ("a joiner that is a member", manager(), Some(worker()), of_here, "unknown"),
        ("a joiner with another token", manager(), None, of_there, "OtherToken"),
        ("a joiner at a worker", worker(), None, of_here, "NotAManager"),
        ("a worker at a worker", worker(), Some(worker()), Expect::Manager, "NotAManager"),
        ("a known worker", worker(), Some(manager()), Expect::Node(NodeId(2)), "manager 1 of 7"),
        ("an address that moved", manager(), Some(worker()), Expect::Node(NodeId(9)), "OtherNode"),
        ("another cluster", stranger(), Some(worker()), Expect::Manager, "OtherCluster"),
        ("a stranger", manager(), Some(impostor), Expect::Manager, "Unwelcome"),
        ("a false cluster", manager(), Some(other_name), Expect::Manager, "Unwelcome"),
        ("no member", manager(), None, Expect::Manager, "Tls"),
    ] {
        check(Case { what, server, client, expect, outcome }).await;
    }
}

#[tokio::test]
async fn expiry_counts_and_a_slow_clock_does_not() {
    let old = TestCluster::made(7, days_ago(200));
    let manager = |days| old.identity(1, Manager, days_ago(days));
    let worker = |days| old.identity(2, Worker, days_ago(days));
    let future = TestCluster::made(8, days_ahead(400));
    let ahead = |role| future.identity(3, role, days_ahead(500));
    let digest = Expect::AuthorityDigest(future.digest());
    let expect = Expect::Manager;
    for (what, server, client, expect, outcome) in [
        ("88 days", manager(88), Some(worker(88)), expect, "worker 2 of 7"),
        ("the server's", manager(90), Some(worker(0)), expect, "Expired"),
        ("the client's", manager(0), Some(worker(90)), expect, "lapsed 2 of 7"),
        ("ahead", ahead(Manager), Some(ahead(Worker)), expect, "worker 3 of 8"),
        ("ahead of a joiner", ahead(Manager), None, digest, "unknown"),
    ] {
        check(Case { what, server, client, expect, outcome }).await;
    }
}

#[tokio::test]
async fn a_new_certificate_counts_from_the_next_connection_on() {
    let cluster = TestCluster::made(7, days_ago(1));
    let scope = Scope::root("test");
    let server = Credentials::new(cluster.identity(1, Manager, days_ago(0))).unwrap();
    let client = Credentials::new(cluster.identity(2, Worker, days_ago(0))).unwrap();
    let address = serve(&scope, &server).await.to_string();
    let before = connect(&address, Expect::Manager, Some(&client), LIMIT).await.unwrap();
    assert_eq!(ask(before.clone()).await.unwrap(), "worker 2 of 7");

    let mut changed = client.changed();
    client.replace(cluster.identity(2, Manager, days_ago(0))).unwrap();
    server.replace(cluster.identity(5, Manager, days_ago(0))).unwrap();
    changed.changed().await.unwrap();
    assert_eq!(changed.borrow().role, Manager);
    assert_eq!(client.current().role, Manager);

    let renewed = connect(&address, Expect::Node(NodeId(5)), Some(&client), LIMIT).await;
    assert_eq!(outcome(renewed).await, "manager 2 of 7");
    assert_eq!(ask(before).await.unwrap(), "worker 2 of 7", "the old connection stays as it was");

    // What cannot be used changes nothing.
    let mut mixed = cluster.identity(2, Worker, days_ago(0));
    mixed.certificate_pem = client.current().certificate_pem.clone();
    client.replace(mixed).unwrap_err();
    assert_eq!(client.current().role, Manager);
}

#[tokio::test]
async fn what_is_asked_over_a_lost_connection_does_not_arrive() {
    let cluster = TestCluster::made(7, days_ago(1));
    let scope = Scope::root("test");
    let server = Credentials::new(cluster.identity(1, Manager, days_ago(0))).unwrap();
    let client = Credentials::new(cluster.identity(2, Worker, days_ago(0))).unwrap();
    let address = serve(&scope, &server).await.to_string();
    let channel = connect(&address, Expect::Manager, Some(&client), LIMIT).await.unwrap();
    ask(channel.clone()).await.unwrap();
    assert_eq!(scope.stop(GRACE).await, Ok(()));
    // The first question may go out before the loss is noticed.
    let mut failures = Vec::new();
    for _ in 0..10 {
        failures.push(ask(channel.clone()).await.unwrap_err());
    }
    let arrived = failures.iter().map(|it| may_have_arrived(it));
    assert_eq!(arrived.skip(1).collect::<Vec<_>>(), [false; 9], "{failures:?}");
}

#[tokio::test]
async fn one_bad_client_disturbs_no_other() {
    let cluster = TestCluster::made(7, days_ago(1));
    let scope = Scope::root("test");
    let server = Credentials::new(cluster.identity(1, Manager, days_ago(0))).unwrap();
    let client = Credentials::new(cluster.identity(2, Worker, days_ago(0))).unwrap();
    let address = serve(&scope, &server).await;
    let mut silent = Vec::new();
    for round in 0..20 {
        silent.push(TcpStream::connect(address).await.unwrap());
        let mut noisy = TcpStream::connect(address).await.unwrap();
        noisy.write_all(b"GET / HTTP/1.1\r\nHost: skep\r\n\r\n").await.unwrap();
        // Told that this is not TLS, and left.
        let mut answer = Vec::new();
        noisy.read_to_end(&mut answer).await.unwrap();
        drop(TcpStream::connect(address).await.unwrap());
        let good = connect(&address.to_string(), Expect::Manager, Some(&client), LIMIT).await;
        assert_eq!(outcome(good).await, "worker 2 of 7", "round {round}");
    }
    // Even those that say nothing are not waited for for ever.
    for mut stream in silent {
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "a silent client keeps its place");
    }
    assert_eq!(scope.stop(GRACE).await, Ok(()));
}

#[tokio::test]
async fn what_is_no_manager_of_skep_is_told_apart() {
    let cluster = TestCluster::made(7, days_ago(1));
    let client = Credentials::new(cluster.identity(2, Worker, days_ago(0))).unwrap();
    let scope = Scope::root("test");
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for (address, outcome) in [
        (closed.to_string(), "Refused"),
        (silent.local_addr().unwrap().to_string(), "TimedOut"),
        (answers_with(&scope, b"HTTP/1.1 400 Bad Request\r\n\r\n").await.to_string(), "NotSkep"),
        (answers_with(&scope, b"").await.to_string(), "Broken"),
        ("127.0.0.1".to_owned(), "NoAddress"),
        ("no host has spaces:7373".to_owned(), "Unresolved"),
    ] {
        let limit = Duration::from_secs(1);
        let connected = connect(&address, Expect::Manager, Some(&client), limit).await;
        assert_eq!(self::outcome(connected).await, outcome, "{address}");
    }
}

/// Takes one connection, hears something, answers, and goes.
async fn answers_with(scope: &Scope, answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    scope.spawn("other program", shell::supervisor::OnFailure::Log, async move {
        let (mut stream, _) = listener.accept().await?;
        let mut heard = [0; 4_096];
        assert_ne!(stream.read(&mut heard).await?, 0);
        stream.write_all(answer).await?;
        stream.shutdown().await
    });
    address
}
