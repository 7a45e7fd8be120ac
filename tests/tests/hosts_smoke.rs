//! The lab of real hosts keeps its promises; otherwise no test that uses it says anything.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use integration::hosts::{Lab, Signal};
use integration::images::testbox;

const SOON: Duration = Duration::from_secs(20);

fn listed(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("a usual program");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn wait_reaches(lab: &Lab, expected: &[(usize, usize, bool)]) {
    for &(from, to, reached) in expected {
        let what = format!("rasp{from} reaches rasp{to}: {reached}");
        lab.wait_for(&what, SOON, || lab.host(from).reaches(lab.host(to).address()) == reached);
    }
}

#[test]
fn hosts_run_images_lose_power_and_keep_their_disks() {
    let began = Instant::now();
    let lab = Lab::new("smoke", 2);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(30), "two hosts took {took:?} to boot");
    assert_eq!(lab.host(1).run(&["hostname"]).ok(), "rasp1");
    assert_eq!(lab.host(2).run(&["hostname"]).ok(), "rasp2");

    lab.load_image(&testbox("box:1").archive());
    let said = lab.host(1).docker(&["run", "--rm", "box:1", "print", "hello"]).ok();
    assert_eq!(said, "hello");
    let code = lab.host(2).docker(&["run", "--rm", "box:1", "exit", "7"]).code;
    assert_eq!(code, 7, "the exit code passes through engine and client");

    lab.host(1).docker(&["run", "--detach", "--name", "stays", "box:1", "deaf"]).ok();
    lab.host(1).write_file("/var/lib/note", b"on the disk");
    lab.host(1).write_file("/run/note", b"in memory");
    assert!(!lab.host(2).run(&["cat", "/var/lib/note"]).is_ok(), "disks are private");
    assert!(!Path::new("/var/lib/note").exists(), "this machine is left alone");

    lab.power_off(1);
    assert!(!lab.host(1).is_on() && !lab.host(1).engine_answers());
    assert!(!lab.reaches_from_outside(1));
    lab.power_on(1);
    assert!(lab.reaches_from_outside(1));
    assert_eq!(lab.host(1).read_file("/var/lib/note"), "on the disk");
    assert!(!lab.host(1).run(&["cat", "/run/note"]).is_ok(), "memory does not survive");
    let state = lab.host(1).docker(&["inspect", "--format", "{{.State.Running}}", "stays"]).ok();
    assert_eq!(state, "false", "the container died with its host, and its engine knows it");
}

#[test]
fn polite_and_deaf_programs_end_as_they_promise() {
    let lab = Lab::new("smoke-ends", 1);
    let host = lab.host(1);
    lab.load_image(&testbox("box:1").archive());
    // What `docker stop` with a second of grace leaves as exit code.
    for (command, code) in [("polite", "0"), ("sleep", "143"), ("deaf", "137")] {
        host.docker(&["run", "--detach", "--name", command, "box:1", command]).ok();
        host.docker(&["stop", "--time", "1", command]).ok();
        let ended = host.docker(&["inspect", "--format", "{{.State.ExitCode}}", command]).ok();
        assert_eq!(ended, code, "{command}");
    }
    host.docker(&["run", "--detach", "--name", "web", "--env", "TASK=t1", "box:1", "http", "80"])
        .ok();
    let address =
        host.docker(&["inspect", "--format", "{{.NetworkSettings.IPAddress}}", "web"]).ok();
    let get = ["run", "--rm", "box:1", "get", &format!("{address}:80/")];
    lab.wait_for("the web server answers", SOON, || host.docker(&get).is_ok());
    let answer = host.docker(&get).ok();
    assert!(answer.contains("/t1/"), "host, task and count: {answer}");
}

#[test]
fn cables_are_cut_and_heal() {
    let lab = Lab::new("smoke-cut", 3);
    let all = [(1, 2, true), (1, 3, true), (2, 3, true)];
    wait_reaches(&lab, &all);
    lab.cut(1);
    wait_reaches(&lab, &[(1, 2, false), (1, 3, false), (2, 3, true)]);
    lab.heal(1);
    wait_reaches(&lab, &all);
    lab.cut_silently(1);
    wait_reaches(&lab, &[(1, 2, false), (2, 3, true)]);
    let carrier = lab.host(1).read_file("/sys/class/net/eth0/carrier");
    assert_eq!(carrier, "1", "a silent cut keeps the link up");
    lab.heal_all();
    wait_reaches(&lab, &all);
    lab.cut_between(1, 2);
    wait_reaches(&lab, &[(1, 2, false), (1, 3, true), (2, 3, true)]);
    lab.heal(2);
    wait_reaches(&lab, &all);
}

#[test]
fn an_engine_freezes_thaws_and_is_killed() {
    let lab = Lab::new("smoke-engine", 1);
    let host = lab.host(1);
    host.freeze_engine();
    // The signal takes effect when the kernel next looks at each of its threads.
    lab.wait_for("a frozen engine answers nothing", SOON, || !host.engine_answers());
    host.thaw_engine();
    lab.wait_for("the thawed engine answers", SOON, || host.engine_answers());
    host.kill_engine(Signal::SIGKILL);
    assert!(!host.engine_answers());
    host.start_engine();
    host.freeze_engine();
    // A frozen engine must not hold up the loss of power.
    lab.power_off(1);
}

#[test]
fn nothing_is_left_behind_even_by_a_panic() {
    let traces = std::panic::catch_unwind(|| {
        let lab = Lab::new("smoke-gone", 2);
        lab.load_image(&testbox("box:1").archive());
        lab.host(2).docker(&["run", "--detach", "box:1", "deaf"]).ok();
        assert!(
            listed("ip", &["netns", "list"]).contains(lab.prefix()),
            "it is found by its prefix"
        );
        std::panic::panic_any((lab.folder(), lab.prefix().to_owned()));
    });
    let traces = traces.expect_err("it panics").downcast::<(PathBuf, String)>();
    let (folder, prefix) = *traces.expect("it panics with what to look for");
    assert!(!folder.exists(), "the folder is gone");
    let folder = folder.display().to_string();
    // Other labs may run at the same time; what names this lab's folder is this lab's.
    assert!(!listed("cat", &["/proc/self/mounts"]).contains(&folder), "its mounts are gone");
    assert!(!listed("ps", &["-eo", "args"]).contains(&folder), "its processes are gone");
    for (what, text) in [
        ("namespaces", listed("ip", &["netns", "list"])),
        ("interfaces", listed("ip", &["-oneline", "link"])),
        ("control groups", listed("find", &["/sys/fs/cgroup", "-name", &format!("{prefix}*")])),
    ] {
        assert!(!text.contains(&prefix), "{what} are left: {text}");
    }
}
