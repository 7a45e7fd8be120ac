//! What users are shown: the state, joined with what only the leader's memory holds.

use common::network::PortMode;
use common::node::{Node, NodeState, Role};
use common::service::{Service, TaskSpec};
use common::task::{DesiredState, Observation, Task, TaskState};
use common::{NodeId, Stamp, Timestamp};
use manager_core::lookup;
use manager_core::orchestrator;
use manager_core::soft::Soft;
use manager_core::standstill;
use manager_core::state::State;
use manager_core::volumes;
use proto::v1;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::raft::Manager;

/// What one answer is made from.
#[derive(Debug)]
pub struct View {
    pub state: Arc<State>,
    /// Nothing, where this manager answers without a leader.
    pub memory: Memory,
    pub now: Stamp,
}

/// A copy of what the leader's memory holds of the tasks and nodes in question.
#[derive(Debug, Default)]
pub struct Memory {
    pub latest: BTreeMap<common::TaskId, (Observation, Stamp)>,
    pub waiting: BTreeMap<common::TaskId, String>,
    /// Why updates do not move that should.
    pub standstills: BTreeMap<common::ServiceId, String>,
    pub images: BTreeMap<NodeId, Vec<String>>,
    pub clock_offsets: BTreeMap<NodeId, i64>,
}

impl Memory {
    pub fn of_tasks<'a>(
        leader: &manager_core::leader::Leader,
        tasks: impl Iterator<Item = &'a Arc<Task>>,
        now: Timestamp,
    ) -> Memory {
        let mut memory = Memory::default();
        for task in tasks {
            if let Some(latest) = leader.soft().ahead_of(task.id, task.status.state) {
                memory.latest.insert(task.id, latest.clone());
            }
            if let Some(waiting) = leader.waiting().get(&task.id) {
                let pending = Observation::of(TaskState::Pending);
                memory.latest.insert(task.id, (pending, task.created));
                memory.waiting.insert(task.id, waiting.in_words(now));
            }
        }
        memory
    }

    pub fn of_services(leader: &manager_core::leader::Leader, now: Timestamp) -> Memory {
        let (state, soft, waiting) = (leader.state(), leader.soft(), leader.waiting());
        let known = standstill::Known { state, soft, waiting, now };
        let services = state.active_services();
        let standstills =
            services.filter_map(|it| Some((it.id, standstill::reason(known, it)?))).collect();
        Memory { standstills, ..Memory::default() }
    }

    pub fn of_nodes(soft: &Soft, state: &State) -> Memory {
        let ids: Vec<NodeId> = state.nodes().map(|it| it.id).collect();
        Memory {
            images: ids.iter().map(|it| (*it, soft.images(*it).cloned().collect())).collect(),
            clock_offsets: ids
                .iter()
                .filter_map(|it| Some((*it, soft.clock_offset_millis(*it)?)))
                .collect(),
            ..Memory::default()
        }
    }
}

impl View {
    pub fn service(&self, service: &Service) -> v1::ServiceView {
        let runs = |it: &&Arc<Task>| {
            it.desired == DesiredState::Running
                && it.status.state == TaskState::Running
                && it.placement.node().is_some_and(|node| self.is_up(node))
        };
        let running = self.state.tasks_of(service.id).filter(runs).count();
        let desired = orchestrator::wanted_tasks(&self.state, service);
        let count = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
        v1::ServiceView {
            service: Some(v1::Service::from(service)),
            running: count(running),
            desired: count(desired),
            completed: count(orchestrator::completed_slots(&self.state, service)),
            standstill: self.memory.standstills.get(&service.id).cloned().unwrap_or_default(),
        }
    }

    pub fn task(&self, task: &Task) -> v1::TaskView {
        let spec = self.state.task_spec(task);
        let node = task.placement.node();
        let known = node.and_then(|it| self.state.node(it));
        let passed_over = self.passed_over(task);
        let latest = self.memory.latest.get(&task.id).or(passed_over.as_ref());
        let node_name = node.map_or_else(String::new, |it| lookup::node_name(&self.state, it));
        v1::TaskView {
            task: Some(v1::Task::from(task)),
            service_name: lookup::service_name(&self.state, task.service),
            node_name,
            image: spec.map_or_else(String::new, |it| it.container.image.as_given().to_owned()),
            latest: latest.map(|(observed, _)| v1::Observation::from(observed)),
            latest_since: latest.map(|(_, since)| v1::Stamp::from(since)),
            host_ports: self.host_ports(task),
            notice: self.notice(task, spec.map(|it| &**it), known.map(|it| &**it)),
            node_down_reason: known.map_or_else(String::new, |it| down_reason(it)),
            node_down: known.is_none_or(|it| it.status.state.is_down()) && node.is_some(),
            is_job: self.state.service(task.service).is_some_and(|it| it.spec.mode.is_job()),
        }
    }

    /// Nobody reports the end of a task that never had a node: it came with its successor.
    fn passed_over(&self, task: &Task) -> Option<(Observation, Stamp)> {
        let is_unborn = task.placement.node().is_none() && !task.status.state.is_terminal();
        if !is_unborn || task.desired <= DesiredState::Running {
            return None;
        }
        let rivals = self.state.tasks_of(task.service).filter(|it| it.slot == task.slot);
        let later = rivals.map(|it| it.created).filter(|it| it.at > task.created.at);
        let since = later.min_by_key(|it| it.at).unwrap_or(task.status.since);
        let message = "replaced before it had a node".to_owned();
        Some((Observation { message, ..Observation::of(TaskState::Shutdown) }, since))
    }

