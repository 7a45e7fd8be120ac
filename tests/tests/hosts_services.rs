//! Services on real hosts: the stories that users tell.

use integration::cluster::{SOON, containers, form, rows, running, tasks, text, wait_running};
use integration::hosts::Lab;
use integration::images::testbox;

/// Built on the first Pi only, and asked for twice: the second Pi is tried once, says why it
/// cannot, and both run on the first.
#[test]
fn hosts_rasp11_lacks_the_image() {
    let lab = Lab::new("rasp11", 2);
    form(&lab, 1);
    let manager = lab.host(1);
    manager.load_image(&testbox("consumer:latest").archive());
    lab.wait_for("the new image is known", SOON, || {
        manager.skep(&["node", "inspect", "self"]).ok().contains("consumer")
    });
    let create = ["service", "create", "--name", "consumer", "--replicas", "2", "consumer"];
    manager.skep(&create).ok();
    wait_running(&lab, manager, "consumer", 2);
    assert!(running(manager, "consumer").iter().all(|it| text(it, "Node") == "rasp1"));

    let refused: Vec<_> = tasks(manager, "consumer")
        .into_iter()
        .filter(|it| text(it, "CurrentState").starts_with("Rejected"))
        .collect();
    assert_eq!(refused.len(), 1, "the node is tried, and tried once: {refused:?}");
    assert_eq!(text(&refused[0], "Node"), "rasp2");
    assert!(text(&refused[0], "Error").contains("No such image: consumer"), "{refused:?}");
    let table = manager.skep(&["service", "ps", "consumer"]).ok();
    assert!(table.contains(r" \_ consumer."), "the history is indented: {table}");

    // Not again until its images change; then it takes part.
    manager.skep(&["service", "scale", "consumer=3"]).ok();
    assert!(running(manager, "consumer").iter().all(|it| text(it, "Node") == "rasp1"));
    lab.host(2).load_image(&testbox("consumer:latest").archive());
    lab.wait_for("its new image is known", SOON, || {
        manager.skep(&["node", "inspect", "rasp2"]).ok().contains("consumer")
    });
    manager.skep(&["service", "scale", "consumer=5"]).ok();
    assert!(running(manager, "consumer").iter().any(|it| text(it, "Node") == "rasp2"));
}

#[test]
fn hosts_replace_what_ends() {
    let lab = Lab::new("replace", 2);
    form(&lab, 1);
    let manager = lab.host(1);
    let create = ["service", "create", "-q", "--name", "web", "--replicas", "2"];
    manager.skep(&[&create[..], &["--restart-delay", "0s", "box:1", "sleep"]].concat()).ok();
    let victim = containers(lab.host(2), "web").pop().expect("one runs on the second host");
    lab.host(2).docker(&["rm", "--force", &victim]).ok();
    lab.wait_for("a removed container is replaced", SOON, || {
        let now: Vec<String> = lab.hosts().flat_map(|it| containers(it, "web")).collect();
        now.len() == 2 && !now.contains(&victim)
    });

    let create = ["service", "create", "-d", "-q", "--name", "once", "--restart-condition", "none"];
    manager.skep(&[&create[..], &["box:1", "exit", "7"]].concat()).ok();
    lab.wait_for("the failure is told with its code", SOON, || {
        tasks(manager, "once").iter().any(|it| {
            text(it, "CurrentState").starts_with("Failed") && text(it, "Error").contains("(7)")
        })
    });
    manager.skep(&["service", "rm", "web", "once"]).ok();
    lab.wait_for("nothing is left of removed services", SOON, || {
        lab.hosts().all(|it| it.docker(&["ps", "-aq"]).lines().is_empty())
    });
    assert!(rows(manager, &["service", "ls"]).is_empty());
}

#[test]
fn hosts_tell_why_a_task_waits_or_is_rejected() {
    let lab = Lab::new("reasons", 2);
    form(&lab, 1);
    let manager = lab.host(1);
    let create = ["service", "create", "-d", "-q", "--name"];
    manager.skep(&[&create[..], &["big", "--reserve-memory", "900g", "box:1"]].concat()).ok();
    let pin = ["pin", "--constraint", "node.labels.zone==west", "box:1"];
    manager.skep(&[&create[..], &pin[..]].concat()).ok();
    let bind = ["bind", "--mount", "type=bind,source=/nowhere,target=/x", "box:1"];
    manager.skep(&[&create[..], &bind[..]].concat()).ok();
    let says = |service: &str, words: &str| {
        tasks(manager, service).iter().any(|it| text(it, "Error").contains(words))
    };
    lab.wait_for("a lack of memory is told", SOON, || says("big", "2 lacking memory"));
    lab.wait_for("a constraint is told", SOON, || {
        says("pin", "2 not matching node.labels.zone==west")
    });
    lab.wait_for("a missing bind source is told", SOON, || says("bind", "/nowhere"));
    manager.skep(&["node", "update", "--label-add", "zone=west", "rasp2"]).ok();
    wait_running(&lab, manager, "pin", 1);
    assert_eq!(text(&running(manager, "pin")[0], "Node"), "rasp2");
}

