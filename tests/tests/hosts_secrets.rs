//! Secrets and configs on real hosts: what containers find, and where nobody finds anything.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use integration::cluster::{SOON, containers, form_with, leader, rows, text, wait_running};
use integration::hosts::{Daemon, Host, Lab, Signal, binary};
use integration::inprocess::Client;
use serde_json::Value;
use shell::codec::Place;
use shell::store::{KeyRange, Record, Store, Tree};
use tempfile::TempDir;

/// What is read of a process's memory at once.
const PIECE_BYTES: usize = 1 << 20;
const EVERY_LINE: usize = usize::MAX;
const MANAGERS: usize = 3;
/// Raft writes a snapshot after two thousand entries.
const ENTRIES: usize = 2_100;
const DATA: &str = "/var/lib/skep";

/// Text that was never written anywhere before.
fn unheard_of() -> String {
    shell::clock::random_bytes::<24>().iter().map(|it| format!("{it:02x}")).collect()
}

/// From standard input, so that it lies in no file.
fn make(host: &Host, kind: &str, name: &str, content: &str) -> String {
    let program = binary("skep").display().to_string();
    host.run_with_input(&[&program, kind, "create", name, "-"], content.as_bytes()).ok()
}

/// A path of the host as this process sees it.
fn seen(host: &Host, path: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root{path}", host.daemon_process()))
}

fn holds(bytes: &[u8], needle: &str) -> bool {
    let needle = needle.as_bytes();
    bytes.windows(needle.len()).any(|it| it == needle)
}

/// The files below a folder that hold it.
fn files_with(folder: &Path, needle: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|it| Some(it.ok()?.path()));
    let mut found = Vec::new();
    for path in paths {
        let Ok(metadata) = path.symlink_metadata() else { continue };
        if metadata.is_dir() {
            found.extend(files_with(&path, needle));
        } else if metadata.is_file()
            && std::fs::read(&path).is_ok_and(|content| holds(&content, needle))
        {
            found.push(path);
        }
    }
    found
}

/// Whether it lies anywhere in the memory of the host's daemon.
fn remembers(host: &Host, needle: &str) -> bool {
    let process = host.daemon_process();
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).expect("it runs");
    let mut memory = File::open(format!("/proc/{process}/mem")).expect("root may look");
    maps.lines().any(|line| {
        let (range, rest) = line.split_once(' ').expect("a range and what it is");
        let (begin, end) = range.split_once('-').expect("a range");
        let number = |text| u64::from_str_radix(text, 16).expect("a hexadecimal number");
        rest.starts_with('r') && region_holds(&mut memory, number(begin)..number(end), needle)
    })
}

fn region_holds(memory: &mut File, region: std::ops::Range<u64>, needle: &str) -> bool {
    if memory.seek(SeekFrom::Start(region.start)).is_err() {
        return false;
    }
    let mut left = usize::try_from(region.end - region.start).expect("it fits into memory");
    let mut piece: Vec<u8> = Vec::new();
    while left > 0 {
        // What begins in one piece may end in the next.
        let kept = piece.len().saturating_sub(needle.len());
        piece.drain(..kept);
        let begin = piece.len();
        piece.resize(begin + left.min(PIECE_BYTES), 0);
        // Some of the kernel's own pages are listed and not to be read.
        if memory.read_exact(&mut piece[begin..]).is_err() {
            return false;
        }
        left -= piece.len() - begin;
        if holds(&piece, needle) {
            return true;
        }
    }
    false
}

fn inside(host: &Host, container: &str, command: &[&str]) -> integration::hosts::Output {
    host.docker(&[&["exec", container, "/testbox"][..], command].concat())
}

