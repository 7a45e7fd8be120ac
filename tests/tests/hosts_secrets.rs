//! Secrets and configs on real hosts: what containers find, and where nobody finds anything.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use integration::cluster::{SOON, containers, form, rows, text, wait_running};
use integration::hosts::{Host, Lab, binary};
use serde_json::Value;

/// What is read of a process's memory at once.
const PIECE_BYTES: usize = 1 << 20;
const EVERY_LINE: usize = usize::MAX;

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
    let lab = Lab::new("secrets", 3);
    form(&lab, 3);
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
    let inspected = last.docker(&["inspect", &container]).ok();
    assert!(inspected.contains("/run/secrets/pw") && !inspected.contains(&secret), "{inspected}");
    nobody_else_has(&lab, last, &secret);
    // The search finds what is there: every manager keeps configs as they are.
    for host in lab.hosts() {
        assert!(remembers(host, &config), "{} does not know the config", host.name());
    }
    people_see(first, &id, &secret, &config);

    let task_files = seen(last, "/run/skep/files");
    assert_eq!(files_with(&task_files, &secret).len(), 2);
    first.skep(&["service", "rm", "web"]).ok();
    lab.wait_for("the files of its task go", SOON, || {
        std::fs::read_dir(&task_files).is_ok_and(|it| it.count() == 0)
    });
    first.skep(&["secret", "rm", "db-password"]).ok();
    first.skep(&["config", "rm", "app.conf"]).ok();
    assert!(rows(first, &["secret", "ls"]).is_empty());
}

fn nobody_else_has(lab: &Lab, user: &Host, secret: &str) {
    for host in lab.hosts() {
        let name = host.name();
        for folder in ["/var/lib/skep", "/var/lib/docker/containers"] {
            let found = files_with(&seen(host, folder), secret);
            assert_eq!(found, Vec::<PathBuf>::new(), "on {name}");
        }
        let is_said = host.daemon_log(EVERY_LINE).contains(secret);
        assert!(!is_said, "the daemon of {name} has said it");
        // Also where it was laid out: it is wiped from the daemon's memory then.
        assert!(!remembers(host, secret), "the daemon of {name} remembers it");
        let laid_out = files_with(&seen(host, "/run/skep"), secret).len();
        assert_eq!(laid_out > 0, name == user.name(), "below /run of {name}");
    }
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
