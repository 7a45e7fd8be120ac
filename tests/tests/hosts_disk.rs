//! Disks of managers that are full or damaged: the daemon says what is wrong and what helps, the
//! others go on, and what it named does help.

use integration::cluster::{
    SOON, form, leader, reachable_managers, ready, rows, text, token, wait_running,
};
use integration::hosts::{Daemon, Host, Lab, Signal};

const DATA: &str = "/var/lib/skep";
/// Room for the database of a small cluster, soon filled.
const DISK: &str = "size=24m";
/// Each is a write of some kilobytes; a full disk shows at the first that needs new room.
const WRITES_MAX: usize = 2_000;

/// The first manager that is asked leads or passes on, so any that lives will do.
fn write_until(host: &Host, done: impl Fn() -> bool) {
    let value = "x".repeat(3_000);
    for number in 0..WRITES_MAX {
        if done() {
            return;
        }
        let label = format!("note={value}{number}");
        // What is refused between two leaders is not needed.
        host.skep(&["node", "update", "--label-add", &label, "rasp1"]);
    }
    panic!("the disk never became full:\n{}", host.daemon_log(20));
}

/// First the disk of a follower, then that of the leader.
#[test]
fn hosts_with_a_full_disk_say_so_and_come_back() {
    let lab = Lab::new("full", 3);
    for host in lab.hosts() {
        host.run(&["mkdir", "-p", DATA]).ok();
        host.run(&["mount", "-t", "tmpfs", "-o", DISK, "tmpfs", DATA]).ok();
    }
    form(&lab, 3);
    let create = ["service", "create", "-q", "--name", "web", "--replicas", "3", "box:1", "deaf"];
    lab.host(1).skep(&create).ok();
    wait_running(&lab, lab.host(1), "web", 3);
    let first = leader(lab.host(1)).expect("somebody leads");
    for index in [first % 3 + 1, first] {
        let (host, witness) = (lab.host(index), lab.host((first + 1) % 3 + 1));
        // It ends with an error as it should, when nothing more fits.
        let fill = "dd if=/dev/zero of=/var/lib/skep/filler bs=64k 2>/dev/null";
        assert!(!host.run(&["sh", "-c", fill]).is_ok(), "there is an end to the disk");
        write_until(witness, || !host.daemon_runs());
        let said = host.daemon_log(40);
        assert!(said.contains("the disk that holds /var/lib/skep/store is full"), "{said}");
        assert!(said.contains("free some space, then restart skep"), "{said}");
        lab.wait_for("the others go on", SOON, || {
            leader(witness).is_some_and(|it| it != index)
                && witness.skep(&["service", "scale", "-d", "web=4"]).is_ok()
        });
        let again = host.skep(&["daemon"]);
        assert!(again.refused().contains("is full"), "it says so also when it starts");
        host.run(&["rm", "/var/lib/skep/filler"]).ok();
        host.start_daemon(Daemon::Full);
        lab.wait_for("it is back", SOON, || {
            ready(witness) == 3 && reachable_managers(witness) == 3
        });
        witness.skep(&["service", "scale", "-d", "web=3"]).ok();
        wait_running(&lab, host, "web", 3);
    }
}

/// What may become of the files of a manager that was killed.
const DAMAGES: [(&str, &str); 7] = [
    ("the tail is lost", r#"truncate -s -5000 "$1"/store/db"#),
    (
        "the tail is garbage",
        r#"
        size=$(stat -c %s "$1"/store/db)
        dd if=/dev/urandom of="$1"/store/db bs=1 count=4000 seek=$((size - 4000)) conv=notrunc"#,
    ),
    ("half of it is lost", r#"truncate -s $(($(stat -c %s "$1"/store/db) / 2)) "$1"/store/db"#),
    (
        "its middle is garbage",
        r#"
        half=$(($(stat -c %s "$1"/store/db) / 2))
        dd if=/dev/urandom of="$1"/store/db bs=1k count=100 seek=$((half / 1024)) conv=notrunc"#,
    ),
    ("it is empty", r#": >"$1"/store/db"#),
    ("its key is lost", r#"rm "$1"/store.key"#),
    ("what it knew of its membership is garbage", r#"echo garbage >"$1"/member.json"#),
];

/// A manager's files are damaged in every way. It either goes on, or says what to do; and that
/// works.
#[test]
fn hosts_with_damaged_files_go_on_or_say_how() {
    let lab = Lab::new("damage", 3);
    form(&lab, 3);
    let manager = lab.host(1);
    let create = ["service", "create", "-q", "--name", "web", "--replicas", "3", "box:1", "deaf"];
    manager.skep(&create).ok();
    wait_running(&lab, manager, "web", 3);
    let host = lab.host(3);
    for (what, script) in DAMAGES {
        host.kill_daemon(Signal::SIGKILL);
        host.run(&["sh", "-ec", script, "sh", DATA]).ok();
        // Shown where the test fails later on.
        eprintln!("{what}");
        if let Some(said) = start_or_refusal(host) {
            eprintln!("{said}");
            recover(&lab, host, &said);
        }
        lab.wait_for(what, SOON, || ready(manager) == 3 && reachable_managers(manager) == 3);
        manager.skep(&["service", "scale", "-d", "web=5"]).ok();
        wait_running(&lab, host, "web", 5);
        manager.skep(&["service", "scale", "-d", "web=3"]).ok();
        wait_running(&lab, host, "web", 3);
    }
    assert!(host.skep(&["node", "ls"]).is_ok());
}

/// What the daemon says if it does not start at all.
fn start_or_refusal(host: &Host) -> Option<String> {
    // Both at once would need to know beforehand: what is looked at is whether it ends soon.
    let tried = host.run(&["timeout", "5", &skep(), "daemon"]);
    if tried.code == CODE_TIMED_OUT {
        host.start_daemon(Daemon::Full);
        return None;
    }
    Some(tried.refused())
}

/// What `timeout` answers when the command had to be ended.
const CODE_TIMED_OUT: i32 = 124;

fn skep() -> String {
    integration::hosts::binary("skep").display().to_string()
}

/// Does what it says: the data directory goes, the machine joins anew, its old self is removed.
fn recover(lab: &Lab, host: &Host, said: &str) {
    let manager = lab.host(1);
    assert!(said.contains("remove the data directory, start skep and join again"), "{said}");
    host.run(&["rm", "-r", DATA]).ok();
    host.start_daemon(Daemon::Full);
    let address = format!("{}:7373", manager.address());
    host.skep(&["join", "--token", &token(manager, "manager"), &address]).ok();
    let mut old = None;
    lab.wait_for("it is there anew, and its old self is down", SOON, || {
        let nodes = rows(manager, &["node", "ls"]);
        let down = nodes.iter().find(|it| text(it, "Status") == "Down");
        old = down.map(|it| text(it, "Hostname").to_owned());
        old.is_some() && ready(manager) == 3
    });
    let old = old.expect("it was waited for");
    manager.skep(&["node", "demote", &old]).ok();
    lab.wait_for("its old self goes", SOON, || manager.skep(&["node", "rm", &old]).is_ok());
}
