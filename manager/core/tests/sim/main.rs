//! The whole control plane on one thread: the real leader and planner, the real agents' core,
//! virtual time, a lossy network, machines and engines that fail at any moment, logs that fail,
//! and users who change their minds.
//!
//! While faults last, nothing may ever be wrong (safety). Once they are over, everything must
//! become right and then quiet (liveness). A seed replays a run exactly:
//! `SKEP_SIM_SEED=17 cargo test --profile fast -p manager-core --test sim -- --nocapture`.
//! That all this finds something is shown by `deploy/planted-bugs`.

mod agent;
mod checks;
mod engine;
mod faults;
mod fence;
mod founding;
mod leading;
mod log;
mod machine;
mod network;
mod planted;
mod users;
mod world;

use std::io::Write;
use world::{WallClocks, World};

/// In the ordinary run; `SKEP_SIM_SEEDS` asks for more, `SKEP_SIM_FROM` for others.
const SEEDS: u64 = 300;

#[expect(clippy::disallowed_methods, reason = "how many seeds is asked of a test from outside")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Names the seed also where the code under test panics.
struct Running {
    seed: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            drop(writeln!(std::io::stderr(), "replay it with SKEP_SIM_SEED={}", self.seed));
        }
    }
}

#[test]
fn safe_while_faults_last_and_right_when_they_are_over() {
    let seeds = match number("SKEP_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let first = number("SKEP_SIM_FROM").unwrap_or(0);
            first..first + number("SKEP_SIM_SEEDS").unwrap_or(SEEDS)
        }
    };
    let trace = number("SKEP_SIM_SEED").is_some();
    let mut moves = 0;
    for seed in seeds.clone() {
        let running = Running { seed };
        let mut world = World::new(seed, WallClocks::Wrong, trace);
        let wrong: Vec<String> = world.run().iter().map(ToString::to_string).collect();
        assert!(wrong.is_empty(), "seed {}: {}", running.seed, wrong.join("\n"));
        moves += world.started();
    }
    // A simulation in which nothing runs would find nothing wrong either.
    let seeds = seeds.end - seeds.start;
    assert!(moves > seeds * 5, "{moves} containers were started in {seeds} runs");
    drop(writeln!(std::io::stderr(), "{seeds} seeds, {moves} containers started"));
}

#[test]
fn clocks_that_are_a_day_off_move_nothing() {
    for seed in 0..20 {
        let run = |wall_clocks| {
            let mut world = World::new(seed, wall_clocks, false);
            assert!(world.run().is_empty(), "seed {seed}");
            world.footprint()
        };
        assert_eq!(run(WallClocks::Right), run(WallClocks::Wrong), "seed {seed}");
    }
}
