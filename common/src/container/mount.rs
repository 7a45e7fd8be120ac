//! What of a node's disks and memory a container sees.

use crate::named::named;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Absolute, in the container.
    pub target: String,
    #[serde(default)]
    pub access: Access,
    pub source: MountSource,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Access {
    #[default]
    ReadWrite,
    ReadOnly,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountSource {
    /// A folder or file of the node.
    Bind(BindMount),
    Volume(VolumeMount),
    /// Memory of the node, gone with the task.
    Tmpfs(TmpfsMount),
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BindMount {
    /// Absolute, on whichever node runs the task.
    pub path: String,
    pub missing: MissingPath,
    /// None: private to the container, both ways.
    pub propagation: Option<Propagation>,
    pub recursion: Recursion,
}

impl BindMount {
    pub fn of_path(path: impl Into<String>) -> BindMount {
        BindMount { path: path.into(), ..BindMount::default() }
    }
}

/// What becomes of a bind mount whose path is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum MissingPath {
    /// The task is rejected.
    #[default]
    Reject,
    /// A folder is made.
    Create,
}

named! {
    /// Whether what is mounted below it later is seen on the other side.
    Propagation {
        Private "private",
        RecursivePrivate "rprivate",
        Shared "shared",
        RecursiveShared "rshared",
        Slave "slave",
        RecursiveSlave "rslave",
    }
}

named! {
    /// Whether what is mounted below the path comes with it.
    #[derive(Default)]
    Recursion {
        #[default]
        Enabled "enabled",
        Disabled "disabled",
        /// It can be written though the mount itself cannot.
        Writable "writable",
        /// It cannot be written either, or the task is refused.
        ReadOnly "readonly",
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeMount {
    /// None: one of its own for each task, gone with it.
    pub name: Option<String>,
    pub driver: Option<String>,
    pub options: BTreeMap<String, String>,
    /// Of the volume, where it is made for this mount.
    pub labels: BTreeMap<String, String>,
    /// A new volume begins empty instead of with what the image has in that place.
    pub nocopy: bool,
    /// Of the volume, only this.
    pub subpath: Option<String>,
}

/// As engines take them: letters, digits, `_`, `.` and `-`, two at least.
pub fn is_volume_name(text: &str) -> bool {
    let is_inner = |it: u8| it.is_ascii_alphanumeric() || b"_.-".contains(&it);
    let begins_well = text.bytes().next().is_some_and(|it| it.is_ascii_alphanumeric());
    text.len() >= 2 && begins_well && text.bytes().all(is_inner)
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TmpfsMount {
    pub size_bytes: Option<u64>,
    pub mode: Option<u32>,
    /// Of the file system, such as `noexec` or `uid=1000`.
    pub options: Vec<String>,
}
