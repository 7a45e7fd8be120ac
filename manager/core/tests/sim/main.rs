//! The whole control plane on one thread: the real leader and planner, virtual time, a lossy
//! network, machines that crash at any moment, logs that fail, and users who change their minds.
//!
//! While faults last, nothing may ever be wrong (safety). Once they are over, everything must
//! become right and then quiet (liveness). A seed replays a run exactly:
//! `SKEP_SIM_SEED=17 cargo test -p manager-core --test sim -- --nocapture`.

mod agents;
mod checks;
mod faults;
mod world;

use std::io::Write;
use world::World;

/// In the ordinary run; `SKEP_SIM_SEEDS` asks for more.
const SEEDS: u64 = 300;

#[expect(clippy::disallowed_methods, reason = "how many seeds is asked of a test from outside")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn safe_while_faults_last_and_right_when_they_are_over() {
    let seeds = match number("SKEP_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SKEP_SIM_SEEDS").unwrap_or(SEEDS),
    };
    let trace = number("SKEP_SIM_SEED").is_some();
    let mut moves = 0;
    for seed in seeds.clone() {
        let mut world = World::new(seed, trace);
        let wrong = world.run();
        assert!(wrong.is_empty(), "seed {seed}: {wrong:#?}\nreplay it with SKEP_SIM_SEED={seed}");
        moves += world.started();
    }
    // A simulation in which nothing runs would find nothing wrong either.
    let seeds = seeds.end - seeds.start;
    assert!(moves > seeds * 5, "{moves} containers were started in {seeds} runs");
    drop(writeln!(std::io::stderr(), "{seeds} seeds, {moves} containers started"));
}
