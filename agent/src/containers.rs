//! The container engine as the agent needs it: Docker in production, a fake one in tests.

use agent_core::container::{ContainerEvent, ContainerId, ImageWish, OperationFailure, Seen};
use agent_core::health::Health;
use common::assignment::Assignment;
use common::node::NodeDescription;
use common::{ClusterId, NodeId};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;

/// Whose containers are looked at; those of other nodes or clusters do not exist for the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    pub node: NodeId,
    pub cluster: ClusterId,
}

/// Why the engine as a whole cannot be used, and what helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    #[error(
        "Docker Engine is not running or not installed: {address} does not exist; \
         systemctl start docker, or apt install docker.io"
    )]
    Absent { address: String },
    #[error("Docker Engine is not running: nobody listens at {address}; systemctl start docker")]
    NotRunning { address: String },
    #[error(
        "{address} may not be used: add the user to the group docker (usermod -aG docker USER), \
         or run as root"
    )]
    Forbidden { address: String },
    #[error("Docker Engine {version} is too old: 19.03 or newer is needed; apt upgrade docker.io")]
    TooOld { version: String },
    #[error(
        "{address} is not an address of Docker Engine: unix:///var/run/docker.sock is expected"
    )]
    BadAddress { address: String },
    #[error("Docker Engine does not answer: {detail}; journalctl -u docker tells more")]
    Silent { detail: String },
    #[error("Docker Engine refuses: {detail}")]
    Refused { detail: String },
}

impl EngineError {
    /// Whether the engine may do tomorrow, or in a second, what it did not do now.
    pub fn may_pass(&self) -> bool {
        match self {
            EngineError::Absent { .. }
            | EngineError::NotRunning { .. }
            | EngineError::Silent { .. } => true,
            EngineError::Forbidden { .. }
            | EngineError::TooOld { .. }
            | EngineError::BadAddress { .. }
            | EngineError::Refused { .. } => false,
        }
    }
}

/// What the engine says by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineNews {
    Container(ContainerEvent),
    /// Images came or went.
    Images,
    /// Volumes came or went.
    Volumes,
}

/// How far a pull is, in words for people: `pulling redis:7 (12 of 30 MiB)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullProgress {
    /// In full.
    pub image: String,
    pub words: String,
}

/// Which lines of a container's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogQuery {
    pub follow: bool,
    pub tail: Option<u32>,
    /// Seconds since 1970; 0: no limit.
    pub since_seconds: i64,
    pub until_seconds: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    Stdout,
    Stderr,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub stream: LogStream,
    /// Without its end.
    pub line: Vec<u8>,
    /// RFC 3339, as the engine gave it.
    pub timestamp: String,
}

/// Lines longer than this are cut.
pub const LOG_LINE_BYTES_MAX: usize = 64 << 10;

pub trait Containers: Send + Sync + 'static {
    /// Where another program of ours finds the same engine; none where there are no processes.
    fn socket(&self) -> Option<PathBuf>;

    /// Whether the engine answers, and is one that can be used.
    fn ping(&self) -> impl Future<Output = Result<(), EngineError>> + Send;

    fn describe(&self) -> impl Future<Output = Result<NodeDescription, EngineError>> + Send;

    /// Names and digests of all images, in full form.
    fn images(&self) -> impl Future<Output = Result<BTreeSet<String>, EngineError>> + Send;

    /// Names of all volumes that people have named, of the engine's own driver.
    fn volumes(&self) -> impl Future<Output = Result<BTreeSet<String>, EngineError>> + Send;

    /// One that is not there any more is as good as removed.
    fn remove_volume(&self, name: &str) -> impl Future<Output = Result<(), EngineError>> + Send;

    fn list(&self, owner: Owner) -> impl Future<Output = Result<Vec<Seen>, EngineError>> + Send;

    /// Tells all that happens from the moment of the call on, until the engine is lost.
    fn watch(
        &self,
        owner: Owner,
        news: mpsc::Sender<EngineNews>,
    ) -> impl Future<Output = EngineError> + Send;

    /// Tells how far it is once a second at most; a word that finds no room is left out.
    fn pull(
        &self,
        wish: &ImageWish,
        progress: mpsc::Sender<PullProgress>,
    ) -> impl Future<Output = Result<(), OperationFailure>> + Send;

    fn create(
        &self,
        owner: Owner,
        assignment: &Assignment,
    ) -> impl Future<Output = Result<ContainerId, OperationFailure>> + Send;

    /// Answers with what its health check says already, if it has one.
    fn start(
        &self,
        container: &ContainerId,
    ) -> impl Future<Output = Result<Health, OperationFailure>> + Send;

    /// Carries out the container's health check once, beside the engine's own checks.
    fn probe(
        &self,
        container: &ContainerId,
    ) -> impl Future<Output = Result<Health, OperationFailure>> + Send;

    /// With the grace that the container carries, where no other is given.
    fn stop(
        &self,
        container: &ContainerId,
        grace: Option<Duration>,
    ) -> impl Future<Output = Result<(), OperationFailure>> + Send;

    fn remove(
        &self,
        container: &ContainerId,
    ) -> impl Future<Output = Result<(), OperationFailure>> + Send;

    /// Ends with the log, or when nobody reads any more.
    fn logs(
        &self,
        container: &ContainerId,
        query: LogQuery,
        lines: mpsc::Sender<LogLine>,
    ) -> impl Future<Output = Result<(), EngineError>> + Send;
}
