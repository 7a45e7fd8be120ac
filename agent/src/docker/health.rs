//! Health checks in Docker's words and back.

use super::error::shortened;
use agent_core::container::{Phase, Seen};
use agent_core::health::{EarlyChecks, Health, Trial};
use bollard::errors::Error;
use bollard::models::{
    ContainerInspectResponse, Health as DockerHealth, HealthConfig, HealthStatusEnum as Status,
    HealthcheckResult,
};
use bollard::query_parameters::InspectContainerOptions;
use bollard::{ClientVersion, Docker};
use common::container::{HealthCheck, Probe, ProbeCommand};
use std::time::Duration;

/// Of Engine 25.
const API_VERSION_START_INTERVALS: ClientVersion =
    ClientVersion { major_version: 1, minor_version: 44 };
const INSPECT_LIMIT: Duration = Duration::from_secs(10);
/// What the engine takes where a check says nothing or zero.
const RETRIES_DEFAULT: u64 = 3;
const INTERVAL_DEFAULT: Duration = Duration::from_secs(30);
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// Whether the engine can look more often at a container that starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StartIntervals {
    Known,
    Unknown,
}

impl StartIntervals {
    pub(super) fn of(client: &Docker) -> StartIntervals {
        if client.client_version() >= API_VERSION_START_INTERVALS {
            StartIntervals::Known
        } else {
            StartIntervals::Unknown
        }
    }
}

/// What a container is created with; it is laid over the image's own, number by number.
pub(super) fn health_config(check: &HealthCheck, start_intervals: StartIntervals) -> HealthConfig {
    match check {
        HealthCheck::Disabled => {
            HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }
        }
        HealthCheck::Enabled(probe) => enabled(probe, start_intervals),
    }
}

fn enabled(probe: &Probe, start_intervals: StartIntervals) -> HealthConfig {
    let test = probe.test.as_ref().map(|test| match test {
        ProbeCommand::Exec(words) => {
            std::iter::once("CMD".to_owned()).chain(words.iter().cloned()).collect()
        }
        ProbeCommand::Shell(line) => vec!["CMD-SHELL".to_owned(), line.clone()],
    });
    HealthConfig {
        test,
        interval: probe.interval.map(nanoseconds),
        timeout: probe.timeout.map(nanoseconds),
        retries: probe.retries.map(|it| i64::try_from(it).unwrap_or(i64::MAX)),
        start_period: probe.start_period.map(nanoseconds),
        start_interval: match start_intervals {
            StartIntervals::Known => probe.start_interval.map(nanoseconds),
            StartIntervals::Unknown => None,
        },
    }
}

/// Docker takes nothing between zero, which stands for its default, and a millisecond.
fn nanoseconds(duration: Duration) -> i64 {
    let least = if duration.is_zero() { Duration::ZERO } else { Duration::from_millis(1) };
    i64::try_from(duration.max(least).as_nanos()).unwrap_or(i64::MAX)
}

/// What the engine's check of a container would be, image and specification taken together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    /// As the engine would run it.
    pub(super) command: Vec<String>,
    pub(super) timeout: Duration,
    interval: Duration,
    retries: u64,
}

/// None where the container has none, or one that was turned off.
pub(super) fn check_of(inspected: &ContainerInspectResponse) -> Option<Check> {
    let config = inspected.config.as_ref()?;
    let health = config.healthcheck.as_ref()?;
    let (kind, words) = health.test.as_deref()?.split_first()?;
    let command = match kind.as_str() {
        "CMD" => words.to_vec(),
        "CMD-SHELL" => {
            let shell = config.shell.clone().filter(|it| !it.is_empty());
            let shell = shell.unwrap_or_else(|| vec!["/bin/sh".to_owned(), "-c".to_owned()]);
            shell.into_iter().chain(words.iter().cloned()).collect()
        }
        // The engine runs nothing else either.
        _ => return None,
    };
    let chosen = |it: Option<i64>| it.and_then(|it| u64::try_from(it).ok()).filter(|it| *it > 0);
    let duration = |it| chosen(it).map(Duration::from_nanos);
    Some(Check {
        command,
        timeout: duration(health.timeout).unwrap_or(TIMEOUT_DEFAULT),
        interval: duration(health.interval).unwrap_or(INTERVAL_DEFAULT),
        retries: chosen(health.retries).unwrap_or(RETRIES_DEFAULT),
    })
}

