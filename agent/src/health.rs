//! When the engine counts as ill. Pure: the time is an argument.

use std::fmt;
use std::time::Duration;
use tokio::time::Instant;

/// What managers and people are told of the engine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum EngineHealth {
    #[default]
    Well,
    Ill {
        detail: String,
    },
}

/// Nothing, where nothing is wrong.
impl fmt::Display for EngineHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EngineHealth::Well => Ok(()),
            EngineHealth::Ill { detail } => f.write_str(detail),
        }
    }
}

/// An engine that is restarted for an upgrade is away for about as long.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(crate) struct Health {
    has_answered: bool,
    failing_since: Option<Instant>,
    /// Answers to pings do not cure it: the engine has to finish what it was asked to do.
    hang: Option<String>,
    state: EngineHealth,
}

impl Health {
    pub(crate) fn answered(&mut self) {
        self.has_answered = true;
        self.failing_since = None;
        self.state =
            self.hang.clone().map_or(EngineHealth::Well, |detail| EngineHealth::Ill { detail });
    }

    pub(crate) fn failed(&mut self, detail: String, now: Instant) {
        let since = *self.failing_since.get_or_insert(now);
        // The second failure in a row counts, and where nothing has ever answered, the first.
        if !self.has_answered || now > since && now - since >= PATIENCE {
            self.state = EngineHealth::Ill { detail };
        }
    }

    pub(crate) fn hangs(&mut self, detail: String) {
        self.state = EngineHealth::Ill { detail: detail.clone() };
        self.hang = Some(detail);
    }

    pub(crate) fn finished(&mut self) {
        if self.hang.take().is_some() && self.failing_since.is_none() {
            self.state = EngineHealth::Well;
        }
    }

    pub(crate) fn state(&self) -> &EngineHealth {
        &self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_an_engine_is_ill() {
        let begin = Instant::now();
        let mut health = Health::default();
        let mut check = |step: &str, at_millis: u64, expected: &str| {
            let now = begin + Duration::from_millis(at_millis);
            match step.split_once(' ') {
                None if step == "ok" => health.answered(),
                None if step == "finished" => health.finished(),
                Some(("fail", why)) => health.failed(why.to_owned(), now),
                Some(("hang", why)) => health.hangs(why.to_owned()),
                other => panic!("{other:?}"),
            }
            assert_eq!(health.state().to_string(), expected, "{step} at {at_millis}");
        };
        check("fail absent", 0, "absent");
        check("ok", 10, "");
        check("fail silent", 2_000, "");
        check("fail silent", 2_100, "");
        check("fail silent", 4_000, "silent");
        check("ok", 6_000, "");
        check("fail silent", 8_000, "");
        check("ok", 10_000, "");
        check("fail silent", 12_000, "");
        check("hang create", 13_000, "create");
        check("ok", 14_000, "create");
        check("finished", 15_000, "");
    }
}
