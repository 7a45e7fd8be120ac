//! Cluster time: handed on from leader to leader, driven by steady clocks, never by wall clocks.

use common::{Stamp, Timestamp};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// What the time was at some instant of this process.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    time: Timestamp,
    at: Instant,
}

impl Anchor {
    fn now(self) -> Timestamp {
        self.time + self.at.elapsed()
    }
}

#[derive(Debug, Clone)]
pub struct ClusterClock {
    anchor: watch::Sender<Anchor>,
}

impl ClusterClock {
    /// Starts at the last stamp that is known.
    pub fn new(time: Timestamp) -> ClusterClock {
        ClusterClock { anchor: watch::Sender::new(Anchor { time, at: Instant::now() }) }
    }

    pub fn now(&self) -> Stamp {
        Stamp { at: self.anchor.borrow().now(), wall: shell::clock::wall() }
    }

    /// Takes a leader's word, or a stamp's; time is never set back.
    pub fn heard(&self, time: Timestamp) {
        self.anchor.send_if_modified(|anchor| {
            let behind = time.since(anchor.now()) > Duration::ZERO;
            if behind {
                *anchor = Anchor { time, at: Instant::now() };
            }
            behind
        });
    }

    /// What the time was when `instant` was.
    pub fn at(&self, instant: Instant) -> Timestamp {
        let now = self.anchor.borrow().now();
        Timestamp(now.0.saturating_sub(common::time::millis(instant.elapsed())))
    }
}
