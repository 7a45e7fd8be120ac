//! Who a machine is to its cluster: names, tokens, certificates, and joining the wrong thing.

use integration::cluster::{
    SOON, containers, form, form_with, reachable_managers, ready, reason, rows, status, text,
    token, wait_running,
};
use integration::hosts::{Daemon, Host, Lab, Signal, binary};

fn manager_of(host: &Host) -> String {
    format!("{}:7373", host.address())
}

/// Joins, and answers what was said against it.
fn refusal(host: &Host, token: &str, manager: &str) -> String {
    host.skep(&["join", "--token", token, manager]).refused()
}

fn names(host: &Host) -> Vec<String> {
    let nodes = rows(host, &["node", "ls"]);
    let mut names: Vec<String> = nodes.iter().map(|it| text(it, "Hostname").to_owned()).collect();
    names.sort();
    names
}

/// The image of a card was copied to three boards, and nobody gave them names.
#[test]
fn hosts_of_one_name_are_told_apart() {
    let lab = Lab::new("names", 3);
    for host in lab.hosts() {
        host.run(&["hostname", "raspberrypi"]).ok();
    }
    form(&lab, 1);
    let (manager, third) = (lab.host(1), lab.host(3));
    assert_eq!(names(manager), ["raspberrypi", "raspberrypi-2", "raspberrypi-3"]);
    manager.skep(&["service", "create", "-q", "--name", "web", "--replicas", "3", "box:1"]).ok();
    wait_running(&lab, manager, "web", 3);
    let on_third = rows(manager, &["node", "ps", "raspberrypi-3"]);
    assert_eq!(on_third.len(), 1, "the name is good for commands: {on_third:?}");

    third.skep(&["leave"]).ok();
    lab.wait_for("it left", SOON, || status(manager, "raspberrypi-3") == "Down");
    assert_eq!(reason(manager, "raspberrypi-3"), "it left the cluster");
    let worker = token(manager, "worker");
    let join = |name: &str| {
        third.skep(&["join", "--token", &worker, "--name", name, &manager_of(manager)])
    };
    let taken = join("raspberrypi-2").refused();
    assert!(taken.contains("a node named raspberrypi-2 exists already"), "{taken}");
    assert!(taken.contains("--name") && taken.contains("skep node rm"), "the remedies: {taken}");
    let odd = join("a b").refused();
    assert!(odd.contains("a b"), "what cannot be a name is repeated: {odd}");
    manager.skep(&["node", "rm", "raspberrypi-3"]).ok();
    join("kitchen").ok();
    lab.wait_for("it is back", SOON, || ready(manager) == 3);
    assert_eq!(names(manager), ["kitchen", "raspberrypi", "raspberrypi-2"]);
}

/// A node that is down. A manager has to be demoted first, and is told so.
fn remove(lab: &Lab, manager: &Host, node: &str) {
    let removed = manager.skep(&["node", "rm", node]);
    if !removed.is_ok() {
        let told = removed.refused();
        assert!(told.contains(&format!("skep node demote {node}")), "{told}");
        manager.skep(&["node", "demote", node]).ok();
        lab.wait_for("it can be removed", SOON, || manager.skep(&["node", "rm", node]).is_ok());
    }
    assert!(!names(manager).contains(&node.to_owned()));
}

/// Removed while it was away: it must not come back by itself, and says what to do.
#[test]
fn hosts_that_were_removed_are_not_let_in_again() {
    let lab = Lab::new("removed", 4);
    form(&lab, 3);
    let manager = lab.host(1);
    manager.skep(&["service", "create", "-q", "--name", "web", "--replicas", "4", "box:1"]).ok();
    wait_running(&lab, manager, "web", 4);
    for away in [4, 3] {
        let host = lab.host(away);
        lab.cut(away);
        lab.wait_for("it is missed", SOON, || status(manager, host.name()) == "Down");
        remove(&lab, manager, host.name());
        lab.heal(away);
        lab.wait_for("it learns that it is out", SOON, || {
            host.daemon_log(200).contains("this node was removed from its cluster")
        });
        lab.wait_for("it stops what it ran", SOON, || containers(host, "web").is_empty());
        lab.wait_for("it is no member", SOON, || {
            host.skep(&["service", "ls"]).refused().contains("not a member")
        });
    }
    wait_running(&lab, manager, "web", 4);
    assert_eq!(names(manager), ["rasp1", "rasp2"]);
    for (back, role) in [(4, "worker"), (3, "manager")] {
        let host = lab.host(back);
        host.skep(&["join", "--token", &token(manager, role), &manager_of(manager)]).ok();
    }
    lab.wait_for("both are back", SOON, || ready(manager) == 4 && reachable_managers(manager) == 3);
    assert_eq!(names(manager), ["rasp1", "rasp2", "rasp3", "rasp4"]);
}

