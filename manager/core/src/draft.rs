//! A plan in the making: later stages see what earlier stages decided.

use crate::change::Change;
use crate::scheduler::Waiting;
use crate::scheduler::images;
use crate::soft::Soft;
use crate::state::{Load, State};
use common::node::{Node, NodeDescription, NodeKind, NodeState, NodeStatus};
use common::service::{Service, TaskSpec};
use common::task::{
    DesiredState, Failure, Observation, Placement, Slot, Task, TaskState, TaskStatus,
};
use common::{IdGen, NodeId, ServiceId, Stamp, TaskId, Timestamp, Version};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// The state as it is, and over it what this plan changes.
#[derive(Debug)]
pub struct Draft<'a> {
    pub state: &'a State,
    pub soft: &'a Soft,
    pub now: Stamp,
    ids: &'a mut IdGen,
    /// None: removed.
    tasks: BTreeMap<TaskId, Option<Task>>,
    created_of: BTreeMap<ServiceId, Vec<TaskId>>,
    nodes: BTreeMap<NodeId, Node>,
    /// What is not seen through the maps above.
    others: Vec<Change>,
    wake_at: Option<Timestamp>,
    /// What is ready and must not begin yet.
    held: BTreeMap<TaskId, Waiting>,
}

impl<'a> Draft<'a> {
    pub fn new(state: &'a State, soft: &'a Soft, now: Stamp, ids: &'a mut IdGen) -> Draft<'a> {
        Draft {
            state,
            soft,
            now,
            ids,
            tasks: BTreeMap::new(),
            created_of: BTreeMap::new(),
            nodes: BTreeMap::new(),
            others: Vec::new(),
            wake_at: None,
            held: BTreeMap::new(),
        }
    }

    pub fn task(&self, id: TaskId) -> Option<&Task> {
        match self.tasks.get(&id) {
            Some(changed) => changed.as_ref(),
            None => self.state.task(id).map(|it| &**it),
        }
    }

    pub fn tasks_of(&self, service: ServiceId) -> impl Iterator<Item = &Task> {
        let created = self.created_of.get(&service).into_iter().flatten();
        self.state
            .tasks_of(service)
            .filter_map(|it| match self.tasks.get(&it.id) {
                Some(changed) => changed.as_ref(),
                None => Some(&**it),
            })
            .chain(created.filter_map(|id| self.tasks.get(id)?.as_ref()))
    }

    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(&id).or_else(|| self.state.node(id).map(|it| &**it))
    }

    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.state.nodes().map(|it| self.nodes.get(&it.id).unwrap_or(it))
    }

    /// Whether it has not ended, on a node that is there to run it.
    pub fn may_run(&self, task: &Task) -> bool {
        let node = task.placement.node().and_then(|it| self.node(it));
        !task.status.state.is_terminal() && node.is_some_and(|it| !it.status.state.is_down())
    }

    pub fn service(&self, id: ServiceId) -> Option<&'a Service> {
        self.state.service(id).map(|it| &**it)
    }

    /// What a task was made from.
    pub fn spec(&self, task: &Task) -> Option<&'a Arc<TaskSpec>> {
        self.state.task_spec(task)
    }

    /// How many tasks the draft holds that are new: plans are kept to a size.
    pub fn created(&self) -> usize {
        self.created_of.values().map(Vec::len).sum()
    }

    /// What the live tasks of each node take, this plan's included.
    pub fn loads(&self) -> BTreeMap<NodeId, Load> {
        let mut loads: BTreeMap<NodeId, Load> =
            self.state.nodes().map(|it| (it.id, self.state.load(it.id))).collect();
        for (id, changed) in &self.tasks {
            let old = self.state.task(*id).map(|it| &**it);
            self.count(&mut loads, old, false);
            self.count(&mut loads, changed.as_ref(), true);
        }
        loads
    }

    fn count(&self, loads: &mut BTreeMap<NodeId, Load>, task: Option<&Task>, add: bool) {
        let Some(task) = task.filter(|it| it.is_live()) else { return };
        let Some(load) = task.placement.node().and_then(|it| loads.get_mut(&it)) else { return };
        let reserved = self.state.reservation(task);
        if add {
            load.reserved = load.reserved.saturating_add(reserved);
            load.tasks += 1;
        } else {
            load.reserved = load.reserved.saturating_sub(reserved);
            load.tasks = load.tasks.saturating_sub(1);
        }
    }

    /// Tasks that look for a node, by what they are made from.
    pub fn unplaced(&self) -> BTreeMap<(ServiceId, Version), Vec<TaskId>> {
        let waits = |it: &&Task| it.placement == Placement::Unplaced && it.is_live();
        let old = self.state.unplaced().filter_map(|it| self.task(it.id));
        let new = self.created_of.values().flatten().filter_map(|id| self.task(*id));
        let mut unplaced: BTreeMap<(ServiceId, Version), Vec<TaskId>> = BTreeMap::new();
        for task in old.chain(new).filter(waits) {
            unplaced.entry((task.service, task.template)).or_default().push(task.id);
        }
        unplaced
    }

    /// The agent's word where it is ahead of what is kept.
    pub fn observed(&self, task: &Task) -> TaskState {
        let ahead = self.soft.ahead_of(task.id, task.status.state);
        ahead.map_or(task.status.state, |(observed, _)| observed.state)
    }

    pub fn create_task(&mut self, service: &Service, slot: Slot) {
        self.create_task_of(service, (slot, service.template), DesiredState::Running);
    }

    pub fn create_task_of(
        &mut self,
        service: &Service,
        (slot, template): (Slot, Version),
        desired: DesiredState,
    ) {
        let id = self.ids.task();
        self.tasks.insert(
            id,
            Some(Task {
                id,
                service: service.id,
                slot,
                template,
                placement: Placement::Unplaced,
                desired,
                status: TaskStatus { state: TaskState::New, since: self.now, failure: None },
                created: self.now,
                ran: None,
            }),
        );
        self.created_of.entry(service.id).or_default().push(id);
    }

    pub fn place(&mut self, task: TaskId, node: NodeId) {
        let since = self.now;
        self.change(task, |task| {
            task.placement = Placement::OnNode(node);
            task.status = TaskStatus { state: TaskState::Assigned, since, failure: None };
        });
    }

    pub fn raise_desired(&mut self, task: TaskId, desired: DesiredState) {
        self.change(task, |task| task.desired = task.desired.max(desired));
    }

    pub fn orphan(&mut self, task: TaskId) {
        let since = self.now;
        self.change(task, |task| {
            if task.check_advance(TaskState::Orphaned).is_ok() {
                let (state, failure) = (TaskState::Orphaned, Some(Failure::NodeLost));
                task.status = TaskStatus { state, since, failure };
            }
        });
    }

    pub fn remove_task(&mut self, task: TaskId) {
        self.tasks.insert(task, None);
    }

    /// Takes an agent's word, if the task is its own and the word is news.
    pub fn observe(&mut self, id: TaskId, node: NodeId, observed: &Observation) -> Observed {
        let Some(task) = self.task(id) else { return Observed::Unknown };
        if task.placement != Placement::OnNode(node) {
            return Observed::Unknown;
        }
        if task.check_advance(observed.state).is_err() {
            return Observed::Old;
        }
        let since = self.now;
        let failure = observed.failure.clone().map(|it| images::counted(self, task, it));
        let state = observed.state;
        self.change(id, |task| {
            task.status = TaskStatus { state, since, failure };
            if state == TaskState::Running {
                task.ran = Some(since.at);
            }
        });
        Observed::News(self.task(id).map_or(ServiceId::default(), |it| it.service))
    }

    pub fn set_node_state(
        &mut self,
        id: NodeId,
        state: NodeState,
        steady_at: Timestamp,
        flaps: u32,
    ) {
        let Some(mut node) = self.node(id).cloned() else { return };
        if node.status.state == state {
            return;
        }
        node.status = NodeStatus { state, since: self.now, steady_at, flaps };
        self.nodes.insert(id, node);
    }

    /// What a node says of itself counts in the same plan.
    pub fn describe_node(
        &mut self,
        id: NodeId,
        description: &NodeDescription,
        kind: NodeKind,
        address: SocketAddr,
    ) {
        let Some(mut node) = self.node(id).cloned() else { return };
        node.description = description.clone();
        (node.kind, node.address) = (kind, address);
        self.nodes.insert(id, node);
    }

    pub fn push(&mut self, change: Change) {
        self.others.push(change);
    }

    pub(crate) fn hold(&mut self, task: TaskId, why: Waiting) {
        self.held.insert(task, why);
    }

    pub(crate) fn take_held(&mut self) -> BTreeMap<TaskId, Waiting> {
        std::mem::take(&mut self.held)
    }

    /// Asks for another plan at `at`, when something that waits may go on.
    pub fn wake_at(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |it| it.min(at)));
    }

    fn change(&mut self, id: TaskId, change: impl FnOnce(&mut Task)) {
        match self.tasks.get_mut(&id) {
            Some(Some(task)) => change(task),
            Some(None) => {}
            None => {
                let Some(mut task) = self.state.task(id).map(|it| (**it).clone()) else { return };
                change(&mut task);
                self.tasks.insert(id, Some(task));
            }
        }
    }

    /// The difference to the state, as changes in an order that can be applied.
    pub fn finish(self) -> (Vec<Change>, Option<Timestamp>) {
        let mut changes = Vec::with_capacity(self.tasks.len() + self.nodes.len());
        for (id, node) in self.nodes {
            if let Some(old) = self.state.node(id) {
                node_difference(id, old, node, &mut changes);
            }
        }
        for (id, changed) in self.tasks {
            let old = self.state.task(id);
            match (old, changed) {
                (None, Some(task)) => changes.push(Change::CreateTask(Box::new(task))),
                (Some(_), None) => changes.push(Change::RemoveTask { task: id }),
                (Some(old), Some(new)) => difference(old, &new, &mut changes),
                (None, None) => {}
            }
        }
        changes.extend(self.others);
        (changes, self.wake_at)
    }
}

