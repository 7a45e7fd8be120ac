//! The only ways in which the cluster's state may change.

use common::cluster::Cluster;
use common::file::{File, FileKind};
use common::network::{NetworkSpec, Protocol, Subnet};
use common::node::{Node, NodeDescription, NodeKind, NodeSpec, NodeState, Role};
use common::secret::Secret;
use common::service::ServiceSpec;
use common::task::{DesiredState, Observation, Task, TaskState};
use common::update::{UpdateState, UpdateTrouble};
use common::{FileId, Name, NetworkId, NodeId, ServiceId, Stamp, TaskId, Timestamp, Version};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// Changes that travel through the log together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The leader's word on when this is.
    pub stamp: Stamp,
    pub unity: Unity,
    pub changes: Vec<Change>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unity {
    /// What a user asked for: everything or nothing.
    AllOrNothing,
    /// What the planner decided: a change whose ground has moved is left out, the rest holds.
    EachAlone,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    FoundCluster(Box<Cluster>),
    SetJoinSecret {
        role: Role,
        secret: Secret,
    },

    File(FileChange),
    Volume(VolumeChange),
    Network(NetworkChange),

    AddNode(Box<Node>),
    /// `base` is the version of the node that this was decided on.
    SetNodeSpec {
        node: NodeId,
        base: Version,
        spec: NodeSpec,
    },
    DescribeNode {
        node: NodeId,
        description: Box<NodeDescription>,
        kind: NodeKind,
        address: SocketAddr,
    },
    SetNodeState {
        node: NodeId,
        state: NodeState,
        steady_at: Timestamp,
        flaps: u32,
    },
    RemoveNode {
        node: NodeId,
        base: Version,
    },

    CreateService {
        id: ServiceId,
        spec: Box<ServiceSpec>,
    },
    SetServiceSpec {
        service: ServiceId,
        base: Version,
        spec: Box<ServiceSpec>,
    },
    /// Back to what it was, but for the number of replicas.
    RollBackService {
        service: ServiceId,
        /// The numbers of the specification it has, and of the one it is to have.
        from: u32,
        to: u32,
        /// None: a user asked for it.
        trouble: Option<UpdateTrouble>,
    },
    /// How far the update to the specification of this number is.
    SetUpdateState {
        service: ServiceId,
        number: u32,
        state: UpdateState,
        trouble: Option<UpdateTrouble>,
    },
    /// The user's word: it is to go.
    RemoveService {
        service: ServiceId,
        base: Version,
    },
    /// The planner's word: its last task is gone.
    DropService {
        service: ServiceId,
    },

    CreateTask(Box<Task>),
    PlaceTask {
        task: TaskId,
        node: NodeId,
    },
    RaiseDesired {
        task: TaskId,
        desired: DesiredState,
    },
    /// `node` is who says so; only the node that owns the task is believed.
    ObserveTask {
        task: TaskId,
        node: NodeId,
        observed: Observation,
    },
    /// Nobody waits for its node's word any more.
    OrphanTask {
        task: TaskId,
    },
    RemoveTask {
        task: TaskId,
    },
}

/// Of configs and secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileChange {
    /// What seals secrets, where there is nothing yet.
    MakeKey {
        key: Secret,
    },
    Create(Box<File>),
    SetLabels {
        file: FileId,
        base: Version,
        labels: BTreeMap<String, String>,
    },
    Remove {
        file: FileId,
    },
}

/// Of named volumes and the nodes that have them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum VolumeChange {
    /// A node says that it has one that a task of its own mounts.
    Found { volume: String, node: NodeId },
    /// The user's word: these nodes are to remove theirs.
    Remove { volume: String, nodes: BTreeSet<NodeId> },
    /// A task that is held to its data runs there, and none where it was thought to be.
    MoveHome { volume: String, node: NodeId },
    /// A node that was to remove its own has none any more.
    Gone { volume: String, node: NodeId },
    /// The user's word: whatever became of theirs, these nodes count no more.
    Forget { volume: String, nodes: BTreeSet<NodeId> },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkChange {
    Create {
        id: NetworkId,
        spec: Box<NetworkSpec>,
    },
    /// Only in what its tasks do not depend on.
    Set {
        network: NetworkId,
        base: Version,
        spec: Box<NetworkSpec>,
    },
    Remove {
        network: NetworkId,
    },
}

