//! What one host has and another has not, and a leader that is to run nothing.

use integration::cluster::{
    SOON, containers, form, leader, ready, rows, running, tasks, text, wait_running,
};
use integration::hosts::Lab;

/// The folder lies on one of three hosts: the others turn the task down with the reason, and it
/// comes to run where it can.
#[test]
fn hosts_without_a_bind_source_turn_the_task_down() {
    let lab = Lab::new("bind", 3);
    form(&lab, 1);
    let manager = lab.host(1);
    lab.host(3).write_file("/srv/data/note", b"here");
    let create = ["service", "create", "-d", "-q", "--name", "files", "--restart-delay", "0s"];
    let bind = ["--mount", "type=bind,source=/srv/data,target=/data", "--replicas", "2"];
    manager.skep(&[&create[..], &bind, &["box:1", "sleep"]].concat()).ok();
    wait_running(&lab, manager, "files", 2);
    let right = |it: &serde_json::Value| text(it, "Node") == "rasp3";
    assert!(running(manager, "files").iter().all(right), "both run where the folder is");
    for it in tasks(manager, "files").iter().filter(|it| !right(it)) {
        assert!(text(it, "CurrentState").starts_with("Rejected"), "{it}");
        assert!(text(it, "Error").contains("/srv/data"), "{it}");
    }
    let container = containers(lab.host(3), "files").pop().expect("one runs there");
    let said = lab.host(3).docker(&["exec", &container, "/testbox", "cat", "/data/note"]).ok();
    assert_eq!(said, "here");
}

/// The leader's board is drained: it goes on leading, and runs nothing.
#[test]
fn hosts_that_lead_can_be_drained() {
    let lab = Lab::new("drained", 3);
    form(&lab, 3);
    let create = ["service", "create", "-q", "--name", "web", "--replicas", "6", "box:1"];
    lab.host(1).skep(&create).ok();
    wait_running(&lab, lab.host(1), "web", 6);
    let first = leader(lab.host(1)).expect("somebody leads");
    let host = lab.host(first);
    host.skep(&["node", "update", "--availability", "drain", "self"]).ok();
    lab.wait_for("it runs nothing", SOON, || {
        containers(host, "web").is_empty() && running(host, "web").len() == 6
    });
    assert_eq!(leader(host), Some(first), "it leads on");
    let waiting = ["service", "create", "-d", "-q", "--name", "pin", "--constraint"];
    let here = format!("node.hostname=={}", host.name());
    host.skep(&[&waiting[..], &[&here, "box:1"]].concat()).ok();
    lab.wait_for("what must run there says why it waits", SOON, || {
        tasks(host, "pin").iter().any(|it| text(it, "Error").contains("1 draining"))
    });
    host.skep(&["node", "update", "--availability", "active", "self"]).ok();
    wait_running(&lab, host, "pin", 1);
    assert_eq!(ready(host), 3);
}

/// Reservations are kept: what does not fit waits, says by how much, and runs once there is room.
#[test]
fn hosts_do_not_promise_what_they_have_not() {
    let lab = Lab::new("room", 2);
    form(&lab, 1);
    let manager = lab.host(1);
    let node = manager.skep(&["node", "inspect", "self"]).ok();
    let node: serde_json::Value = serde_json::from_str(&node).expect("inspect prints JSON");
    let bytes = node[0]["Description"]["Resources"]["MemoryBytes"].as_u64().expect("its memory");
    // Two of these do not fit on one host.
    let share = (bytes * 2 / 3).to_string();
    let create = ["service", "create", "-d", "-q", "--name", "big", "--replicas", "3"];
    manager.skep(&[&create[..], &["--reserve-memory", &share, "box:1", "sleep"]].concat()).ok();
    wait_running(&lab, manager, "big", 2);
    lab.wait_for("the third waits and says for what", SOON, || {
        tasks(manager, "big").iter().any(|it| text(it, "Error").contains("2 lacking memory (need"))
    });
    let hosts: Vec<_> = running(manager, "big").iter().map(|it| it["Node"].clone()).collect();
    assert_ne!(hosts[0], hosts[1], "one on each");
    manager.skep(&["service", "scale", "-d", "big=2"]).ok();
    manager.skep(&["service", "create", "-d", "-q", "--name", "small", "box:1"]).ok();
    wait_running(&lab, manager, "small", 1);
    assert_eq!(rows(manager, &["service", "ls"]).len(), 2);
}
