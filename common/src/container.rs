//! What runs in a task.

use crate::file::Grant;
use crate::image::ImageRef;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

pub const STOP_GRACE_DEFAULT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSpec {
    pub image: ImageRef,
    /// Replaces the image's entry point where it is not empty.
    #[serde(default)]
    pub entrypoint: Vec<String>,
    /// Replaces the image's command where it is not empty.
    #[serde(default)]
    pub args: Vec<String>,
    /// `NAME=value`, later ones win.
    #[serde(default)]
    pub env: Vec<String>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub hostname: Option<String>,
    #[serde(default)]
    pub workdir: Option<String>,
    #[serde(default)]
    pub user: Option<String>,
    #[serde(default)]
    pub mounts: Vec<Mount>,
    /// A number or a name such as `SIGINT`; the image's own where none is given.
    #[serde(default)]
    pub stop_signal: Option<String>,
    #[serde(default = "stop_grace_default")]
    pub stop_grace: Duration,
    /// A small init as process 1, which reaps orphans and passes signals on.
    #[serde(default)]
    pub init: bool,
    /// None: the image's own, if it has one.
    #[serde(default)]
    pub health: Option<HealthCheck>,
    #[serde(default)]
    pub tty: bool,
    /// The container's root file system cannot be written.
    #[serde(default)]
    pub read_only: bool,
    /// Configs and secrets.
    #[serde(default)]
    pub grants: Vec<Grant>,
}

fn stop_grace_default() -> Duration {
    STOP_GRACE_DEFAULT
}

impl ContainerSpec {
    pub fn of_image(image: ImageRef) -> ContainerSpec {
        ContainerSpec {
            image,
            entrypoint: Vec::new(),
            args: Vec::new(),
            env: Vec::new(),
            labels: BTreeMap::new(),
            hostname: None,
            workdir: None,
            user: None,
            mounts: Vec::new(),
            stop_signal: None,
            stop_grace: STOP_GRACE_DEFAULT,
            init: false,
            health: None,
            tty: false,
            read_only: false,
            grants: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HealthCheck {
    /// The image's own is turned off.
    Disabled,
    Enabled(Probe),
}

/// What is none is as the image says, or else as the engine would have it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Probe {
    pub test: Option<ProbeCommand>,
    pub interval: Option<Duration>,
    pub timeout: Option<Duration>,
    pub retries: Option<u64>,
    /// Failures this early do not count.
    pub start_period: Option<Duration>,
    /// The interval until the first success, within the start period.
    pub start_interval: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProbeCommand {
    Exec(Vec<String>),
    Shell(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
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
    /// A folder of the node; one that is not there is a rejection.
    Bind {
        path: String,
    },
    /// A named volume, or one of its own for each task where no name is given.
    Volume {
        name: Option<String>,
        driver: Option<String>,
        options: BTreeMap<String, String>,
    },
    Tmpfs {
        size_bytes: Option<u64>,
        mode: Option<u32>,
    },
}
