//! The replicated state machine: the same batches give the same state on every manager.

mod services;

use crate::change::{Applied, Batch, Change, Conflict, Event, Unity};
use crate::ports;
use crate::state::State;
use common::node::{Node, NodeStatus, Role};
use common::secret::Secret;
use common::service::ServicePhase;
use common::task::{DesiredState, Failure, Observation, Placement, Task, TaskState, TaskStatus};
use common::{NodeId, Stamp, TaskId, Version};
use std::sync::Arc;

type Outcome = Result<Event, Conflict>;

impl State {
    /// `version` is the log's index of the batch.
    pub fn apply(&mut self, version: Version, batch: &Batch) -> Applied {
        let stamp = self.advance(version, batch.stamp);
        match batch.unity {
            Unity::EachAlone => self.apply_each(version, stamp, &batch.changes),
            Unity::AllOrNothing => {
                let mut attempt = self.clone();
                let applied = attempt.apply_each(version, stamp, &batch.changes);
                let refused = match ports::taken(self, &attempt, &applied.events) {
                    Some(conflict) if applied.refused.is_empty() => vec![(0, conflict)],
                    Some(_) | None => applied.refused,
                };
                if refused.is_empty() {
                    *self = attempt;
                    return Applied { refused, events: applied.events };
                }
                Applied { refused, events: Vec::new() }
            }
        }
    }

    /// Entries without a batch, such as changes of the voters, move the version too.
    pub fn skip_to(&mut self, version: Version) {
        self.tables.version = version;
    }

    fn advance(&mut self, version: Version, stamp: Stamp) -> Stamp {
        self.tables.version = version;
        let at = self.tables.clock.at.max(stamp.at);
        self.tables.clock = Stamp { at, wall: stamp.wall };
        self.tables.clock
    }

    fn apply_each(&mut self, version: Version, stamp: Stamp, changes: &[Change]) -> Applied {
        let mut applied = Applied::default();
        for (position, change) in changes.iter().enumerate() {
            match self.apply_one(version, stamp, change) {
                Ok(event) => applied.events.push(event),
                Err(conflict) => applied.refused.push((position, conflict)),
            }
        }
        applied
    }

    fn apply_one(&mut self, version: Version, stamp: Stamp, change: &Change) -> Outcome {
        match change {
            Change::FoundCluster(cluster) => {
                if self.tables.cluster.is_some() {
                    return Err(Conflict::ClusterExists);
                }
                let mut cluster = (**cluster).clone();
                (cluster.version, cluster.created) = (version, stamp);
                self.tables.cluster = Some(Arc::new(cluster));
                Ok(Event::ClusterChanged)
            }
            Change::SetJoinSecret { role, secret } => self.set_join_secret(version, *role, secret),
            Change::File(change) => self.change_file(version, stamp, change),
            Change::Volume(change) => self.change_volume(stamp, change),
            Change::Network(change) => self.change_network(version, stamp, change),
            Change::AddNode(node) => self.add_node(version, stamp, node),
            Change::SetNodeSpec { node, base, spec } => {
                if spec.role != Role::Manager && self.is_last_manager(*node) {
                    return Err(Conflict::LastManager);
                }
                self.change_node(*node, Some(*base), version, stamp, |it| it.spec = spec.clone())
            }
            Change::DescribeNode { node, description, kind, address } => {
                self.change_node(*node, None, version, stamp, |it| {
                    it.description = (**description).clone();
                    (it.kind, it.address) = (*kind, *address);
                })
            }
            Change::SetNodeState { node, state, steady_at, flaps } => {
                let status = NodeStatus {
                    state: state.clone(),
                    since: stamp,
                    steady_at: *steady_at,
                    flaps: *flaps,
                };
                self.change_node(*node, None, version, stamp, |it| it.status = status)
            }
            Change::RemoveNode { node, base } => {
                self.change_node(*node, Some(*base), version, stamp, |_| {})?;
                self.forget_node(*node);
                Ok(Event::NodeChanged(*node))
            }
            Change::CreateService { id, spec } => self.create_service(version, stamp, *id, spec),
            Change::SetServiceSpec { service, base, spec } => {
                self.set_service_spec(version, stamp, (*service, *base), spec)
            }
            Change::RollBackService { service, from, to, trouble } => {
                let trouble = trouble.clone();
                self.roll_back_service(version, stamp, *service, (*from, *to), trouble)
            }
            Change::SetUpdateState { service, number, state, trouble } => {
                self.set_update_state(stamp, (*service, *number), *state, trouble.as_ref())
            }
            Change::RemoveService { service, base } => self.remove_service(*service, *base, stamp),
            Change::DropService { service } => self.drop_service(*service),
            Change::CreateTask(task) => self.create_task(stamp, task),
            Change::PlaceTask { task, node } => self.place_task(stamp, *task, *node),
            Change::RaiseDesired { task, desired } => self.raise_desired(*task, *desired),
            Change::ObserveTask { task, node, observed } => {
                self.observe_task(stamp, *task, *node, observed)
            }
            Change::OrphanTask { task } => self.orphan_task(stamp, *task),
            Change::RemoveTask { task } => {
                let old = self.task(*task).ok_or(Conflict::NoSuchTask(*task))?;
                let event = task_event(old);
                self.forget_task(*task);
                Ok(event)
            }
        }
    }