/// A card was replaced: the machine joins as a new node, and the old one is cleared away.
#[test]
fn hosts_that_lost_their_data_join_anew() {
    let lab = Lab::new("amnesia", 4);
    form(&lab, 3);
    let manager = lab.host(1);
    for (index, role) in [(4, "worker"), (3, "manager")] {
        let host = lab.host(index);
        host.kill_daemon(Signal::SIGKILL);
        host.run(&["rm", "-r", "/var/lib/skep"]).ok();
        host.start_daemon(Daemon::Full);
        assert!(host.skep(&["node", "ls"]).refused().contains("not a member"));
        host.skep(&["join", "--token", &token(manager, role), &manager_of(manager)]).ok();
        let new_name = format!("{}-2", host.name());
        lab.wait_for("it is there under a new name", SOON, || {
            status(manager, &new_name) == "Ready" && status(manager, host.name()) == "Down"
        });
        remove(&lab, manager, host.name());
    }
    assert_eq!(names(manager), ["rasp1", "rasp2", "rasp3-2", "rasp4-2"]);
    lab.wait_for("three managers", SOON, || reachable_managers(manager) == 3);
    manager.skep(&["service", "create", "-q", "--name", "web", "--replicas", "4", "box:1"]).ok();
    wait_running(&lab, manager, "web", 4);
}

/// Whoever leaves by force is counted no more, so the next may leave as well.
#[test]
fn hosts_leave_as_managers_one_after_the_other() {
    let lab = Lab::new("leaving", 3);
    form(&lab, 3);
    let manager = lab.host(1);
    for index in [2, 3, 2] {
        let host = lab.host(index);
        host.skep(&["leave", "--force"]).ok();
        lab.wait_for("two managers are left", SOON, || reachable_managers(manager) == 2);
        host.skep(&["join", "--token", &token(manager, "manager"), &manager_of(manager)]).ok();
        lab.wait_for("three managers", SOON, || reachable_managers(manager) == 3);
    }
    lab.power_off(3);
    manager.skep(&["service", "create", "-q", "--name", "web", "--replicas", "2", "box:1"]).ok();
    wait_running(&lab, manager, "web", 2);
}

#[test]
fn hosts_join_with_the_present_token_only() {
    let lab = Lab::new("tokens", 4);
    form_with_members(&lab, &[1]);
    let (manager, other, joiner, small) = (lab.host(1), lab.host(2), lab.host(3), lab.host(4));
    other.start_daemon(Daemon::Full);
    other.skep(&["init", "--advertise-addr", other.address()]).ok();
    joiner.start_daemon(Daemon::Full);

    let of_other = token(other, "worker");
    let told = refusal(joiner, &of_other, &manager_of(manager));
    assert!(told.contains("belongs to another cluster"), "{told}");
    assert!(told.contains("skep join-token worker"), "the remedy: {told}");
    let old = token(manager, "worker");
    manager.skep(&["join-token", "--rotate", "-q", "worker"]).ok();
    let told = refusal(joiner, &old, &manager_of(manager));
    assert!(told.contains("not valid any more") && told.contains("skep join-token"), "{told}");
    let cut = &old[..old.len() - 1];
    let told = refusal(joiner, cut, &manager_of(manager));
    assert!(told.contains("cut short"), "{told}");

    let for_managers = token(manager, "manager");
    small.start_daemon(Daemon::Worker);
    let agent = binary("skep-agent").display().to_string();
    let join = |token: &str| small.run(&[&agent, "join", "--token", token, &manager_of(manager)]);
    let told = join(&for_managers).refused();
    assert!(told.contains("skep-agent is a worker"), "{told}");
    assert_eq!(names(manager), ["rasp1"], "nobody is in who was refused");

    let present = token(manager, "worker");
    assert_ne!(old, present);
    joiner.skep(&["join", "--token", &present, &manager_of(manager)]).ok();
    join(&present).ok();
    lab.wait_for("both are in", SOON, || ready(manager) == 3);
    let again = refusal(joiner, &present, &manager_of(manager));
    assert!(again.contains("member of a cluster already"), "{again}");
}