    fn host_ports(&self, task: &Task) -> Vec<v1::Port> {
        let service = self.state.service(task.service).filter(|_| task.is_live());
        let ports = service.iter().flat_map(|it| &it.spec.ports);
        ports.filter(|it| it.mode == PortMode::Host).map(v1::Port::from).collect()
    }

    fn notice(&self, task: &Task, spec: Option<&TaskSpec>, node: Option<&Node>) -> String {
        if let Some(waiting) = self.memory.waiting.get(&task.id) {
            return waiting.clone();
        }
        let (Some(spec), Some(node)) = (spec, node) else { return String::new() };
        if node.status.state.is_down()
            && task.is_live()
            && let Some(volume) = volumes::held_by(&self.state, task, node.id)
        {
            let reason = down_reason(node);
            return format!("waits for its node, which has its volume {volume}: {reason}");
        }
        let limits = spec.limits;
        let in_vain = node.description.engine.incapable_of.iter().filter(|it| match it {
            common::node::Incapability::MemoryLimit => limits.memory_bytes > 0,
            common::node::Incapability::CpuLimit => limits.cpu_nanos > 0,
            common::node::Incapability::PidsLimit => spec.pids_max.is_some(),
        });
        let words: Vec<String> = in_vain.map(ToString::to_string).collect();
        if task.is_live() { words.join("; ") } else { String::new() }
    }

    pub fn node(&self, node: &Node, managers: &BTreeMap<NodeId, Manager>) -> v1::NodeView {
        v1::NodeView {
            node: Some(v1::Node::from(node)),
            manager_status: manager_status(node, managers).into(),
            is_self: false,
            clock_offset_millis: self.memory.clock_offsets.get(&node.id).copied(),
            images: self.memory.images.get(&node.id).cloned().unwrap_or_default(),
        }
    }

    fn is_up(&self, node: NodeId) -> bool {
        self.state.node(node).is_some_and(|it| !it.status.state.is_down())
    }
}

fn down_reason(node: &Node) -> String {
    match &node.status.state {
        NodeState::Down(reason) => reason.to_string(),
        NodeState::Joining | NodeState::Ready => String::new(),
    }
}

/// All but the leader: who that is, the caller knows.
fn manager_status(
    node: &Node,
    managers: &BTreeMap<NodeId, Manager>,
) -> v1::node_view::ManagerStatus {
    use v1::node_view::ManagerStatus;
    match (managers.get(&node.id), node.spec.role) {
        (Some(it), _) if !it.voter => ManagerStatus::Joining,
        (Some(it), _) if it.reachable => ManagerStatus::Reachable,
        (Some(_), _) => ManagerStatus::Unreachable,
        (None, Role::Manager) => ManagerStatus::Joining,
        (None, Role::Worker) => ManagerStatus::None,
    }
}

/// Tasks in the order people read them: by service, slot, and the newest first.
pub fn in_reading_order<'a>(tasks: impl Iterator<Item = &'a Arc<Task>>) -> Vec<&'a Arc<Task>> {
    let mut tasks: Vec<&Arc<Task>> = tasks.collect();
    tasks.sort_by_key(|it| (it.service, it.slot, std::cmp::Reverse((it.created.at, it.id))));
    let mut seen = BTreeSet::new();
    tasks.retain(|it| seen.insert(it.id));
    tasks
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::container::ContainerSpec;
    use common::service::{Mode, ServiceSpec};
    use common::task::{Placement, Slot, TaskStatus};
    use common::{ServiceId, TaskId, Version, WallTime};
    use manager_core::change::{Batch, Change, Unity};

    fn stamp(millis: u64) -> Stamp {
        Stamp { at: Timestamp(millis), wall: WallTime(millis) }
    }

    fn task(id: u64, created: Stamp) -> Change {
        Change::CreateTask(Box::new(Task {
            id: TaskId(id),
            service: ServiceId(1),
            slot: Slot::Replica(1),
            template: Version(1),
            placement: Placement::Unplaced,
            desired: DesiredState::Running,
            status: TaskStatus { state: TaskState::New, since: created, failure: None },
            created,
            ran: None,
        }))
    }

    #[test]
    fn what_never_had_a_node_ends_with_the_birth_of_its_successor() {
        let container = ContainerSpec::of_image("web:1".parse().expect("an image"));
        let task_spec = TaskSpec::of_container(container);
        let mode = Mode::Replicated { replicas: 1 };
        let spec = ServiceSpec::new("web".parse().expect("a name"), mode, task_spec);
        let changes = vec![
            Change::CreateService { id: ServiceId(1), spec: Box::new(spec) },
            task(2, stamp(20)),
            Change::RaiseDesired { task: TaskId(2), desired: DesiredState::Shutdown },
        ];
        let mut state = State::default();
        for (version, stamp, changes) in
            [(Version(1), stamp(20), changes), (Version(2), stamp(30), vec![task(3, stamp(30))])]
        {
            let batch = Batch { stamp, unity: Unity::EachAlone, changes };
            assert_eq!(state.apply(version, &batch).refused, vec![]);
        }
        let view = View { state: Arc::new(state), memory: Memory::default(), now: stamp(40) };
        let shown = |id| view.task(view.state.task(TaskId(id)).expect("it is there"));
        let (old, new) = (shown(2), shown(3));
        let latest = old.latest.expect("more than is kept");
        assert_eq!(latest.state(), v1::TaskState::Shutdown);
        assert_eq!(latest.message, "replaced before it had a node");
        assert_eq!(old.latest_since.map(|it| it.at_millis), Some(30));
        assert_eq!(new.latest, None, "it may still get one");
    }
}
