//! A service: one container's settings, and how many of them are to run where.

use super::{Deploy, Mount, Pairs};
pub use common::container::{
    CgroupNamespace, Device, HealthCheck, HostAddress, IpcNamespace, Kernel, Logging, PidNamespace,
    Probe, ProbeCommand, PullPolicy, Swap, Ulimit, UserNamespace, UtsNamespace,
};
use common::image::ImageRef;
pub use common::network::{Attachment, ExposedPort, Port, PortMode, Protocol};
use common::platform::Platform;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    pub image: ImageRef,
    pub platform: Option<Platform>,
    pub pull_policy: Option<PullPolicy>,
    /// None: the image's own; empty: none at all.
    pub entrypoint: Option<Vec<String>>,
    pub command: Option<Vec<String>>,
    /// With the files of variables read, and variables without a value looked up.
    pub environment: Pairs,
    pub labels: Pairs,
    pub annotations: Pairs,
    /// Known to others by this as well.
    pub container_name: Option<String>,
    pub hostname: Option<String>,
    pub domain_name: Option<String>,
    pub user: Option<String>,
    pub groups: Vec<String>,
    pub working_dir: Option<String>,
    pub init: Option<bool>,
    pub tty: bool,
    pub stdin_open: bool,
    pub read_only: bool,
    pub stop_signal: Option<String>,
    pub stop_grace_period: Option<Duration>,
    pub health: Option<HealthCheck>,
    pub logging: Option<Logging>,
    pub depends_on: BTreeMap<String, Dependency>,
    pub network: ServiceNetwork,
    pub ports: Vec<Port>,
    pub expose: Vec<ExposedPort>,
    pub extra_hosts: BTreeMap<String, Vec<HostAddress>>,
    pub dns: Vec<IpAddr>,
    pub dns_search: Vec<String>,
    pub dns_options: Vec<String>,
    pub mounts: Vec<Mount>,
    pub configs: Vec<Grant>,
    pub secrets: Vec<Grant>,
    pub kernel: Kernel,
    pub deploy: Deploy,
    /// `x-at-most-one`: rather none than two tasks.
    pub at_most_one: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dependency {
    pub condition: DependencyCondition,
    pub required: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DependencyCondition {
    Started,
    Healthy,
    CompletedSuccessfully,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceNetwork {
    /// The node's own.
    Host,
    None,
    Attached {
        /// By their keys in the file.
        networks: BTreeMap<String, Attachment>,
        /// Service to the name under which this one knows it.
        links: Vec<Link>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub service: String,
    pub alias: String,
}

/// A secret or config in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub source: String,
    /// A path; relative ones are the cluster's to place (`/run/secrets`, `/`).
    pub target: String,
    pub uid: Option<String>,
    pub gid: Option<String>,
    pub mode: Option<u32>,
}
