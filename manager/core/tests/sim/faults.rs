//! What goes wrong, and what users want, drawn from the seed.

use crate::agents::{self, Agent, Container, Ended};
use crate::checks;
use crate::world::{Happening, World};
use common::cluster::{Authority, Cluster};
use common::container::ContainerSpec;
use common::node::{
    Availability, Node, NodeDescription, NodeKind, NodeSpec, NodeState, NodeStatus, Role,
};
use common::resources::Resources;
use common::secret::Secret;
use common::service::{Mode, ServiceSpec, TaskSpec};
use common::{ClusterId, NodeId, Stamp, TaskId, Timestamp, Version};
use manager_core::change::Change;
use manager_core::requests;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const IMAGES: [&str; 3] = ["web:1", "db:1", "job:1"];

/// Three managers, of which one may be drained, and up to four workers.
pub(crate) fn found(world: &mut World) {
    let cluster = Cluster {
        id: ClusterId(1),
        version: Version(0),
        created: Stamp::default(),
        authority: Authority { certificate_pem: String::new(), key_pem: Secret::default() },
        worker_secret: Secret::default(),
        manager_secret: Secret::default(),
        task_history: 2,
    };
    let nodes = 3 + world.chance.below(5);
    let mut changes = vec![Change::FoundCluster(Box::new(cluster))];
    for id in 1..=nodes {
        let role = if id <= 3 { Role::Manager } else { Role::Worker };
        changes.push(node(id, role));
        let images = IMAGES.iter().filter(|_| id == 1 || world.chance.below(4) > 0);
        let images: BTreeSet<String> = images.map(|it| full(it)).collect();
        world.agents.insert(NodeId(id), Agent::new(NodeId(id), images));
    }
    world.managers = (1..=3).map(NodeId).collect();
    world.found(changes);
    let all: Vec<NodeId> = world.agents.keys().copied().collect();
    all.into_iter().for_each(|id| agents::start(world, id));
}

fn full(image: &str) -> String {
    image.parse::<common::image::ImageRef>().expect("a good image").full().to_owned()
}

fn node(id: u64, role: Role) -> Change {
    Change::AddNode(Box::new(Node {
        id: NodeId(id),
        version: Version(0),
        created: Stamp::default(),
        updated: Stamp::default(),
        name: format!("node{id}").parse().expect("a good name"),
        spec: NodeSpec {
            role,
            availability: Availability::Active,
            labels: BTreeMap::new(),
            down_after: None,
        },
        address: ([10, 0, 0, 1], 7373).into(),
        kind: NodeKind::Full,
        description: NodeDescription {
            resources: Resources { cpu_nanos: 4_000_000_000, memory_bytes: 1 << 30 },
            ..NodeDescription::default()
        },
        status: NodeStatus {
            state: NodeState::Joining,
            since: Stamp::default(),
            steady_at: Timestamp(0),
            flaps: 0,
        },
    }))
}

pub(crate) fn strike(world: &mut World) {
    if world.time() >= Duration::from_secs(60) {
        return;
    }
    let next = world.between(50, 3_000);
    world.after(next, Happening::Fault);
    if let Some(twins) = checks::twins(world) {
        world.wrong.push(twins);
    }
    match world.chance.below(16) {
        0 => lose_machine(world, true),
        1 => lose_machine(world, false),
        2 => toggle_cable(world),
        3 => power_on(world),
        4 => lose_leader(world),
        5 => world.log_fails_until = world.now + 2_000,
        6 => container_ends(world),
        7 => container_removed(world),
        8 => toggle_hang(world),
        9 => images_change(world),
        10 | 11 => user_creates(world),
        12 => user_scales(world),
        13 => user_removes(world),
        14 => user_drains(world),
        _ => everything_dark(world),
    }
}

fn any(world: &mut World) -> NodeId {
    let at = world.chance.below(world.agents.len() as u64) as usize;
    world.agents.keys().copied().nth(at).expect("there is a node")
}

fn lose_machine(world: &mut World, machine: bool) {
    let id = any(world);
    world.say(|| format!("{id} loses its {}", if machine { "power" } else { "agent" }));
    if world.leader.as_ref().is_some_and(|it| it.node == id) {
        world.depose();
    }
    let Some(agent) = world.agents.get_mut(&id) else { return };
    agent.lose_power(machine);
    if !machine {
        agents::start(world, id);
    }
}

fn power_on(world: &mut World) {
    let off: Vec<NodeId> = world.agents.values().filter(|it| !it.power).map(|it| it.node).collect();
    for id in off {
        world.say(|| format!("{id} gets its power back"));
        if let Some(agent) = world.agents.get_mut(&id) {
            agent.power = true;
            agent.engine.hung = false;
        }
        agents::start(world, id);
    }
}

fn toggle_cable(world: &mut World) {
    let id = any(world);
    let Some(agent) = world.agents.get_mut(&id) else { return };
    agent.cut = !agent.cut;
    let cut = agent.cut;
    world.say(|| format!("{id} cut: {cut}"));
}

fn toggle_hang(world: &mut World) {
    let id = any(world);
    let Some(agent) = world.agents.get_mut(&id) else { return };
    agent.engine.hung = !agent.engine.hung;
    let hung = agent.engine.hung;
    world.say(|| format!("{id}'s engine hangs: {hung}"));
}

fn lose_leader(world: &mut World) {
    if let Some(id) = world.leader.as_ref().map(|it| it.node) {
        world.say(|| format!("the leader's machine {id} loses its power"));
        world.depose();
        if let Some(agent) = world.agents.get_mut(&id) {
            agent.lose_power(true);
        }
    }
}

