//! The world: a clock, a queue of what will happen, machines, a log, and a leader now and then.

use crate::agent;
use crate::checks::{self, Rule, Violation};
use crate::engine;
use crate::faults;
use crate::fence;
use crate::founding;
use crate::leading::Leading;
use crate::log::Log;
use crate::machine::Machine;
use common::task::Slot;
use common::{IdGen, NodeId, TaskId, WallTime};
use manager_core::change::{Batch, Change, Event, Unity};
use manager_core::leader::{Input, SessionId, Telling};
use std::collections::{BTreeMap, BTreeSet};

/// For so long faults and users act.
const FAULTS_MS: u64 = 60_000;
/// Then everything has so long to become right: a node that flapped often waits for 300 s.
const HEALING_MS: u64 = 400_000;
/// And after that, nothing may be written for so long.
const QUIET_MS: u64 = 20_000;
const STEPS_MAX: u64 = 2_000_000;
const DAY_MS: u64 = 24 * 3_600_000;

/// What the machines believe what time it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WallClocks {
    Right,
    /// By up to a day in either direction.
    Wrong,
}

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) chance: IdGen,
    /// By time, and by the order in which it was foreseen.
    queue: BTreeMap<(u64, u64), Happening>,
    sequence: u64,
    pub(crate) machines: BTreeMap<NodeId, Machine>,
    /// Nodes that vote.
    pub(crate) managers: Vec<NodeId>,
    pub(crate) log: Log,
    pub(crate) registry: Registry,
    pub(crate) leader: Option<Leading>,
    pub(crate) last_leader: LastLeader,
    pub(crate) terms: u64,
    pub(crate) sessions: u64,
    /// Streams on which something was lost: nothing behind that arrives either.
    pub(crate) broken: BTreeSet<SessionId>,
    /// Of every task that ever ran.
    pub(crate) attempts: BTreeMap<TaskId, Attempt>,
    /// Which tasks must not run twice, by their service's name and their slot.
    pub(crate) at_most_one: BTreeMap<TaskId, (String, Slot)>,
    pub(crate) wrong: Vec<Violation>,
    wall_clocks: WallClocks,
    trace: bool,
}

/// Where engines look for images that they have not got.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub(crate) answers: bool,
    pub(crate) images: BTreeSet<String>,
}

#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) node: NodeId,
    /// Of the agent that had it started.
    pub(crate) life: u64,
    pub(crate) is_removed_by_hand: bool,
}

/// How the leadership was lost.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum LastLeader {
    #[default]
    Nobody,
    /// Its last sign of life.
    Silent {
        node: NodeId,
        at: u64,
    },
    Orderly {
        node: NodeId,
    },
}

#[derive(Debug)]
pub(crate) enum Happening {
    Fault,
    Election,
    LeaderWakes { term: u64 },
    ToLeader { term: u64, input: Input },
    ProposalEnds { term: u64, batch: Batch },
    Published { term: u64, events: Vec<Event> },
    ToAgent { node: NodeId, session: SessionId, telling: Telling },
    Agent { node: NodeId, life: u64, event: agent::Event },
    Engine { node: NodeId, boot: u64, event: engine::Event },
    Watchdog { node: NodeId },
    Thaw { node: NodeId },
}

impl World {
    pub(crate) fn new(seed: u64, wall_clocks: WallClocks, trace: bool) -> World {
        let mut world = World {
            now: 0,
            chance: IdGen::from_seed(seed ^ 0x5eed),
            queue: BTreeMap::new(),
            sequence: 0,
            machines: BTreeMap::new(),
            managers: Vec::new(),
            log: Log::default(),
            registry: Registry::default(),
            leader: None,
            last_leader: LastLeader::Nobody,
            terms: 0,
            sessions: 0,
            broken: BTreeSet::new(),
            attempts: BTreeMap::new(),
            at_most_one: BTreeMap::new(),
            wrong: Vec::new(),
            wall_clocks,
            trace,
        };
        founding::found(&mut world);
        world.after(100, Happening::Election);
        world.after(500, Happening::Fault);
        world
    }

    pub(crate) fn started(&self) -> u64 {
        self.machines.values().map(|it| it.engine.started()).sum()
    }

    /// All that can be told of a run from outside, in few numbers.
    pub(crate) fn footprint(&self) -> (u64, u64, u64) {
        (self.sequence, self.terms, self.started())
    }

    pub(crate) fn wall(&self, node: NodeId) -> WallTime {
        let days_off = match self.wall_clocks {
            WallClocks::Right => 1,
            WallClocks::Wrong => node.0 % 3,
        };
        WallTime(DAY_MS * (100 + days_off) + self.now)
    }

