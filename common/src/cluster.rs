//! What the cluster as a whole remembers.

use crate::id::{ClusterId, Version};
use crate::secret::Secret;
use crate::time::Stamp;
use serde::{Deserialize, Serialize};

pub const TASK_HISTORY_DEFAULT: u32 = 5;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    pub id: ClusterId,
    pub version: Version,
    pub created: Stamp,
    pub authority: Authority,
    pub worker_secret: Secret,
    pub manager_secret: Secret,
    /// How many ended tasks of each slot are kept.
    pub task_history: u32,
    /// Seals secrets. None in clusters of early versions, until their first secret or config.
    #[serde(default)]
    pub file_key: Option<Secret>,
}

/// The cluster's own certificate authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    pub certificate_pem: String,
    pub key_pem: Secret,
}
