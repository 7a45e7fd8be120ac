//! A cluster on the hosts of a lab, asked in the words of its users.

use common::WallTime;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::Value;

use crate::hosts::{Daemon, Host, Lab};
use crate::images::testbox;

/// Long against anything that works, short against a person's patience.
pub const SOON: Duration = Duration::from_secs(30);

/// Makes a cluster of a lab's hosts: the first `managers` of them, and workers.
pub fn form(lab: &Lab, managers: usize) {
    form_with(lab, managers, Daemon::Full);
}

pub fn form_with(lab: &Lab, managers: usize, workers: Daemon) {
    lab.load_image(&testbox("box:1").archive());
    for host in lab.hosts() {
        let kind = if host.index() <= managers { Daemon::Full } else { workers };
        host.start_daemon(kind);
    }
    let first = lab.host(1);
    first.skep(&["init", "--advertise-addr", first.address()]).ok();
    let address = format!("{}:7373", first.address());
    for host in lab.hosts().filter(|it| it.index() > 1) {
        let role = if host.index() <= managers { "manager" } else { "worker" };
        let program = if host.index() <= managers { Daemon::Full } else { workers };
        join(host, program, &token(first, role), &address);
    }
    let count = lab.hosts().count();
    lab.wait_for("all nodes ready", SOON, || ready(first) == count);
    lab.wait_for("all managers reachable", SOON, || reachable_managers(first) == managers);
}

/// What lets a machine join as `manager` or `worker`.
pub fn token(host: &Host, role: &str) -> String {
    host.skep(&["join-token", "-q", role]).ok()
}

fn join(host: &Host, program: Daemon, token: &str, address: &str) {
    match program {
        Daemon::Full => host.skep(&["join", "--token", token, address]).ok(),
        Daemon::Worker => {
            let agent = crate::hosts::binary("skep-agent").display().to_string();
            host.run(&[&agent, "join", "--token", token, address]).ok()
        }
    };
}

/// What a command prints with `--format json`, an object a line; nothing where it fails.
pub fn rows(host: &Host, command: &[&str]) -> Vec<Value> {
    let output = host.skep(&[command, &["--format", "json"]].concat());
    if !output.is_ok() {
        return Vec::new();
    }
    let read = |line: &String| serde_json::from_str(line).expect("a line of JSON");
    output.lines().iter().map(read).collect()
}

pub fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_else(|| panic!("no {key} in {row}"))
}

pub fn ready(host: &Host) -> usize {
    rows(host, &["node", "ls"]).iter().filter(|it| text(it, "Status") == "Ready").count()
}

pub fn reachable_managers(host: &Host) -> usize {
    let up = |it: &&Value| matches!(text(it, "ManagerStatus"), "Leader" | "Reachable");
    rows(host, &["node", "ls"]).iter().filter(up).count()
}

/// What `node ls` says of a node; nothing where it is not listed.
pub fn status(host: &Host, node: &str) -> String {
    let nodes = rows(host, &["node", "ls"]);
    let found = nodes.iter().find(|it| text(it, "Hostname") == node);
    found.map(|it| text(it, "Status").to_owned()).unwrap_or_default()
}

/// Why a node is down, in the words of `node inspect`.
pub fn reason(host: &Host, node: &str) -> String {
    let shown = host.skep(&["node", "inspect", node]).ok();
    let nodes: Value = serde_json::from_str(&shown).expect("inspect prints JSON");
    nodes[0]["Status"]["Message"].as_str().unwrap_or_default().to_owned()
}

/// The host that leads, as seen from another.
pub fn leader(host: &Host) -> Option<usize> {
    let nodes = rows(host, &["node", "ls"]);
    let leads = nodes.iter().find(|it| text(it, "ManagerStatus") == "Leader")?;
    text(leads, "Hostname").trim_start_matches("rasp").parse().ok()
}

/// `service ps`, newest first in each slot.
pub fn tasks(host: &Host, service: &str) -> Vec<Value> {
    rows(host, &["service", "ps", "--no-trunc", service])
}

/// Tasks that are wanted and run.
pub fn running(host: &Host, service: &str) -> Vec<Value> {
    let runs = |it: &Value| {
        text(it, "DesiredState") == "Running" && text(it, "CurrentState").starts_with("Running")
    };
    tasks(host, service).into_iter().filter(runs).collect()
}

pub fn wait_running(lab: &Lab, host: &Host, service: &str, count: usize) {
    let what = format!("{count} of {service} running");
    lab.wait_for(&what, SOON, || running(host, service).len() == count);
}

/// The service's containers that run on a host, whatever the managers think.
pub fn containers(host: &Host, service: &str) -> Vec<String> {
    let filter = format!("label=skep.service.name={service}");
    host.docker(&["ps", "-q", "--no-trunc", "--filter", &filter]).lines()
}

/// `service inspect`.
pub fn inspect(host: &Host, service: &str) -> Value {
    let shown = host.skep(&["service", "inspect", service]).ok();
    let mut services: Value = serde_json::from_str(&shown).expect("inspect prints JSON");
    services[0].take()
}

/// How few and how many of a service's containers ran at a time since `since`, when `count` did.
/// Told by the engines, which forget no container in between, however short its life.
pub fn ran_since(lab: &Lab, service: &str, since: WallTime, count: usize) -> RangeInclusive<usize> {
    let label = format!("label=skep.service.name={service}");
    let since = unix_seconds(since);
    let until = unix_seconds(shell::clock::wall());
    let ask = ["events", "--since", &since, "--until", &until, "--filter", &label];
    let which = ["--filter", "event=start", "--filter", "event=die"];
    let form = ["--format", "{{.TimeNano}} {{.Status}}"];
    let mut events: Vec<(u128, bool)> = Vec::new();
    for host in lab.hosts() {
        let lines = host.docker(&[&ask[..], &which, &form].concat()).lines();
        events.extend(lines.iter().map(|line| {
            let (at, what) = line.split_once(' ').expect("a time and what happened");
            (at.parse().expect("nanoseconds"), what == "start")
        }));
    }
    events.sort_unstable();
    let (mut now, mut least, mut most) = (count, count, count);
    for (_, is_start) in events {
        now = if is_start { now + 1 } else { now.checked_sub(1).expect("more end than ran") };
        (least, most) = (least.min(now), most.max(now));
    }
    least..=most
}

fn unix_seconds(at: WallTime) -> String {
    format!("{}.{:03}", at.0 / 1000, at.0 % 1000)
}