#[test]
fn hosts_find_a_secret_where_it_is_needed_and_nowhere_else() {
    let lab = Lab::new("secrets", MANAGERS + 1);
    form_with(&lab, MANAGERS, Daemon::Worker);
    let (first, last) = (lab.host(2), lab.host(3));
    let (secret, config) = (unheard_of(), unheard_of());
    let id = make(first, "secret", "db-password", &secret);
    make(first, "config", "app.conf", &config);
    let create = [
        &["service", "create", "-q", "--name", "web", "--constraint", "node.hostname==rasp3"][..],
        &["--secret", "source=db-password,target=pw,uid=1000,gid=1001,mode=0400"],
        &["--secret", "db-password", "--config", "source=app.conf,target=/etc/app/app.conf"],
        &["box:1", "sleep"],
    ];
    first.skep(&create.concat()).ok();
    wait_running(&lab, first, "web", 1);

    let container = containers(last, "web").pop().expect("it runs there");
    let files = [
        ("/run/secrets/pw", &secret, "400 1000:1001"),
        ("/run/secrets/db-password", &secret, "444 0:0"),
        ("/etc/app/app.conf", &config, "444 0:0"),
    ];
    for (path, content, stat) in files {
        assert_eq!(&inside(last, &container, &["cat", path]).ok(), content, "{path}");
        assert_eq!(inside(last, &container, &["stat", path]).ok(), stat, "{path}");
        let refused = inside(last, &container, &["write", path, "x"]).refused();
        assert!(refused.contains("Read-only file system"), "{path}: {refused}");
    }
    let mounts = inside(last, &container, &["cat", "/proc/mounts"]).lines();
    let memory = |it: &&String| it.contains(" /run/secrets/") && it.starts_with("tmpfs ");
    assert_eq!(mounts.iter().filter(memory).count(), 2, "{mounts:#?}");
    let inspected = last.docker(&["inspect", &container]).ok();
    assert!(inspected.contains("/run/secrets/pw"), "{inspected}");
    nobody_else_has(&lab, Some(last), &secret);
    // The search finds what is there: every manager keeps configs as they are.
    for host in lab.hosts().take(MANAGERS) {
        assert!(remembers(host, &config), "{} does not know the config", host.name());
    }
    people_see(first, &id, &secret, &config);
    no_backup_has(&lab, &secret, &config);

    let task_files = seen(last, "/run/skep/files");
    assert_eq!(files_with(&task_files, &secret).len(), 2);
    first.skep(&["service", "rm", "web"]).ok();
    lab.wait_for("the files of its task go", SOON, || {
        std::fs::read_dir(&task_files).is_ok_and(|it| it.count() == 0)
    });
    nobody_else_has(&lab, None, &secret);
    first.skep(&["secret", "rm", "db-password"]).ok();
    first.skep(&["config", "rm", "app.conf"]).ok();
    assert!(rows(first, &["secret", "ls"]).is_empty());
}

/// Nobody at all once no task uses it any more.
fn nobody_else_has(lab: &Lab, user: Option<&Host>, secret: &str) {
    for host in lab.hosts() {
        let name = host.name();
        for folder in [DATA, "/var/lib/docker"] {
            let found = files_with(&seen(host, folder), secret);
            assert_eq!(found, Vec::<PathBuf>::new(), "on {name}");
        }
        let logs = [host.daemon_log(EVERY_LINE), host.engine_log(EVERY_LINE)];
        assert!(!logs.concat().contains(secret), "a daemon of {name} has said it");
        let all = host.docker(&["ps", "-aq"]).lines();
        for container in &all {
            let inspected = host.docker(&["inspect", container]).ok();
            assert!(!inspected.contains(secret), "{inspected}");
        }
        // Also where it was laid out: it is wiped from the daemon's memory then.
        assert!(!remembers(host, secret), "the daemon of {name} remembers it");
        let laid_out = files_with(&seen(host, "/run/skep"), secret).len();
        let uses_it = user.is_some_and(|it| it.name() == name);
        assert_eq!(laid_out > 0, uses_it, "below /run of {name}");
    }
}

/// Copies of data folders hold it neither as they are nor unsealed, whether they were taken while
/// all was running or at a stop, before a snapshot or after. A config is found in the same places.
fn no_backup_has(lab: &Lab, secret: &str, config: &str) {
    let search = |host: &Host| {
        let copy = backup(host);
        assert_eq!(files_with(copy.path(), secret), Vec::<PathBuf>::new(), "of {}", host.name());
    };
    let holds_config = |host: &Host, wanted: Tree| {
        host.kill_daemon(Signal::SIGSTOP);
        let copy = backup(host);
        host.kill_daemon(Signal::SIGCONT);
        let values = unsealed(copy.path());
        for (tree, value) in &values {
            assert!(!holds(value, secret), "{tree:?} holds it");
        }
        values.iter().any(|(tree, value)| *tree == wanted && holds(value, config))
    };
    let host = lab.host(1);
    lab.hosts().for_each(search);
    assert!(holds_config(host, Tree::RaftLog), "the log says who made the config");
    write_much(lab);
    lab.hosts().for_each(search);
    lab.wait_for("there is a snapshot with the config in it", SOON, || {
        holds_config(host, Tree::RaftSnapshot)
    });
}

