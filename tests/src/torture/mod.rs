//! Torture of what is stored: daemons that are killed, and disks that are slow or full, under a
//! stream of writes that are remembered once they are acknowledged.
//!
//! A [`Loopback`] is a cluster of real daemons on this machine's loopback addresses, each with a
//! folder and a played engine: no namespace, no Docker, and a daemon is back within a moment. Its
//! nodes are drained, so services are stored and planned and never run.

mod client;
mod daemon;
mod engine;
mod ledger;
mod loopback;
mod writers;

pub use client::{Client, Listing, Unanswered};
pub use daemon::Daemon;
pub use engine::PlayedEngine;
pub use ledger::{Counts, Ledger};
pub use loopback::{Loopback, SOON};
pub use writers::{Pace, Writers};

/// A number that a longer run sets; what it is not set to, an ordinary run takes.
pub fn number(variable: &str, ordinary: u64) -> u64 {
    let given = std::env::var(variable).ok();
    given.map_or(ordinary, |it| {
        it.parse().unwrap_or_else(|_| panic!("{variable} must be a number, and is `{it}`"))
    })
}
