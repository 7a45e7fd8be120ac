//! Machines that go down in order, daemons that are merely restarted, and what remains when
//! managers are lost one after another.

use integration::cluster::{
    SOON, containers, form, leader, reachable_managers, ready, reason, status, wait_running,
};
use integration::hosts::{Daemon, Host, Lab, Signal};

const WEB: [&str; 11] = [
    "service",
    "create",
    "-q",
    "--stop-grace-period",
    "1s",
    "--name",
    "web",
    "--replicas",
    "6",
    "box:1",
    "deaf",
];
/// What an init system other than systemd leaves before it stops services.
const MARK: &str = "/run/skep/machine-stops";

fn deploy(lab: &Lab) {
    lab.host(1).skep(&WEB).ok();
    wait_running(lab, lab.host(1), "web", 6);
}

fn on(lab: &Lab, host: usize) -> usize {
    containers(lab.host(host), "web").len()
}

/// All that runs, wherever it runs.
fn everything(lab: &Lab) -> Vec<String> {
    let mut all: Vec<String> = lab.hosts().flat_map(|it| containers(it, "web")).collect();
    all.sort();
    all
}

/// Nobody but the node itself can say then that it is gone.
fn be_patient_with(host: &Host, node: &str) {
    host.skep(&["node", "update", "--down-after", "1h", node]).ok();
}

/// The leader's machine goes down: its tasks move without anybody having waited for its silence,
/// and it gives the lead away instead of letting the others find out.
#[test]
fn hosts_that_shut_down_say_so_first() {
    let lab = Lab::new("shutdown", 3);
    form(&lab, 3);
    deploy(&lab);
    let first = leader(lab.host(1)).expect("somebody leads");
    let others: Vec<usize> = (1..=3).filter(|it| *it != first).collect();
    let (going, witness) = (lab.host(first), lab.host(others[0]));
    be_patient_with(witness, going.name());

    going.write_file(MARK, b"");
    going.kill_daemon(Signal::SIGTERM);
    let said = going.daemon_log(40);
    assert!(said.contains("this manager does not lead any more"), "it gave the lead away: {said}");
    assert!(!said.contains("not handed over"), "{said}");
    lab.wait_for("another leads", SOON, || leader(witness).is_some_and(|it| it != first));
    lab.wait_for("its tasks run elsewhere", SOON, || {
        on(&lab, others[0]) + on(&lab, others[1]) == 6
    });
    assert_eq!(status(witness, going.name()), "Down");
    assert_eq!(reason(witness, going.name()), "its machine was shut down");

    lab.power_off(first);
    lab.power_on(first);
    going.start_daemon(Daemon::Full);
    lab.wait_for("it is back", SOON, || ready(witness) == 3 && reachable_managers(witness) == 3);
    wait_running(&lab, witness, "web", 6);
    lab.wait_for("no twins", SOON, || everything(&lab).len() == 6);
}

/// systemd leaves no mark: it is asked.
#[test]
fn hosts_with_systemd_are_asked_whether_they_go_down() {
    let lab = Lab::new("systemd", 2);
    form(&lab, 1);
    deploy(&lab);
    let (manager, worker) = (lab.host(1), lab.host(2));
    be_patient_with(manager, "rasp2");
    let before = everything(&lab);
    let answers = |state: &str| {
        let script = format!("#!/bin/sh\ntest \"$1\" = is-system-running && echo {state}\n");
        worker.write_file("/usr/local/bin/systemctl", script.as_bytes());
        worker.run(&["chmod", "+x", "/usr/local/bin/systemctl"]).ok();
    };
    worker.run(&["mkdir", "-p", "/run/systemd/system"]).ok();

    answers("degraded");
    worker.kill_daemon(Signal::SIGTERM);
    worker.start_daemon(Daemon::Full);
    lab.wait_for("it is back", SOON, || {
        worker.daemon_log(5).contains("connected to the leader") && ready(manager) == 2
    });
    assert_eq!(everything(&lab), before, "a restart moves nothing");

    answers("stopping");
    worker.kill_daemon(Signal::SIGTERM);
    lab.wait_for("its tasks run elsewhere", SOON, || on(&lab, 1) == 6);
    assert_eq!(reason(manager, "rasp2"), "its machine was shut down");
}

