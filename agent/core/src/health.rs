//! What a container's health check says, and how closely a container is watched while it starts.

use crate::container::ContainerId;
use common::TaskId;
use common::container::HealthCheck;
use std::fmt;
use std::time::Duration;

/// As Engine 25 has it, the first that knows start intervals.
const START_INTERVAL_DEFAULT: Duration = Duration::from_secs(5);

/// Of a container that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It has no check, so it is well as long as it runs.
    Unchecked,
    /// Its check has not succeeded yet.
    Starting(Trial),
    Healthy,
    /// Its check failed so often that the engine has given it up.
    Unhealthy {
        /// What the check said last.
        detail: String,
    },
}

/// How far a container is before the first success of its check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// In a row, and without those of the start period.
    pub failures: u64,
    /// So many make it unhealthy.
    pub failures_max: u64,
    /// What the check said last; empty where it has said nothing.
    pub words: String,
    pub early_checks: EarlyChecks,
}

/// Who looks at a container that starts more often than at one that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EarlyChecks {
    Engine,
    /// The engine would look after one interval first, and only once in each.
    Agent {
        interval: Duration,
    },
}

/// One look of our own: the shell waits, carries the check out in the container, and says what it
/// found under the same number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    pub task: TaskId,
    pub id: ContainerId,
    pub number: u64,
    pub after: Duration,
}

impl Trial {
    /// How long to wait before each look of our own; none where the engine looks often enough.
    ///
    /// Whether there is a start period makes no difference: it says which failures count, and ours
    /// never do. Where nobody asked for an interval, a good container is known after seconds rather
    /// than after the half minute for which engines wait by default.
    pub fn probe_after(&self, check: Option<&HealthCheck>) -> Option<Duration> {
        let interval = match self.early_checks {
            EarlyChecks::Engine => return None,
            EarlyChecks::Agent { interval } => interval,
        };
        let asked = match check {
            Some(HealthCheck::Enabled(probe)) => probe.start_interval,
            Some(HealthCheck::Disabled) | None => None,
        };
        // As with all of a check's numbers, zero means that nobody chose one.
        let after = asked.filter(|it| !it.is_zero()).unwrap_or(START_INTERVAL_DEFAULT);
        (after < interval).then_some(after)
    }
}

/// For people who wonder why a task does not run yet.
impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.failures {
            0 => f.write_str("health check: no success yet")?,
            failures => {
                let max = self.failures_max;
                write!(f, "health check: {failures} of {max} failures so far")?;
            }
        }
        if self.words.is_empty() { Ok(()) } else { write!(f, ": {}", self.words) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::container::Probe as Check;

    #[test]
    fn how_often_we_look() {
        let seconds = Duration::from_secs;
        let agent = |interval| EarlyChecks::Agent { interval: seconds(interval) };
        let start_interval = |it: Duration| {
            Some(HealthCheck::Enabled(Check { start_interval: Some(it), ..Check::default() }))
        };
        let cases = [
            (EarlyChecks::Engine, start_interval(seconds(1)), None),
            (agent(30), start_interval(seconds(1)), Some(seconds(1))),
            (agent(30), start_interval(seconds(30)), None),
            (agent(30), start_interval(Duration::ZERO), Some(seconds(5))),
            (agent(30), None, Some(seconds(5))),
            (agent(30), Some(HealthCheck::Enabled(Check::default())), Some(seconds(5))),
            (agent(5), None, None),
            (agent(2), None, None),
        ];
        for (early_checks, check, expected) in cases {
            let trial = Trial { failures: 0, failures_max: 3, words: String::new(), early_checks };
            assert_eq!(trial.probe_after(check.as_ref()), expected, "{trial:?} {check:?}");
        }
    }

    #[test]
    fn what_people_are_told() {
        let check = |failures, words: &str, expected: &str| {
            let words = words.to_owned();
            let early_checks = EarlyChecks::Engine;
            let trial = Trial { failures, failures_max: 3, words, early_checks };
            assert_eq!(trial.to_string(), expected);
        };
        check(0, "", "health check: no success yet");
        check(0, "refused", "health check: no success yet: refused");
        check(2, "", "health check: 2 of 3 failures so far");
        check(2, "refused", "health check: 2 of 3 failures so far: refused");
    }
}
