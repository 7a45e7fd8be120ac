//! Answers of the managers as the command line sees them: checked once, plain values ever after.

pub(super) mod volume;

use common::network::{Network, Port};
use common::node::{Availability, NodeDescription, NodeSpec};
use common::service::Service;
use common::task::{DesiredState, Failure, Observation, Slot, Task, TaskState};
use common::{NodeId, ServiceId, Stamp, TaskId};
use proto::convert::Malformed;
use proto::v1;
use proto::v1::node_view::ManagerStatus;

#[derive(Debug, Clone)]
pub(super) struct SeenService {
    pub(super) service: Service,
    pub(super) running: u32,
    pub(super) desired: u32,
    /// Of a job.
    pub(super) completed: u32,
    /// Why its update does not move; empty where it does.
    pub(super) standstill: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SeenTask {
    pub(super) id: TaskId,
    pub(super) service: ServiceId,
    pub(super) service_name: String,
    pub(super) slot: Slot,
    pub(super) image: String,
    /// Those that it takes of its own node.
    pub(super) host_ports: Vec<Port>,
    /// Empty where the task has no node.
    pub(super) node_name: String,
    pub(super) node: Option<NodeId>,
    pub(super) node_is_down: bool,
    /// What the managers want of it.
    pub(super) desired: DesiredState,
    /// It is to come to an end.
    pub(super) is_job: bool,
    /// What the agent said last, which may be more than the managers keep.
    pub(super) state: TaskState,
    pub(super) since: Stamp,
    pub(super) created: Stamp,
    pub(super) failure: Option<Failure>,
    /// Why it is not as it should be, or what it is busy with; often empty.
    pub(super) remark: String,
}

impl SeenService {
    /// What is wrong with its update; nothing where it goes well, or there is none.
    pub(super) fn trouble(&self) -> Option<String> {
        let trouble = self.service.update.as_ref()?.trouble.as_ref().map(ToString::to_string);
        let standstill = Some(self.standstill.clone()).filter(|it| !it.is_empty());
        let all: Vec<String> = trouble.into_iter().chain(standstill).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

impl SeenTask {
    /// `SERVICE.SLOT`
    pub(super) fn name(&self) -> String {
        format!("{}.{}", self.service_name, self.slot)
    }

    /// In Docker's sense, where nothing is wanted any more of a task that has failed, and of a
    /// job's that it ends well.
    pub(super) fn wanted(&self) -> Wanted {
        let is_good = !self.state.is_terminal() || self.state == TaskState::Complete;
        match self.desired {
            DesiredState::Ready | DesiredState::Running if self.is_job && is_good => {
                Wanted::Complete
            }
            DesiredState::Ready | DesiredState::Running if self.state.is_terminal() => {
                Wanted::Shutdown
            }
            DesiredState::Ready => Wanted::Ready,
            DesiredState::Running => Wanted::Running,
            DesiredState::Shutdown => Wanted::Shutdown,
            DesiredState::Remove => Wanted::Remove,
        }
    }
}

/// Docker's words for what managers want of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Ready,
    Running,
    Complete,
    Shutdown,
    Remove,
}

impl Wanted {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Wanted::Ready => "Ready",
            Wanted::Running => "Running",
            Wanted::Complete => "Complete",
            Wanted::Shutdown => "Shutdown",
            Wanted::Remove => "Remove",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct SeenNetwork {
    pub(super) network: Network,
    /// Names of those that use it.
    pub(super) services: Vec<String>,
}

#[derive(Debug, Clone)]
pub(super) struct SeenNode {
    pub(super) id: NodeId,
    pub(super) version: u64,
    pub(super) created: Stamp,
    pub(super) updated: Stamp,
    pub(super) name: String,
    pub(super) address: String,
    pub(super) spec: NodeSpec,
    pub(super) description: NodeDescription,
    pub(super) state: SeenState,
    /// Why it is down.
    pub(super) reason: String,
    pub(super) since: Stamp,
    pub(super) manager: ManagerStatus,
    pub(super) is_self: bool,
    pub(super) clock_offset_millis: Option<i64>,
    pub(super) images: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SeenState {
    Joining,
    Ready,
    Down,
}

impl SeenState {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            SeenState::Joining => "Joining",
            SeenState::Ready => "Ready",
            SeenState::Down => "Down",
        }
    }
}

/// As Docker writes them in tables.
pub(super) fn availability_word(availability: Availability) -> &'static str {
    match availability {
        Availability::Active => "Active",
        Availability::Pause => "Pause",
        Availability::Drain => "Drain",
    }
}

pub(super) fn manager_word(status: ManagerStatus) -> &'static str {
    match status {
        ManagerStatus::None => "",
        ManagerStatus::Leader => "Leader",
        ManagerStatus::Reachable => "Reachable",
        ManagerStatus::Unreachable => "Unreachable",
        ManagerStatus::Joining => "Joining",
    }
}

fn missing(field: &'static str) -> Malformed {
    Malformed { field, reason: "it is missing".to_owned() }
}

impl TryFrom<v1::ServiceView> for SeenService {
    type Error = Malformed;
    fn try_from(view: v1::ServiceView) -> Result<SeenService, Malformed> {
        let service = view.service.ok_or_else(|| missing("service"))?.try_into()?;
        let v1::ServiceView { running, desired, completed, standstill, .. } = view;
        Ok(SeenService { service, running, desired, completed, standstill })
    }
}

impl TryFrom<v1::NetworkView> for SeenNetwork {
    type Error = Malformed;
    fn try_from(view: v1::NetworkView) -> Result<SeenNetwork, Malformed> {
        let network = view.network.ok_or_else(|| missing("network"))?.try_into()?;
        Ok(SeenNetwork { network, services: view.services })
    }
}