    /// Runs faults, healing and quiet, and answers what was wrong.
    pub(crate) fn run(&mut self) -> Vec<Violation> {
        self.run_until(FAULTS_MS);
        faults::end(self);
        self.run_until(FAULTS_MS + HEALING_MS);
        let settled = self.log.last_commit();
        self.run_until(FAULTS_MS + HEALING_MS + QUIET_MS);
        if self.wrong.is_empty() {
            self.wrong = checks::end::violations(self);
            if self.log.last_commit() != settled {
                self.blame(Rule::QuietAtRest, "an idle cluster writes".to_owned());
            }
        }
        std::mem::take(&mut self.wrong)
    }

    /// Whether things still go wrong.
    pub(crate) fn is_faulty(&self) -> bool {
        self.now < FAULTS_MS
    }

    fn run_until(&mut self, end: u64) {
        let mut steps = 0;
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > end || !self.wrong.is_empty() {
                break;
            }
            self.now = entry.key().0;
            let happening = entry.remove();
            self.happen(happening);
            steps += 1;
            if steps > STEPS_MAX {
                self.blame(Rule::QuietAtRest, "it does not come to rest".to_owned());
            }
        }
        self.now = self.now.max(end);
    }

    /// Whose program has to act; while that stands still, it waits.
    fn actor(&self, happening: &Happening) -> Option<NodeId> {
        match happening {
            Happening::LeaderWakes { term }
            | Happening::ToLeader { term, .. }
            | Happening::ProposalEnds { term, .. }
            | Happening::Published { term, .. } => {
                self.leader.as_ref().filter(|it| it.term == *term).map(|it| it.node)
            }
            Happening::ToAgent { node, .. } | Happening::Agent { node, .. } => Some(*node),
            Happening::Fault
            | Happening::Election
            | Happening::Engine { .. }
            | Happening::Watchdog { .. }
            | Happening::Thaw { .. } => None,
        }
    }

    pub(crate) fn thaw(&mut self, node: NodeId) {
        let held = self.machine_mut(node).frozen.take();
        held.into_iter().flatten().for_each(|it| self.happen(it));
    }

    fn happen(&mut self, happening: Happening) {
        if let Some(node) = self.actor(&happening)
            && let Some(held) = &mut self.machine_mut(node).frozen
        {
            held.push(happening);
            return;
        }
        match happening {
            Happening::Watchdog { node } => fence::look(self, node),
            Happening::Thaw { node } => self.thaw(node),
            Happening::Fault => faults::strike(self),
            Happening::Election => self.elect(),
            Happening::LeaderWakes { term } => self.with_leader(term, |_, _| Vec::new()),
            Happening::ToLeader { term, input } => self.hear(term, input),
            Happening::ProposalEnds { term, batch } => self.proposal_ends(term, &batch),
            Happening::Published { term, events } => self.publish(term, events),
            Happening::ToAgent { node, session, telling } => {
                agent::told(self, node, session, telling);
            }
            Happening::Agent { node, life, event } => agent::event(self, node, life, event),
            Happening::Engine { node, boot, event } => engine::event(self, node, boot, event),
        }
    }

    pub(crate) fn after(&mut self, delay: u64, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((self.now + delay, self.sequence), happening);
    }

    pub(crate) fn blame(&mut self, rule: Rule, detail: String) {
        self.wrong.push(Violation { rule, detail });
    }

    pub(crate) fn say(&self, text: impl FnOnce() -> String) {
        if self.trace {
            use std::io::Write;
            drop(writeln!(std::io::stderr(), "{:>7} {}", self.now, text()));
        }
    }

    pub(crate) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.chance.below(most - least + 1)
    }

    pub(crate) fn one_in(&mut self, of: u64) -> bool {
        self.chance.below(of) == 0
    }

    pub(crate) fn machine(&self, node: NodeId) -> &Machine {
        self.machines.get(&node).expect("machines are never taken away")
    }

    pub(crate) fn machine_mut(&mut self, node: NodeId) -> &mut Machine {
        self.machines.get_mut(&node).expect("machines are never taken away")
    }

    /// A user's wish, if anybody is there to hear it.
    pub(crate) fn ask(&mut self, changes: Vec<Change>) {
        let heard = self.leader.as_ref().is_some_and(|it| self.has_quorum(it.node));
        if heard && !self.log.fails(self.now) {
            self.decree(changes);
        }
    }

    /// Committed whatever the circumstances.
    pub(crate) fn decree(&mut self, changes: Vec<Change>) {
        let batch = Batch { stamp: self.stamp(), unity: Unity::AllOrNothing, changes };
        self.commit(&batch);
    }
}
