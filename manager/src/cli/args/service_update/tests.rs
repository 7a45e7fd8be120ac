//! `service update`: what a line makes of a service.

mod networks;

use super::UpdateFlags;
use crate::cli::args::flat::flatten;
use crate::cli::args::shell_words;
use crate::cli::render::samples::full_service;
use clap::Parser;
use common::service::{Mode, ServiceSpec};
use expect_test::{Expect, expect};
use std::sync::Arc;

#[derive(Debug, Parser)]
struct Door {
    #[command(flatten)]
    flags: UpdateFlags,
    service: String,
}

fn parse(line: &str) -> Result<UpdateFlags, String> {
    let words = shell_words::split(&format!("update {line} web")).expect("a line of words");
    let door = Door::try_parse_from(words).map_err(|error| {
        let text = error.to_string();
        text.lines().next().unwrap_or_default().to_owned()
    })?;
    assert_eq!(door.service, "web");
    Ok(door.flags)
}

fn update(line: &str, current: &ServiceSpec) -> Result<ServiceSpec, String> {
    let variable = |name: &str| (name == "HOME").then(|| "/root".to_owned());
    parse(line)?.spec(current, &variable).map_err(|error| error.to_string())
}

fn flat(spec: &ServiceSpec) -> Vec<String> {
    let mut lines = Vec::new();
    flatten("", &serde_json::to_value(spec).expect("a service is JSON"), &mut lines);
    lines
}

/// What a line takes away from the sample and puts there instead.
fn check(line: &str, expected: Expect) {
    check_from(&full_service().service.spec, line, expected);
}

/// The same, where a first line has made the service what it is.
fn check_after(first: &str, line: &str, expected: Expect) {
    let before = update(first, &full_service().service.spec).expect("a good first line");
    check_from(&before, line, expected);
}

fn check_from(before: &ServiceSpec, line: &str, expected: Expect) {
    let told = match update(line, before) {
        Err(error) => error,
        Ok(after) => {
            let (before, after) = (flat(before), flat(&after));
            let gone = before.iter().filter(|it| !after.contains(it)).map(|it| format!("- {it}"));
            let new = after.iter().filter(|it| !before.contains(it)).map(|it| format!("+ {it}"));
            gone.chain(new).collect::<Vec<_>>().join("\n")
        }
    };
    expected.assert_eq(&told);
}

#[test]
fn nothing_said_changes_nothing() {
    check("", expect![""]);
}