/// A cluster of some of the lab's hosts; the others are left alone.
fn form_with_members(lab: &Lab, members: &[usize]) {
    for index in members {
        lab.host(*index).start_daemon(Daemon::Full);
    }
    let first = lab.host(members[0]);
    first.skep(&["init", "--advertise-addr", first.address()]).ok();
    lab.wait_for("it leads", SOON, || ready(first) == 1);
}

#[test]
fn hosts_that_join_at_the_wrong_door_are_told_which() {
    let lab = Lab::new("doors", 4);
    form_with_members(&lab, &[1]);
    let (manager, empty, joiner, off) = (lab.host(1), lab.host(2), lab.host(3), lab.host(4));
    joiner.start_daemon(Daemon::Full);
    let worker = token(manager, "worker");
    let told = refusal(joiner, &worker, &manager_of(empty));
    assert!(told.contains("nothing listens on") && told.contains("port"), "{told}");
    lab.power_off(4);
    let told = refusal(joiner, &worker, &manager_of(off));
    assert!(told.contains(&manager_of(off)), "{told}");
    assert!(told.contains("cannot be reached") || told.contains("does not answer"), "{told}");
    let told = refusal(joiner, &worker, "nosuchhost");
    assert!(told.contains("nosuchhost:7373") && told.contains("no address is found"), "{told}");

    let testbox = binary("testbox").display().to_string();
    let web = format!("{testbox} http 7373 >/dev/null 2>&1 </dev/null &");
    empty.run(&["sh", "-c", &web]).ok();
    lab.wait_for("a web server listens where skep would", SOON, || {
        joiner.run(&[&testbox, "get", &format!("{}/", manager_of(empty))]).is_ok()
    });
    let told = refusal(joiner, &worker, &manager_of(empty));
    assert!(told.contains("is it skep that listens there?"), "{told}");
    // And the machine of that web server cannot become a manager at that port itself.
    empty.start_daemon(Daemon::Full);
    let told = empty.skep(&["init", "--advertise-addr", empty.address()]).refused();
    assert!(told.contains("port 7373 is in use") && told.contains("--listen-addr"), "{told}");
    let elsewhere = format!("{}:7474", empty.address());
    empty.skep(&["init", "--advertise-addr", &elsewhere]).ok();
    lab.wait_for("it leads", SOON, || ready(empty) == 1);

    joiner.skep(&["join", "--token", &token(empty, "manager"), &elsewhere]).ok();
    lab.wait_for("it is in", SOON, || ready(empty) == 2 && reachable_managers(empty) == 2);
}

#[test]
fn hosts_have_one_daemon_and_keep_their_port() {
    let lab = Lab::new("twice", 1);
    form_with(&lab, 1, Daemon::Full);
    let host = lab.host(1);
    let told = host.skep(&["daemon"]).refused();
    assert!(told.contains("another skep daemon runs on the data directory"), "{told}");
    let told = host.skep(&["daemon", "--data-dir", "/var/lib/skep2"]).refused();
    assert!(told.contains("/run/skep/skep.sock"), "{told}");
    assert_eq!(ready(host), 1, "the first one is not harmed");

    host.kill_daemon(Signal::SIGTERM);
    let testbox = binary("testbox").display().to_string();
    let web = format!("{testbox} http 7373 >/dev/null 2>&1 </dev/null & echo $! >/run/web.pid");
    host.run(&["sh", "-c", &web]).ok();
    lab.wait_for("the port is taken", SOON, || {
        host.run(&[&testbox, "get", "127.0.0.1:7373/"]).is_ok()
    });
    let told = host.skep(&["daemon"]).refused();
    assert!(told.contains("port 7373 is in use on this machine"), "{told}");
    host.run(&["sh", "-c", "kill $(cat /run/web.pid)"]).ok();
    lab.wait_for("the port is free", SOON, || {
        !host.run(&[&testbox, "get", "127.0.0.1:7373/"]).is_ok()
    });
    host.start_daemon(Daemon::Full);
    lab.wait_for("it leads again", SOON, || ready(host) == 1);
}
