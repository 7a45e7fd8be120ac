//! Named volumes: the data that tasks leave on the nodes they ran on.

use crate::container::VolumeMount;
use crate::id::NodeId;
use crate::named::named;
use crate::placeholder::has_placeholders;
use crate::time::Stamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// File systems behind which every node finds the same data.
const NETWORK_FILE_SYSTEMS: [&str; 12] = [
    "9p",
    "beegfs",
    "ceph",
    "cifs",
    "davfs",
    "fuse.sshfs",
    "glusterfs",
    "lustre",
    "nfs",
    "nfs4",
    "smb3",
    "smbfs",
];

named! {
    /// How strongly a task is held to the node where a volume's data lies.
    VolumePolicy {
        /// There and nowhere else.
        Strict "strict",
        /// There first.
        Preferred "preferred",
        /// Anywhere: each node has a copy of its own.
        None "none",
    }
}

/// A volume that some node has, or has had, and that nobody has removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    pub name: String,
    /// None: the engine's own.
    pub driver: Option<String>,
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    pub created: Stamp,
    /// Where a task runs, or ran last, that is held to its data.
    #[serde(default)]
    pub home: Option<NodeId>,
    pub holders: BTreeMap<NodeId, Holder>,
}

/// A node's own copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub since: Stamp,
    pub phase: HolderPhase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HolderPhase {
    Kept,
    /// The user's word: its node is to remove it.
    Leaving,
}

impl Volume {
    pub fn of_mount(name: &str, mount: &VolumeMount, created: Stamp) -> Volume {
        Volume {
            name: name.to_owned(),
            driver: mount.driver.clone(),
            options: mount.options.clone(),
            labels: mount.labels.clone(),
            created,
            home: None,
            holders: BTreeMap::new(),
        }
    }

    pub fn is_leaving(&self, node: NodeId) -> bool {
        self.holders.get(&node).is_some_and(|it| it.phase == HolderPhase::Leaving)
    }
}

impl VolumeMount {
    /// Its name, where its data is on the node that made it and on no other. What placeholders make
    /// of a name is known on the node alone, so such a volume holds nobody.
    pub fn local_name(&self) -> Option<&str> {
        let is_local = self.driver.as_deref().is_none_or(|it| it == "local");
        let kind = self.options.get("type").map(String::as_str);
        let is_shared = kind.is_some_and(|it| NETWORK_FILE_SYSTEMS.contains(&it));
        self.name.as_deref().filter(|name| is_local && !is_shared && !has_placeholders(name))
    }
}

/// Those that people did not name have names of 64 hexadecimal digits.
pub fn is_anonymous(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|it| it.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_behind_a_network_is_nowhere_in_particular() {
        let named = VolumeMount { name: Some("data".to_owned()), ..VolumeMount::default() };
        let driven =
            |driver: &str| VolumeMount { driver: Some(driver.to_owned()), ..named.clone() };
        let of_type = |kind: &str| {
            let options = [("type".to_owned(), kind.to_owned())].into();
            VolumeMount { options, ..named.clone() }
        };
        let cases = [
            (named.clone(), true),
            (driven("local"), true),
            (driven("rclone"), false),
            (of_type("none"), true),
            (of_type("tmpfs"), true),
            (of_type("nfs"), false),
            (VolumeMount::default(), false),
            (VolumeMount { name: Some("v-{{.Task.Slot}}".to_owned()), ..named.clone() }, false),
        ];
        for (mount, is_local) in cases {
            assert_eq!(mount.local_name().is_some(), is_local, "{mount:?}");
        }
    }
}