#[test]
fn single_values() {
    check(
        "--image redis:8 --args 'sleep 5' --replicas 5 --force",
        expect![[r#"
        - mode.Replicated.replicas = 3
        - task.container.args = ["echo hi"]
        - task.container.image = "ghcr.io/me/web:1@sha256:00"
        - task.force = 0
        + mode.Replicated.replicas = 5
        + task.container.args = ["sleep","5"]
        + task.container.image = "redis:8"
        + task.force = 1"#]],
    );
    check(
        "--entrypoint '' --args ''",
        expect![[r#"
        - task.container.args = ["echo hi"]
        - task.container.entrypoint = ["/bin/sh","-c"]
        + task.container.args = []
        + task.container.entrypoint = []"#]],
    );
    check(
        "--user '' --workdir /w --hostname '' --stop-signal '' --stop-grace-period 1s",
        expect![[r#"
            - task.container.hostname = "h"
            - task.container.stop_grace.secs = 3
            - task.container.stop_signal = "SIGINT"
            - task.container.user = "1000"
            - task.container.workdir = "/app"
            + task.container.hostname = null
            + task.container.stop_grace.secs = 1
            + task.container.stop_signal = null
            + task.container.user = null
            + task.container.workdir = "/w""#]],
    );
    check(
        "--init=false --tty --read-only --privileged --oom-score-adj -3",
        expect![[r#"
        - task.container.init = true
        - task.container.kernel.oom_score_adjustment = null
        - task.container.kernel.privileged = false
        - task.container.read_only = false
        - task.container.tty = false
        + task.container.init = false
        + task.container.kernel.oom_score_adjustment = -3
        + task.container.kernel.privileged = true
        + task.container.read_only = true
        + task.container.tty = true"#]],
    );
}

#[test]
fn resources_and_policies() {
    check(
        "--limit-cpu 0 --limit-memory 1g --limit-pids 9 --reserve-memory 0",
        expect![[r#"
        - task.limits.cpu_nanos = 500000000
        - task.limits.memory_bytes = 67108864
        - task.pids_max = null
        - task.reservations.memory_bytes = 33554432
        + task.limits.cpu_nanos = 0
        + task.limits.memory_bytes = 1073741824
        + task.pids_max = 9
        + task.reservations.memory_bytes = 0"#]],
    );
    check(
        "--replicas-max-per-node 0",
        expect![[r#"
        - task.replicas_max_per_node = 2
        + task.replicas_max_per_node = null"#]],
    );
    check(
        "--restart-condition none --restart-max-attempts 0 --restart-window 0s",
        expect![[r#"
        - task.restart.attempts_max = 3
        - task.restart.condition = "OnFailure"
        - task.restart.window.secs = 60
        + task.restart.attempts_max = null
        + task.restart.condition = "Never"
        + task.restart.window.secs = 0"#]],
    );
    check(
        "--update-parallelism 0 --rollback-order start-first",
        expect![[r#"
        - rollback.order = "StopFirst"
        - update.parallelism = 1
        + rollback.order = "StartFirst"
        + update.parallelism = 0"#]],
    );
}

#[test]
fn environment_and_labels() {
    check(
        "--env-add A=3 --env-add HOME --env-add UNSET --env-add C=",
        expect![[r#"
        - task.container.env = ["A=1","B=2"]
        + task.container.env = ["A=3","B=2","HOME=/root","C="]"#]],
    );
    check(
        "--env-rm A --env-rm NOT_THERE",
        expect![[r#"
        - task.container.env = ["A=1","B=2"]
        + task.container.env = ["B=2"]"#]],
    );
    // As with Docker, what goes wins over what comes here, and the other way round with labels.
    check(
        "--env-add A=3 --env-rm A",
        expect![[r#"
        - task.container.env = ["A=1","B=2"]
        + task.container.env = ["B=2"]"#]],
    );
    check(
        "--label-add zone=east --label-rm zone --label-rm not-there",
        expect![[r#"
        - labels.zone = "west"
        + labels.zone = "east""#]],
    );
    check(
        "--label-rm zone --container-label-rm c --container-label-add e=f",
        expect![[r#"
        - labels.zone = "west"
        - task.container.labels.c = "d"
        + labels = {}
        + task.container.labels.e = "f""#]],
    );
}

#[test]
fn placement() {
    check(
        "--constraint-add node.role==worker --constraint-add 'node.labels.zone == west'",
        expect![[r#"
            - task.constraints = ["node.labels.zone==west"]
            + task.constraints = ["node.labels.zone==west","node.role==worker"]"#]],
    );
    check(
        "--constraint-rm node.labels.zone==west",
        expect![[r#"
        - task.constraints = ["node.labels.zone==west"]
        + task.constraints = []"#]],
    );
    check("--constraint-rm node.labels.zone==east", expect![""]);
    let first = "--placement-pref-add spread=node.labels.a";
    check_after(
        first,
        "--placement-pref-add spread=node.labels.b --placement-pref-rm spread=node.labels.a",
        expect![[r#"
            - task.spread = ["node.labels.a"]
            + task.spread = ["node.labels.b"]"#]],
    );
}

#[test]
fn mounts() {
    check(
        "--mount-add type=bind,src=/other,dst=/b --mount-rm /v --mount-rm /nowhere",
        expect![[r#"
        - task.container.mounts = [{"access":"ReadOnly","source":{"Bind":{"missing":"Reject","path":"/srv","propagation":null,"recursion":"Enabled"}},"target":"/b"},{"access":"ReadWrite","source":{"Volume":{"driver":"local","labels":{},"name":"data","nocopy":false,"options":{"type":"nfs"},"subpath":null}},"target":"/v"},{"access":"ReadWrite","source":{"Tmpfs":{"mode":null,"options":[],"size_bytes":9}},"target":"/t"}]
        + task.container.mounts = [{"access":"ReadWrite","source":{"Tmpfs":{"mode":null,"options":[],"size_bytes":9}},"target":"/t"},{"access":"ReadWrite","source":{"Bind":{"missing":"Reject","path":"/other","propagation":null,"recursion":"Enabled"}},"target":"/b"}]"#]],
    );
    check(
        "--mount-add dst=/x --mount-add dst=/x",
        expect!["--mount-add names the target `/x` twice"],
    );
}

#[test]
fn names_and_addresses() {
    let first = "--host-add db:10.0.0.1 --host-add db:10.0.0.2 --host-add web:10.0.0.3 \
                 --dns-add 10.0.0.9 --dns-search-add a --dns-option-add ndots:2 --group-add audio";
    check_after(
        first,
        "--host-rm db --host-rm web:10.0.0.4 --host-add db:10.0.0.5",
        expect![[r#"
        - task.container.extra_hosts.db = [{"Ip":"10.0.0.1"},{"Ip":"10.0.0.2"}]
        + task.container.extra_hosts.db = [{"Ip":"10.0.0.5"}]"#]],
    );
    check_after(
        first,
        "--host-rm db:10.0.0.1 --host-rm nobody",
        expect![[r#"
        - task.container.extra_hosts.db = [{"Ip":"10.0.0.1"},{"Ip":"10.0.0.2"}]
        + task.container.extra_hosts.db = [{"Ip":"10.0.0.2"}]"#]],
    );
    check_after(
        first,
        "--dns-add 10.0.0.8 --dns-rm 10.0.0.9 --dns-search-rm a --dns-search-add a \
         --dns-option-rm ndots:3 --group-rm audio --group-add video",
        expect![[r#"
            - task.container.dns.search = ["a"]
            - task.container.dns.servers = ["10.0.0.9"]
            - task.container.groups = ["audio"]
            + task.container.dns.search = []
            + task.container.dns.servers = ["10.0.0.8"]
            + task.container.groups = ["video"]"#]],
    );
}

#[test]
fn the_kernel_s_part() {
    let first = "--sysctl-add a=1 --sysctl-add b=2 --ulimit-add nofile=1 --cap-add net_admin \
                 --device-add /dev/a --security-opt-add no-new-privileges --shm-size 1m";
    check_after(
        first,
        "--sysctl-add a=3 --sysctl-rm b --ulimit-add nofile=2 --ulimit-rm nproc --cap-drop net_admin",
        expect![[r#"
            - task.container.kernel.capabilities_added = ["CAP_NET_ADMIN"]
            - task.container.kernel.sysctls.a = "1"
            - task.container.kernel.sysctls.b = "2"
            - task.container.kernel.ulimits.nofile.hard = 1
            - task.container.kernel.ulimits.nofile.soft = 1
            + task.container.kernel.capabilities_added = []
            + task.container.kernel.sysctls.a = "3"
            + task.container.kernel.ulimits.nofile.hard = 2
            + task.container.kernel.ulimits.nofile.soft = 2"#]],
    );
    check_after(
        first,
        "--device-add /dev/b:/dev/a --security-opt-rm no-new-privileges --shm-size 0",
        expect![[r#"
            - task.container.kernel.devices = [{"permissions":"rwm","source":"/dev/a","target":"/dev/a"}]
            - task.container.kernel.security_options = ["no-new-privileges"]
            - task.container.kernel.shm_bytes = 1048576
            + task.container.kernel.devices = [{"permissions":"rwm","source":"/dev/b","target":"/dev/a"}]
            + task.container.kernel.security_options = []
            + task.container.kernel.shm_bytes = null"#]],
    );
    check_after(
        first,
        "--device-rm /dev/a --cap-add RESET",
        expect![[r#"
        - task.container.kernel.capabilities_added = ["CAP_NET_ADMIN"]
        - task.container.kernel.devices = [{"permissions":"rwm","source":"/dev/a","target":"/dev/a"}]
        + task.container.kernel.capabilities_added = []
        + task.container.kernel.devices = []"#]],
    );
}

#[test]
fn health_and_logs() {
    let first = "--health-cmd true --health-interval 1s --log-driver local --log-opt max-size=1m";
    check_after(
        first,
        "--health-interval 0s --health-retries 3 --log-opt max-file=2",
        expect![[r#"
        - task.container.health.Enabled.interval.nanos = 0
        - task.container.health.Enabled.interval.secs = 1
        - task.container.health.Enabled.retries = null
        + task.container.health.Enabled.interval = null
        + task.container.health.Enabled.retries = 3
        + task.container.logging.options.max-file = "2""#]],
    );
    check_after(
        first,
        "--health-cmd '' --health-interval 0s --log-driver journald",
        expect![[r#"
        - task.container.health.Enabled.interval.nanos = 0
        - task.container.health.Enabled.interval.secs = 1
        - task.container.health.Enabled.retries = null
        - task.container.health.Enabled.start_interval = null
        - task.container.health.Enabled.start_period = null
        - task.container.health.Enabled.test.Shell = "true"
        - task.container.health.Enabled.timeout = null
        - task.container.logging.driver = "local"
        - task.container.logging.options.max-size = "1m"
        + task.container.health = null
        + task.container.logging.driver = "journald"
        + task.container.logging.options = {}"#]],
    );
    check_after(
        first,
        "--no-healthcheck --log-driver ''",
        expect![[r#"
        - task.container.health.Enabled.interval.nanos = 0
        - task.container.health.Enabled.interval.secs = 1
        - task.container.health.Enabled.retries = null
        - task.container.health.Enabled.start_interval = null
        - task.container.health.Enabled.start_period = null
        - task.container.health.Enabled.test.Shell = "true"
        - task.container.health.Enabled.timeout = null
        - task.container.logging.driver = "local"
        - task.container.logging.options.max-size = "1m"
        + task.container.health = "Disabled"
        + task.container.logging = null"#]],
    );
    check_after(
        "--no-healthcheck",
        "--health-cmd false",
        expect![[r#"
        - task.container.health = "Disabled"
        + task.container.health.Enabled.interval = null
        + task.container.health.Enabled.retries = null
        + task.container.health.Enabled.start_interval = null
        + task.container.health.Enabled.start_period = null
        + task.container.health.Enabled.test.Shell = "false"
        + task.container.health.Enabled.timeout = null"#]],
    );
    check_after(
        "--no-healthcheck",
        "--image redis",
        expect![[r#"
        - task.container.image = "ghcr.io/me/web:1@sha256:00"
        + task.container.image = "redis""#]],
    );
    check_after(
        first,
        "--no-healthcheck --health-retries 1",
        expect!["--no-healthcheck goes with none of the --health-… flags"],
    );
}

#[test]
fn modes() {
    let of = |mode| {
        let mut spec = full_service().service.spec;
        Arc::make_mut(&mut spec.task).replicas_max_per_node = None;
        ServiceSpec { mode, ..spec }
    };
    let job = of(Mode::ReplicatedJob { completions: 4, concurrent_max: 0 });
    check_from(
        &job,
        "--replicas 5 --max-concurrent 2",
        expect![[r#"
        - mode.ReplicatedJob.completions = 4
        - mode.ReplicatedJob.concurrent_max = 0
        + mode.ReplicatedJob.completions = 5
        + mode.ReplicatedJob.concurrent_max = 2"#]],
    );
    check_from(
        &of(Mode::Global),
        "--replicas 5",
        expect![
            "--replicas goes with --mode replicated: a global service has one task on every node"
        ],
    );
    check_from(
        &of(Mode::GlobalJob),
        "--max-concurrent 5",
        expect!["--max-concurrent goes with --mode replicated-job"],
    );
    check_from(
        &of(Mode::Global),
        "--replicas-max-per-node 5",
        expect![
            "--replicas-max-per-node goes with --mode replicated: a global service has one task on every node"
        ],
    );
    check("--max-concurrent 5", expect!["--max-concurrent goes with --mode replicated-job"]);
}

#[test]
fn going_back_goes_with_nothing_else() {
    assert_eq!(parse("--rollback").map(|it| it.is_rollback()), Ok(true));
    assert_eq!(parse("--image a").map(|it| it.is_rollback()), Ok(false));
    for other in [
        "--image a",
        "--force",
        "--replicas 1",
        "--env-add A=1",
        "--user x",
        "--no-healthcheck",
        "--log-driver x",
        "--cap-add x",
        "--privileged",
        "--limit-pids 1",
        "--restart-delay 1s",
        "--update-delay 1s",
        "--rollback-delay 1s",
        "--secret-add a",
        "--network-rm a",
        "--publish-add 80",
    ] {
        let refused = parse(&format!("--rollback {other}")).expect_err(other);
        assert!(refused.contains("cannot be used with"), "{other}: {refused}");
    }
}
