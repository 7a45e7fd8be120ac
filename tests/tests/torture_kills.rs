//! Daemons that are killed while they store: what was acknowledged is there afterwards.
//!
//! `SKEP_TORTURE_KILLS` says how many are killed, `SKEP_TORTURE_SEED` repeats the choices of an
//! earlier run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::IdGen;
use integration::torture::{Ledger, Loopback, Pace, SOON, Writers, number};

const MANAGERS: usize = 3;
const KILLS: u64 = 6;
/// A kill comes so long after all were well, at most: early ones meet what a restart writes.
const QUIET_MILLIS: u64 = 300;
/// One kill of so many is followed by another while the daemon still starts.
const SECOND_SHARE: u64 = 8;
const SECOND_AFTER_MILLIS: u64 = 60;
const REPORT_EVERY: u64 = 25;
const PACE: Pace = Pace { writers: 3, pause: Duration::from_millis(30) };

/// How the kills went.
struct Tally {
    begun: Instant,
    kills: u64,
    leaders: u64,
    seconds: u64,
    slowest: Duration,
}

impl Tally {
    fn report(&self, cluster: &Loopback, ledger: &Ledger) {
        let Tally { begun, kills, leaders, seconds, slowest } = self;
        let (passed, counts) = (begun.elapsed(), ledger.counts());
        let megabytes = cluster.daemons().iter().map(|it| it.stored_bytes() >> 20).max();
        let each = passed.as_secs_f64() / *kills as f64;
        eprintln!(
            "{kills} kills in {passed:.0?}: {each:.2} s each, {leaders} of leaders, {seconds} \
             while starting, whole again after {slowest:.1?} at most; {} writes acknowledged, {} \
             in doubt; {} MiB in the largest store",
            counts.acknowledged,
            counts.doubtful,
            megabytes.unwrap_or_default()
        );
    }
}

#[test]
fn killed_daemons_keep_what_was_acknowledged() {
    let (kills, seed) = (number("SKEP_TORTURE_KILLS", KILLS), seed());
    let mut cluster = Loopback::new(MANAGERS);
    cluster.form();
    let ledger = Arc::new(Ledger::default());
    let writers = Writers::start(&cluster.sockets(), &ledger, PACE, seed);
    let tally = kill_many(&mut cluster, &ledger, kills, seed);
    tally.report(&cluster, &ledger);
    eprintln!("not acknowledged: {:#?}", writers.stop());
    for witness in 0..MANAGERS {
        wait_kept(&mut cluster, &ledger, witness);
    }
    every_copy_is_kept(&mut cluster, &ledger);
    let counts = ledger.counts();
    assert!(counts.acknowledged >= kills, "writes are made all the time: {counts:?}");
}

fn seed() -> u64 {
    let seed = number("SKEP_TORTURE_SEED", shell::clock::seed());
    eprintln!("SKEP_TORTURE_SEED={seed}");
    seed
}

fn kill_many(cluster: &mut Loopback, ledger: &Ledger, kills: u64, seed: u64) -> Tally {
    let mut chance = IdGen::from_seed(seed);
    let begun = Instant::now();
    let mut tally = Tally { begun, kills: 0, leaders: 0, seconds: 0, slowest: Duration::ZERO };
    while tally.kills < kills {
        std::thread::sleep(Duration::from_millis(chance.below(QUIET_MILLIS)));
        let victim = chance.below(MANAGERS as u64) as usize;
        let witness = (victim + 1) % MANAGERS;
        tally.leaders += u64::from(cluster.leader(witness) == Some(victim));
        cluster.daemon(victim).kill();
        tally.kills += 1;
        let killed = Instant::now();
        if chance.below(SECOND_SHARE) == 0 {
            cluster.daemon(victim).start();
            std::thread::sleep(Duration::from_millis(chance.below(SECOND_AFTER_MILLIS)));
            cluster.daemon(victim).kill();
            (tally.kills, tally.seconds) = (tally.kills + 1, tally.seconds + 1);
        }
        cluster.start(victim);
        cluster.wait_whole();
        tally.slowest = tally.slowest.max(killed.elapsed());
        wait_kept(cluster, ledger, victim);
        if tally.kills.is_multiple_of(REPORT_EVERY) {
            tally.report(cluster, ledger);
        }
    }
    tally
}

/// Asks until a leader answers; its answer must be right at once.
fn wait_kept(cluster: &mut Loopback, ledger: &Ledger, witness: usize) {
    let deadline = Instant::now() + SOON;
    let broken = loop {
        match cluster.check(witness, ledger) {
            Ok(broken) => break broken,
            Err(error) => assert!(Instant::now() < deadline, "no leader answers: {error}"),
        }
    };
    assert!(broken.is_empty(), "promises are broken:\n{}", broken.join("\n"));
}

/// Without the others a manager shows what it has itself. Then all of them lie dead at once.
fn every_copy_is_kept(cluster: &mut Loopback, ledger: &Ledger) {
    for witness in 0..MANAGERS {
        let others = [(witness + 1) % MANAGERS, (witness + 2) % MANAGERS];
        for other in others {
            cluster.daemon(other).kill();
        }
        let deadline = Instant::now() + SOON;
        let broken = loop {
            match cluster.check_own(witness, ledger) {
                Ok(broken) => break broken,
                Err(error) => assert!(Instant::now() < deadline, "no copy is shown: {error}"),
            }
        };
        assert!(broken.is_empty(), "a copy lacks what was promised:\n{}", broken.join("\n"));
        cluster.daemon(witness).kill();
        for position in 0..MANAGERS {
            cluster.start(position);
        }
        cluster.wait_whole();
        wait_kept(cluster, ledger, witness);
    }
}
