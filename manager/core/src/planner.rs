//! One path from what is to what should be: new services, failures, failover and repair alike.

use crate::change::{Change, Event, FileChange, NetworkChange};
use crate::dependencies;
use crate::draft::Draft;
use crate::scheduler::{self, Waiting};
use crate::state::State;
use crate::{eviction, orchestrator, reaper, update, volumes};
use common::service::ServicePhase;
use common::task::Task;
use common::{NodeId, ServiceId, TaskId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// More new tasks than this wait for the next plan, so that no log entry grows without bound.
pub const CREATED_PER_PLAN_MAX: usize = 1_000;

/// Remembers only where to look. That memory may be lost at any time: [`Event::Resync`] makes
/// it anew.
#[derive(Debug)]
pub struct Planner {
    dirty: BTreeSet<ServiceId>,
    /// A service, a file or a network changed, and some of them may be needed no more.
    leftovers_due: bool,
    /// Nodes that have spoken of their volumes, or that have tasks of which volumes matter.
    volumes_due: BTreeSet<NodeId>,
    created_max: usize,
}

#[derive(Debug, Default)]
pub struct Plan {
    pub changes: Vec<Change>,
    pub wake_at: Option<Timestamp>,
    /// Tasks without a node, or ready and not started, and why.
    pub waiting: BTreeMap<TaskId, Waiting>,
    /// There is more to do than was put into this plan.
    pub unfinished: bool,
}

impl Plan {
    /// Keeps up to date who waits. A plan looks only at services that changed, and tells of no
    /// others who is ready and held.
    pub fn tell_who_waits(&self, waiting: &mut BTreeMap<TaskId, Waiting>, state: &State) {
        waiting.retain(|task, _| state.task(*task).is_some_and(|it| it.is_prepared()));
        waiting.extend(self.waiting.iter().map(|(task, why)| (*task, why.clone())));
    }
}

impl Planner {
    pub fn new(created_max: usize) -> Planner {
        Planner {
            dirty: BTreeSet::new(),
            leftovers_due: false,
            volumes_due: BTreeSet::new(),
            created_max,
        }
    }

    pub fn on_event(&mut self, state: &State, event: Event) {
        self.leftovers_due |= match event {
            Event::ServiceChanged(_)
            | Event::FileChanged(_)
            | Event::NetworkChanged(_)
            | Event::Resync => true,
            Event::TaskChanged { .. }
            | Event::NodeChanged(_)
            | Event::ClusterChanged
            | Event::VolumesChanged => false,
        };
        match event {
            Event::ServiceChanged(service) => {
                self.mark_changed(state, service);
                // It may be held to its data now.
                let tasks = state.tasks_of(service).filter(|it| mounts_volumes(state, it));
                self.volumes_due.extend(tasks.filter_map(|it| it.placement.node()));
            }
            Event::TaskChanged { service, task, node } => {
                self.mark_changed(state, service);
                let mounts = state.task(task).is_some_and(|it| mounts_volumes(state, it));
                self.volumes_due.extend(node.filter(|_| mounts));
            }
            // A node that comes or goes concerns what it runs, and every global service.
            Event::NodeChanged(node) => {
                self.dirty.extend(state.tasks_on(node).map(|it| it.service));
                self.dirty.extend(orchestrator::global_services(state));
            }
            Event::Resync => {
                self.dirty.extend(state.services().map(|it| it.id));
                self.volumes_due.extend(state.nodes().map(|it| it.id));
            }
            Event::VolumesChanged => self.volumes_due.extend(state.nodes().map(|it| it.id)),
            Event::ClusterChanged | Event::FileChanged(_) | Event::NetworkChanged(_) => {}
        }
    }

    fn mark_changed(&mut self, state: &State, service: ServiceId) {
        self.dirty.insert(service);
        self.mark_needed(state, service);
    }

    /// What was needed by a service that goes may go after it.
    fn mark_needed(&mut self, state: &State, service: ServiceId) {
        match state.service(service) {
            Some(service) if service.phase == ServicePhase::Removing => {
                self.dirty.extend(dependencies::needed_by(state, service));
            }
            Some(_) => {}
            None => {
                let removing = state.services().filter(|it| it.phase == ServicePhase::Removing);
                self.dirty.extend(removing.map(|it| it.id));
            }
        }
    }

    /// A node has said which volumes it has.
    pub fn on_volumes(&mut self, node: NodeId) {
        self.volumes_due.insert(node);
    }

    pub fn mark(&mut self, service: ServiceId) {
        self.dirty.insert(service);
    }

    /// Whatever it decides is in the draft's changes; what it could not decide yet is in
    /// `wake_at` and `waiting`.
    pub fn plan(&mut self, mut draft: Draft<'_>) -> Plan {
        let mut unfinished = false;
        let mut later = BTreeSet::new();
        for id in std::mem::take(&mut self.dirty) {
            if unfinished {
                self.dirty.insert(id);
                continue;
            }
            let Some(service) = draft.service(id) else { continue };
            if let Some(at) = eviction::evict(&mut draft, service) {
                draft.wake_at(at);
                later.insert(id);
            }
            let room = self.created_max.saturating_sub(draft.created());
            let asks_again = orchestrator::orchestrate(&mut draft, service, room);
            if let Some(at) = reaper::reap(&mut draft, service) {
                draft.wake_at(at);
                later.insert(id);
            }
            match asks_again {
                orchestrator::Outcome::Done => {}
                orchestrator::Outcome::At(at) => {
                    draft.wake_at(at);
                    later.insert(id);
                }
                orchestrator::Outcome::NoRoom => {
                    self.dirty.insert(id);
                    unfinished = true;
                }
            }
        }
        if std::mem::take(&mut self.leftovers_due) {
            for file in draft.state.unused_files() {
                draft.push(Change::File(FileChange::Remove { file }));
            }
            for network in draft.state.unused_networks() {
                draft.push(Change::Network(NetworkChange::Remove { network }));
            }
        }
        for node in std::mem::take(&mut self.volumes_due) {
            volumes::take_notice(&mut draft, node);
        }
        let mut waiting = scheduler::place(&mut draft);
        waiting.extend(draft.take_held());
        update::nobody_has_image(&mut draft, &waiting);
        // A service that waits for a moment is looked at again in every plan until then: cheap,
        // and nothing has to be remembered about which moment was whose.
        self.dirty.extend(later);
        let (changes, wake_at) = draft.finish();
        Plan { changes, wake_at, waiting, unfinished }
    }
}

fn mounts_volumes(state: &State, task: &Task) -> bool {
    state.task_spec(task).is_some_and(|it| volumes::local_volumes(it).next().is_some())
}