fn backup(host: &Host) -> TempDir {
    let folder = TempDir::new().expect("a folder can be made");
    let from = seen(host, DATA).join(".").display().to_string();
    let to = folder.path().display().to_string();
    let copied = std::process::Command::new("cp").args(["-a", &from, &to]).status();
    // A file that goes meanwhile is none that has to be searched.
    copied.expect("cp is part of the system");
    folder
}

/// What a database holds, as it was before it was sealed.
fn unsealed(folder: &Path) -> Vec<(Tree, Vec<u8>)> {
    let (store, _writer) = Store::open(folder).expect("a copy opens as the folder does");
    let mut values = Vec::new();
    for tree in [Tree::RaftState, Tree::RaftLog, Tree::RaftSnapshot] {
        let records = store.disk().scan(tree, &KeyRange::all(), usize::MAX);
        for Record { key, value } in records.expect("it can be read") {
            // Entries of the log are bound to their index, and say first in how many pieces they
            // lie: these are small, and lie in one.
            let (key, value) = match tree {
                Tree::RaftLog => (&key[..8], &value[2..]),
                Tree::RaftState | Tree::RaftSnapshot => (&key[..], &value[..]),
            };
            let clear = store.key().decode_bytes(Place { tree: tree.name(), key }, value);
            values.push((tree, clear.expect("its own key opens it")));
        }
    }
    values
}

/// One entry after the other: what is asked at once would be one.
fn write_much(lab: &Lab) {
    let leader = lab.host(leader(lab.host(1)).expect("somebody leads"));
    let client = Client::of(&seen(leader, "/run/skep/skep.sock"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(async {
        for number in 0..ENTRIES {
            let outcome = client.put_label("rasp1", "entry", &number.to_string()).await;
            outcome.expect("a manager that leads takes it");
        }
    });
}

fn people_see(host: &Host, id: &str, secret: &str, config: &str) {
    let listed = rows(host, &["secret", "ls", "--filter", "name=db"]);
    assert_eq!((listed.len(), text(&listed[0], "ID")), (1, id));
    let begin = &id[..6];
    for command in [&["secret", "inspect", begin][..], &["secret", "inspect", "--pretty", id]] {
        let shown = host.skep(command).ok();
        assert!(shown.contains("db-password") && !shown.contains(secret), "{shown}");
    }
    let shown = host.skep(&["config", "inspect", "--pretty", "app.conf"]).ok();
    assert!(shown.contains(config), "{shown}");
    let shown: Value =
        serde_json::from_str(&host.skep(&["config", "inspect", "app.conf"]).ok()).expect("JSON");
    assert!(shown[0]["Spec"]["Data"].is_string(), "{shown}");
    let says = |command: &[&str], code: i32, words: &str| {
        let output = host.skep(command);
        assert_eq!(output.code, code, "{command:?}: {output:?}");
        let said = output.refused();
        assert!(said.contains(words), "{command:?} says {said:?}, not {words:?}");
    };
    says(&["secret", "rm", "db-password"], 1, "in use by web");
    says(&["secret", "create", "db-password", "/etc/hostname"], 1, "exists already");
    says(&["config", "create", "new", "/nowhere"], 1, "/nowhere cannot be read");
    says(&["config", "create", "new", "/dev/zero"], 2, "1000KiB at most");
    says(&["secret", "create", "new", "/dev/null"], 2, "is empty");
    says(&["secret", "inspect", "nosuch"], 1, "no such secret: nosuch (`skep secret ls`");
    says(&["service", "create", "--secret", "nosuch", "box:1"], 1, "no such secret: nosuch");
}