fn everything_dark(world: &mut World) {
    if world.chance.below(4) > 0 {
        return;
    }
    world.say(|| "all lose power".to_owned());
    world.depose();
    world.agents.values_mut().for_each(|it| it.lose_power(true));
    power_on(world);
}

fn some_running(world: &mut World) -> Option<(NodeId, TaskId)> {
    let id = any(world);
    let tasks: Vec<TaskId> = world.agents.get(&id)?.running().collect();
    if tasks.is_empty() {
        return None;
    }
    let at = world.chance.below(tasks.len() as u64) as usize;
    Some((id, tasks[at]))
}

fn container_ends(world: &mut World) {
    let code = world.chance.below(2) as i64;
    let Some((id, task)) = some_running(world) else { return };
    world.say(|| format!("{task} on {id} exits with {code}"));
    if let Some(agent) = world.agents.get_mut(&id) {
        agent.engine.containers.insert(task, Container::Ended(Ended::Exit(code)));
    }
}

/// As a restart of the machine would leave it.
fn container_removed(world: &mut World) {
    let Some((id, task)) = some_running(world) else { return };
    world.say(|| format!("{task} on {id} is cut off"));
    if let Some(agent) = world.agents.get_mut(&id) {
        agent.engine.containers.insert(task, Container::Ended(Ended::PowerCut));
    }
}

fn images_change(world: &mut World) {
    let id = any(world);
    let image = full(IMAGES[world.chance.below(3) as usize]);
    let Some(agent) = world.agents.get_mut(&id) else { return };
    // The first node has all of them always, so that every service can run somewhere.
    if id != NodeId(1) && !agent.engine.images.remove(&image) {
        agent.engine.images.insert(image);
    }
    agents::images_changed(world, id);
}

fn user_creates(world: &mut World) {
    let number = world.chance.below(6);
    let image = IMAGES[world.chance.below(3) as usize].parse().expect("a good image");
    let mut task = TaskSpec::of_container(ContainerSpec::of_image(image));
    task.restart.delay = Duration::from_millis(world.chance.below(3) * 2_500);
    let mode = match world.chance.below(6) {
        0 => Mode::Global,
        replicas => Mode::Replicated { replicas: replicas as u32 },
    };
    if mode == Mode::Global {
        // A global service needs its image everywhere, and none of these has it for certain.
        let image = full("web:1");
        let nodes: Vec<NodeId> = world.agents.keys().copied().collect();
        for id in nodes {
            if let Some(agent) = world.agents.get_mut(&id) {
                agent.engine.images.insert(image.clone());
            }
            agents::images_changed(world, id);
        }
        task.container.image = "web:1".parse().expect("a good image");
    }
    let name = format!("service{number}").parse().expect("a good name");
    let spec = ServiceSpec { name, labels: BTreeMap::new(), mode, task: Arc::new(task) };
    let mut ids = common::IdGen::from_seed(world.chance.next_u64());
    if let Ok(created) = requests::create_service(&world.state, spec, &mut ids) {
        world.ask(created.changes);
    }
}

fn some_service(world: &mut World) -> Option<String> {
    let names: Vec<String> =
        world.state.active_services().map(|it| it.spec.name.to_string()).collect();
    let at = world.chance.below(names.len().max(1) as u64) as usize;
    names.get(at).cloned()
}

fn user_scales(world: &mut World) {
    let replicas = world.chance.below(8) as u32;
    let Some(name) = some_service(world) else { return };
    if let Ok(changes) = requests::scale(&world.state, &[(name, replicas)]) {
        world.ask(changes);
    }
}

fn user_removes(world: &mut World) {
    let Some(name) = some_service(world) else { return };
    if let Ok(changes) = requests::remove_services(&world.state, &[name]) {
        world.ask(changes);
    }
}

fn user_drains(world: &mut World) {
    let id = any(world);
    set_availability(world, id, true);
}

fn set_availability(world: &mut World, id: NodeId, toggle: bool) {
    let Some(node) = world.state.node(id) else { return };
    let mut spec = node.spec.clone();
    spec.availability = match spec.availability {
        Availability::Active if toggle && id != NodeId(1) => Availability::Drain,
        Availability::Active | Availability::Pause | Availability::Drain => Availability::Active,
    };
    if spec != node.spec {
        let base = node.version;
        world.ask(vec![Change::SetNodeSpec { node: id, base, spec }]);
    }
}

/// Everything is mended, and users have no more wishes.
pub(crate) fn end(world: &mut World) {
    world.say(|| "everything is mended".to_owned());
    world.log_fails_until = 0;
    let all: Vec<NodeId> = world.agents.keys().copied().collect();
    for id in &all {
        if let Some(agent) = world.agents.get_mut(id) {
            agent.cut = false;
            agent.engine.hung = false;
            // What was missing arrives by itself in the end.
            agent.engine.images.extend(IMAGES.iter().map(|it| full(it)));
        }
        agents::images_changed(world, *id);
    }
    power_on(world);
    let drained: Vec<Change> = world
        .state
        .nodes()
        .filter(|it| it.spec.availability != Availability::Active)
        .map(|it| {
            let spec = NodeSpec { availability: Availability::Active, ..it.spec.clone() };
            Change::SetNodeSpec { node: it.id, base: it.version, spec }
        })
        .collect();
    world.found(drained);
}
