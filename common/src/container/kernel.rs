//! What the kernel is asked to do differently for a container.

use crate::named::named;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Kernel {
    pub privileged: bool,
    /// With or without `CAP_`; `ALL` is all of them.
    pub capabilities_added: Vec<String>,
    pub capabilities_dropped: Vec<String>,
    pub security_options: Vec<String>,
    pub devices: Vec<Device>,
    pub device_requests: Vec<DeviceRequest>,
    pub device_cgroup_rules: Vec<String>,
    pub pid: Option<PidNamespace>,
    pub ipc: Option<IpcNamespace>,
    pub uts: Option<UtsNamespace>,
    pub user_namespace: Option<UserNamespace>,
    pub cgroup: Option<CgroupNamespace>,
    pub cgroup_parent: Option<String>,
    pub runtime: Option<String>,
    pub storage_options: BTreeMap<String, String>,
    pub sysctls: BTreeMap<String, String>,
    pub ulimits: BTreeMap<String, Ulimit>,
    pub shm_bytes: Option<u64>,
    pub oom_kill_disable: bool,
    pub oom_score_adjustment: Option<i64>,
    pub memory_swap: Option<Swap>,
    pub memory_swappiness: Option<u64>,
    pub cpu_shares: Option<u64>,
    pub cpu_period_micros: Option<u64>,
    pub cpu_quota_micros: Option<i64>,
    pub cpu_realtime_period_micros: Option<u64>,
    pub cpu_realtime_runtime_micros: Option<u64>,
    pub cpu_set: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// On the node.
    pub source: String,
    /// In the container.
    pub target: String,
    /// Of `r`, `w` and `m` (may make it).
    pub permissions: String,
}

/// Devices that a driver of the engine finds, such as GPUs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRequest {
    /// All of them at once.
    pub capabilities: Vec<String>,
    pub driver: Option<String>,
    pub choice: DeviceChoice,
    pub options: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceChoice {
    All,
    Count(u64),
    Ids(Vec<String>),
}

named! { PidNamespace { Host "host" } }

named! {
    IpcNamespace {
        Host "host",
        None "none",
        Private "private",
        Shareable "shareable",
    }
}

named! { UtsNamespace { Host "host" } }

named! { UserNamespace { Host "host" } }

named! {
    CgroupNamespace {
        Host "host",
        Private "private",
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// -1: no limit.
    pub soft: i64,
    pub hard: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Swap {
    Unlimited,
    /// Memory and swap together.
    Bytes(u64),
}