    fn set_join_secret(&mut self, version: Version, role: Role, secret: &Secret) -> Outcome {
        let cluster = self.tables.cluster.as_mut().ok_or(Conflict::NoCluster)?;
        let cluster = Arc::make_mut(cluster);
        match role {
            Role::Worker => cluster.worker_secret = secret.clone(),
            Role::Manager => cluster.manager_secret = secret.clone(),
        }
        cluster.version = version;
        Ok(Event::ClusterChanged)
    }

    fn add_node(&mut self, version: Version, stamp: Stamp, node: &Node) -> Outcome {
        if self.node(node.id).is_some() {
            return Err(Conflict::IdTaken(node.id.to_string()));
        }
        if self.node_named(node.name.as_str()).is_some() {
            return Err(Conflict::NodeNameTaken(node.name.to_string()));
        }
        let mut node = node.clone();
        (node.version, node.created, node.updated) = (version, stamp, stamp);
        node.status.since = stamp;
        let id = node.id;
        self.put_node(Arc::new(node));
        Ok(Event::NodeChanged(id))
    }

    fn is_last_manager(&self, node: NodeId) -> bool {
        let mut managers = self.nodes().filter(|it| it.spec.role == Role::Manager);
        managers.next().is_some_and(|it| it.id == node) && managers.next().is_none()
    }

    fn change_node(
        &mut self,
        id: NodeId,
        base: Option<Version>,
        version: Version,
        stamp: Stamp,
        change: impl FnOnce(&mut Node),
    ) -> Outcome {
        let node = self.tables.nodes.get_mut(&id).ok_or(Conflict::NoSuchNode(id))?;
        if base.is_some_and(|base| base != node.version) {
            return Err(Conflict::Outdated);
        }
        let node = Arc::make_mut(node);
        change(node);
        (node.version, node.updated) = (version, stamp);
        Ok(Event::NodeChanged(id))
    }

    fn create_task(&mut self, stamp: Stamp, task: &Task) -> Outcome {
        if self.task(task.id).is_some() {
            return Err(Conflict::IdTaken(task.id.to_string()));
        }
        match self.service(task.service) {
            Some(it) if it.phase == ServicePhase::Active => {}
            Some(_) | None => return Err(Conflict::NoSuchService(task.service)),
        }
        if let Some(node) = task.placement.node() {
            self.node(node).ok_or(Conflict::NoSuchNode(node))?;
        }
        let mut task = task.clone();
        task.created = stamp;
        task.status.since = stamp;
        let event = task_event(&task);
        self.put_task(Arc::new(task));
        Ok(event)
    }

    fn place_task(&mut self, stamp: Stamp, id: TaskId, node: NodeId) -> Outcome {
        self.node(node).ok_or(Conflict::NoSuchNode(node))?;
        let mut task = self.copy_of(id)?;
        if task.placement != Placement::Unplaced || !task.is_live() {
            return Err(Conflict::PlacedAlready);
        }
        task.placement = Placement::OnNode(node);
        task.status = TaskStatus { state: TaskState::Assigned, since: stamp, failure: None };
        Ok(self.replace_task(task))
    }

    fn raise_desired(&mut self, id: TaskId, desired: DesiredState) -> Outcome {
        let mut task = self.copy_of(id)?;
        task.desired = task.desired.max(desired);
        Ok(self.replace_task(task))
    }

    fn observe_task(
        &mut self,
        stamp: Stamp,
        id: TaskId,
        node: NodeId,
        observed: &Observation,
    ) -> Outcome {
        let mut task = self.copy_of(id)?;
        if task.placement != Placement::OnNode(node) {
            return Err(Conflict::NotYours(node));
        }
        task.check_advance(observed.state)
            .map_err(|it| Conflict::Backward { from: it.from, to: it.to })?;
        task.status =
            TaskStatus { state: observed.state, since: stamp, failure: observed.failure.clone() };
        if observed.state == TaskState::Running {
            task.ran = Some(stamp.at);
        }
        if matches!(observed.state, TaskState::Running | TaskState::Complete) {
            self.keep_volumes_of(&task, node, stamp);
        }
        Ok(self.replace_task(task))
    }

    fn orphan_task(&mut self, stamp: Stamp, id: TaskId) -> Outcome {
        let mut task = self.copy_of(id)?;
        task.check_advance(TaskState::Orphaned)
            .map_err(|it| Conflict::Backward { from: it.from, to: it.to })?;
        task.status = TaskStatus {
            state: TaskState::Orphaned,
            since: stamp,
            failure: Some(Failure::NodeLost),
        };
        Ok(self.replace_task(task))
    }

    fn copy_of(&self, id: TaskId) -> Result<Task, Conflict> {
        self.task(id).map(|it| (**it).clone()).ok_or(Conflict::NoSuchTask(id))
    }

    fn replace_task(&mut self, task: Task) -> Event {
        let event = task_event(&task);
        self.put_task(Arc::new(task));
        event
    }
}

fn task_event(task: &Task) -> Event {
    Event::TaskChanged { service: task.service, task: task.id, node: task.placement.node() }
}
