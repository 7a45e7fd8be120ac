//! What must not run twice does not, whatever becomes of the node that runs it; and its replacement
//! comes.

use integration::cluster::{SOON, form_with, leader, ready, running, tasks, text};
use integration::hosts::{Daemon, Lab, Signal};
use std::path::PathBuf;
use std::time::Duration;

const HOSTS: usize = 5;
const MANAGERS: usize = 3;
/// Silence is noticed, a leader elected, a lease runs out.
const REPLACED: Duration = Duration::from_secs(25);

fn folder(lab: &Lab, service: &str) -> PathBuf {
    lab.folder().join(service)
}

/// When each of its containers ran, in milliseconds, by its own word.
fn runs(lab: &Lab, service: &str) -> Vec<(u64, u64)> {
    let files = std::fs::read_dir(folder(lab, service)).expect("it was made");
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(path).expect("a container wrote it");
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let mut stamps = whole.lines().map(|it| it.parse::<u64>().expect("a number"));
        let first = stamps.next()?;
        Some((first, stamps.next_back().unwrap_or(first)))
    };
    let mut runs: Vec<(u64, u64)> =
        files.filter_map(|it| read(it.expect("it can be read").path())).collect();
    runs.sort_unstable();
    runs
}

fn assert_never_twice(lab: &Lab, service: &str) {
    let runs = runs(lab, service);
    let is_apart = runs.windows(2).all(|it| it[0].1 < it[1].0);
    let history = || (1..=MANAGERS).map(|it| lab.host(it).skep(&["service", "ps", service]).stdout);
    assert!(is_apart, "{service} ran twice: {runs:?}\n{}", history().collect::<String>());
}

/// On that host and no other, for now.
fn create_on(lab: &Lab, asked: usize, host: usize, service: &str) {
    let folder = folder(lab, service);
    std::fs::create_dir_all(&folder).expect("the lab's folder is ours");
    let others = || (1..=HOSTS).filter(|it| *it != host).map(|it| format!("rasp{it}"));
    let set = |node: &str, availability: &str| {
        lab.host(asked).skep(&["node", "update", "--availability", availability, node]).ok();
    };
    others().for_each(|it| set(&it, "pause"));
    let mount = format!("type=bind,source={},target=/stamps", folder.display());
    let create = ["service", "create", "-q", "--at-most-one", "--stop-grace-period", "20s"];
    let what = ["--mount", &mount, "--name", service, "box:1", "stamps", "/stamps", "15000"];
    lab.host(asked).skep(&[&create[..], &what].concat()).ok();
    lab.wait_for("it stamps", SOON, || runs(lab, service).len() == 1);
    others().for_each(|it| set(&it, "active"));
}

fn host_of(lab: &Lab, asked: usize, service: &str) -> usize {
    let running = running(lab.host(asked), service);
    let node = text(running.first().expect("it runs"), "Node");
    node.strip_prefix("rasp").and_then(|it| it.parse().ok()).expect("a host of the lab")
}

fn wait_replaced(lab: &Lab, asked: usize, service: &str, instances: usize) {
    lab.wait_for(&format!("{service} runs again"), REPLACED, || {
        runs(lab, service).len() == instances && running(lab.host(asked), service).len() == 1
    });
    assert_never_twice(lab, service);
}

#[test]
fn hosts_run_nothing_twice_that_must_not() {
    let lab = Lab::new("fence", HOSTS);
    form_with(&lab, MANAGERS, Daemon::Worker);
    let first = leader(lab.host(1)).expect("somebody leads");
    let asked = (1..=MANAGERS).find(|it| *it != first).expect("there are others");
    for (host, service) in [(4, "cut"), (5, "frozen"), (first, "led")] {
        create_on(&lab, asked, host, service);
    }

    // A program that comes back in time goes on as if nothing had been.
    lab.host(5).kill_daemon(Signal::SIGKILL);
    lab.host(5).start_daemon(Daemon::Worker);
    lab.wait_for("it is back", SOON, || ready(lab.host(asked)) == HOSTS);

    lab.cut(4);
    lab.host(5).kill_daemon(Signal::SIGSTOP);
    lab.host(first).kill_daemon(Signal::SIGSTOP);
    lab.wait_for("it is said what is waited for", SOON, || {
        tasks(lab.host(asked), "cut").iter().any(|it| text(it, "Error").contains("rasp4"))
    });
    for service in ["cut", "frozen", "led"] {
        wait_replaced(&lab, asked, service, 2);
    }
    lab.heal(4);
    lab.host(5).kill_daemon(Signal::SIGCONT);
    lab.host(first).kill_daemon(Signal::SIGCONT);
    lab.wait_for("all are back", SOON, || ready(lab.host(asked)) == HOSTS);
    for service in ["cut", "frozen", "led"] {
        assert_eq!(runs(&lab, service).len(), 2, "nothing more was started for {service}");
        assert_never_twice(&lab, service);
    }

    // One whose program dies and does not come back, wherever it is now.
    let host = host_of(&lab, asked, "cut");
    let witness = (1..=MANAGERS).find(|it| *it != host).expect("there are others");
    lab.host(host).kill_daemon(Signal::SIGKILL);
    wait_replaced(&lab, witness, "cut", 3);
    for service in ["cut", "frozen", "led"] {
        assert_never_twice(&lab, service);
    }
}
