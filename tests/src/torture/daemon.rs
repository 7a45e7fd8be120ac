//! One daemon of a loopback cluster: a process, a folder and a log.

use std::fs::{File, OpenOptions};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use super::client::Client;
use super::engine::PlayedEngine;
use crate::hosts::binary;

const PORT: u16 = 7373;

#[derive(Debug)]
pub struct Daemon {
    name: String,
    address: String,
    folder: PathBuf,
    engine: PlayedEngine,
    /// Of the process: what changes how the daemon sees the world.
    environment: Vec<(String, String)>,
    process: Option<Child>,
}

impl Daemon {
    pub fn new(name: &str, ip: &str, folder: &Path) -> Daemon {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).expect("the cluster's folder is ours");
        let engine = PlayedEngine::start(&folder.join("docker.sock"));
        Daemon {
            name: name.to_owned(),
            address: format!("{ip}:{PORT}"),
            folder,
            engine,
            environment: Vec::new(),
            process: None,
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn data_folder(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// How large its database has grown.
    pub fn stored_bytes(&self) -> u64 {
        let database = self.data_folder().join("store/db");
        std::fs::metadata(database).map_or(0, |it| it.len())
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.join("run/skep.sock")
    }

    pub fn client(&self) -> Client {
        Client::of(&self.socket())
    }

    pub fn set_environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Does not wait until it answers.
    pub fn start(&mut self) {
        assert!(!self.runs(), "{} runs already", self.name);
        let said = open_log(&self.log_file());
        let said_too = said.try_clone().expect("an open file can be shared");
        // Should the test itself be killed, no daemon stays behind.
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(binary("skep"))
            .arg("daemon")
            .arg("--data-dir")
            .arg(self.data_folder())
            .arg("--run-dir")
            .arg(self.folder.join("run"))
            .args(["--docker", &self.engine.address()])
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(said)
            .stderr(said_too)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run `setpriv` of util-linux: {error}"));
        self.process = Some(process);
    }

    /// As `kill -9`. Fine with a daemon that ended by itself.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It fails for a process that has ended, which is what is wanted.
            drop(process.kill());
            process.wait().expect("a child can be waited for");
        }
    }

    pub fn runs(&mut self) -> bool {
        self.process.is_some() && self.ended().is_none()
    }

    /// How it ended by itself, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let process = self.process.as_mut()?;
        process.try_wait().expect("a child can be asked")
    }

    pub fn listens(&self) -> bool {
        UnixStream::connect(self.socket()).is_ok()
    }

    /// All that it said since the cluster was made.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.log_file()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

fn open_log(path: &Path) -> File {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()))
}
