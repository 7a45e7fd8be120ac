//! How it is found out whether a container does what it is for.

use crate::convert::Malformed;
use crate::v1;
use common::container::{HealthCheck, Probe, ProbeCommand};
use common::time::millis;
use std::time::Duration;

impl TryFrom<v1::HealthCheck> for HealthCheck {
    type Error = Malformed;
    fn try_from(wire: v1::HealthCheck) -> Result<HealthCheck, Malformed> {
        match wire.of.ok_or_else(|| Malformed::missing("container.health"))? {
            v1::health_check::Of::Disabled(v1::Empty {}) => Ok(HealthCheck::Disabled),
            v1::health_check::Of::Enabled(probe) => Ok(HealthCheck::Enabled(probe.into())),
        }
    }
}

impl From<&HealthCheck> for v1::HealthCheck {
    fn from(health: &HealthCheck) -> v1::HealthCheck {
        let of = match health {
            HealthCheck::Disabled => v1::health_check::Of::Disabled(v1::Empty {}),
            HealthCheck::Enabled(probe) => v1::health_check::Of::Enabled(probe.into()),
        };
        v1::HealthCheck { of: Some(of) }
    }
}

impl From<v1::Probe> for Probe {
    fn from(wire: v1::Probe) -> Probe {
        Probe {
            test: wire.test.map(|test| match test {
                v1::probe::Test::Exec(v1::Words { words }) => ProbeCommand::Exec(words),
                v1::probe::Test::Shell(line) => ProbeCommand::Shell(line),
            }),
            interval: wire.interval_millis.map(Duration::from_millis),
            timeout: wire.timeout_millis.map(Duration::from_millis),
            retries: wire.retries,
            start_period: wire.start_period_millis.map(Duration::from_millis),
            start_interval: wire.start_interval_millis.map(Duration::from_millis),
        }
    }
}

impl From<&Probe> for v1::Probe {
    fn from(probe: &Probe) -> v1::Probe {
        v1::Probe {
            test: probe.test.as_ref().map(|test| match test {
                ProbeCommand::Exec(words) => {
                    v1::probe::Test::Exec(v1::Words { words: words.clone() })
                }
                ProbeCommand::Shell(line) => v1::probe::Test::Shell(line.clone()),
            }),
            interval_millis: probe.interval.map(millis),
            timeout_millis: probe.timeout.map(millis),
            retries: probe.retries,
            start_period_millis: probe.start_period.map(millis),
            start_interval_millis: probe.start_interval.map(millis),
        }
    }
}