pub(super) fn health_of(
    inspected: &ContainerInspectResponse,
    start_intervals: StartIntervals,
) -> Health {
    let Some(check) = check_of(inspected) else { return Health::Unchecked };
    let health = inspected.state.as_ref().and_then(|it| it.health.clone()).unwrap_or_default();
    let DockerHealth { status, failing_streak, log } = health;
    let failures = failing_streak.and_then(|it| u64::try_from(it).ok()).unwrap_or(0);
    let last = log.as_ref().and_then(|it| it.last());
    match status {
        Some(Status::HEALTHY) => return Health::Healthy,
        Some(Status::UNHEALTHY) if failures >= check.retries => {
            return Health::Unhealthy { detail: last.map(words).unwrap_or_default() };
        }
        // The engine also calls unhealthy what it does not check at the moment, because it is
        // paused or ends: then the last check decides.
        Some(Status::UNHEALTHY) if last.is_some_and(|it| it.exit_code == Some(0)) => {
            return Health::Healthy;
        }
        Some(Status::UNHEALTHY | Status::STARTING | Status::NONE | Status::EMPTY) | None => {}
    }
    Health::Starting(Trial {
        failures,
        failures_max: check.retries,
        words: last.map(words).unwrap_or_default(),
        early_checks: match start_intervals {
            StartIntervals::Known => EarlyChecks::Engine,
            StartIntervals::Unknown => EarlyChecks::Agent { interval: check.interval },
        },
    })
}

fn words(result: &HealthcheckResult) -> String {
    said(result.output.as_deref().unwrap_or_default(), result.exit_code)
}

/// The last line, for that is where programs say what went wrong: above it there are meters and
/// traces. Also of a check that failed without a word, there is something to say.
pub(super) fn said(output: &str, exit_code: Option<i64>) -> String {
    let mut lines = output.split(['\n', '\r']).rev().map(str::trim);
    let last = lines.find(|it| !it.is_empty()).unwrap_or_default();
    match exit_code {
        Some(code) if code != 0 && last.is_empty() => format!("exit code {code}"),
        Some(_) | None => shortened(&last.replace(char::is_control, " ")),
    }
}

/// `Up 3 seconds (health: starting)`, as far as it goes.
pub(super) fn health_in(status: &str) -> Health {
    let after = |words: &str| status.ends_with(words);
    if after("(healthy)") {
        Health::Healthy
    } else if after("(unhealthy)") {
        Health::Unhealthy { detail: String::new() }
    } else if after("(health: starting)") || after("(Paused)") {
        // Of what is paused, a list does not say whether it has a check.
        unknown()
    } else {
        Health::Unchecked
    }
}

/// Nobody is taken for well who may not be.
pub(super) fn unknown() -> Health {
    let (words, early_checks) = (String::new(), EarlyChecks::Engine);
    Health::Starting(Trial { failures: 0, failures_max: RETRIES_DEFAULT, words, early_checks })
}

/// A list says neither why nor how far.
pub(super) async fn complete_health(client: &Docker, seen: &mut Seen) -> Result<(), Error> {
    let Phase::Running(health) = &mut seen.phase else { return Ok(()) };
    match health {
        Health::Unchecked | Health::Healthy => return Ok(()),
        Health::Starting(_) | Health::Unhealthy { .. } => {}
    }
    match look(client, &seen.id.0).await {
        Ok(found) => *health = found,
        // It has gone since, for example, and an event says so.
        Err(Error::DockerResponseServerError { .. } | Error::JsonDataError { .. }) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

pub(super) async fn look(client: &Docker, id: &str) -> Result<Health, Error> {
    Ok(health_of(&inspect(client, id).await?, StartIntervals::of(client)))
}

pub(super) async fn inspect(client: &Docker, id: &str) -> Result<ContainerInspectResponse, Error> {
    let asked = client.inspect_container(id, None::<InspectContainerOptions>);
    match tokio::time::timeout(INSPECT_LIMIT, asked).await {
        Ok(inspected) => inspected,
        Err(_) => Err(Error::RequestTimeoutError),
    }
}

#[cfg(test)]
mod tests;
