//! Time as a value. Nothing here reads a clock.

use serde::{Deserialize, Serialize};
use std::ops::Add;
use std::time::Duration;

/// Cluster time in milliseconds. It never runs backwards: a new leader goes on from the last
/// stamp by its own steady clock. Every decision uses this and only this.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// How long ago `earlier` was; zero where it lies ahead.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;
    fn add(self, delay: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(millis(delay)))
    }
}

/// A wall clock's milliseconds since 1970, for people to read. A board without a clock battery
/// wakes up in 1970, so nothing is decided by it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct WallTime(pub u64);

/// One moment on both clocks, as the leader stamped it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Stamp {
    pub at: Timestamp,
    pub wall: WallTime,
}

impl Stamp {
    /// The age a person is told. Cluster time stands still while no manager runs, so the wall
    /// clock's word is taken unless it is the smaller one, as it is on a clock that was reset.
    pub fn age(self, now: Stamp) -> Duration {
        let by_wall = Duration::from_millis(now.wall.0.saturating_sub(self.wall.0));
        now.at.since(self.at).max(by_wall)
    }
}

pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
