//! A machine: power, a cable, an engine, and an agent that comes and goes.

use crate::agent::Agent;
use crate::engine::Engine;
use crate::fence::Fence;
use crate::world::Happening;
use agent_core::worker::BootMark;
use common::NodeId;
use common::node::{NodeDescription, NodeKind};
use common::resources::Resources;
use manager_core::leader::Hello;
use std::collections::BTreeSet;

/// Streams keep the order of what they carry.
#[derive(Debug, Default)]
pub(crate) struct InOrder {
    last: u64,
}

impl InOrder {
    /// In how many milliseconds something arrives that is handed over now.
    pub(crate) fn next(&mut self, now: u64, delay: u64) -> u64 {
        self.last = self.last.max(now + delay);
        self.last - now
    }
}

/// What is to become of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Member,
    /// A user took its node out of the cluster.
    Removed,
    /// It never comes back.
    Lost,
}

#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) node: NodeId,
    power: bool,
    pub(crate) is_cut: bool,
    pub(crate) fate: Fate,
    pub(crate) engine: Engine,
    pub(crate) agent: Agent,
    /// On a file system that a reboot empties.
    boot_mark: BootMark,
    /// As well.
    pub(crate) fence: Fence,
    /// What waits for its programs, which stand still; none where they do not.
    pub(crate) frozen: Option<Vec<Happening>>,
    pub(crate) inward: InOrder,
    pub(crate) outward: InOrder,
    pub(crate) engine_words: InOrder,
}

impl Machine {
    pub(crate) fn new(node: NodeId, images: BTreeSet<String>) -> Machine {
        Machine {
            node,
            power: true,
            is_cut: false,
            fate: Fate::Member,
            engine: Engine::new(images),
            agent: Agent::new(1, BootMark::FirstRun),
            boot_mark: BootMark::FirstRun,
            fence: Fence::default(),
            frozen: None,
            inward: InOrder::default(),
            outward: InOrder::default(),
            engine_words: InOrder::default(),
        }
    }

    pub(crate) fn has_power(&self) -> bool {
        self.power
    }

    pub(crate) fn lose_power(&mut self) {
        self.power = false;
        self.boot_mark = BootMark::FirstRun;
        self.engine.lose_power();
        (self.fence, self.frozen) = (Fence::default(), None);
        self.agent = Agent::new(self.agent.life() + 1, self.boot_mark);
    }

    pub(crate) fn get_power(&mut self) {
        self.power = true;
    }

    /// The agent's process ends, and begins anew.
    pub(crate) fn lose_agent(&mut self) {
        self.frozen = None;
        self.agent = Agent::new(self.agent.life() + 1, self.boot_mark);
    }

    /// From now on a container that stands still does not do so because of the boot.
    pub(crate) fn mark_boot(&mut self) {
        self.boot_mark = BootMark::Again;
    }

    /// Without an engine, as much as is known without one.
    pub(crate) fn description(&self) -> NodeDescription {
        let resources = match self.agent.images() {
            Some(_) => Resources { cpu_nanos: 4_000_000_000, memory_bytes: 1 << 30 },
            None => Resources::NONE,
        };
        NodeDescription {
            hostname: format!("node{}", self.node.0),
            resources,
            ..NodeDescription::default()
        }
    }

    pub(crate) fn hello(&self) -> Hello {
        Hello {
            description: self.description(),
            images: self.agent.images().filter(|it| !it.is_empty()).cloned(),
            volumes: self.agent.volumes().cloned(),
            kind: NodeKind::Full,
            address: ([10, 0, 0, 1], 7373).into(),
        }
    }
}