impl TryFrom<v1::TaskView> for SeenTask {
    type Error = Malformed;
    fn try_from(view: v1::TaskView) -> Result<SeenTask, Malformed> {
        let task = Task::try_from(view.task.ok_or_else(|| missing("task"))?)?;
        let latest = view.latest.map(Observation::try_from).transpose()?;
        let latest = latest.filter(|it| it.state >= task.status.state);
        let (state, failure, message) = match latest {
            Some(latest) => (latest.state, latest.failure, latest.message),
            None => (task.status.state, task.status.failure, String::new()),
        };
        let since = match view.latest_since {
            Some(since) if state != task.status.state => since.into(),
            Some(_) | None => task.status.since,
        };
        let remark = match &failure {
            Some(failure) => failure.to_string(),
            None if !message.is_empty() => message,
            None if !view.notice.is_empty() => view.notice,
            None if view.node_down && !state.is_terminal() => {
                let reason = &view.node_down_reason;
                let colon = if reason.is_empty() { "" } else { ": " };
                format!("its node is down{colon}{reason}")
            }
            None => String::new(),
        };
        let host_ports = view.host_ports.into_iter().map(Port::try_from);
        Ok(SeenTask {
            id: task.id,
            service: task.service,
            service_name: view.service_name,
            slot: task.slot,
            image: view.image,
            host_ports: host_ports.collect::<Result<_, _>>()?,
            node_name: view.node_name,
            node: task.placement.node(),
            node_is_down: view.node_down,
            desired: task.desired,
            is_job: view.is_job,
            state,
            since,
            created: task.created,
            failure,
            remark,
        })
    }
}

impl TryFrom<v1::NodeView> for SeenNode {
    type Error = Malformed;
    fn try_from(view: v1::NodeView) -> Result<SeenNode, Malformed> {
        let manager = view.manager_status();
        let node = view.node.ok_or_else(|| missing("node"))?;
        let status = node.status.ok_or_else(|| missing("node.status"))?;
        let state = match status.state() {
            v1::node_status::State::Joining => SeenState::Joining,
            v1::node_status::State::Ready => SeenState::Ready,
            v1::node_status::State::Down => SeenState::Down,
            v1::node_status::State::Unspecified => return Err(missing("node.status.state")),
        };
        let stamp = |it: Option<v1::Stamp>| it.map(Stamp::from).unwrap_or_default();
        Ok(SeenNode {
            id: NodeId(node.id),
            version: node.version,
            created: stamp(node.created),
            updated: stamp(node.updated),
            name: node.name,
            address: node.address,
            spec: node.spec.ok_or_else(|| missing("node.spec"))?.try_into()?,
            description: node.description.ok_or_else(|| missing("node.description"))?.try_into()?,
            state,
            reason: status.reason,
            since: stamp(status.since),
            manager,
            is_self: view.is_self,
            clock_offset_millis: view.clock_offset_millis,
            images: view.images,
        })
    }
}

/// All of an answer, or the first that makes no sense.
pub(super) fn all<W, T>(wire: Vec<W>) -> Result<Vec<T>, Malformed>
where
    T: TryFrom<W, Error = Malformed>,
{
    wire.into_iter().map(T::try_from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use v1::TaskState as Wire;

    const KEPT: v1::Stamp = v1::Stamp { at_millis: 1, wall_millis: 1 };
    const LATEST: v1::Stamp = v1::Stamp { at_millis: 2, wall_millis: 2 };

    fn observed(state: Wire, failure: Option<Failure>, message: &str) -> v1::Observation {
        let failure = failure.as_ref().map(v1::Failure::from);
        v1::Observation { state: state.into(), failure, message: message.to_owned() }
    }

    fn view(kept: v1::Observation, latest: Option<v1::Observation>) -> v1::TaskView {
        let task = v1::Task {
            slot: Some(v1::Slot { of: Some(v1::slot::Of::Replica(1)) }),
            node: Some(5),
            desired: v1::DesiredState::Running.into(),
            observed: Some(kept),
            since: Some(KEPT),
            created: Some(KEPT),
            ..v1::Task::default()
        };
        v1::TaskView { task: Some(task), latest, latest_since: Some(LATEST), ..Default::default() }
    }

    fn read(view: v1::TaskView) -> (TaskState, u64, String) {
        let seen = SeenTask::try_from(view).expect("a task that makes sense");
        (seen.state, seen.since.at.0, seen.remark)
    }

    #[test]
    fn what_was_said_last_is_shown_where_it_is_ahead() {
        let said = |state, since, remark: &str| (state, since, remark.to_owned());
        let assigned = || observed(Wire::Assigned, None, "");
        let running = || observed(Wire::Running, None, "");
        let lost = || observed(Wire::Failed, Some(Failure::NodeLost), "");
        let pulling = || Some(observed(Wire::Preparing, None, "pulling"));
        let cases = [
            (view(assigned(), None), said(TaskState::Assigned, 1, "")),
            (view(assigned(), pulling()), said(TaskState::Preparing, 2, "pulling")),
            (view(running(), pulling()), said(TaskState::Running, 1, "")),
            (view(lost(), None), said(TaskState::Failed, 1, "its node was lost")),
            (
                v1::TaskView { notice: "no limits".to_owned(), ..view(running(), None) },
                said(TaskState::Running, 1, "no limits"),
            ),
            (
                v1::TaskView { node_down: true, ..view(running(), None) },
                said(TaskState::Running, 1, "its node is down"),
            ),
            (
                v1::TaskView { node_down: true, ..view(lost(), None) },
                said(TaskState::Failed, 1, "its node was lost"),
            ),
        ];
        for (view, expected) in cases {
            assert_eq!(read(view), expected);
        }
        assert!(SeenTask::try_from(v1::TaskView::default()).is_err());
    }
}
