//! `--health-cmd` and what goes with it.

use crate::cli::args::bad_service::BadService;
use clap::Args;
use common::container::{HealthCheck, Probe, ProbeCommand};
use common::units::parse_duration;
use std::time::Duration;

#[derive(Debug, Args)]
pub(in crate::cli) struct HealthFlags {
    /// A command in the container that ends well while the container is well
    #[arg(long, value_name = "COMMAND")]
    health_cmd: Option<String>,
    /// How long from one check to the next
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    health_interval: Option<Duration>,
    /// How many failures in a row make it unhealthy
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    health_retries: Option<u64>,
    /// For how long after the start failures do not count
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    health_start_period: Option<Duration>,
    /// How long from one check to the next within that time
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    health_start_interval: Option<Duration>,
    /// How long a check may take
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    health_timeout: Option<Duration>,
    /// No check at all, whatever the image says
    #[arg(long)]
    no_healthcheck: bool,
}

impl HealthFlags {
    pub(in crate::cli::args) fn apply(
        &self,
        health: &mut Option<HealthCheck>,
    ) -> Result<(), BadService> {
        let mut probe = match health.take() {
            Some(HealthCheck::Enabled(probe)) => probe,
            before @ (Some(HealthCheck::Disabled) | None) => {
                if !self.says_how() {
                    *health =
                        if self.no_healthcheck { Some(HealthCheck::Disabled) } else { before };
                    return Ok(());
                }
                Probe::default()
            }
        };
        if self.no_healthcheck {
            *health = Some(HealthCheck::Disabled);
            return if self.says_how() { Err(BadService::HealthAndNone) } else { Ok(()) };
        }
        if let Some(line) = &self.health_cmd {
            let line = Some(line.clone()).filter(|it| !it.is_empty());
            probe.test = line.map(ProbeCommand::Shell);
        }
        put(&mut probe.interval, self.health_interval);
        put(&mut probe.start_period, self.health_start_period);
        put(&mut probe.start_interval, self.health_start_interval);
        put(&mut probe.timeout, self.health_timeout);
        if let Some(retries) = self.health_retries {
            probe.retries = Some(retries).filter(|it| *it > 0);
        }
        *health = (probe != Probe::default()).then_some(HealthCheck::Enabled(probe));
        Ok(())
    }

    fn says_how(&self) -> bool {
        self.health_cmd.is_some()
            || self.health_interval.is_some()
            || self.health_retries.is_some()
            || self.health_start_period.is_some()
            || self.health_start_interval.is_some()
            || self.health_timeout.is_some()
    }
}

/// Zero is Docker's word for the image's own.
fn put(place: &mut Option<Duration>, said: Option<Duration>) {
    if said.is_some() {
        *place = said.filter(|it| !it.is_zero());
    }
}
