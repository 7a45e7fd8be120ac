//! One host of a lab, as a person in front of it would use it.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::command::{Output, binary, run_with_input};
use super::names::HostNames;
use super::poll;
use super::power::{self, Machine};

/// A cold engine on a busy machine; an ordinary one answers after a second.
const ENGINE_LIMIT: Duration = Duration::from_secs(60);
const DAEMON_LIMIT: Duration = Duration::from_secs(30);
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
pub(super) const ENGINE: &str = "dockerd";
pub(super) const DAEMON: &str = "skep";
/// Where skep's command line looks when nothing else is said.
const DAEMON_SOCKET: &str = "run/skep/skep.sock";

/// Which of the two programs serves a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Daemon {
    Full,
    Worker,
}

impl Daemon {
    fn command(self) -> Vec<String> {
        let (program, verb) = match self {
            Daemon::Full => ("skep", "daemon"),
            Daemon::Worker => ("skep-agent", "run"),
        };
        vec![binary(program).display().to_string(), verb.to_owned()]
    }
}

#[derive(Debug)]
pub struct Host {
    pub(super) names: HostNames,
    /// Locks, because a lab boots its hosts in parallel; each is held for single steps only.
    machine: Mutex<Option<Machine>>,
    daemon: Mutex<Option<Daemon>>,
}

impl Host {
    pub(super) fn new(names: HostNames) -> Host {
        Host { names, machine: Mutex::new(None), daemon: Mutex::new(None) }
    }

    pub fn index(&self) -> usize {
        self.names.index
    }

    pub fn name(&self) -> &str {
        &self.names.hostname
    }

    pub fn address(&self) -> &str {
        &self.names.address
    }

    /// The engine's socket, seen from outside: for tests that use the Engine API themselves.
    pub fn engine_socket(&self) -> PathBuf {
        self.names.engine_socket()
    }

    pub fn is_on(&self) -> bool {
        lock(&self.machine).is_some()
    }

    /// Runs a command as root inside the host.
    pub fn run(&self, command: &[&str]) -> Output {
        self.run_with_input(command, &[])
    }

    pub fn run_with_input(&self, command: &[&str], input: &[u8]) -> Output {
        let first_process = self.with_machine(|machine| machine.first_process());
        let mut words = power::door(first_process);
        words.extend(command.iter().map(|&word| word.to_owned()));
        run_with_input(&words, input)
    }

    /// Whether packets pass to an address and back.
    pub fn reaches(&self, address: &str) -> bool {
        self.run(&reach_command(address).each_ref().map(String::as_str)).is_ok()
    }

    /// The command line of skep, inside the host.
    pub fn skep(&self, arguments: &[&str]) -> Output {
        let program = binary("skep").display().to_string();
        self.run(&[&[program.as_str()][..], arguments].concat())
    }

    /// The docker client against this host's engine.
    pub fn docker(&self, arguments: &[&str]) -> Output {
        self.docker_with_input(arguments, &[])
    }

    /// Loads an image archive as `docker save` makes them.
    pub fn load_image(&self, archive: &[u8]) {
        self.docker_with_input(&["load", "--quiet"], archive).ok();
    }

    pub fn write_file(&self, path: &str, contents: &[u8]) {
        let script = r#"mkdir -p "$(dirname "$1")" && cat >"$1""#;
        self.run_with_input(&["sh", "-c", script, "sh", path], contents).ok();
    }

    pub fn read_file(&self, path: &str) -> String {
        self.run(&["cat", path]).ok()
    }

    /// Starts skep's daemon and waits until it answers on its socket.
    pub fn start_daemon(&self, kind: Daemon) {
        self.start_daemon_with(kind, &[]);
    }

    /// The same with more arguments. They are not remembered for the next `power_on`.
    pub fn start_daemon_with(&self, kind: Daemon, arguments: &[&str]) {
        self.start_daemon_through(&[], kind, arguments);
    }

    /// The same through a command that changes something and then becomes the daemon, as `env`
    /// and `setpriv` do.
    pub fn start_daemon_through(&self, changer: &[&str], kind: Daemon, arguments: &[&str]) {
        let owned = |words: &[&str]| words.iter().map(|&it| it.to_owned()).collect::<Vec<_>>();
        let command = [owned(changer), kind.command(), owned(arguments)].concat();
        let first_process = self.with_machine(|machine| {
            machine.start(DAEMON, &command);
            machine.first_process()
        });
        *lock(&self.daemon) = Some(kind);
        let socket = format!("/proc/{first_process}/root/{DAEMON_SOCKET}");
        let answers = poll(DAEMON_LIMIT, || {
            assert!(self.daemon_runs(), "skep ended on {}:\n{}", self.name(), self.daemon_log(40));
            UnixStream::connect(&socket).is_ok()
        });
        assert!(answers, "skep does not listen on {}:\n{}", self.name(), self.daemon_log(40));
    }