/// Every manager's daemon is replaced, as an upgrade does it: the lead wanders, tasks stay.
#[test]
fn hosts_keep_their_tasks_when_all_managers_are_restarted() {
    let lab = Lab::new("restart", 3);
    form(&lab, 3);
    deploy(&lab);
    let before = everything(&lab);
    let mut led = Vec::new();
    for index in [1, 2, 3] {
        let host = lab.host(index);
        let witness = lab.host(index % 3 + 1);
        let was_leader = leader(witness) == Some(index);
        host.kill_daemon(Signal::SIGTERM);
        if was_leader {
            let said = host.daemon_log(40);
            assert!(said.contains("this manager does not lead any more"), "{said}");
            led.push(index);
        }
        lab.wait_for("somebody leads", SOON, || leader(witness).is_some_and(|it| it != index));
        assert_eq!(status(witness, host.name()), "Ready", "nobody calls it down for a restart");
        host.start_daemon(Daemon::Full);
        lab.wait_for("back", SOON, || {
            ready(witness) == 3 && reachable_managers(witness) == 3 && leader(host).is_some()
        });
        assert_eq!(everything(&lab), before, "nothing was started twice, moved or stopped");
    }
    assert!(!led.is_empty(), "the leader was among them");
    wait_running(&lab, lab.host(1), "web", 6);
    let history = lab.host(1).skep(&["service", "ps", "-q", "web"]).lines();
    assert_eq!(history.len(), 6, "no task had a successor: {history:?}");
}

/// Of five managers two may go; the third takes the quorum with it, and brings it back.
#[test]
fn hosts_of_five_managers_go_on_with_three() {
    let lab = Lab::new("five", 5);
    form(&lab, 5);
    deploy(&lab);
    let first = leader(lab.host(1)).expect("somebody leads");
    let others: Vec<usize> = (1..=5).filter(|it| *it != first).collect();
    let witness = lab.host(others[0]);
    lab.power_off(first);
    lab.power_off(others[1]);
    lab.wait_for("the three go on", SOON, || {
        leader(witness).is_some_and(|it| it != first)
            && everything_on(&lab, &[others[0], others[2], others[3]]) == 6
    });
    let scale = |count: &str| witness.skep(&["service", "scale", "-d", &format!("web={count}")]);
    scale("7").ok();
    wait_running(&lab, witness, "web", 7);

    lab.power_off(others[2]);
    lab.wait_for("without a quorum writes are refused", SOON, || {
        let refused = scale("9");
        !refused.is_ok() && refused.refused().contains("no quorum")
    });
    let told = scale("9").refused();
    assert!(told.contains("Start the missing"), "the remedy is named: {told}");
    let listed = witness.skep(&["node", "ls"]);
    assert!(listed.is_ok() && listed.stdout.lines().count() == 6, "{listed:?}");
    let warned = ["this may be old", "this is what this manager knew last"];
    assert!(warned.iter().any(|it| listed.stderr.contains(it)), "{listed:?}");
    let survivors = [others[0], others[3]];
    assert!(everything_on(&lab, &survivors) > 0, "what runs goes on without managers");

    lab.power_on(others[2]);
    lab.wait_for("with three it works again", SOON, || scale("6").is_ok());
    for index in [first, others[1]] {
        lab.power_on(index);
    }
    lab.wait_for("whole again", SOON, || ready(witness) == 5 && reachable_managers(witness) == 5);
    wait_running(&lab, witness, "web", 6);
    lab.wait_for("no twins", SOON, || everything(&lab).len() == 6);
}

fn everything_on(lab: &Lab, hosts: &[usize]) -> usize {
    hosts.iter().map(|it| on(lab, *it)).sum()
}
