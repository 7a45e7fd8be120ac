//! For how long what must not run twice may run here.

use common::lease::LEASE;
use std::ops::Add;
use std::time::Duration;

/// Without so much left nothing is started: a start may be slow.
const TO_START: Duration = Duration::from_secs(4);
/// So long before its end, what runs is stopped in order.
const TO_STOP: Duration = Duration::from_secs(3);
/// What of that is left to a container that is stopped for it.
pub const GRACE: Duration = Duration::from_secs(2);

/// Nanoseconds since the machine was started; also those in which it slept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct BootTime(pub u64);

impl BootTime {
    pub fn until(self, later: BootTime) -> Duration {
        Duration::from_nanos(later.0.saturating_sub(self.0))
    }
}

impl Add<Duration> for BootTime {
    type Output = BootTime;
    fn add(self, wait: Duration) -> BootTime {
        let nanos = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        BootTime(self.0.saturating_add(nanos))
    }
}

/// Of the whole node, granted with the answers to its beats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lease {
    /// The beginning of time where there never was one.
    ends: BootTime,
}

/// What is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// What runs is to end.
    None,
    /// What runs may go on.
    ToRun,
    ToStart,
}

impl Lease {
    pub fn ending(ends: BootTime) -> Lease {
        Lease { ends }
    }

    /// It counts from when the beat was sent: the answer may have been long on its way.
    pub fn granted(&mut self, beat_sent: BootTime) {
        self.ends = self.ends.max(beat_sent + LEASE);
    }

    pub fn ends(&self) -> BootTime {
        self.ends
    }

    pub fn room(&self, now: BootTime) -> Room {
        match now.until(self.ends) {
            left if left > TO_START => Room::ToStart,
            left if left > TO_STOP => Room::ToRun,
            _ => Room::None,
        }
    }

    /// When there will be less room, if nothing is granted until then.
    pub fn less_room_in(&self, now: BootTime) -> Option<Duration> {
        let left = now.until(self.ends);
        [TO_START, TO_STOP].into_iter().filter(|it| left > *it).map(|it| left - it).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_room_a_lease_leaves() {
        let at = |millis| BootTime(0) + Duration::from_millis(millis);
        let mut lease = Lease::default();
        assert_eq!((lease.room(at(0)), lease.less_room_in(at(0))), (Room::None, None));
        lease.granted(at(1_000));
        let cases = [
            (1_000, Room::ToStart, Some(6_000)),
            (6_999, Room::ToStart, Some(1)),
            (7_000, Room::ToRun, Some(1_000)),
            (7_999, Room::ToRun, Some(1)),
            (8_000, Room::None, None),
            (20_000, Room::None, None),
        ];
        for (now, room, less) in cases {
            assert_eq!(lease.room(at(now)), room, "{now}");
            assert_eq!(lease.less_room_in(at(now)), less.map(Duration::from_millis), "{now}");
        }
        // An answer that was overtaken takes nothing back.
        lease.granted(at(500));
        assert_eq!(lease.ends(), at(11_000));
    }
}
