//! What of a node's disks and memory a container sees.

pub use common::container::Propagation;
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Absolute, in the container.
    pub target: String,
    pub read_only: bool,
    pub kind: MountKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountKind {
    Bind {
        /// Absolute, in either case.
        source: PathBuf,
        scope: PathScope,
        /// Otherwise a folder that is not there is an error.
        create_host_path: bool,
        propagation: Option<Propagation>,
    },
    /// Of the project's volumes.
    Volume {
        name: String,
        nocopy: bool,
        subpath: Option<String>,
    },
    /// Of one task's own, and gone with it.
    Anonymous {
        nocopy: bool,
    },
    Tmpfs {
        bytes: Option<u64>,
        mode: Option<u32>,
        options: Vec<String>,
    },
}

/// On which nodes a path means what its author meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathScope {
    /// It was written as lying beside a compose file or in a person's home: where these are.
    ThisNode,
    /// It was written as absolute: on whichever node runs the task.
    AnyNode,
}
