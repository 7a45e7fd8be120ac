//! A machine's fence: what its agent has registered, and the watchdog that needs no agent.

use crate::engine;
use crate::world::{Happening, World};
use agent_core::container::ContainerId;
use agent_core::lease::{BootTime, Lease, Room};
use agent_core::standing::Standing;
use common::{NodeId, TaskId};
use std::collections::BTreeMap;
use std::time::Duration;

/// How late a watchdog may be, and how long until it looks again.
const LATE_MS: u64 = 200;
const AGAIN_MS: u64 = 150;

#[derive(Debug, Default)]
pub(crate) struct Fence {
    lease: Lease,
    registered: BTreeMap<ContainerId, (TaskId, Standing)>,
}

fn boot_time(now: u64) -> BootTime {
    BootTime::default() + Duration::from_millis(now)
}

impl Fence {
    pub(crate) fn room(&self, now: u64) -> Room {
        self.lease.room(boot_time(now))
    }

    fn ends_at(&self) -> u64 {
        self.lease.ends().0 / 1_000_000
    }

    pub(crate) fn clear(&mut self, may_run: impl Fn(&ContainerId) -> bool) {
        self.registered.retain(|id, _| may_run(id));
    }

    pub(crate) fn started(&mut self, id: &ContainerId) {
        if let Some((_, standing @ Standing::Starting)) = self.registered.get_mut(id) {
            *standing = Standing::Running;
        }
    }

    pub(crate) fn standing(&self, id: &ContainerId) -> Option<Standing> {
        self.registered.get(id).map(|(_, standing)| *standing)
    }
}

pub(crate) fn granted(world: &mut World, node: NodeId, sent: u64) {
    world.machine_mut(node).fence.lease.granted(boot_time(sent));
    watch(world, node);
}

/// Answers whether the engine may be asked to start it.
pub(crate) fn register(world: &mut World, node: NodeId, task: TaskId, id: &ContainerId) -> bool {
    let now = world.now;
    let fence = &mut world.machine_mut(node).fence;
    fence.registered.insert(id.clone(), (task, Standing::Starting));
    let may_start = fence.room(now) == Room::ToStart;
    watch(world, node);
    may_start
}

fn watch(world: &mut World, node: NodeId) {
    let late = world.between(0, LATE_MS);
    let ends_at = world.machine(node).fence.ends_at();
    let delay = ends_at.saturating_sub(world.now) + late;
    world.after(delay, Happening::Watchdog { node });
}

/// Kills what runs, and takes away what may yet be started.
pub(crate) fn look(world: &mut World, node: NodeId) {
    let machine = world.machine(node);
    if !machine.has_power() || world.now < machine.fence.ends_at() {
        return;
    }
    let registered = machine.fence.registered.clone();
    let mut is_left = false;
    for (id, (task, standing)) in registered {
        let ended = match standing {
            Standing::Starting => {
                engine::bar(world, node, task, &id);
                Standing::Barred
            }
            Standing::Running => {
                engine::halt(world, node, task, &id);
                Standing::Halted
            }
            Standing::Halted | Standing::Barred => continue,
        };
        world.machine_mut(node).fence.registered.insert(id, (task, ended));
        is_left = true;
    }
    if is_left {
        world.after(AGAIN_MS, Happening::Watchdog { node });
    }
}
