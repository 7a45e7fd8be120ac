//! How a world begins: three managers, up to five workers, and images on some of them.

use crate::agent;
use crate::machine::Machine;
use crate::world::{Registry, World};
use common::cluster::{Authority, Cluster};
use common::container::MountSource;
use common::image::ImageRef;
use common::node::{Node, NodeKind, NodeSpec, Role};
use common::secret::Secret;
use common::service::TaskSpec;
use common::{ClusterId, NodeId, Stamp, Version};
use manager_core::change::Change;
use std::collections::BTreeSet;

pub(crate) const MANAGERS: u64 = 3;
/// It has all images and is never taken away, so that every service can run somewhere.
pub(crate) const STEADY_NODE: NodeId = NodeId(1);
const IMAGES: [&str; 3] = ["web:1", "db:1", "job:1"];
/// Its containers end as soon as they run.
const BAD_IMAGE: &str = "bad:1";

pub(crate) fn found(world: &mut World) {
    let nodes = MANAGERS + world.chance.below(5);
    let mut changes = vec![Change::FoundCluster(Box::new(cluster()))];
    for id in (1..=nodes).map(NodeId) {
        let role = if id.0 <= MANAGERS { Role::Manager } else { Role::Worker };
        changes.push(Change::AddNode(Box::new(node(id, role))));
        let mut images = all_images();
        images.retain(|_| id == STEADY_NODE || !world.one_in(4));
        world.machines.insert(id, Machine::new(id, images));
    }
    world.managers = (1..=MANAGERS).map(NodeId).collect();
    let mut images = all_images();
    images.retain(|_| world.one_in(2));
    world.registry = Registry { answers: true, images };
    world.decree(changes);
    let all: Vec<NodeId> = world.machines.keys().copied().collect();
    all.into_iter().for_each(|id| agent::start(world, id));
}

/// Of its mounts, the volumes.
pub(crate) fn volumes(spec: &TaskSpec) -> impl Iterator<Item = String> {
    spec.container.mounts.iter().filter_map(|it| match &it.source {
        MountSource::Volume(volume) => volume.name.clone(),
        MountSource::Bind(_) | MountSource::Tmpfs(_) => None,
    })
}

pub(crate) fn any_image(world: &mut World) -> ImageRef {
    IMAGES[world.chance.below(3) as usize].parse().expect("a good image")
}

pub(crate) fn bad_image() -> ImageRef {
    BAD_IMAGE.parse().expect("a good name for an image")
}

/// In full.
pub(crate) fn all_images() -> BTreeSet<String> {
    let full = |it: &&str| it.parse::<ImageRef>().expect("a good image").full().to_owned();
    IMAGES.iter().chain([&BAD_IMAGE]).map(full).collect()
}

fn cluster() -> Cluster {
    Cluster {
        id: ClusterId(1),
        version: Version(0),
        created: Stamp::default(),
        authority: Authority { certificate_pem: String::new(), key_pem: Secret::default() },
        worker_secret: Secret::default(),
        manager_secret: Secret::default(),
        task_history: 2,
        file_key: None,
    }
}

fn node(id: NodeId, role: Role) -> Node {
    let name = format!("node{}", id.0).parse().expect("a good name");
    Node::joining(id, name, NodeSpec::of_role(role), (([10, 0, 0, 1], 7373).into(), NodeKind::Full))
}
