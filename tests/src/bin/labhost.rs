//! The first process of a lab's host, and the broom for labs whose tests were killed.
//!
//! `labhost boot HOSTNAME NUMBER FOLDER` runs inside fresh namespaces. It gives the host its own
//! disk, `/run` and name, says that it is ready, and adopts orphans until its input closes. Its end
//! is the host's power cut: the kernel takes every other process of the namespace with it.
//! `labhost sweep` removes the labs whose test processes are gone.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

/// Directories of which each host has its own copy-on-write version. Not `/var` as a whole: the
/// copies lie below `/var/tmp`, and the kernel refuses to stack a directory on itself.
const PRIVATE: [&str; 9] =
    ["/etc", "/root", "/home", "/opt", "/srv", "/usr/local", "/var/lib", "/var/log", "/var/spool"];
/// Spares every call below the turbofish that `None` alone would need.
const NO_DATA: Option<&str> = None;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["boot", hostname, number, folder] => boot(hostname, number, Path::new(folder)),
        ["sweep"] => {
            integration::hosts::sweep_orphans();
            Ok(())
        }
        _ => Err(anyhow::anyhow!("usage: labhost boot HOSTNAME NUMBER FOLDER | labhost sweep")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("labhost: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn boot(hostname: &str, number: &str, folder: &Path) -> anyhow::Result<()> {
    // `/proc` is still that of the machine, which knows this process by another number.
    let number_outside = fs::read_link("/proc/self").context("/proc")?;
    if std::process::id() != 1 {
        bail!("boot is for the first process of a pid namespace");
    }
    nix::unistd::sethostname(hostname).context("the host's name")?;
    mount_kernel_views(folder)?;
    mount_run()?;
    mount_disk(folder)?;
    write_identity(hostname, number, folder)?;
    let mut children_ended = SigSet::empty();
    children_ended.add(Signal::SIGCHLD);
    // Before the thread starts, so that no thread lets the signal pass unseen.
    children_ended.thread_block().context("signals")?;
    std::thread::spawn(move || adopt(&children_ended));
    let ready = folder.join("ready.new");
    fs::write(&ready, number_outside.display().to_string())?;
    fs::rename(&ready, folder.join("ready"))?;
    // Nothing is ever written to this pipe; it closes when the test process ends.
    std::io::stdin().read_to_end(&mut Vec::new()).context("input")?;
    Ok(())
}

/// `/proc` and `/sys` of the new namespaces, and this machine's control groups in `/sys` again.
fn mount_kernel_views(folder: &Path) -> anyhow::Result<()> {
    const GROUPS: &str = "/sys/fs/cgroup";
    attach("proc", Path::new("/proc"), NO_DATA)?;
    // The new `/sys` covers the old one, so the groups wait elsewhere meanwhile.
    let waiting = made(folder.join("cgroup"))?;
    let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(GROUPS), &waiting, NO_DATA, bind, NO_DATA).context("control groups")?;
    attach("sysfs", Path::new("/sys"), NO_DATA)?;
    mount(Some(&waiting), GROUPS, NO_DATA, bind, NO_DATA).context("control groups")?;
    umount2(&waiting, MntFlags::MNT_DETACH).context("control groups")
}

/// What is below `/run` must be gone after a power cut.
fn mount_run() -> anyhow::Result<()> {
    attach("tmpfs", Path::new("/run"), Some("mode=755"))?;
    made(PathBuf::from("/run/lock"))?;
    Ok(())
}

fn mount_disk(folder: &Path) -> anyhow::Result<()> {
    for path in PRIVATE.iter().filter(|path| Path::new(path).is_dir()) {
        let layer = folder.join("disk").join(path.trim_start_matches('/'));
        let upper = made(layer.join("upper"))?;
        let work = made(layer.join("work"))?;
        let options =
            format!("lowerdir={path},upperdir={},workdir={}", upper.display(), work.display());
        attach("overlay", Path::new(path), Some(&options))?;
    }
    // An engine cannot stack its layers on an overlay: it gets the real disk.
    let data = made(folder.join("docker"))?;
    let target = made(PathBuf::from("/var/lib/docker"))?;
    mount(Some(&data), &target, NO_DATA, MsFlags::MS_BIND, NO_DATA).context("the engine's disk")
}

fn write_identity(hostname: &str, number: &str, folder: &Path) -> anyhow::Result<()> {
    let number: u32 = number.parse().context("the host's number")?;
    replace("/etc/hostname", &format!("{hostname}\n"))?;
    replace("/etc/machine-id", &format!("{:032x}\n", 0x5e4b_0000_u32 | number))?;
    let lab = folder.parent().context("a host's folder lies in its lab's")?;
    replace("/etc/hosts", &fs::read_to_string(lab.join("hosts"))?)?;
    let first_boot = folder.join("booted");
    if !first_boot.exists() {
        // A node that ran on this machine itself, by a hand or by deploy/quickstart, is none here.
        let own_node = Path::new("/var/lib/skep");
        if own_node.exists() {
            fs::remove_dir_all(own_node).context("/var/lib/skep")?;
        }
        // This machine's own settings of its engine, and its name servers, which no host can reach.
        for path in ["/etc/docker/daemon.json", "/etc/docker/key.json"] {
            if Path::new(path).exists() {
                fs::remove_file(path).context(path)?;
            }
        }
        replace("/etc/resolv.conf", "")?;
        fs::write(first_boot, "")?;
    }
    Ok(())
}

/// Waits for whatever ends: orphans become children of the first process.
fn adopt(children_ended: &SigSet) {
    loop {
        if let Err(error) = children_ended.wait() {
            eprintln!("labhost: cannot wait for signals: {error}");
            return;
        }
        // One signal may stand for several children.
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            if status == WaitStatus::StillAlive {
                break;
            }
        }
    }
}

fn attach(kind: &str, target: &Path, options: Option<&str>) -> anyhow::Result<()> {
    mount(Some(kind), target, Some(kind), MsFlags::empty(), options).with_context(|| {
        let hint = if kind == "overlay" { "; SKEP_LAB_DIR may name a better disk" } else { "" };
        format!("cannot mount {kind} on {}{hint}", target.display())
    })
}

fn made(path: PathBuf) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
    Ok(path)
}

/// Not through a link: the file it points to may be shared with other hosts.
fn replace(path: &str, text: &str) -> anyhow::Result<()> {
    if fs::symlink_metadata(path).is_ok() {
        fs::remove_file(path).context(path.to_owned())?;
    }
    fs::write(path, text).context(path.to_owned())
}
