//! Running programs: with a limit in time, and a result that explains itself when it is not wanted.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// No single command of a test takes longer; a hanging one must not hang the whole run.
const LIMIT_SECONDS: &str = "120";
/// What `timeout` answers when it had to end the command.
const CODE_TIMED_OUT: i32 = 124;
/// Stands for "ended by a signal", as in a shell.
const CODE_SIGNALLED: i32 = 128;

/// What a command said and how it ended.
#[derive(Clone, Debug)]
pub struct Output {
    pub command: String,
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    pub fn is_ok(&self) -> bool {
        self.code == 0
    }

    /// What it said on standard output, without the last line break. Panics if it failed.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.is_ok(), "{}", self.told());
        self.stdout.trim_end().to_owned()
    }

    /// What it said on standard error. Panics if it did not fail by itself.
    #[track_caller]
    pub fn refused(self) -> String {
        assert!(
            !self.is_ok() && self.code != CODE_TIMED_OUT,
            "should have failed: {}",
            self.told()
        );
        self.stderr.trim_end().to_owned()
    }

    /// Its lines on standard output. Panics if it failed.
    #[track_caller]
    pub fn lines(self) -> Vec<String> {
        self.ok().lines().map(str::to_owned).collect()
    }

    fn told(&self) -> String {
        let Output { command, code, stdout, stderr } = self;
        let late = if *code == CODE_TIMED_OUT { " (time is up)" } else { "" };
        format!("`{command}` ended with {code}{late}\n{stdout}{stderr}")
    }
}

/// Runs a command to its end.
pub(super) fn run<Word: AsRef<str>>(words: &[Word]) -> Output {
    run_with_input(words, &[])
}

/// Runs a command to its end, with something to read.
pub(super) fn run_with_input<Word: AsRef<str>>(words: &[Word], input: &[u8]) -> Output {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    let shown = words.join(" ");
    let mut child = Command::new("timeout")
        .args(["--kill-after=5", LIMIT_SECONDS])
        .args(&words)
        .stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run `timeout` from coreutils: {error}"));
    let stdin = child.stdin.take();
    let ended = std::thread::scope(|scope| {
        // A command that closes its input early says why on its error output.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
        child.wait_with_output()
    });
    let ended = ended.unwrap_or_else(|error| panic!("`{shown}` cannot be waited for: {error}"));
    Output {
        command: shown,
        code: ended.status.code().unwrap_or(CODE_SIGNALLED),
        stdout: String::from_utf8_lossy(&ended.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&ended.stderr).into_owned(),
    }
}

/// A program of this workspace. `SKEP_BIN_DIR` names their folder; by default it is the one two
/// levels above the test itself, where cargo puts them.
pub fn binary(name: &str) -> PathBuf {
    let folder = std::env::var_os("SKEP_BIN_DIR").map_or_else(default_folder, PathBuf::from);
    let path = folder.join(name);
    assert!(
        path.exists(),
        "{} is missing: build the workspace with `cargo build --workspace` (deploy/test does), or \
         set SKEP_BIN_DIR to where it is",
        path.display()
    );
    path
}

/// Beside the running program, or above it for tests, which cargo puts into a folder `deps`.
fn default_folder() -> PathBuf {
    let program = std::env::current_exe().expect("the running program has a path");
    let folder = program.parent().expect("a program lies in a folder");
    if folder.ends_with("deps") { folder.join("..") } else { folder.to_path_buf() }
}