/// What moved, as keys: whoever cares reads the state again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    ServiceChanged(ServiceId),
    TaskChanged {
        service: ServiceId,
        task: TaskId,
        node: Option<NodeId>,
    },
    NodeChanged(NodeId),
    ClusterChanged,
    FileChanged(FileId),
    /// Which nodes have which, or are to remove them.
    VolumesChanged,
    NetworkChanged(NetworkId),
    /// Anything may have moved: a snapshot was installed, or memory was lost.
    Resync,
}

/// Why a change did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    #[error("the cluster exists already")]
    ClusterExists,
    #[error("there is no cluster yet")]
    NoCluster,
    #[error("node {0} is not a member of this cluster")]
    NoSuchNode(NodeId),
    #[error("it is the only manager: promote another node first (skep node promote NODE)")]
    LastManager,
    #[error("there is no service {0}")]
    NoSuchService(ServiceId),
    #[error("there is no task {0}")]
    NoSuchTask(TaskId),
    #[error("version {0} of its specification is not kept any more")]
    NoSuchFormer(u32),
    #[error("the name `{0}` is in use by another service")]
    ServiceNameTaken(String),
    #[error("the name `{0}` is in use by another node")]
    NodeNameTaken(String),
    #[error("the ID {0} is in use")]
    IdTaken(String),
    #[error("it was changed by somebody else meanwhile; look at it and try again")]
    Outdated,
    #[error("a task on a node that does not own it: {0}")]
    NotYours(NodeId),
    #[error("a task cannot go from {from} to {to}")]
    Backward { from: TaskState, to: TaskState },
    #[error("the task has its node already")]
    PlacedAlready,
    #[error("tasks are left")]
    TasksLeft,
    #[error("there is no config or secret {0}")]
    NoSuchFile(FileId),
    #[error("the name `{name}` is in use by another {kind}")]
    FileNameTaken { kind: FileKind, name: Name },
    #[error("{kind} {name} is in use by {services}: take it away from there first")]
    FileInUse { kind: FileKind, name: Name, services: String },
    #[error("there is no {kind} {name} any more: make it with `skep {kind} create` first")]
    GrantOfNothing { kind: FileKind, name: Name },
    #[error("there is no volume {0} that the cluster knows of")]
    NoSuchVolume(String),
    #[error("volume {volume} is in use by {services}: remove that first")]
    VolumeInUse { volume: String, services: String },
    #[error("no task on node {node} mounts {volume}")]
    VolumeOfNobody { volume: String, node: NodeId },
    #[error("there is no network {0}")]
    NoSuchNetwork(NetworkId),
    #[error("the name `{0}` is in use by another network")]
    NetworkNameTaken(Name),
    #[error("network {name}: the network {owner} has {subnet} already; choose another subnet")]
    SubnetTaken { name: Name, subnet: Subnet, owner: Name },
    #[error(
        "{name}: port {port}/{} is published by {owner} already; publish another one, or take it \
         away from there first",
        protocol.as_str()
    )]
    PortTaken { name: Name, port: u16, protocol: Protocol, owner: Name },
    #[error("network {name} is in use by {services}: take it away from there first")]
    NetworkInUse { name: Name, services: String },
    #[error("the configs and secrets of the cluster would take too much memory: remove some")]
    TooManyFiles,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// Positions in the batch and why these changes were left out.
    pub refused: Vec<(usize, Conflict)>,
    pub events: Vec<Event>,
}
