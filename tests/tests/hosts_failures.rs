//! What happens to machines, cables and daemons, and what becomes of their tasks.

use integration::cluster::{
    SOON, containers, form, form_with, leader, reachable_managers, ready, rows, text, wait_running,
};
use integration::hosts::{Daemon, Lab, Signal};

const WEB: [&str; 9] =
    ["service", "create", "-q", "--stop-grace-period", "1s", "--name", "web", "--replicas", "6"];

fn deploy(lab: &Lab) {
    lab.host(1).skep(&[&WEB[..], &["box:1", "deaf"]].concat()).ok();
    wait_running(lab, lab.host(1), "web", 6);
}

fn on(lab: &Lab, host: usize) -> usize {
    containers(lab.host(host), "web").len()
}

#[test]
fn hosts_that_die_or_are_cut_off_lose_their_tasks_to_others() {
    let lab = Lab::new("lost", 3);
    form_with(&lab, 1, Daemon::Worker);
    deploy(&lab);
    let history = lab.host(1).skep(&["service", "ps", "--no-trunc", "web"]).ok();
    assert_eq!((on(&lab, 1), on(&lab, 2), on(&lab, 3)), (2, 2, 2), "{history}");

    lab.power_off(3);
    lab.wait_for("all run on the others", SOON, || on(&lab, 1) + on(&lab, 2) == 6);
    lab.power_on(3);
    lab.wait_for("it is back", SOON, || ready(lab.host(1)) == 3);

    lab.cut(2);
    lab.wait_for("all run on the others", SOON, || on(&lab, 1) + on(&lab, 3) == 6);
    assert!(on(&lab, 2) > 0, "what is cut off goes on");
    lab.heal(2);
    lab.wait_for("surplus copies stop", SOON, || on(&lab, 2) == 0 && ready(lab.host(1)) == 3);
    wait_running(&lab, lab.host(1), "web", 6);

    lab.host(1).skep(&["node", "update", "--availability", "drain", "rasp3"]).ok();
    lab.wait_for("drained", SOON, || on(&lab, 3) == 0 && on(&lab, 1) + on(&lab, 2) == 6);
}

#[test]
fn hosts_with_a_hung_engine_count_as_ill() {
    let lab = Lab::new("hung", 2);
    form(&lab, 1);
    deploy(&lab);
    lab.host(2).freeze_engine();
    lab.wait_for("all run on the other", SOON, || on(&lab, 1) == 6);
    let nodes = rows(lab.host(1), &["node", "ls"]);
    let ill = nodes.iter().find(|it| text(it, "Hostname") == "rasp2").expect("it is listed");
    assert_eq!(text(ill, "Status"), "Down");
    lab.host(2).thaw_engine();
    lab.wait_for("it is well again", SOON, || ready(lab.host(1)) == 2 && on(&lab, 2) == 0);
}

#[test]
fn hosts_survive_the_loss_of_their_leader_and_of_their_quorum() {
    let lab = Lab::new("leader", 3);
    form(&lab, 3);
    deploy(&lab);
    let first = leader(lab.host(1)).expect("somebody leads");
    let others: Vec<usize> = (1..=3).filter(|it| *it != first).collect();
    lab.power_off(first);
    let witness = lab.host(others[0]);
    lab.wait_for("the others lead", SOON, || leader(witness).is_some_and(|it| it != first));
    lab.wait_for("its tasks run elsewhere", SOON, || {
        on(&lab, others[0]) + on(&lab, others[1]) == 6
    });
    let create = ["service", "create", "-d", "-q", "--replicas", "1", "--name"];
    witness.skep(&[&create[..], &["after", "box:1"]].concat()).ok();

    lab.power_off(others[1]);
    // One that was under way when the quorum went may be confirmed later; one that was refused
    // for want of it never is.
    lab.wait_for("writes are refused with the reason", SOON, || {
        let refused = witness.skep(&[&create[..], &["perhaps", "box:1"]].concat());
        !refused.is_ok() && refused.refused().contains("no quorum")
    });
    let refused = witness.skep(&[&create[..], &["never", "box:1"]].concat());
    assert!(refused.refused().contains("no quorum"));
    let listed = witness.skep(&["service", "ls"]).ok();
    assert!(listed.contains("after"), "reads answer from what is there: {listed}");

    lab.power_on(first);
    lab.power_on(others[1]);
    lab.wait_for("whole again", SOON, || ready(witness) == 3 && reachable_managers(witness) == 3);
    wait_running(&lab, witness, "web", 6);
    assert!(rows(witness, &["service", "ls"]).iter().all(|it| text(it, "Name") != "never"));
}

#[test]
fn hosts_that_all_lose_power_come_back_with_everything() {
    let lab = Lab::new("dark", 3);
    form(&lab, 3);
    deploy(&lab);
    for host in [2, 3, 1] {
        lab.power_off(host);
    }
    for host in [3, 1, 2] {
        lab.power_on(host);
    }
    lab.wait_for("whole again", SOON, || ready(lab.host(1)) == 3);
    wait_running(&lab, lab.host(1), "web", 6);
    lab.wait_for("no twins", SOON, || on(&lab, 1) + on(&lab, 2) + on(&lab, 3) == 6);
}

#[test]
fn hosts_adopt_what_runs_when_a_daemon_is_killed_or_restarted() {
    let lab = Lab::new("adopt", 2);
    form(&lab, 1);
    deploy(&lab);
    let all = || {
        let mut all: Vec<String> = lab.hosts().flat_map(|it| containers(it, "web")).collect();
        all.sort();
        all
    };
    let before = all();
    for signal in [Signal::SIGKILL, Signal::SIGTERM] {
        for host in [2, 1] {
            lab.host(host).kill_daemon(signal);
            lab.host(host).start_daemon(Daemon::Full);
            lab.wait_for("back", SOON, || ready(lab.host(1)) == 2);
        }
        wait_running(&lab, lab.host(1), "web", 6);
        assert_eq!(all(), before, "nothing was started twice, moved or stopped");
    }
}

#[test]
fn hosts_are_promoted_demoted_and_removed() {
    let lab = Lab::new("roles", 3);
    form_with(&lab, 1, Daemon::Full);
    let first = lab.host(1);
    let said = first.skep(&["node", "demote", "rasp2"]).ok();
    assert!(said.contains("Node rasp2 is already a worker."), "{said}");
    first.skep(&["node", "promote", "rasp2", "rasp3"]).ok();
    let said = first.skep(&["node", "promote", "rasp2"]).ok();
    assert!(said.contains("Node rasp2 is already a manager."), "{said}");
    lab.wait_for("three managers", SOON, || reachable_managers(first) == 3);
    lab.wait_for("they answer", SOON, || lab.host(3).skep(&["node", "ls"]).is_ok());
    first.skep(&["node", "demote", "rasp3"]).ok();
    lab.wait_for("two managers", SOON, || reachable_managers(lab.host(2)) == 2);
    lab.wait_for("a worker says where to go", SOON, || {
        let refused = lab.host(3).skep(&["service", "ls"]);
        !refused.is_ok() && refused.refused().contains("worker")
    });
    lab.host(3).skep(&["leave"]).ok();
    lab.wait_for("it left", SOON, || ready(lab.host(2)) == 2);
    first.skep(&["node", "rm", "rasp3"]).ok();
    assert_eq!(rows(first, &["node", "ls"]).len(), 2);
}
