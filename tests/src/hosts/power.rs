//! A host that is switched on: its first process and the programs started in it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::command::run;
use super::names::HostNames;
use super::poll;

const BOOT_LIMIT: Duration = Duration::from_secs(20);
const PROGRAM_START_LIMIT: Duration = Duration::from_secs(10);
/// Disks that are slow to sync hold up a dying process, even a killed one.
const PROGRAM_END_LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Machine {
    names: HostNames,
    /// The parent of the host's first process. The first process reads from a pipe that this
    /// `Child` holds open, and ends when it closes: so no host outlives the test process.
    parent: Child,
    first_process: Pid,
    programs: BTreeMap<&'static str, Program>,
}

#[derive(Debug)]
struct Program {
    /// `nsenter`, which waits outside for the program inside.
    door: Child,
    process: Pid,
}

impl Machine {
    pub(super) fn boot(names: &HostNames) -> Machine {
        std::fs::create_dir_all(&names.folder).expect("the lab's folder is ours");
        remove_if_there(&names.ready_file());
        remove_if_there(&names.engine_socket());
        let words = names.boot_command();
        let mut parent = spawn(&words, Stdio::piped(), &names.log("boot"));
        let ready = poll(BOOT_LIMIT, || {
            let ended = parent.try_wait().expect("a child can be asked");
            assert!(
                ended.is_none(),
                "{} does not boot:\n{}",
                names.hostname,
                tail(names, "boot", 20)
            );
            names.ready_file().exists()
        });
        assert!(ready, "{} does not boot:\n{}", names.hostname, tail(names, "boot", 20));
        let text = std::fs::read_to_string(names.ready_file()).expect("it was just there");
        let first_process = text.trim().parse().expect("the first process writes its number");
        Machine {
            names: names.clone(),
            parent,
            first_process: Pid::from_raw(first_process),
            programs: BTreeMap::new(),
        }
    }

    pub(super) fn first_process(&self) -> Pid {
        self.first_process
    }

    /// Starts a long-running program inside; what it says goes to the log of that name.
    pub(super) fn start(&mut self, name: &'static str, command: &[String]) {
        assert!(!self.runs(name), "{name} runs already on {}", self.names.hostname);
        let words = [&door(self.first_process)[..], command].concat();
        let mut door = spawn(&words, Stdio::null(), &self.names.log(name));
        let mut process = None;
        poll(PROGRAM_START_LIMIT, || {
            process = only_child(&door);
            process.is_some() || door.try_wait().expect("a child can be asked").is_some()
        });
        let process = process.unwrap_or_else(|| {
            panic!("{name} did not start on {}:\n{}", self.names.hostname, self.tail(name, 20))
        });
        self.programs.insert(name, Program { door, process });
    }

    /// The program's process as seen from outside.
    pub(super) fn process(&self, name: &str) -> Option<Pid> {
        self.programs.get(name).map(|program| program.process)
    }

    pub(super) fn runs(&mut self, name: &str) -> bool {
        self.programs
            .get_mut(name)
            .is_some_and(|program| program.door.try_wait().expect("a child can be asked").is_none())
    }

    pub(super) fn signal(&mut self, name: &str, signal: Signal) {
        assert!(self.runs(name), "{name} does not run on {}", self.names.hostname);
        let program = self.programs.get(name).expect("it runs");
        kill(program.process, signal).expect("the process is ours and has not been waited for");
        if signal == Signal::SIGCONT {
            // The door has stopped with the program that was stopped.
            kill(door_process(&program.door), signal).expect("the door is our child");
        }
    }

    /// Waits for the end of a program that has been told to end.
    pub(super) fn wait_end(&mut self, name: &str) -> ExitStatus {
        let program = self.programs.get_mut(name).expect("only started programs are waited for");
        let mut status = None;
        poll(PROGRAM_END_LIMIT, || {
            status = program.door.try_wait().expect("a child can be asked");
            status.is_some()
        });
        let status = status.unwrap_or_else(|| {
            panic!("{name} on {} does not end:\n{}", self.names.hostname, self.tail(name, 40))
        });
        self.programs.remove(name);
        status
    }

    /// Ends every process of the host at once. Does not panic: a lab is also dropped in a panic.
    pub(super) fn kill(mut self) {
        if let Err(error) = kill(self.first_process, Signal::SIGKILL) {
            eprintln!("{}: cannot kill the first process: {error}", self.names.hostname);
        }
        for program in self.programs.values_mut() {
            // A door that stopped with its program would never take notice of its end, and without
            // that the kernel does not let go of the host's first process.
            if kill(door_process(&program.door), Signal::SIGCONT).is_ok() {
                ended(&mut program.door);
            }
        }
        // The kernel reports the end of the first process when all others are gone.
        ended(&mut self.parent);
        remove_if_there(&self.names.ready_file());
    }

    pub(super) fn tail(&self, program: &str, lines: usize) -> String {
        tail(&self.names, program, lines)
    }
}

/// The command that steps into the namespaces of a host.
pub(super) fn door(first_process: Pid) -> Vec<String> {
    let target = format!("--target={first_process}");
    ["nsenter", &target, "--mount", "--uts", "--ipc", "--net", "--pid", "--"]
        .map(str::to_owned)
        .to_vec()
}

/// The last lines of what a program of a host said.
pub(super) fn tail(names: &HostNames, program: &str, lines: usize) -> String {
    let log = names.log(program);
    let Ok(bytes) = std::fs::read(&log) else {
        return String::new();
    };
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn spawn(words: &[String], stdin: Stdio, log: &Path) -> Child {
    let (program, arguments) = words.split_first().expect("a command has a first word");
    let said = open_log(log);
    let said_too = said.try_clone().expect("an open file can be shared");
    Command::new(program)
        .args(arguments)
        .env_remove("DOCKER_HOST")
        .env_remove("SKEP_HOST")
        .stdin(stdin)
        .stdout(said)
        .stderr(said_too)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {program}: {error}"))
}

fn open_log(path: &Path) -> File {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()))
}

/// The process that a door has opened to, once it has.
fn only_child(door: &Child) -> Option<Pid> {
    let id = door.id();
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok().map(Pid::from_raw)
}

fn door_process(door: &Child) -> Pid {
    Pid::from_raw(door.id().try_into().expect("process numbers fit"))
}

fn ended(child: &mut Child) {
    if let Err(error) = child.wait() {
        eprintln!("cannot wait for process {}: {error}", child.id());
    }
}

fn remove_if_there(path: &Path) {
    if path.exists() && std::fs::remove_file(path).is_err() {
        eprintln!("cannot remove {}", path.display());
    }
}

/// True when nothing runs in the namespace any more.
pub(super) fn is_empty(namespace: &str) -> bool {
    run(&["ip", "netns", "pids", namespace]).stdout.trim().is_empty()
}
