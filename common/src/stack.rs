//! Services and files that are deployed, changed and removed together.

use crate::file::NewFile;
use crate::id::{FileId, TaskId};
use crate::name::Name;
use crate::network::NetworkSpec;
use crate::service::ServiceSpec;

/// What a user wants of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackSpec {
    pub name: Name,
    /// Each says that it belongs to the stack.
    pub services: Vec<ServiceSpec>,
    /// Configs and secrets whose content is not in the cluster yet, under the ids by which the
    /// services know them.
    pub files: Vec<(FileId, NewFile)>,
    /// Its own; those that are external are only named by the services.
    pub networks: Vec<NetworkSpec>,
    /// What the stack has and this does not name is removed.
    pub prune: bool,
    /// Only these services were chosen: what else the stack has is none of this deployment's.
    pub is_partial: bool,
}

/// What a deployment does to one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePlan {
    pub name: Name,
    pub action: PlannedAction,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlannedAction {
    Create {
        spec: Box<ServiceSpec>,
    },
    Update {
        old: Box<ServiceSpec>,
        new: Box<ServiceSpec>,
        replaced: Vec<ReplacedTask>,
    },
    Keep,
    Remove {
        tasks: Vec<ReplacedTask>,
    },
    /// The stack has it and the files do not name it.
    Orphan,
}

/// What a deployment does to one network of the stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkPlan {
    pub name: Name,
    pub action: PlannedNetwork,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlannedNetwork {
    Create {
        spec: Box<NetworkSpec>,
    },
    /// Nobody on it notices.
    Update {
        old: Box<NetworkSpec>,
        new: Box<NetworkSpec>,
    },
    /// Another one takes its name, and the tasks on it are replaced.
    Replace {
        old: Box<NetworkSpec>,
        new: Box<NetworkSpec>,
    },
    Keep,
}

/// A task that does not survive a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplacedTask {
    pub id: TaskId,
    /// `web.1`
    pub name: String,
    /// Empty where it has no node yet.
    pub node_name: String,
}