/// What a draft made of an agent's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    News(ServiceId),
    Old,
    Unknown,
}

fn node_difference(id: NodeId, old: &Node, new: Node, changes: &mut Vec<Change>) {
    let Node { description, kind, address, status, .. } = new;
    if (&old.description, old.kind, old.address) != (&description, kind, address) {
        let description = Box::new(description);
        changes.push(Change::DescribeNode { node: id, description, kind, address });
    }
    if old.status.state != status.state {
        let NodeStatus { state, steady_at, flaps, .. } = status;
        changes.push(Change::SetNodeState { node: id, state, steady_at, flaps });
    }
}

fn difference(old: &Task, new: &Task, changes: &mut Vec<Change>) {
    let task = new.id;
    if old.placement != new.placement
        && let Some(node) = new.placement.node()
    {
        changes.push(Change::PlaceTask { task, node });
    } else if old.status.state != new.status.state {
        changes.push(match (new.status.state, new.placement.node()) {
            (TaskState::Orphaned, _) | (_, None) => Change::OrphanTask { task },
            (state, Some(node)) => {
                let failure = new.status.failure.clone();
                let observed = Observation { state, failure, message: String::new() };
                Change::ObserveTask { task, node, observed }
            }
        });
    }
    if old.desired != new.desired {
        changes.push(Change::RaiseDesired { task, desired: new.desired });
    }
}
