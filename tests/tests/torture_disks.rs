//! Disks that take seconds to sync, and disks that are full, below a whole cluster.
//!
//! `SKEP_TORTURE_SLOW_SECONDS` says how long the slow disks are watched.

use std::sync::Arc;
use std::time::{Duration, Instant};

use integration::disk::{Ask, Shim};
use integration::torture::{Client, Ledger, Loopback, Pace, SOON, Writers, number};
use proto::v1::NodeView;
use proto::v1::node_view::ManagerStatus;

const MANAGERS: usize = 3;
const SLOW_SECONDS: u64 = 30;
const SYNC_MS: u64 = 2_000;
const REPORT_EVERY: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(200);
const LIGHT: Pace = Pace { writers: 1, pause: Duration::from_secs(3) };
const BUSY: Pace = Pace { writers: 2, pause: Duration::from_millis(30) };
/// Said in the log by whoever is elected.
const LEADS_NOW: &str = "this manager leads now";
const ORDINARY: Ask = Ask { sync_ms: 0, is_full: false };
const SLOW: Ask = Ask { sync_ms: SYNC_MS, is_full: false };
const FULL: Ask = Ask { sync_ms: 0, is_full: true };

/// A cluster on disks that can be changed while it runs.
fn cluster_on_shims() -> (Loopback, Vec<Shim>) {
    let mut cluster = Loopback::new(MANAGERS);
    let mut shims = Vec::new();
    for position in 0..MANAGERS {
        let daemon = cluster.daemon(position);
        let shim = Shim::build(daemon.folder(), &daemon.data_folder());
        for (name, value) in shim.variables() {
            daemon.set_environment(name, &value.display().to_string());
        }
        shims.push(shim);
    }
    cluster.form();
    (cluster, shims)
}

fn ask_all(shims: &[Shim], ask: Ask) {
    shims.iter().for_each(|it| it.ask(ask));
}

fn elections(cluster: &Loopback) -> usize {
    cluster.daemons().iter().map(|it| it.log().matches(LEADS_NOW).count()).sum()
}

/// Each node's state and since when it is in it: a node that was down for a moment shows it.
fn states(client: &Client) -> Vec<String> {
    let nodes = client.nodes().expect("a manager answers");
    assert!(!nodes.is_stale, "there is a leader");
    let node = nodes.rows.into_iter().filter_map(|it| it.node);
    node.map(|it| format!("{}: {:?}", it.name, it.status)).collect()
}

fn wait_kept(cluster: &Loopback, ledger: &Ledger, witness: usize) {
    let deadline = Instant::now() + SOON;
    let broken = loop {
        match cluster.check(witness, ledger) {
            Ok(broken) => break broken,
            Err(error) => assert!(Instant::now() < deadline, "no leader answers: {error}"),
        }
        std::thread::sleep(LOOK_EVERY);
    };
    assert!(broken.is_empty(), "promises are broken:\n{}", broken.join("\n"));
}

#[test]
fn disks_that_sync_slowly_change_no_leader_and_take_no_node_down() {
    let seconds = number("SKEP_TORTURE_SLOW_SECONDS", SLOW_SECONDS);
    let (mut cluster, shims) = cluster_on_shims();
    let ledger = Arc::new(Ledger::default());
    let (elected, before) = (elections(&cluster), states(&cluster.daemons()[0].client()));
    ask_all(&shims, SLOW);
    let writers = Writers::start(&cluster.sockets(), &ledger, LIGHT, seconds);
    let begun = Instant::now();
    let mut reported = begun;
    while begun.elapsed() < Duration::from_secs(seconds) {
        for daemon in cluster.daemons() {
            assert_eq!(states(&daemon.client()), before, "as {} is told", daemon.name());
        }
        assert_eq!(elections(&cluster), elected, "nobody is elected after {:?}", begun.elapsed());
        if reported.elapsed() >= REPORT_EVERY {
            reported = Instant::now();
            eprintln!("slow for {:.0?}: {:?}", begun.elapsed(), ledger.counts());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    ask_all(&shims, ORDINARY);
    let reasons = writers.stop();
    eprintln!("{:?}, not acknowledged: {reasons:#?}", ledger.counts());
    let counts = ledger.counts();
    assert!(counts.acknowledged > 0 && reasons.is_empty(), "{counts:?}: {reasons:?}");
    wait_kept(&cluster, &ledger, 0);
    cluster.wait_whole();
}

#[test]
fn a_full_disk_says_so_and_holds_up_nobody_else() {
    let (mut cluster, shims) = cluster_on_shims();
    let ledger = Arc::new(Ledger::default());
    let writers = Writers::start(&cluster.sockets(), &ledger, BUSY, 0);
    let leader = cluster.leader(0).expect("somebody leads");
    for victim in [(leader + 1) % MANAGERS, leader] {
        let witness = (victim + 1) % MANAGERS;
        shims[victim].ask(FULL);
        wait_says_full(&mut cluster, victim, 0);
        let name = cluster.daemons()[victim].name().to_owned();
        cluster.wait("users see that a manager is missing", |daemons| {
            let nodes = daemons[witness].client().nodes();
            nodes.is_ok_and(|it| !it.is_stale && is_unreachable(&it.rows, &name))
        });
        let before = ledger.counts().acknowledged;
        cluster.wait("the others go on", |_| ledger.counts().acknowledged > before + 20);

        let said = cluster.daemons()[victim].log().len();
        cluster.daemon(victim).kill();
        cluster.daemon(victim).start();
        wait_says_full(&mut cluster, victim, said);
        shims[victim].ask(ORDINARY);
        cluster.daemon(victim).kill();
        cluster.start(victim);
        cluster.wait_whole();
        wait_kept(&cluster, &ledger, victim);
    }
    eprintln!("{:?}, not acknowledged: {:#?}", ledger.counts(), writers.stop());
}

/// In its log from `begin` on: what is wrong, where, and what helps.
fn wait_says_full(cluster: &mut Loopback, victim: usize, begin: usize) {
    let store = cluster.daemons()[victim].data_folder().join("store");
    let says = format!(
        "the disk that holds {} is full: free some space, then restart skep",
        store.display()
    );
    cluster.wait("it says so", |daemons| daemons[victim].log()[begin..].contains(&says));
}

fn is_unreachable(nodes: &[NodeView], name: &str) -> bool {
    nodes.iter().any(|it| {
        it.manager_status() == ManagerStatus::Unreachable
            && it.node.as_ref().is_some_and(|node| node.name == name)
    })
}
