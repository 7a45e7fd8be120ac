//! What Docker says of health, and what it is told.

use super::*;
use bollard::models::{ContainerConfig, ContainerState};
use expect_test::{Expect, expect};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn checks_in_dockers_words() {
    let check = |check: &HealthCheck, start_intervals, expected: Expect| {
        let config = serde_json::to_value(health_config(check, start_intervals)).unwrap();
        expected.assert_eq(&config.to_string());
    };
    let full = HealthCheck::Enabled(Probe {
        test: Some(ProbeCommand::Shell("curl localhost".to_owned())),
        interval: Some(seconds(30)),
        timeout: Some(Duration::from_nanos(5)),
        retries: Some(2),
        start_period: Some(Duration::ZERO),
        start_interval: Some(seconds(1)),
    });
    check(
        &full,
        StartIntervals::Known,
        expect![[
            r#"{"Interval":30000000000,"Retries":2,"StartInterval":1000000000,"StartPeriod":0,"Test":["CMD-SHELL","curl localhost"],"Timeout":1000000}"#
        ]],
    );
    check(
        &full,
        StartIntervals::Unknown,
        expect![[
            r#"{"Interval":30000000000,"Retries":2,"StartPeriod":0,"Test":["CMD-SHELL","curl localhost"],"Timeout":1000000}"#
        ]],
    );
    let words = ProbeCommand::Exec(vec!["ping".to_owned(), "db".to_owned()]);
    let exec = HealthCheck::Enabled(Probe { test: Some(words), ..Probe::default() });
    check(&exec, StartIntervals::Known, expect![[r#"{"Test":["CMD","ping","db"]}"#]]);
    let image_s_own = HealthCheck::Enabled(Probe::default());
    check(&image_s_own, StartIntervals::Known, expect!["{}"]);
    check(&HealthCheck::Disabled, StartIntervals::Known, expect![[r#"{"Test":["NONE"]}"#]]);
}

fn container(test: &[&str], health: Option<DockerHealth>) -> ContainerInspectResponse {
    let test = Some(test.iter().map(|it| (*it).to_owned()).collect());
    ContainerInspectResponse {
        config: Some(ContainerConfig {
            healthcheck: Some(HealthConfig { test, interval: Some(0), ..HealthConfig::default() }),
            ..ContainerConfig::default()
        }),
        state: Some(ContainerState { health, ..ContainerState::default() }),
        ..ContainerInspectResponse::default()
    }
}

#[test]
fn which_command_is_run() {
    let command = |test: &[&str]| check_of(&container(test, None)).map(|it| it.command.join(" "));
    assert_eq!(command(&["CMD", "ping", "db"]).as_deref(), Some("ping db"));
    assert_eq!(command(&["CMD-SHELL", "ping db"]).as_deref(), Some("/bin/sh -c ping db"));
    assert_eq!(command(&["NONE"]), None);
    assert_eq!(command(&[]), None);
    let mut with_shell = container(&["CMD-SHELL", "ping db"], None);
    let config = with_shell.config.as_mut().unwrap();
    config.shell = Some(vec!["/bin/ash".to_owned(), "-ec".to_owned()]);
    assert_eq!(check_of(&with_shell).unwrap().command.join(" "), "/bin/ash -ec ping db");
    assert_eq!(check_of(&ContainerInspectResponse::default()), None);
}

#[test]
fn health_as_docker_tells_it() {
    let result = |exit_code, output: &str| HealthcheckResult {
        exit_code: Some(exit_code),
        output: Some(output.to_owned()),
        ..HealthcheckResult::default()
    };
    let check = |status, failing_streak, log: Vec<HealthcheckResult>, expected: &str| {
        let health = DockerHealth { status, failing_streak: Some(failing_streak), log: Some(log) };
        let found = health_of(&container(&["CMD", "x"], Some(health)), StartIntervals::Unknown);
        let found = match found {
            Health::Unchecked => "unchecked".to_owned(),
            Health::Healthy => "healthy".to_owned(),
            Health::Unhealthy { detail } => format!("unhealthy: {detail}"),
            Health::Starting(trial) => {
                assert_eq!(trial.early_checks, EarlyChecks::Agent { interval: seconds(30) });
                format!("starting: {trial}")
            }
        };
        assert_eq!(found, expected);
    };
    let curl = "  % Total\r  0  0\ncurl: (7) connection\trefused\n\n";
    let refused = || vec![result(0, "fine"), result(1, curl)];
    check(Some(Status::HEALTHY), 0, vec![result(0, "fine")], "healthy");
    check(Some(Status::UNHEALTHY), 3, refused(), "unhealthy: curl: (7) connection refused");
    check(Some(Status::UNHEALTHY), 3, vec![result(7, "")], "unhealthy: exit code 7");
    check(Some(Status::STARTING), 0, Vec::new(), "starting: health check: no success yet");
    check(
        Some(Status::STARTING),
        2,
        refused(),
        "starting: health check: 2 of 3 failures so far: curl: (7) connection refused",
    );
    // Paused, after a success and before any.
    check(Some(Status::UNHEALTHY), 0, vec![result(0, "fine")], "healthy");
    check(Some(Status::UNHEALTHY), 0, Vec::new(), "starting: health check: no success yet");
    // Not looked at yet.
    let young = health_of(&container(&["CMD", "x"], None), StartIntervals::Known);
    assert!(matches!(young, Health::Starting(Trial { early_checks: EarlyChecks::Engine, .. })));
    let off = health_of(&container(&["NONE"], None), StartIntervals::Known);
    assert_eq!(off, Health::Unchecked);
}

#[test]
fn health_in_a_list() {
    let is_starting = |status| matches!(health_in(status), Health::Starting(_));
    assert_eq!(health_in("Up 3 minutes"), Health::Unchecked);
    assert_eq!(health_in("Up 3 minutes (healthy)"), Health::Healthy);
    assert!(is_starting("Up 1 second (health: starting)"));
    assert!(is_starting("Up 3 minutes (Paused)"));
    let unhealthy = Health::Unhealthy { detail: String::new() };
    assert_eq!(health_in("Up 3 minutes (unhealthy)"), unhealthy);
}
