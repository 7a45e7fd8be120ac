//! Tasks, and what is observed of them.

use super::{Malformed, enums, required, specified};
use crate::v1;
use common::task::{
    DesiredState, Failure, Observation, Placement, Slot, Task, TaskState, TaskStatus,
};
use common::{NodeId, ServiceId, Stamp, TaskId, Timestamp, Version};

enums! {
    "desired": v1::DesiredState = DesiredState { Ready Running Shutdown Remove }
    "state": v1::TaskState = TaskState {
        New Pending Assigned Accepted Preparing Ready Starting Running
        Complete Shutdown Failed Rejected Orphaned
    }
}

impl TryFrom<v1::Slot> for Slot {
    type Error = Malformed;
    fn try_from(wire: v1::Slot) -> Result<Slot, Malformed> {
        match wire.of {
            Some(v1::slot::Of::Replica(number)) => Ok(Slot::Replica(number)),
            Some(v1::slot::Of::Node(node)) => Ok(Slot::Node(NodeId(node))),
            None => Err(Malformed::missing("slot")),
        }
    }
}

impl From<&Slot> for v1::Slot {
    fn from(slot: &Slot) -> v1::Slot {
        let of = match slot {
            Slot::Replica(number) => v1::slot::Of::Replica(*number),
            Slot::Node(node) => v1::slot::Of::Node(node.0),
        };
        v1::Slot { of: Some(of) }
    }
}

impl TryFrom<v1::Failure> for Failure {
    type Error = Malformed;
    fn try_from(wire: v1::Failure) -> Result<Failure, Malformed> {
        use v1::failure::{Exited, Image, Of};
        Ok(match wire.of.ok_or_else(|| Malformed::missing("failure"))? {
            Of::Exited(Exited { code, out_of_memory }) => Failure::Exited { code, out_of_memory },
            Of::MachineRestarted(v1::Empty {}) => Failure::MachineRestarted,
            Of::ContainerGone(v1::Empty {}) => Failure::ContainerGone,
            Of::NoSuchImage(Image { image, detail, .. }) => Failure::NoSuchImage { image, detail },
            Of::RegistryUnreachable(Image { image, detail, tries }) => {
                Failure::RegistryUnreachable { image, detail, tries }
            }
            Of::BindSourceMissing(path) => Failure::BindSourceMissing { path },
            Of::EngineRefused(detail) => Failure::EngineRefused { detail },
            Of::NodeLost(v1::Empty {}) => Failure::NodeLost,
            Of::Unhealthy(detail) => Failure::Unhealthy { detail },
            Of::CutOff(v1::Empty {}) => Failure::CutOff,
        })
    }
}

impl From<&Failure> for v1::Failure {
    fn from(failure: &Failure) -> v1::Failure {
        use v1::failure::{Exited, Image, Of};
        let of = match failure.clone() {
            Failure::Exited { code, out_of_memory } => Of::Exited(Exited { code, out_of_memory }),
            Failure::MachineRestarted => Of::MachineRestarted(v1::Empty {}),
            Failure::ContainerGone => Of::ContainerGone(v1::Empty {}),
            Failure::NoSuchImage { image, detail } => {
                Of::NoSuchImage(Image { image, detail, tries: 0 })
            }
            Failure::RegistryUnreachable { image, detail, tries } => {
                Of::RegistryUnreachable(Image { image, detail, tries })
            }
            Failure::BindSourceMissing { path } => Of::BindSourceMissing(path),
            Failure::EngineRefused { detail } => Of::EngineRefused(detail),
            Failure::NodeLost => Of::NodeLost(v1::Empty {}),
            Failure::Unhealthy { detail } => Of::Unhealthy(detail),
            Failure::CutOff => Of::CutOff(v1::Empty {}),
        };
        v1::Failure { of: Some(of) }
    }
}

impl TryFrom<v1::Observation> for Observation {
    type Error = Malformed;
    fn try_from(wire: v1::Observation) -> Result<Observation, Malformed> {
        Ok(Observation {
            state: specified::<v1::TaskState, _>(wire.state, "state")?,
            failure: wire.failure.map(Failure::try_from).transpose()?,
            message: wire.message,
        })
    }
}

impl From<&Observation> for v1::Observation {
    fn from(observation: &Observation) -> v1::Observation {
        v1::Observation {
            state: v1::TaskState::from(observation.state).into(),
            failure: observation.failure.as_ref().map(v1::Failure::from),
            message: observation.message.clone(),
        }
    }
}

impl TryFrom<v1::Task> for Task {
    type Error = Malformed;
    fn try_from(wire: v1::Task) -> Result<Task, Malformed> {
        let observed: Observation = required(wire.observed, "task.observed")?;
        Ok(Task {
            id: TaskId(wire.id),
            service: ServiceId(wire.service),
            slot: required(wire.slot, "task.slot")?,
            template: Version(wire.template),
            placement: match wire.node {
                Some(node) => Placement::OnNode(NodeId(node)),
                None => Placement::Unplaced,
            },
            desired: specified::<v1::DesiredState, _>(wire.desired, "task.desired")?,
            status: TaskStatus {
                state: observed.state,
                since: required::<_, Stamp>(wire.since, "task.since")?,
                failure: observed.failure,
            },
            created: required::<_, Stamp>(wire.created, "task.created")?,
            ran: wire.ran_at_millis.map(Timestamp),
        })
    }
}

impl From<&Task> for v1::Task {
    fn from(task: &Task) -> v1::Task {
        v1::Task {
            id: task.id.0,
            service: task.service.0,
            slot: Some((&task.slot).into()),
            template: task.template.0,
            node: task.placement.node().map(|it| it.0),
            desired: v1::DesiredState::from(task.desired).into(),
            observed: Some(v1::Observation {
                state: v1::TaskState::from(task.status.state).into(),
                failure: task.status.failure.as_ref().map(v1::Failure::from),
                message: String::new(),
            }),
            since: Some((&task.status.since).into()),
            created: Some((&task.created).into()),
            ran_at_millis: task.ran.map(|it| it.0),
        }
    }
}
