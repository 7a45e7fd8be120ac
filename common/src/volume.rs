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
            holders: BTreeMap::new(),
        }
    }

    /// Where its data is: with several copies, where the first was made.
    pub fn home(&self) -> Option<NodeId> {
        let kept = self.holders.iter().filter(|(_, it)| it.phase == HolderPhase::Kept);
        kept.min_by_key(|(id, it)| (it.since.at, **id)).map(|(id, _)| *id)
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

    #[test]
    fn the_first_copy_that_stays_is_at_home() {
        let at = |millis| Stamp { at: crate::Timestamp(millis), ..Stamp::default() };
        let holder = |millis, phase| Holder { since: at(millis), phase };
        let mut volume = Volume::of_mount("data", &VolumeMount::default(), at(1));
        assert_eq!(volume.home(), None);
        volume.holders.insert(NodeId(1), holder(3, HolderPhase::Kept));
        volume.holders.insert(NodeId(2), holder(2, HolderPhase::Kept));
        assert_eq!(volume.home(), Some(NodeId(2)));
        volume.holders.insert(NodeId(2), holder(2, HolderPhase::Leaving));
        assert_eq!(volume.home(), Some(NodeId(1)));
    }
}
