//! Boards whose clocks are wrong, as of those without a battery: behind until somebody tells them
//! the time, ahead after somebody told them a wrong one.

use std::process::Command;

use integration::cluster::{
    SOON, containers, form, ready, running, status, text, token, wait_running,
};
use integration::hosts::{Daemon, Host, Lab, Signal};

const DAY_SECONDS: i64 = 24 * 3_600;

/// The kernel gives a namespace no wall clock of its own, so the C library is asked in its place.
const CLOCK: &str = r#"
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time)
{
    int result = syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && clock == CLOCK_REALTIME)
        time->tv_sec += OFFSET;
    return result;
}
"#;

/// What to start a daemon through, that its clock be wrong by so much.
fn clock(lab: &Lab, offset_seconds: i64) -> [String; 2] {
    let source = lab.folder().join("clock.c");
    let library = lab.folder().join(format!("clock{offset_seconds}.so"));
    std::fs::write(&source, CLOCK).expect("the lab's folder is ours");
    let made = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-o"])
        .arg(&library)
        .arg(format!("-DOFFSET=({offset_seconds}L)"))
        .arg(&source)
        .status();
    let made = made.expect("cc, which the linker of Rust needs as well, is installed");
    assert!(made.success(), "cc makes the clock");
    ["env".to_owned(), format!("LD_PRELOAD={}", library.display())]
}

fn start(lab: &Lab, host: &Host, offset_days: i64) {
    let changer = clock(lab, offset_days * DAY_SECONDS);
    host.start_daemon_through(&changer.each_ref().map(String::as_str), Daemon::Full, &[]);
}

fn year_in_log(host: &Host) -> i32 {
    let log = host.daemon_log(1);
    log.get(..4).and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("no date in {log:?}"))
}

fn join(host: &Host, manager: &Host, role: &str) -> integration::hosts::Output {
    let address = format!("{}:7373", manager.address());
    host.skep(&["join", "--token", &token(manager, role), &address])
}

/// Behind by years: it takes part. Ahead by more than certificates last: it is told why not.
#[test]
fn hosts_with_a_wrong_clock_take_part_or_are_told() {
    let lab = Lab::new("clock", 3);
    lab.load_image(&integration::images::testbox("box:1").archive());
    let (manager, behind, ahead) = (lab.host(1), lab.host(2), lab.host(3));
    manager.start_daemon(Daemon::Full);
    manager.skep(&["init", "--advertise-addr", manager.address()]).ok();
    let today = year_in_log(manager);

    start(&lab, behind, -20 * 365);
    assert!(year_in_log(behind) < today - 10, "its clock is behind: {}", behind.daemon_log(1));
    join(behind, manager, "manager").ok();
    lab.wait_for("it takes part", SOON, || ready(manager) == 2);
    manager.skep(&["service", "create", "-q", "--name", "web", "--replicas", "4", "box:1"]).ok();
    wait_running(&lab, manager, "web", 4);
    let on_behind = running(manager, "web").iter().filter(|it| text(it, "Node") == "rasp2").count();
    assert_eq!(on_behind, 2, "it runs its share");
    let shown = manager.skep(&["node", "inspect", "--pretty", "rasp2"]).ok();
    let clock = shown.lines().find(|it| it.contains("Clock")).expect("its clock is shown");
    assert!(clock.contains('-'), "{clock}");

    start(&lab, ahead, 365);
    let told = join(ahead, manager, "worker").refused();
    assert!(told.contains("has expired: look at the clocks of both machines"), "{told}");
    assert_eq!(status(manager, "rasp3"), "", "it is not half in");
    ahead.kill_daemon(Signal::SIGTERM);
    ahead.start_daemon(Daemon::Full);
    join(ahead, manager, "worker").ok();
    lab.wait_for("with the right time it is in", SOON, || ready(manager) == 3);
}

/// All boards were off for a year, longer than certificates last, or somebody told them a date of
/// next year. They come back by themselves, and do not mind when the date turns out to be wrong.
#[test]
fn hosts_that_were_off_for_a_year_come_back_by_themselves() {
    let lab = Lab::new("year", 3);
    form(&lab, 2);
    let manager = lab.host(1);
    let create = ["service", "create", "-q", "--name", "web", "--replicas", "3", "box:1"];
    manager.skep(&create).ok();
    wait_running(&lab, manager, "web", 3);
    let all = || lab.hosts().flat_map(|it| containers(it, "web")).collect::<Vec<_>>();
    let before = all();
    lab.hosts().for_each(|it| it.kill_daemon(Signal::SIGTERM));
    lab.hosts().for_each(|it| start(&lab, it, 365));
    works(&lab, 6);
    assert!(before.iter().all(|it| all().contains(it)), "nothing was started anew");
    let said = manager.daemon_log(100);
    assert!(said.contains("it has made itself a new one"), "{said}");

    lab.hosts().for_each(|it| it.kill_daemon(Signal::SIGTERM));
    lab.hosts().for_each(|it| it.start_daemon(Daemon::Full));
    works(&lab, 9);
    assert!(before.iter().all(|it| all().contains(it)), "nothing was started anew");
}

/// Takes new work, which needs more than what was known before.
fn works(lab: &Lab, replicas: usize) {
    let manager = lab.host(1);
    let wanted = format!("web={replicas}");
    lab.wait_for("work is taken", SOON, || {
        manager.skep(&["service", "scale", "-d", &wanted]).is_ok()
    });
    wait_running(lab, manager, "web", replicas);
    lab.wait_for("all are back", SOON, || ready(manager) == 3);
}