    pub fn daemon_runs(&self) -> bool {
        self.with_machine(|machine| machine.runs(DAEMON))
    }

    /// The daemon's process seen from outside, for looking at what it uses.
    pub fn daemon_process(&self) -> i32 {
        let process = self.with_machine(|machine| machine.process(DAEMON));
        process.expect("the daemon was started").as_raw()
    }

    /// Signals the daemon, and waits for its end unless the signal only stops or continues it.
    pub fn kill_daemon(&self, signal: Signal) {
        let ends = self.signal(DAEMON, signal);
        if ends {
            // Nothing starts it again at the next boot: the test ended it on purpose.
            *lock(&self.daemon) = None;
        }
    }

    /// The last lines of what the daemon said since the lab was made.
    pub fn daemon_log(&self, lines: usize) -> String {
        power::tail(&self.names, DAEMON, lines)
    }

    /// The engine hangs: it takes connections and never answers.
    pub fn freeze_engine(&self) {
        self.signal(ENGINE, Signal::SIGSTOP);
    }

    pub fn thaw_engine(&self) {
        self.signal(ENGINE, Signal::SIGCONT);
    }

    /// SIGTERM stops the containers too; SIGKILL leaves them behind.
    pub fn kill_engine(&self, signal: Signal) {
        self.signal(ENGINE, signal);
    }

    pub fn start_engine(&self) {
        let command = engine_command(&self.names);
        self.with_machine(|machine| machine.start(ENGINE, &command));
        let ready = poll(ENGINE_LIMIT, || {
            let runs = self.with_machine(|machine| machine.runs(ENGINE));
            assert!(runs, "dockerd ended on {}:\n{}", self.name(), self.engine_log(20));
            self.engine_answers()
        });
        assert!(ready, "dockerd does not answer on {}:\n{}", self.name(), self.engine_log(20));
    }

    pub fn engine_answers(&self) -> bool {
        self.ping_engine().is_ok_and(|answer| answer.starts_with("HTTP/1.0 200"))
    }

    pub fn engine_log(&self, lines: usize) -> String {
        power::tail(&self.names, ENGINE, lines)
    }

    pub(super) fn power_on(&self) {
        assert!(!self.is_on(), "{} is on already", self.name());
        *lock(&self.machine) = Some(Machine::boot(&self.names));
        self.start_engine();
        let daemon = *lock(&self.daemon);
        if let Some(kind) = daemon {
            self.start_daemon(kind);
        }
    }

    pub(super) fn power_off(&self) {
        if let Some(machine) = lock(&self.machine).take() {
            machine.kill();
        }
    }

    fn docker_with_input(&self, arguments: &[&str], input: &[u8]) -> Output {
        let socket = format!("unix://{}", self.engine_socket().display());
        run_with_input(&[&["docker", "--host", &socket][..], arguments].concat(), input)
    }

    /// True if the signal made the program end, which has then been waited for.
    fn signal(&self, program: &str, signal: Signal) -> bool {
        let ends = !matches!(
            signal,
            Signal::SIGSTOP | Signal::SIGCONT | Signal::SIGHUP | Signal::SIGUSR1 | Signal::SIGUSR2
        );
        self.with_machine(|machine| {
            machine.signal(program, signal);
            if ends {
                machine.wait_end(program);
            }
        });
        ends
    }

    fn ping_engine(&self) -> std::io::Result<String> {
        let mut stream = UnixStream::connect(self.engine_socket())?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    #[track_caller]
    fn with_machine<T>(&self, work: impl FnOnce(&mut Machine) -> T) -> T {
        match lock(&self.machine).as_mut() {
            Some(machine) => work(machine),
            None => panic!("{} is off", self.names.hostname),
        }
    }
}

/// To a port that nobody uses: a refusal is an answer too.
pub(super) fn reach_command(address: &str) -> [String; 3] {
    [binary("testbox").display().to_string(), "reach".to_owned(), format!("{address}:9")]
}

fn engine_command(names: &HostNames) -> Vec<String> {
    // The second socket is for the test process, which does not see the host's own /run.
    let outside = format!("unix://{}", names.engine_socket().display());
    let group = format!("/{}", names.namespace);
    let words = ["dockerd", "--host", "unix:///run/docker.sock", "--host", &outside];
    // This machine's control groups are shared by all hosts: each gets a branch of its own.
    let groups = ["--cgroup-parent", &group, "--exec-opt", "native.cgroupdriver=cgroupfs"];
    words.iter().chain(&groups).map(|&word| word.to_owned()).collect()
}

/// A test that failed while it held a lock has said so already; what follows is only clearing up.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
