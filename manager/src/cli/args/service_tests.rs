//! `service create`, from the typed line to the service that it describes.

use super::{CreateFlags, Surroundings};
use crate::cli::args::flat::flatten;
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
    lines.push(String::new());
    expect_file!["expected/plainest_service.txt"].assert_eq(&lines.join("\n"));
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
fn lines_with_all_of_docker_s_flags() {
    check(
        "--placement-pref spread=node.labels.zone --limit-pids 50 --mode replicated-job \
         --replicas 4 --max-concurrent 2 redis",
        expect![[r#"
            mode.ReplicatedJob.completions = 4
            mode.ReplicatedJob.concurrent_max = 2
            task.pids_max = 50
            task.spread = ["node.labels.zone"]"#]],
    );
    check(
        "--host db:10.0.0.7 --host db:host-gateway --dns 10.0.0.1 --dns-option ndots:2 \
         --dns-search example.org --group audio --domainname example.org redis",
        expect![[r#"
            task.container.dns.options = ["ndots:2"]
            task.container.dns.search = ["example.org"]
            task.container.dns.servers = ["10.0.0.1"]
            task.container.domain_name = "example.org"
            task.container.extra_hosts.db = [{"Ip":"10.0.0.7"},"HostGateway"]
            task.container.groups = ["audio"]"#]],
    );
    check(
        "--health-cmd 'curl -f x' --health-interval 1s --health-retries 3 --health-timeout 2s \
         --health-start-period 5s --health-start-interval 1s redis",
        expect![[r#"
            task.container.health.Enabled.interval.nanos = 0
            task.container.health.Enabled.interval.secs = 1
            task.container.health.Enabled.retries = 3
            task.container.health.Enabled.start_interval.nanos = 0
            task.container.health.Enabled.start_interval.secs = 1
            task.container.health.Enabled.start_period.nanos = 0
            task.container.health.Enabled.start_period.secs = 5
            task.container.health.Enabled.test.Shell = "curl -f x"
            task.container.health.Enabled.timeout.nanos = 0
            task.container.health.Enabled.timeout.secs = 2"#]],
    );
    check("--no-healthcheck redis", expect![[r#"task.container.health = "Disabled""#]]);
    check(
        "--log-driver local --log-opt max-size=1m redis",
        expect![[r#"
        task.container.logging.driver = "local"
        task.container.logging.options.max-size = "1m""#]],
    );
    check(
        "--cap-add net_admin --cap-drop ALL --sysctl net.core.somaxconn=1 --ulimit nofile=1:2 \
         --oom-score-adj -5 redis",
        expect![[r#"
            task.container.kernel.capabilities_added = ["CAP_NET_ADMIN"]
            task.container.kernel.capabilities_dropped = ["ALL"]
            task.container.kernel.oom_score_adjustment = -5
            task.container.kernel.sysctls.net.core.somaxconn = "1"
            task.container.kernel.ulimits.nofile.hard = 2
            task.container.kernel.ulimits.nofile.soft = 1"#]],
    );
}

#[test]
fn lines_about_updates() {
    check(
        "--update-parallelism 0 --update-delay 1s --update-failure-action rollback \
         --update-monitor 2s --update-max-failure-ratio 0.25 --update-order start-first \
         --rollback-parallelism 2 --rollback-delay 1s --rollback-failure-action continue \
         --rollback-monitor 2s --rollback-max-failure-ratio 1 --rollback-order start-first redis",
        expect![[r#"
            rollback.delay.secs = 1
            rollback.failure_ratio_max = 1000000
            rollback.monitor.secs = 2
            rollback.on_failure = "Continue"
            rollback.order = "StartFirst"
            rollback.parallelism = 2
            update.delay.secs = 1
            update.failure_ratio_max = 250000
            update.monitor.secs = 2
            update.on_failure = "Rollback"
            update.order = "StartFirst"
            update.parallelism = 0"#]],
    );
}

#[test]
fn lines_with_what_swarm_has_no_flags_for() {
    check(
        "--privileged --device /dev/a:/dev/b:r --security-opt no-new-privileges --shm-size 64m \
         --pid host --ipc none --network host redis",
        expect![[r#"
            task.container.kernel.devices = [{"permissions":"r","source":"/dev/a","target":"/dev/b"}]
            task.container.kernel.ipc = "None"
            task.container.kernel.pid = "Host"
            task.container.kernel.privileged = true
            task.container.kernel.security_options = ["no-new-privileges"]
            task.container.kernel.shm_bytes = 67108864
            task.container.network = "Host""#]],
    );
    check(
        "--platform linux/arm/v7 --pull always --network none --init=false redis",
        expect![[r#"
        task.container.init = false
        task.container.network = "None"
        task.container.platform.arch = "arm"
        task.container.platform.os = "linux"
        task.container.platform.variant = "v7"
        task.container.pull_policy = "Always""#]],
    );
}

#[test]
fn mounts_arrive() {
    let spec = describe("--mount type=bind,src=/a,dst=/b --mount dst=/c redis").expect("good");
    let mounts = spec["task"]["container"]["mounts"].as_array().expect("mounts");
    let targets: Vec<Option<&str>> = mounts.iter().map(|it| it["target"].as_str()).collect();
    assert_eq!(targets, [Some("/b"), Some("/c")]);
}

const BAD_LINES: [&str; 36] = [
    "",
    "A",
    "--nonsense redis",
    "--name -x redis",
    "--name we/b redis",
    "--replicas -1 redis",
    "--replicas 2 --mode global redis",
    "--max-concurrent 2 redis",
    "--limit-memory 64x redis",
    "--limit-cpu many redis",
    "--restart-condition always redis",
    "--restart-delay 5 redis",
    "--constraint zone==west redis",
    "--mount type=bind,target=/x redis",
    "--env =x redis",
    "--workdir app redis",
    "--entrypoint \"'sh\" redis",
    "--network host --network shop redis",
    "--health-cmd x --no-healthcheck redis",
    "--host db redis",
    "--dns example.org redis",
    "--ulimit nofile redis",
    "--sysctl x redis",
    "--device tty redis",
    "--placement-pref binpack=x redis",
    "--pid private redis",
    "--oom-score-adj 2000 redis",
    "--update-failure-action stop redis",
    "--rollback-failure-action rollback redis",
    "--update-max-failure-ratio 2 redis",
    "--publish 80:80:80 redis",
    "--isolation process redis",
    "--with-registry-auth redis",
    "--endpoint-mode lvs redis",
    "--generic-resource gpu redis",
    "--update-order both redis",
];

#[test]
fn bad_lines() {
    let told = BAD_LINES.map(|line| match describe(line) {
        Ok(_) => format!("{line}\n    was taken\n"),
        Err(error) => format!("{line}\n    {error}\n"),
    });
    expect_file!["expected/bad_lines.txt"].assert_eq(&told.concat());
}

#[test]
fn networks_and_ports() {
    check(
        "--network back --network name=front,alias=www -p 8080:80 --publish \
         published=53,target=53,protocol=udp,mode=host --no-resolve-image redis",
        expect![[r#"
            ports = [{"host_ip":null,"mode":"Ingress","protocol":"Tcp","published":8080,"target":80},{"host_ip":null,"mode":"Host","protocol":"Udp","published":53,"target":53}]
            task.networks.back.aliases = []
            task.networks.back.driver_options = {}
            task.networks.back.ipv4_address = null
            task.networks.back.ipv6_address = null
            task.networks.back.links = {}
            task.networks.back.priority = 0
            task.networks.front.aliases = ["www"]
            task.networks.front.driver_options = {}
            task.networks.front.ipv4_address = null
            task.networks.front.ipv6_address = null
            task.networks.front.links = {}
            task.networks.front.priority = 0"#]],
    );
    check(
        "--endpoint-mode dnsrr --generic-resource gpu=2 redis",
        expect![[r#"
        endpoint = "DnsRoundRobin"
        task.generic.gpu = 2"#]],
    );
}
