//! What only the leader's memory holds: it is reported anew to the next leader.

use common::image::ImageRef;
use common::lease::OVER_AFTER;
use common::task::{Observation, TaskState};
use common::{NodeId, Stamp, TaskId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, Default)]
pub struct Soft {
    images: BTreeMap<NodeId, BTreeSet<String>>,
    volumes: BTreeMap<NodeId, BTreeSet<String>>,
    latest: BTreeMap<TaskId, (Observation, Stamp)>,
    clock_offset_millis: BTreeMap<NodeId, i64>,
    /// Those whose word is as new as it can be.
    in_touch: BTreeSet<NodeId>,
    /// Since when this leader leads.
    leads_since: Timestamp,
    /// When this leader last granted a node a lease.
    leases: BTreeMap<NodeId, Timestamp>,
}

/// Whether a node has an image, as far as the leader knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HasImage {
    Yes,
    No,
    /// It has not reported to this leader yet.
    Unknown,
}

impl Soft {
    pub fn of_leader_since(leads_since: Timestamp) -> Soft {
        Soft { leads_since, ..Soft::default() }
    }

    pub fn set_images(&mut self, node: NodeId, full_references: BTreeSet<String>) {
        self.images.insert(node, full_references);
    }

    pub fn has_image(&self, node: NodeId, image: &ImageRef) -> HasImage {
        match self.images.get(&node) {
            Some(images) if images.contains(image.full()) => HasImage::Yes,
            Some(_) => HasImage::No,
            None => HasImage::Unknown,
        }
    }

    pub fn images(&self, node: NodeId) -> impl Iterator<Item = &String> {
        self.images.get(&node).into_iter().flatten()
    }

    /// All named volumes that it has.
    pub fn set_volumes(&mut self, node: NodeId, names: BTreeSet<String>) {
        self.volumes.insert(node, names);
    }

    pub fn volumes(&self) -> impl Iterator<Item = (NodeId, &BTreeSet<String>)> {
        self.volumes.iter().map(|(node, names)| (*node, names))
    }

    /// None: it has not reported to this leader yet.
    pub fn volumes_of(&self, node: NodeId) -> Option<&BTreeSet<String>> {
        self.volumes.get(&node)
    }

    /// Keeps the newest word on a task; a state it has left does not come back.
    pub fn observe(&mut self, task: TaskId, observed: Observation, now: Stamp) {
        let known = self.latest.get(&task);
        let since = match known {
            Some((old, _)) if old.state > observed.state => return,
            Some((old, since)) if old.state == observed.state => *since,
            Some(_) | None => now,
        };
        self.latest.insert(task, (observed, since));
    }

    /// What the agent last said, where it is ahead of the `kept` state.
    pub fn ahead_of(&self, task: TaskId, kept: TaskState) -> Option<&(Observation, Stamp)> {
        self.latest.get(&task).filter(|(it, _)| it.state > kept && !kept.is_terminal())
    }

    pub fn forget_task(&mut self, task: TaskId) {
        self.latest.remove(&task);
    }

    pub fn set_clock_offset(&mut self, node: NodeId, millis: i64) {
        self.clock_offset_millis.insert(node, millis);
    }

    pub fn clock_offset_millis(&self, node: NodeId) -> Option<i64> {
        self.clock_offset_millis.get(&node).copied()
    }

    pub fn set_in_touch(&mut self, node: NodeId, is_in_touch: bool) {
        if is_in_touch {
            self.in_touch.insert(node);
        } else {
            self.in_touch.remove(&node);
        }
    }

    /// Whether what it has not said has not happened, as far as anybody can know.
    pub fn is_in_touch(&self, node: NodeId) -> bool {
        self.in_touch.contains(&node)
    }

    /// Kept also for nodes that are forgotten otherwise: what was granted holds.
    pub fn grant_lease(&mut self, node: NodeId, now: Timestamp) {
        self.leases.insert(node, now);
    }

    /// When nothing runs on a node any more that runs by leases alone, unless it is granted
    /// another. What a leader before this one granted ends by the same time after it was replaced,
    /// whatever its clock said.
    pub fn leases_over_at(&self, node: NodeId) -> Timestamp {
        let granted = self.leases.get(&node).copied().unwrap_or_default();
        granted.max(self.leads_since) + OVER_AFTER
    }

    pub fn forget_node(&mut self, node: NodeId) {
        self.in_touch.remove(&node);
        self.images.remove(&node);
        self.volumes.remove(&node);
        self.clock_offset_millis.remove(&node);
    }
}
