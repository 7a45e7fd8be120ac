//! All tasks of a node: what was assigned against what runs, as an ordered list of actions.
//!
//! The containers are the only memory: their labels say whose they are. The managers say what is
//! wanted. What is known is doubted whenever the engine may know better, and listed again.

mod entry;

use crate::container::{ContainerEvent, ContainerId, Operation, OperationFailure, Outcome, Seen};
use crate::health::{Health, Probe};
use crate::lease::Room;
use crate::reports::TaskReport;
use crate::task_machine::{
    Busy, End, Known, Leave, Situation, Wanted, doom, last_words, next_step, observe,
};
use common::TaskId;
use common::assignment::AssignmentSet;
use common::task::{Observation, TaskState};
use entry::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Whether the agent has run before since the machine was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootMark {
    FirstRun,
    Again,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    Assignments(AssignmentSet),
    /// How much is left of the node's lease.
    Room(Room),
    /// From here on the engine tells what happens, and a listing is under way.
    ListingBegun,
    /// Everything of ours that exists.
    Listed(Vec<Seen>),
    EngineLost,
    Container(ContainerEvent),
    Progress {
        task: TaskId,
        message: String,
    },
    Finished {
        task: TaskId,
        outcome: Outcome,
    },
    /// What a probe found.
    Probed {
        task: TaskId,
        number: u64,
        found: Result<Health, OperationFailure>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Begin {
        task: TaskId,
        operation: Operation,
    },
    Report(TaskReport),
    /// At most one at a time of each task, and beside its operations: nothing waits for it.
    Probe(Probe),
    /// What is known of a task is in doubt.
    List,
    /// Something would not be done; it is tried again after the next listing.
    ListLater,
}

#[derive(Debug, Clone)]
pub struct Worker {
    tasks: BTreeMap<TaskId, Entry>,
    engine: Engine,
    heard: Heard,
    room: Room,
    /// What stands still at the next listing does so because everything did.
    interrupted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    /// Nothing is begun: a container may be there that we do not know of.
    Away,
    Listed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Nothing,
    /// So that what is not assigned is left over.
    Everything,
}

impl Worker {
    pub fn new(boot: BootMark) -> Worker {
        Worker {
            tasks: BTreeMap::new(),
            engine: Engine::Away,
            heard: Heard::Nothing,
            room: Room::None,
            interrupted: boot == BootMark::FirstRun,
        }
    }

    /// The one way in. The same input twice changes nothing.
    pub fn handle(&mut self, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        match input {
            Input::Assignments(set) => {
                let touched = self.assign(set);
                self.settle(touched, &mut actions);
            }
            Input::Room(room) => {
                if std::mem::replace(&mut self.room, room) != room {
                    let by_lease = self.tasks.values().filter(|it| it.is_at_most_one());
                    let by_lease = by_lease.map(|it| it.task).collect();
                    self.settle(by_lease, &mut actions);
                }
            }
            Input::ListingBegun => self.tasks.values_mut().for_each(|it| it.moved = false),
            Input::Listed(seen) => {
                self.listed(seen);
                self.settle(self.tasks.keys().copied().collect(), &mut actions);
            }
            Input::EngineLost => {
                self.engine = Engine::Away;
                self.interrupted = true;
                self.tasks.values_mut().for_each(|it| it.doubted = true);
            }
            Input::Container(event) => {
                let task = event.task;
                if let Some(entry) = self.tasks.get_mut(&task) {
                    entry.happened(event, self.interrupted);
                }
                self.settle(BTreeSet::from([task]), &mut actions);
            }
            Input::Progress { task, message } => {
                let entry = self.tasks.get_mut(&task);
                actions.extend(entry.and_then(|it| progress(it, message)));
            }
            Input::Finished { task, outcome } => {
                let entry = self.tasks.get_mut(&task);
                actions.extend(entry.and_then(|it| it.finished(outcome)));
                self.settle(BTreeSet::from([task]), &mut actions);
            }
            Input::Probed { task, number, found } => {
                if let Some(entry) = self.tasks.get_mut(&task) {
                    entry.probed(number, found);
                }
                self.settle(BTreeSet::from([task]), &mut actions);
            }
        }
        actions
    }

    /// Where every assigned task stands, for a manager that may know nothing.
    pub fn standing(&self) -> impl Iterator<Item = TaskReport> {
        self.tasks.values().filter(|it| it.assignment.is_some()).filter_map(|entry| {
            let observation = entry.observed.clone()?;
            Some(TaskReport { task: entry.task, observation })
        })
    }

    /// Whether the engine's containers are known, as far as they ever are.
    pub fn is_listed(&self) -> bool {
        self.engine == Engine::Listed
    }

    pub fn container(&self, task: TaskId) -> Option<&ContainerId> {
        self.tasks.get(&task)?.known.id()
    }

    /// Whether its container runs or may yet do so, as far as anybody can tell.
    pub fn may_run(&self, task: TaskId) -> bool {
        match self.tasks.get(&task) {
            Some(entry) => entry.may_run(),
            None => self.heard == Heard::Nothing || self.engine == Engine::Away,
        }
    }

    /// Whether it must not run twice.
    pub fn is_at_most_one(&self, task: TaskId) -> bool {
        self.tasks.get(&task).is_some_and(Entry::is_at_most_one)
    }

    pub fn has_at_most_one(&self) -> bool {
        self.tasks.values().any(Entry::is_at_most_one)
    }

    /// Whether this very container may run or come to run, as far as anybody can tell.
    pub fn may_run_in(&self, id: &ContainerId) -> bool {
        let may_be_there = self.engine == Engine::Away || self.heard == Heard::Nothing;
        may_be_there || self.tasks.values().any(|it| it.may_run_in(id))
    }

    /// Whether there is nothing of ours, for sure.
    pub fn is_empty(&self) -> bool {
        self.engine == Engine::Listed && self.tasks.is_empty()
    }

    fn assign(&mut self, set: AssignmentSet) -> BTreeSet<TaskId> {
        let (put, gone) = match set {
            AssignmentSet::Complete(put) => {
                self.heard = Heard::Everything;
                (put, self.tasks.keys().copied().collect())
            }
            AssignmentSet::Changes { put, remove } => (put, remove),
        };
        let mut touched = BTreeSet::new();
        for task in gone {
            touched.insert(task);
            if let Some(entry) = self.tasks.get_mut(&task) {
                entry.assignment = None;
            }
        }
        let doubted = self.engine == Engine::Away;
        for assignment in put {
            let task = assignment.task;
            touched.insert(task);
            let fresh = || Entry::new(task, Known::None, doubted);
            self.tasks.entry(task).or_insert_with(fresh).assignment = Some(Arc::new(assignment));
        }
        touched
    }

    fn listed(&mut self, seen: Vec<Seen>) {
        let interrupted = std::mem::replace(&mut self.interrupted, false);
        self.engine = Engine::Listed;
        let mut seen: BTreeMap<TaskId, Seen> = seen.into_iter().map(|it| (it.task, it)).collect();
        for task in seen.keys() {
            self.tasks.entry(*task).or_insert_with(|| Entry::new(*task, Known::None, true));
        }
        for (task, entry) in &mut self.tasks {
            entry.listed(seen.remove(task), interrupted);
        }
    }

    fn wanted(&self, entry: &Entry) -> Wanted {
        match (&entry.assignment, self.heard) {
            (Some(assignment), _) => Wanted::from(assignment.desired),
            (None, Heard::Everything) => Wanted::Remove,
            (None, Heard::Nothing) => Wanted::Unsaid,
        }
    }

    /// Says what can be said of these tasks, and begins what can be begun.
    fn settle(&mut self, tasks: BTreeSet<TaskId>, actions: &mut Vec<Action>) {
        for task in tasks {
            let Some(entry) = self.tasks.get(&task) else { continue };
            let wanted = self.wanted(entry);
            let leave =
                if entry.is_at_most_one() { Leave::ByLease(self.room) } else { Leave::Free };
            let is_sure = self.engine == Engine::Listed && !entry.doubted;
            let entry = self.tasks.get_mut(&task).expect("it was looked up above");
            if is_sure {
                settle_one(entry, (wanted, leave), actions);
            } else if matches!(wanted, Wanted::Prepare | Wanted::Run) && entry.observed.is_none() {
                actions.extend(entry.advance(Observation::of(TaskState::Accepted)));
            }
            // Before all is heard, nobody knows what will turn out to be assigned.
            if self.heard == Heard::Everything && is_forgettable(entry) {
                self.tasks.remove(&task);
            }
        }
    }
}

const NO_LEASE: &str = "waits for a lease: its managers must say that it runs nowhere else";

fn settle_one(entry: &mut Entry, (wanted, leave): (Wanted, Leave), actions: &mut Vec<Action>) {
    let doomed = doom(wanted, &entry.known, leave).or_else(|| entry.is_ending(wanted));
    match doomed.filter(|_| !entry.has_ended()) {
        Some(end) => actions.extend(entry.remark(last_words(&end))),
        None => {
            let mut observation = observe(wanted, &entry.known, entry.busy);
            if observation.state == TaskState::Starting && entry.is_held_by(leave) {
                NO_LEASE.clone_into(&mut observation.message);
            }
            actions.extend(entry.advance(observation));
        }
    }
    if entry.busy.is_some() || entry.balks {
        return;
    }
    let situation = Situation {
        wanted,
        known: &entry.known,
        image: entry.image(),
        leave,
        ended: entry.has_ended(),
    };
    let step = next_step(&situation);
    let end = doom(wanted, &entry.known, leave).unwrap_or(End::Stopped);
    if let Some(operation) = entry.begin(step, end) {
        if let Operation::Pull(wish) = &operation {
            actions.extend(entry.advance(preparing(format!("pulling {}", wish.image))));
        }
        actions.push(Action::Begin { task: entry.task, operation });
    } else if wanted == Wanted::Run {
        actions.extend(entry.begin_probe().map(Action::Probe));
    }
}

fn preparing(message: String) -> Observation {
    Observation { message, ..Observation::of(TaskState::Preparing) }
}

fn progress(entry: &mut Entry, message: String) -> Option<Action> {
    let is_pulling = entry.busy == Some(Busy::Pull) && !entry.has_ended();
    is_pulling.then(|| entry.advance(preparing(message))).flatten()
}

/// Nobody wants it, and there is nothing of it. A pull under way ends by itself.
fn is_forgettable(entry: &Entry) -> bool {
    let is_idle = match entry.busy {
        None | Some(Busy::Pull) => true,
        Some(Busy::Create | Busy::Start | Busy::Stop | Busy::Remove) => false,
    };
    entry.assignment.is_none() && entry.known.id().is_none() && is_idle
}
