//! Leaving no trace: of this lab at its end, and of an earlier one whose test was killed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::command::run;
use super::names::{LabNames, existing_labs};
use super::{poll, power};

/// Killed processes, their control groups and their mounts go a moment after the kill.
const GONE_LIMIT: Duration = Duration::from_secs(20);
const GROUPS_ROOT: &str = "/sys/fs/cgroup";
const NAMESPACES: &str = "/run/netns";

/// Makes the lab's folder, after removing what an earlier lab of this name left behind.
pub(super) fn claim(names: &LabNames, hosts: usize) {
    assert!(nix::unistd::geteuid().is_root(), "a lab of hosts needs root: run the tests as root");
    let folder = names.folder();
    assert!(
        !has_living_owner(&folder),
        "another test process uses the lab {:?} right now ({}): wait for it or name yours otherwise",
        names.name(),
        folder.display()
    );
    remove(names);
    let made = fs::create_dir_all(&folder)
        .and_then(|()| fs::write(folder.join("owner"), owner(std::process::id())))
        .and_then(|()| fs::write(folder.join("hosts"), names.hosts_file(hosts)));
    if let Err(error) = made {
        panic!("{}: {error}; SKEP_LAB_DIR may name a better place", folder.display());
    }
}

/// Removes all of a lab. Reports what it cannot remove and never panics.
pub(super) fn remove(names: &LabNames) {
    let ours = |name: &str| {
        name.strip_prefix(names.prefix()).is_some_and(|rest| {
            rest == "sw" || (!rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
        })
    };
    for namespace in entries(Path::new(NAMESPACES)).into_iter().filter(|it| ours(&file_name(it))) {
        remove_namespace(&file_name(&namespace));
    }
    // Version 1 has a tree per controller below the root, version 2 one tree at the root.
    let root = Path::new(GROUPS_ROOT);
    let trees = entries(root).into_iter().chain([root.to_path_buf()]);
    for group in trees.flat_map(|tree| entries(&tree)).filter(|it| ours(&file_name(it))) {
        if !poll(GONE_LIMIT, || remove_group(&group).is_ok()) {
            eprintln!("the control group {} cannot be removed", group.display());
        }
    }
    remove_folder(&names.folder());
}

/// Removes the labs whose test processes are gone.
pub fn sweep_orphans() {
    for (name, folder) in existing_labs() {
        if !has_living_owner(&folder) {
            remove(&LabNames::new(&name));
        }
    }
}

fn remove_namespace(namespace: &str) {
    for process in run(&["ip", "netns", "pids", namespace]).stdout.split_whitespace() {
        // It may have ended by itself since.
        run(&["kill", "-KILL", process]);
    }
    poll(GONE_LIMIT, || power::is_empty(namespace));
    let deleted = run(&["ip", "netns", "del", namespace]);
    if !deleted.is_ok() {
        eprintln!("the namespace {namespace} cannot be removed: {}", deleted.stderr);
    }
}

/// Children first: the kernel removes empty groups only.
fn remove_group(group: &Path) -> io::Result<()> {
    for child in entries(group).into_iter().filter(|child| child.is_dir()) {
        remove_group(&child)?;
    }
    fs::remove_dir(group)
}

fn remove_folder(folder: &Path) {
    if !folder.exists() {
        return;
    }
    // All mounts were private to the hosts. If one is not, removing would reach through it.
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    if mounts.contains(&format!("{}/", folder.display())) {
        eprintln!("mounts are left below {}", folder.display());
        return;
    }
    if !poll(GONE_LIMIT, || fs::remove_dir_all(folder).is_ok()) {
        eprintln!("the folder {} cannot be removed", folder.display());
    }
}

/// A process and when it started: numbers of processes are used again.
fn owner(process: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The second field, the program's name in brackets, may itself contain blanks and brackets.
    let (_, after_name) = stat.rsplit_once(')').unwrap_or_default();
    let started = after_name.split_whitespace().nth(19).unwrap_or_default();
    format!("{process} {started}")
}

fn has_living_owner(folder: &Path) -> bool {
    let Ok(claimed) = fs::read_to_string(folder.join("owner")) else {
        return false;
    };
    let process = claimed.split(' ').next().and_then(|word| word.parse().ok());
    // This very process may build labs of one name one after another.
    process.is_some_and(|process| process != std::process::id() && owner(process) == claimed)
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
