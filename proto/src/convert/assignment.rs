//! What a node is told to run. The wire does not repeat the node's id in every assignment: a
//! stream belongs to one node, so whoever reads it says which.

use super::{Malformed, required, specified};
use crate::v1;
use common::assignment::{Assignment, AssignmentSet};
use common::{NodeId, ServiceId, TaskId};
use std::sync::Arc;

pub fn read_assignment(wire: v1::Assignment, node: NodeId) -> Result<Assignment, Malformed> {
    Ok(Assignment {
        task: TaskId(wire.task),
        service: ServiceId(wire.service),
        service_name: wire.service_name,
        service_labels: wire.service_labels,
        slot: required(wire.slot, "assignment.slot")?,
        node,
        desired: specified::<v1::DesiredState, _>(wire.desired, "assignment.desired")?,
        spec: Arc::new(required(wire.spec, "assignment.spec")?),
    })
}

pub fn read_assignments(wire: v1::Assignments, node: NodeId) -> Result<AssignmentSet, Malformed> {
    let put = wire.put.into_iter().map(|it| read_assignment(it, node)).collect::<Result<_, _>>()?;
    if !wire.complete {
        let remove = wire.remove.into_iter().map(TaskId).collect();
        return Ok(AssignmentSet::Changes { put, remove });
    }
    if !wire.remove.is_empty() {
        return Err(Malformed {
            field: "assignments.remove",
            reason: "a complete set leaves out what is to go".to_owned(),
        });
    }
    Ok(AssignmentSet::Complete(put))
}

impl From<&Assignment> for v1::Assignment {
    fn from(assignment: &Assignment) -> v1::Assignment {
        v1::Assignment {
            task: assignment.task.0,
            service: assignment.service.0,
            service_name: assignment.service_name.clone(),
            service_labels: assignment.service_labels.clone(),
            slot: Some((&assignment.slot).into()),
            desired: v1::DesiredState::from(assignment.desired).into(),
            spec: Some((&*assignment.spec).into()),
        }
    }
}

impl From<&AssignmentSet> for v1::Assignments {
    fn from(set: &AssignmentSet) -> v1::Assignments {
        let (complete, put, remove) = match set {
            AssignmentSet::Complete(put) => (true, put, &[][..]),
            AssignmentSet::Changes { put, remove } => (false, put, remove.as_slice()),
        };
        v1::Assignments {
            complete,
            put: put.iter().map(v1::Assignment::from).collect(),
            remove: remove.iter().map(|it| it.0).collect(),
        }
    }
}
