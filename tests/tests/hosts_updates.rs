//! Updates, roll-backs, health checks and jobs on real hosts.

use shell::clock::wall;
use std::time::{Duration, Instant};

use integration::cluster::{
    SOON, containers, form, inspect, leader, ran_since, rows, running, tasks, text,
};
use integration::hosts::{Daemon, Host, Lab, Output, Signal};
use integration::images::testbox;
use serde_json::Value;

/// Of a service of six.
const SLOTS: usize = 6;
/// An update of six that fails, its monitor of a second and an election included.
const ROLLED_BACK_WITHIN: Duration = Duration::from_secs(15);

fn create(host: &Host, flags: &[&str], image_and_command: &[&str]) -> Output {
    host.skep(&[&["service", "create", "-q"], flags, image_and_command].concat())
}

fn update(host: &Host, flags: &[&str]) -> Output {
    host.skep(&[&["service", "update", "-q"], flags, &["web"]].concat())
}

/// Six that are watched for a second each, which is all that a test has time for.
fn deploy(lab: &Lab) {
    let monitors = ["--update-monitor", "1s", "--rollback-monitor", "1s"];
    let flags = [&["--name", "web", "--replicas", "6", "--restart-delay", "0s"][..], &monitors];
    create(lab.host(1), &flags.concat(), &["box:1"]).ok();
}

fn ids(tasks: &[Value]) -> Vec<&str> {
    let mut ids: Vec<&str> = tasks.iter().map(|it| text(it, "ID")).collect();
    ids.sort_unstable();
    ids
}

fn all_run(host: &Host, image: &str) -> bool {
    let tasks = running(host, "web");
    tasks.len() == SLOTS && tasks.iter().all(|it| text(it, "Image") == image)
}

fn state(host: &Host) -> String {
    inspect(host, "web")["UpdateStatus"]["State"].as_str().unwrap_or_default().to_owned()
}

fn message(host: &Host) -> String {
    text(&inspect(host, "web")["UpdateStatus"], "Message").to_owned()
}

#[test]
fn hosts_updates_move_every_slot_and_back() {
    let lab = Lab::new("updates", 3);
    form(&lab, 1);
    lab.load_image(&testbox("box:2").command(&["polite"]).archive());
    let manager = lab.host(1);
    deploy(&lab);
    assert_eq!(state(manager), "", "what was created was not updated");

    let since = wall();
    update(manager, &["-d", "--image", "box:2"]).ok();
    assert_eq!(state(manager), "updating");
    lab.wait_for("it is through", SOON, || state(manager) == "completed");
    assert!(all_run(manager, "box:2"), "{:?}", tasks(manager, "web"));
    assert_eq!(ran_since(&lab, "web", since, SLOTS), 5..=6, "one by one, the old one first");
    let history = rows(manager, &["service", "history", "web"]);
    let history = history.iter().map(|it| (text(it, "Image"), text(it, "Note")));
    assert_eq!(history.collect::<Vec<_>>(), [("box:2", "present"), ("box:1", "")]);

    let since = wall();
    manager.skep(&["service", "rollback", "-q", "web"]).ok();
    assert!(all_run(manager, "box:1"), "{:?}", tasks(manager, "web"));
    assert_eq!(ran_since(&lab, "web", since, SLOTS), 5..=6);
    assert_eq!(state(manager), "rollback_completed");

    let since = wall();
    update(manager, &["--image", "box:2", "--update-order", "start-first"]).ok();
    assert!(all_run(manager, "box:2"), "{:?}", tasks(manager, "web"));
    assert_eq!(ran_since(&lab, "web", since, SLOTS), 6..=7, "one by one, the new one first");
    assert_eq!(state(manager), "completed");
    changes_nothing(&lab);
}

/// What the tasks satisfy as they are restarts none of them.
fn changes_nothing(lab: &Lab) {
    let manager = lab.host(1);
    let before = running(manager, "web");
    let since = wall();
    for flags in [
        &["-d", "--image", "box:2"][..],
        &["-d", "--label-add", "tier=front"],
        &["-d", "--constraint-add", "node.hostname!=rasp9"],
        &["-d", "--restart-max-attempts", "9"],
        &["--replicas", "7"],
        &["--replicas", "6"],
    ] {
        update(manager, flags).ok();
    }
    assert_eq!(ids(&running(manager, "web")), ids(&before));
    assert_eq!(ran_since(lab, "web", since, SLOTS), 6..=7, "the seventh came and went");
}

