//! `service create`, from the typed line to the service that it describes.

use super::{CreateFlags, Surroundings};
use crate::cli::args::pairs::parse_env_file;
use crate::cli::args::shell_words;
use clap::Parser;
use expect_test::{Expect, expect, expect_file};
use serde_json::Value;

#[derive(Debug, Parser)]
struct Door {
    #[command(flatten)]
    flags: CreateFlags,
}

const ENV_FILE: &str = "A=file\nB=file\n";

fn describe(line: &str) -> Result<Value, String> {
    let words = shell_words::split(&format!("create {line}")).expect("a line of words");
    let door = Door::try_parse_from(words).map_err(|error| {
        let text = error.to_string();
        text.lines().next().unwrap_or_default().to_owned()
    })?;
    let env_files = match door.flags.env_files() {
        [] => Vec::new(),
        [_, ..] => parse_env_file(ENV_FILE).expect("a good file"),
    };
    let variable = |name: &str| (name == "HOME").then(|| "/root".to_owned());
    let around = Surroundings { env_files: &env_files, variable: &variable, random: 0 };
    let spec = door.flags.spec(&around).map_err(|error| error.to_string())?;
    Ok(serde_json::to_value(spec).expect("a service is JSON"))
}

/// `path = value` for everything in it.
fn flatten(path: &str, value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&path, value, lines);
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => lines.push(format!("{path} = {value}")),
    }
}

/// What a line changes against the plainest one, or why it is refused.
fn check(line: &str, expected: Expect) {
    let flat = |line: &str| {
        let mut lines = Vec::new();
        describe(line).map(|value| {
            flatten("", &value, &mut lines);
            lines
        })
    };
    let plain = flat("redis").expect("the plainest line");
    let found = match flat(line) {
        Ok(lines) => lines.into_iter().filter(|it| !plain.contains(it)).collect(),
        Err(error) => vec![error],
    };
    expected.assert_eq(&found.join("\n"));
}

#[test]
fn the_plainest() {
    let mut lines = Vec::new();
    flatten("", &describe("redis").expect("good"), &mut lines);
    expect![[r#"
        depends_on = []
        labels = {}
        mode.Replicated.replicas = 1
        name = "amber_acorn"
        rollback.delay.nanos = 0
        rollback.delay.secs = 0
        rollback.failure_ratio_max = 0
        rollback.monitor.nanos = 0
        rollback.monitor.secs = 5
        rollback.on_failure = "Pause"
        rollback.order = "StopFirst"
        rollback.parallelism = 1
        stack = null
        task.at_most_one = false
        task.constraints = []
        task.container.args = []
        task.container.entrypoint = []
        task.container.env = []
        task.container.grants = []
        task.container.health = null
        task.container.hostname = null
        task.container.image = "redis"
        task.container.init = false
        task.container.labels = {}
        task.container.mounts = []
        task.container.read_only = false
        task.container.stop_grace.nanos = 0
        task.container.stop_grace.secs = 10
        task.container.stop_signal = null
        task.container.tty = false
        task.container.user = null
        task.container.workdir = null
        task.force = 0
        task.limits.cpu_nanos = 0
        task.limits.memory_bytes = 0
        task.pids_max = null
        task.replicas_max_per_node = null
        task.reservations.cpu_nanos = 0
        task.reservations.memory_bytes = 0
        task.restart.attempts_max = null
        task.restart.condition = "Any"
        task.restart.delay.nanos = 0
        task.restart.delay.secs = 5
        task.restart.window.nanos = 0
        task.restart.window.secs = 0
        task.spread = []
        update.delay.nanos = 0
        update.delay.secs = 0
        update.failure_ratio_max = 0
        update.monitor.nanos = 0
        update.monitor.secs = 5
        update.on_failure = "Pause"
        update.order = "StopFirst"
        update.parallelism = 1"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn good_lines() {
    check(
        "--name web --replicas 3 nginx:1 sh -c 'echo $A' --name x",
        expect![[r#"
            mode.Replicated.replicas = 3
            name = "web"
            task.container.args = ["sh","-c","echo $A","--name","x"]
            task.container.image = "nginx:1""#]],
    );
    check(
        "--mode global -l a=b -l c --container-label d=e=f redis",
        expect![[r#"
            labels.a = "b"
            labels.c = ""
            mode = "Global"
            task.container.labels.d = "e=f""#]],
    );
    check(
        "-e A=1 --env A=2 -e HOME -e NONE --env-file f redis",
        expect![[r#"task.container.env = ["A=2","B=file","HOME=/root"]"#]],
    );
    check(
        "--limit-cpu 0.5 --limit-memory 64m --reserve-cpu 2 --reserve-memory 1GiB redis",
        expect![[r#"
            task.limits.cpu_nanos = 500000000
            task.limits.memory_bytes = 67108864
            task.reservations.cpu_nanos = 2000000000
            task.reservations.memory_bytes = 1073741824"#]],
    );
    check(
        "--restart-condition on-failure --restart-delay 1m30s --restart-max-attempts 3 \
         --restart-window 500ms redis",
        expect![[r#"
            task.restart.attempts_max = 3
            task.restart.condition = "OnFailure"
            task.restart.delay.secs = 90
            task.restart.window.nanos = 500000000"#]],
    );
    check("--restart-max-attempts 0 --replicas-max-per-node 0 redis", expect![[r#""#]]);
    check(
        "--constraint 'node.role == worker' --replicas-max-per-node 2 redis",
        expect![[r#"
            task.constraints = ["node.role==worker"]
            task.replicas_max_per_node = 2"#]],
    );
    check(
        "-u 1000:1000 -w /app --hostname h --entrypoint \"sh -c 'a b'\" --init -t --read-only \
         --stop-signal SIGINT --stop-grace-period 1s redis",
        expect![[r#"
            task.container.entrypoint = ["sh","-c","a b"]
            task.container.hostname = "h"
            task.container.init = true
            task.container.read_only = true
            task.container.stop_grace.secs = 1
            task.container.stop_signal = "SIGINT"
            task.container.tty = true
            task.container.user = "1000:1000"
            task.container.workdir = "/app""#]],
    );
}

#[test]
fn mounts_arrive() {
    let spec = describe("--mount type=bind,src=/a,dst=/b --mount dst=/c redis").expect("good");
    let mounts = spec["task"]["container"]["mounts"].as_array().expect("mounts");
    let targets: Vec<Option<&str>> = mounts.iter().map(|it| it["target"].as_str()).collect();
    assert_eq!(targets, [Some("/b"), Some("/c")]);
}

const BAD_LINES: [&str; 20] = [
    "",
    "A",
    "--nonsense redis",
    "--name -x redis",
    "--name we/b redis",
    "--replicas -1 redis",
    "--replicas 2 --mode global redis",
    "--mode replicated-job redis",
    "--limit-memory 64x redis",
    "--limit-cpu many redis",
    "--restart-condition always redis",
    "--restart-delay 5 redis",
    "--constraint zone==west redis",
    "--mount type=bind,target=/x redis",
    "--env =x redis",
    "--workdir app redis",
    "--entrypoint \"'sh\" redis",
    "--network host redis",
    "--publish 80:80 redis",
    "--update-order start-first redis",
];

#[test]
fn bad_lines() {
    let told = BAD_LINES.map(|line| match describe(line) {
        Ok(_) => format!("{line}\n    was taken\n"),
        Err(error) => format!("{line}\n    {error}\n"),
    });
    expect_file!["expected/bad_lines.txt"].assert_eq(&told.concat());
}
