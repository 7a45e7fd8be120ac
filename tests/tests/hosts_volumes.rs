//! Named volumes on real hosts: a database is never started beside an empty copy of its data.

use integration::cluster::{
    SOON, containers, form_with, ready, rows, running, status, tasks, text, wait_running,
};
use integration::hosts::{Daemon, Host, Lab};

const FILE: &str = "/root/survey.yml";
const SURVEY: &str = r#"
services:
  db:
    image: box:1
    command: [polite]
    stop_grace_period: 1s
    volumes: [data:/data]
    deploy: {placement: {constraints: [node.role == worker]}}
volumes:
  data: {}
"#;
const DB: &str = "survey_db";
const DATA: &str = "survey_data";

fn deploy(lab: &Lab) {
    lab.host(1).skep(&["stack", "deploy", "-c", FILE, "survey"]).ok();
    wait_running(lab, lab.host(1), DB, 1);
}

/// The number of the host that runs it.
fn home(lab: &Lab) -> usize {
    let found = running(lab.host(1), DB);
    let name = text(found.first().expect("it runs"), "Node").to_owned();
    lab.hosts().find(|it| it.name() == name).expect("it is one of ours").index()
}

fn inside(host: &Host, command: &[&str]) -> String {
    let container = containers(host, DB).pop().expect("it runs here");
    host.docker(&[&["exec", &container, "/testbox"], command].concat()).ok()
}

fn volumes(host: &Host) -> Vec<String> {
    host.docker(&["volume", "ls", "-q"]).lines()
}

fn remark(host: &Host) -> String {
    let tasks = rows(host, &["service", "ps", "--no-trunc", DB]);
    tasks.first().map(|it| text(it, "Error").to_owned()).unwrap_or_default()
}

#[test]
fn hosts_keep_a_database_with_its_data() {
    let lab = Lab::new("volume", 3);
    form_with(&lab, 1, Daemon::Worker);
    let manager = lab.host(1);
    manager.write_file(FILE, SURVEY.as_bytes());
    deploy(&lab);
    let at = home(&lab);
    let (host, other) = (lab.host(at), lab.host(5 - at));
    inside(host, &["touch", "/data/row"]);

    manager.skep(&["stack", "rm", "survey"]).ok();
    assert!(containers(host, DB).is_empty(), "what was removed is gone");
    // Whatever else there is to choose by, the other one would be the better choice now.
    manager.skep(&["service", "create", "-q", "--name", "weight", "--replicas", "3", "box:1"]).ok();
    deploy(&lab);
    assert_eq!(home(&lab), at, "it went to its data");
    inside(host, &["exists", "/data/row"]);

    lab.power_off(at);
    lab.wait_for("it is missed", SOON, || remark(manager).contains("waits for its node"));
    assert!(remark(manager).contains(DATA), "{}", remark(manager));
    lab.power_on(at);
    lab.wait_for("it is back", SOON, || ready(manager) == 3 && containers(host, DB).len() == 1);
    wait_running(&lab, manager, DB, 1);
    inside(host, &["exists", "/data/row"]);

    let before = containers(host, DB);
    lab.cut(at);
    lab.wait_for("it is missed", SOON, || status(manager, host.name()) == "Down");
    lab.heal(at);
    lab.wait_for("it is back", SOON, || ready(manager) == 3);
    assert_eq!(containers(host, DB), before, "it went on all the while");

    manager.skep(&["node", "update", "--availability", "drain", host.name()]).ok();
    lab.wait_for("it waits", SOON, || remark(manager).contains("without the data of volume"));
    manager.skep(&["node", "update", "--availability", "active", host.name()]).ok();
    wait_running(&lab, manager, DB, 1);
    inside(host, &["exists", "/data/row"]);
    let started = |it: &serde_json::Value| !text(it, "Node").is_empty();
    let nodes = tasks(manager, DB).into_iter().filter(started);
    assert!(nodes.clone().all(|it| text(&it, "Node") == host.name()), "never anywhere else");
    assert!(volumes(other).is_empty(), "{:?}", volumes(other));
}

#[test]
fn hosts_show_and_remove_volumes() {
    let lab = Lab::new("volrm", 3);
    // From the days before skep.
    lab.host(3).docker(&["volume", "create", DATA]).ok();
    form_with(&lab, 1, Daemon::Worker);
    let manager = lab.host(1);
    manager.write_file(FILE, SURVEY.as_bytes());
    deploy(&lab);
    assert_eq!(home(&lab), 3, "it went to its data");
    let listed = rows(manager, &["volume", "ls"]);
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(text(&listed[0], "Name"), DATA);
    assert_eq!((text(&listed[0], "Nodes"), text(&listed[0], "Services")), ("rasp3", DB));
    let refused = manager.skep(&["volume", "rm", DATA]);
    assert!(refused.refused().contains("in use by survey_db"));

    // Somebody takes it away by hand: nothing begins anew without a word.
    let container = containers(lab.host(3), DB).pop().expect("it runs here");
    manager.skep(&["node", "update", "--availability", "drain", "rasp3"]).ok();
    lab.wait_for("it has ended", SOON, || containers(lab.host(3), DB).is_empty());
    lab.host(3).docker(&["rm", "-f", &container]).ok();
    lab.host(3).docker(&["volume", "rm", DATA]).ok();
    let nodes = || text(&rows(manager, &["volume", "ls"])[0], "Nodes").to_owned();
    lab.wait_for("it is missed", SOON, || nodes() == "rasp3 (lost)");
    manager.skep(&["node", "update", "--availability", "active", "rasp3"]).ok();
    lab.wait_for("it says so", SOON, || remark(manager).contains("has it no more"));
    manager.skep(&["volume", "rm", "--force", DATA]).ok();
    wait_running(&lab, manager, DB, 1);

    let at = home(&lab);
    manager.skep(&["stack", "rm", "survey"]).ok();
    assert_eq!(volumes(lab.host(at)), [DATA], "a stack leaves its volumes");
    manager.skep(&["volume", "rm", DATA]).ok();
    assert!(volumes(lab.host(at)).is_empty(), "{:?}", volumes(lab.host(at)));
    assert!(rows(manager, &["volume", "ls"]).is_empty());
}