#[test]
fn hosts_updates_that_fail_leave_what_was() {
    let lab = Lab::new("failing", 3);
    form(&lab, 3);
    lab.load_image(&testbox("bad:1").command(&["exit", "1"]).archive());
    lab.load_image(&testbox("bad:2").command(&["exit", "2", "700"]).archive());
    let manager = lab.host(1);
    deploy(&lab);
    let before = running(manager, "web");

    let since = wall();
    let refused = update(manager, &["--image", "nosuch:1"]).refused();
    assert!(refused.contains("update paused: no node has the image nosuch:1"), "{refused}");
    assert_eq!(state(manager), "paused");
    assert!(message(manager).contains("nosuch:1"), "{}", message(manager));
    assert_eq!(ids(&running(manager, "web")), ids(&before));
    assert_eq!(ran_since(&lab, "web", since, SLOTS), 6..=6, "nothing stopped");

    let since = wall();
    let began = Instant::now();
    let flags = ["--image", "bad:1", "--update-failure-action", "rollback"];
    let refused = update(manager, &flags).refused();
    let took = began.elapsed();
    assert!(took < ROLLED_BACK_WITHIN, "rolled back after {took:?}");
    assert!(refused.contains("update rolled back:"), "{refused}");
    assert!(refused.contains("of 6 tasks failed"), "{refused}");
    assert!(all_run(manager, "box:1"), "{:?}", tasks(manager, "web"));
    assert_eq!(state(manager), "rollback_completed");
    assert!(message(manager).contains("task: non-zero exit (1)"), "{}", message(manager));
    // The next one's turn may come before the first has failed.
    assert!(*ran_since(&lab, "web", since, SLOTS).start() >= 4, "no more are tried");

    update(manager, &["-d", "--image", "bad:2", "--update-failure-action", "rollback"]).ok();
    let begins = || tasks(manager, "web").iter().any(|it| text(it, "Image") == "bad:2");
    lab.wait_for("the update begins", SOON, begins);
    let first = leader(manager).expect("somebody leads");
    let began = Instant::now();
    lab.host(first).kill_daemon(Signal::SIGKILL);
    let witness = lab.host(if first == 2 { 3 } else { 2 });
    lab.wait_for("the others lead", SOON, || leader(witness).is_some_and(|it| it != first));
    lab.wait_for("they roll it back", SOON, || state(witness) == "rollback_completed");
    let took = began.elapsed();
    assert!(took < ROLLED_BACK_WITHIN, "rolled back after {took:?}");
    assert!(all_run(witness, "box:1"), "{:?}", tasks(witness, "web"));
    assert!(message(witness).contains("task: non-zero exit (2)"), "{}", message(witness));
    lab.host(first).start_daemon(Daemon::Full);
    let count = || lab.hosts().map(|it| containers(it, "web").len()).sum::<usize>();
    lab.wait_for("surplus copies end", SOON, || count() == SLOTS && all_run(witness, "box:1"));
}

#[test]
fn hosts_count_as_running_what_is_healthy() {
    let lab = Lab::new("health", 1);
    form(&lab, 1);
    let host = lab.host(1);
    let check = ["--health-cmd", "cat /tmp/well", "--health-start-interval", "200ms"];
    let flags = ["-d", "--name", "late", "--health-interval", "30s"];
    create(host, &[&flags[..], &check].concat(), &["box:1"]).ok();
    lab.wait_for("it is said what is waited for", SOON, || {
        tasks(host, "late").iter().any(|it| {
            let words = text(it, "Error");
            text(it, "CurrentState").starts_with("Starting")
                && words.contains("no success yet")
                && words.contains("No such file")
        })
    });
    let container = containers(host, "late").pop().expect("it runs for the engine");
    host.docker(&["exec", &container, "/testbox", "touch", "/tmp/well"]).ok();
    let soon = SOON / 10;
    lab.wait_for("it is well long before the engine looks", soon, || {
        running(host, "late").len() == 1
    });
    let health = host.docker(&["inspect", "-f", "{{.State.Health.Status}}", &container]).ok();
    assert_eq!(health, "starting", "the engine has not looked yet");

    let flags = ["--name", "ill", "--health-interval", "200ms", "--health-retries", "2"];
    let flags = [&flags[..], &check, &["--restart-delay", "0s"]].concat();
    create(host, &flags, &["box:1", "write", "/tmp/well", "yes"]).ok();
    let before = running(host, "ill");
    let container = containers(host, "ill").pop().expect("it runs");
    host.docker(&["exec", &container, "/testbox", "remove", "/tmp/well"]).ok();
    lab.wait_for("another takes its place", SOON, || {
        let now = running(host, "ill");
        now.len() == 1 && ids(&now) != ids(&before)
    });
    let all = tasks(host, "ill");
    let ended = all.iter().find(|it| text(it, "ID") == text(&before[0], "ID")).expect("is kept");
    assert!(text(ended, "CurrentState").starts_with("Failed"), "{ended}");
    let words = text(ended, "Error");
    assert!(words.contains("its health check failed") && words.contains("No such file"), "{words}");
}

#[test]
fn hosts_run_jobs_to_their_end() {
    let lab = Lab::new("jobs", 2);
    form(&lab, 1);
    let manager = lab.host(1);
    let since = wall();
    let job = ["--mode", "replicated-job", "--replicas", "3", "--name"];
    let flags = [&job[..], &["job", "--max-concurrent", "1"]].concat();
    create(manager, &flags, &["box:1", "print", "done"]).ok();
    assert_eq!(ran_since(&lab, "job", since, 0), 0..=1, "one by one");
    let listed = rows(manager, &["service", "ls"]);
    assert_eq!(text(&listed[0], "Replicas"), "0/3 (3/3 completed)");
    let ended = tasks(manager, "job");
    assert_eq!(ended.len(), 3);
    assert!(ended.iter().all(|it| text(it, "CurrentState").starts_with("Complete")), "{ended:?}");
    let said = manager.skep(&["service", "logs", "job"]).lines();
    assert_eq!(said.iter().filter(|it| it.ends_with("done")).count(), 3, "{said:?}");

    let flags = [&job[..], &["bad", "--restart-condition", "none"]].concat();
    let refused = create(manager, &flags, &["box:1", "exit", "3"]).refused();
    assert!(refused.contains("task: non-zero exit (3)"), "{refused}");
    lab.wait_for("all have ended", SOON, || {
        let failed = |it: &Value| text(it, "Error").contains("non-zero exit (3)");
        tasks(manager, "bad").iter().filter(|it| failed(it)).count() == 3
    });
    let listed = rows(manager, &["service", "ls"]);
    let replicas: Vec<&str> = listed.iter().map(|it| text(it, "Replicas")).collect();
    assert!(replicas.contains(&"0/3 (0/3 completed)"), "{replicas:?}");
}
