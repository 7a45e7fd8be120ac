//! What runs in a task.

mod health;
mod kernel;
mod mount;

pub use health::*;
pub use kernel::*;
pub use mount::*;

use crate::file::Grant;
use crate::image::ImageRef;
use crate::named::named;
use crate::platform::Platform;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

pub const STOP_GRACE_DEFAULT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSpec {
    pub image: ImageRef,
    #[serde(default)]
    pub pull_policy: PullPolicy,
    /// None: what the image has for the node that runs the task.
    #[serde(default)]
    pub platform: Option<Platform>,
    /// None: the image's own; empty: none at all.
    #[serde(default, with = "words")]
    pub entrypoint: Option<Vec<String>>,
    /// The command, or what the entry point is told. None: the image's own; empty: nothing.
    #[serde(default, with = "words")]
    pub args: Option<Vec<String>>,
    /// `NAME=value`, later ones win.
    #[serde(default)]
    pub env: Vec<String>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// For the program below the engine that makes the container.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    #[serde(default)]
    pub hostname: Option<String>,
    #[serde(default)]
    pub domain_name: Option<String>,
    #[serde(default)]
    pub workdir: Option<String>,
    #[serde(default)]
    pub user: Option<String>,
    /// Beside the user's own; names or numbers.
    #[serde(default)]
    pub groups: Vec<String>,
    #[serde(default)]
    pub mounts: Vec<Mount>,
    /// A number or a name such as `SIGINT`; the image's own where none is given.
    #[serde(default)]
    pub stop_signal: Option<String>,
    #[serde(default = "stop_grace_default")]
    pub stop_grace: Duration,
    /// A small init as process 1, which reaps orphans and passes signals on. None: as the engine
    /// would have it.
    #[serde(default)]
    pub init: Option<bool>,
    /// None: the image's own, if it has one.
    #[serde(default)]
    pub health: Option<HealthCheck>,
    #[serde(default)]
    pub tty: bool,
    /// Standard input is open, though nobody writes to it.
    #[serde(default)]
    pub stdin_open: bool,
    /// The container's root file system cannot be written.
    #[serde(default)]
    pub read_only: bool,
    #[serde(default)]
    pub network: ContainerNetwork,
    #[serde(default)]
    pub dns: Dns,
    /// Names that mean these addresses in the container.
    #[serde(default)]
    pub extra_hosts: BTreeMap<String, Vec<HostAddress>>,
    /// None: as the engine would have it.
    #[serde(default)]
    pub logging: Option<Logging>,
    #[serde(default)]
    pub kernel: Kernel,
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
            pull_policy: PullPolicy::default(),
            platform: None,
            entrypoint: None,
            args: None,
            env: Vec::new(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            hostname: None,
            domain_name: None,
            workdir: None,
            user: None,
            groups: Vec::new(),
            mounts: Vec::new(),
            stop_signal: None,
            stop_grace: STOP_GRACE_DEFAULT,
            init: None,
            health: None,
            tty: false,
            stdin_open: false,
            read_only: false,
            network: ContainerNetwork::default(),
            dns: Dns::default(),
            extra_hosts: BTreeMap::new(),
            logging: None,
            kernel: Kernel::default(),
            grants: Vec::new(),
        }
    }
}

named! {
    /// When an image is asked for at its registry.
    #[derive(Default)]
    PullPolicy {
        Always "always",
        /// Where the node does not have it.
        #[default]
        Missing "missing",
        Never "never",
    }
}

named! {
    #[derive(Default)]
    ContainerNetwork {
        /// What the engine gives to containers that ask for nothing.
        #[default]
        Engine "default",
        /// The node's own.
        Host "host",
        None "none",
    }
}

/// How a container finds addresses; what is empty is as on its node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Dns {
    pub servers: Vec<IpAddr>,
    pub search: Vec<String>,
    pub options: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostAddress {
    Ip(IpAddr),
    /// The node that the task runs on.
    HostGateway,
}

/// Where what a container writes goes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Logging {
    pub driver: Option<String>,
    pub options: BTreeMap<String, String>,
}

/// Words at rest. An empty list meant the image's own before there was a way to ask for none at
/// all, and does so still; none at all is nil.
mod words {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        words: &Option<Vec<String>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match words.as_deref() {
            None => serializer.collect_seq([""; 0]),
            Some([]) => serializer.serialize_none(),
            Some(words) => words.serialize(serializer),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<String>>, D::Error> {
        Ok(match Option::<Vec<String>>::deserialize(deserializer)? {
            None => Some(Vec::new()),
            Some(words) if words.is_empty() => None,
            Some(words) => Some(words),
        })
    }
}
