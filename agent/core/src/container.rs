//! What the shell and the core tell each other about containers.

use crate::health::Health;
use common::TaskId;
use common::assignment::Assignment;
use common::image::ImageRef;
use common::platform::Platform;
use std::fmt;
use std::sync::Arc;

/// The engine's own name for a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContainerId(pub String);

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A container of ours as the engine lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub task: TaskId,
    pub id: ContainerId,
    pub phase: Phase,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    Created,
    /// Created, and its start was asked for by an agent that did not learn what became of that.
    Starting,
    Running(Health),
    Exited(Exit),
    /// Killed at the end of the node's lease.
    Halted,
}

impl Phase {
    pub fn is_running(&self) -> bool {
        match self {
            Phase::Running(_) => true,
            Phase::Created | Phase::Starting | Phase::Exited(_) | Phase::Halted => false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    pub code: i64,
    pub out_of_memory: bool,
}

/// Something that the engine said happened to a container of ours, whoever did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerEvent {
    pub task: TaskId,
    pub id: ContainerId,
    pub kind: ContainerEventKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerEventKind {
    Started(Health),
    /// Its check says something else than before.
    Checked(Health),
    Died(Exit),
    /// Killed at the end of the node's lease, or removed before it could start after it.
    Halted,
    Removed,
}

/// What the shell is to do to one task; at most one at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    Pull(ImageWish),
    Create(Arc<Assignment>),
    Start(ContainerId),
    /// With the grace that the container itself carries.
    Stop(ContainerId),
    /// With next to no grace: soon it must not run any more.
    Cut(ContainerId),
    /// With its anonymous volumes.
    Remove(ContainerId),
}

/// An image, and which of its platforms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageWish {
    pub image: ImageRef,
    /// None: what suits the node.
    pub platform: Option<Platform>,
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Pulled(Result<(), OperationFailure>),
    Created(Result<ContainerId, OperationFailure>),
    /// With what its check says already, if it has one.
    Started(Result<Health, OperationFailure>),
    Stopped(Result<(), OperationFailure>),
    Removed(Result<(), OperationFailure>),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperationFailure {
    /// Nobody knows whether it was done.
    #[error("the engine did not answer: {detail}")]
    EngineAway { detail: String },
    /// A container cannot be created for want of an image, which may still be pulled.
    #[error("the image is not on this node")]
    ImageMissing,
    #[error("no registry has the image: {detail}")]
    NoSuchImage { detail: String },
    #[error("the registry does not answer: {detail}")]
    RegistryUnreachable { detail: String },
    #[error("bind source path does not exist: {path}")]
    BindSourceMissing { path: String },
    /// It was asked for while there was a lease, and there is none now.
    #[error("its node has no lease to start it")]
    NoLease,
    #[error("a container of this name exists already")]
    NameTaken,
    #[error("there is no such container")]
    NoSuchContainer,
    #[error("{detail}")]
    Refused { detail: String },
}
