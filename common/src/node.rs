//! The machines of the cluster.

use crate::constraint::Traits;
use crate::id::{NodeId, Version};
use crate::name::Name;
use crate::platform::Platform;
use crate::resources::{GenericResources, Resources};
use crate::time::{Stamp, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    pub id: NodeId,
    pub version: Version,
    pub created: Stamp,
    pub updated: Stamp,
    /// Unique in the cluster: the host name, with a suffix where that was taken.
    pub name: Name,
    pub spec: NodeSpec,
    /// Where other nodes reach it; the port is that of managers also where it is a worker.
    pub address: SocketAddr,
    pub kind: NodeKind,
    pub description: NodeDescription,
    pub status: NodeStatus,
}

impl Node {
    /// One that has just been admitted: nobody has heard of it yet.
    pub fn joining(
        id: NodeId,
        name: Name,
        spec: NodeSpec,
        (address, kind): (SocketAddr, NodeKind),
    ) -> Node {
        Node {
            id,
            version: Version::default(),
            created: Stamp::default(),
            updated: Stamp::default(),
            name,
            spec,
            address,
            kind,
            description: NodeDescription::default(),
            status: NodeStatus {
                state: NodeState::Joining,
                since: Stamp::default(),
                steady_at: Timestamp::default(),
                flaps: 0,
            },
        }
    }

    pub fn traits(&self) -> Traits<'_> {
        Traits {
            id: self.id,
            hostname: self.name.as_str(),
            role: self.spec.role.as_str(),
            address: Some(self.address.ip()),
            platform: &self.description.platform,
            labels: &self.spec.labels,
            engine_labels: &self.description.engine.labels,
        }
    }
}

/// What users and the cluster want of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSpec {
    pub role: Role,
    pub availability: Availability,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Overrides how long this node may be silent before it counts as down.
    #[serde(default)]
    pub down_after: Option<Duration>,
}

impl NodeSpec {
    /// What is wanted where nobody said more.
    pub fn of_role(role: Role) -> NodeSpec {
        let (availability, labels) = (Availability::Active, BTreeMap::new());
        NodeSpec { role, availability, labels, down_after: None }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    Worker,
    Manager,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Worker => "worker",
            Role::Manager => "manager",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Availability {
    Active,
    /// Keeps what it runs, gets nothing new.
    Pause,
    /// Gives away what it runs.
    Drain,
}

impl Availability {
    pub fn as_str(self) -> &'static str {
        match self {
            Availability::Active => "active",
            Availability::Pause => "pause",
            Availability::Drain => "drain",
        }
    }
}

/// Which program serves the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeKind {
    /// `skep daemon`: can become a manager.
    Full,
    /// `skep-agent`: a worker for good.
    AgentOnly,
}

/// What a node says of itself, as far as it must outlive the leader's memory.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NodeDescription {
    pub hostname: String,
    #[serde(default)]
    pub addresses: Vec<std::net::IpAddr>,
    pub platform: Platform,
    pub resources: Resources,
    #[serde(default)]
    pub generic: GenericResources,
    pub engine: Engine,
    /// Of the skep program.
    #[serde(default)]
    pub program_version: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Engine {
    pub version: String,
    #[serde(default)]
    pub api_version: String,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What is asked of it in vain, in words for people: `memory limits`, ….
    #[serde(default)]
    pub incapable_of: Vec<Incapability>,
}

/// A wish that an engine takes without a word and does nothing about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Incapability {
    MemoryLimit,
    CpuLimit,
    PidsLimit,
}

impl fmt::Display for Incapability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Incapability::MemoryLimit => {
                "memory limits have no effect (add `cgroup_enable=memory cgroup_memory=1` to the \
                 kernel's command line, on Raspberry Pi OS in cmdline.txt, and reboot)"
            }
            Incapability::CpuLimit => {
                "CPU limits have no effect (the kernel has no CFS bandwidth control)"
            }
            Incapability::PidsLimit => {
                "limits on processes have no effect (the kernel has no pids cgroup)"
            }
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    pub state: NodeState,
    pub since: Stamp,
    /// New tasks are given to it only from this moment on.
    pub steady_at: Timestamp,
    /// How often it went down in a row, each time within ten minutes of the last.
    #[serde(default)]
    pub flaps: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeState {
    /// Admitted, but it has not reported yet.
    Joining,
    Ready,
    Down(DownReason),
}

impl NodeState {
    pub fn is_down(&self) -> bool {
        match self {
            NodeState::Down(_) => true,
            NodeState::Joining | NodeState::Ready => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DownReason {
    Silent {
        for_at_least: Duration,
    },
    /// The machine shuts down in order.
    ShutDown,
    Left,
    /// The agent lives, its engine does not answer.
    EngineIll {
        detail: String,
    },
}

impl fmt::Display for DownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DownReason::Silent { for_at_least } => {
                write!(f, "nothing heard from it for {:.1} s", for_at_least.as_secs_f64())
            }
            DownReason::ShutDown => f.write_str("its machine was shut down"),
            DownReason::Left => f.write_str("it left the cluster"),
            DownReason::EngineIll { detail } => {
                write!(f, "its Docker Engine does not answer: {detail}")
            }
        }
    }
}