#[test]
fn hosts_merge_logs_of_all_replicas() {
    let lab = Lab::new("logs", 2);
    form(&lab, 1);
    let manager = lab.host(1);
    let create = ["service", "create", "-q", "--name", "talk", "--replicas", "2"];
    manager.skep(&[&create[..], &["box:1", "print", "hello", "200"]].concat()).ok();
    lab.wait_for("both replicas' lines come", SOON, || {
        let lines = manager.skep(&["service", "logs", "--tail", "5", "talk"]).lines();
        let from = |node: &str| lines.iter().any(|it| it.contains(node) && it.contains("hello"));
        from("rasp1") && from("rasp2")
    });
    let named = ["service", "create", "-dq", "--name", "named", "--restart-condition", "none"];
    let host_name = ["--hostname", "{{.Node.Hostname}}-{{.Task.Slot}}", "box:1", "hostname"];
    manager.skep(&[&named[..], &host_name].concat()).ok();
    lab.wait_for("a host is named after its node and slot", SOON, || {
        let lines = manager.skep(&["service", "logs", "named"]).lines();
        lines.iter().any(|it| it.contains(" rasp1-1") || it.contains(" rasp2-1"))
    });
    lab.power_off(2);
    let asked = std::time::Instant::now();
    let output = manager.skep(&["service", "logs", "--tail", "5", "talk"]);
    let took = asked.elapsed();
    assert!(output.stderr.contains("rasp2 is missing"), "{output:?}");
    assert!(output.ok().contains("hello"), "a dead node delays nobody");
    assert!(took < SOON, "it took {took:?}");
}

/// They are asked for at a manager that has to ask the leader for everything.
#[test]
fn hosts_are_not_held_up_by_readers_that_do_not_read() {
    let lab = Lab::new("unread", 2);
    form(&lab, 2);
    let follower = lab.host(2);
    let long = "long".repeat(500);
    let create = ["service", "create", "-q", "--name", "talk", "--replicas", "4"];
    follower.skep(&[&create[..], &["box:1", "print", &long, "1"]].concat()).ok();
    let program = integration::hosts::binary("skep").display().to_string();
    let readers = r#"for i in 1 2 3 4; do
        ("$1" service logs -f talk | sleep 60) >/dev/null 2>&1 </dev/null &
    done"#;
    follower.run(&["sh", "-c", readers, "sh", &program]).ok();
    for _ in 0..25 {
        follower.run(&["timeout", "5", &program, "node", "ls"]).ok();
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    follower.run(&["timeout", "5", &program, "service", "scale", "-d", "talk=2"]).ok();
}

/// The leader dies under a reader that follows, and with it a replica.
#[test]
fn hosts_follow_logs_wherever_their_tasks_go() {
    let lab = Lab::new("follow", 3);
    form(&lab, 3);
    let reader = lab.host(3);
    let create = ["service", "create", "-q", "--name", "talk", "--replicas", "3"];
    reader.skep(&[&create[..], &["box:1", "print", "hello", "200"]].concat()).ok();
    let program = integration::hosts::binary("skep").display().to_string();
    let script = r#"exec "$1" service logs -f -t --tail 1 talk >/run/lines 2>/run/notices"#;
    let all_are_heard = || {
        let lines = reader.read_file("/run/lines");
        let tasks = running(reader, "talk");
        tasks.len() == 3 && tasks.iter().all(|it| lines.contains(text(it, "ID")))
    };
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| reader.run(&["sh", "-c", script, "sh", &program]));
        lab.wait_for("it begins", SOON, || reader.run(&["test", "-s", "/run/lines"]).is_ok());
        lab.wait_for("all replicas' lines come", SOON, all_are_heard);
        lab.power_off(1);
        lab.wait_for("a replica runs elsewhere", SOON, || {
            let nodes = running(reader, "talk");
            nodes.len() == 3 && nodes.iter().all(|it| text(it, "Node") != "rasp1")
        });
        lab.wait_for("the lines of the new one come", SOON, all_are_heard);
        reader.skep(&["service", "rm", "talk"]).ok();
        reading.join().expect("the reader does not panic").ok();
    });
    let lines = reader.read_file("/run/lines");
    let count = lines.lines().count();
    let different: std::collections::BTreeSet<&str> = lines.lines().collect();
    assert_eq!(different.len(), count, "no line comes twice: {lines}");
    let notices = reader.read_file("/run/notices");
    assert!(notices.contains("looking for the next manager"), "{notices}");
}

#[test]
fn hosts_refuse_what_makes_no_sense() {
    let lab = Lab::new("refuse", 2);
    lab.host(1).start_daemon(integration::hosts::Daemon::Full);
    let host = lab.host(1);
    let says = |command: &[&str], code: i32, words: &str| {
        let output = host.skep(command);
        assert_eq!(output.code, code, "{command:?}: {output:?}");
        let said = output.refused();
        assert!(said.contains(words), "{command:?} says {said:?}, not {words:?}");
    };
    says(&["service", "ls"], 1, "not a member");
    says(&["join", "--token", "nonsense", "10.1.1.1"], 2, "not a join token");
    says(&["init", "--advertise-addr", "10.1.2.3"], 2, "not an address of this machine");
    host.skep(&["init", "--advertise-addr", host.address()]).ok();
    says(&["init"], 1, "member of a cluster already");
    let create = |words: &[&'static str]| [&["service", "create", "-d"], words].concat();
    says(&create(&["--constraint", "zone==west", "box:1"]), 2, "constraint key");
    says(&create(&["--limit-memory", "lots", "box:1"]), 2, "lots");
    says(&create(&["--replicas", "-3", "box:1"]), 2, "-3");
    says(&create(&["--name", "a b", "box:1"]), 2, "a b");
    says(&create(&["--hostname", "{{.Node.Name}}", "box:1"]), 2, "host name: {{.Node.Name}} is");
    host.skep(&create(&["--name", "web", "--replicas", "0", "box:1"])).ok();
    says(&create(&["--name", "web", "box:1"]), 1, "exists already");
    says(&["service", "rm", "nosuch"], 1, "no such service");
    says(&["service", "scale", "web=x"], 2, "x");
    says(&["node", "demote", "self"], 1, "only manager");
    says(&["leave"], 1, "--force");
    assert_eq!(rows(host, &["service", "ls"]).len(), 1, "nothing half-done is left");
}
