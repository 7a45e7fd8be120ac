//! Stacks.

use super::{Malformed, parsed, required};
use crate::v1;
use common::file::NewFile;
use common::network::NetworkSpec;
use common::service::ServiceSpec;
use common::stack::{PlannedAction, ReplacedTask, ServicePlan, StackSpec};
use common::{FileId, TaskId};

impl TryFrom<v1::StackSpec> for StackSpec {
    type Error = Malformed;
    fn try_from(wire: v1::StackSpec) -> Result<StackSpec, Malformed> {
        let file = |it: v1::StackFile| {
            let file: NewFile = required(it.file, "stack.file")?;
            Ok((FileId(it.id), file))
        };
        let services = wire.services.into_iter().map(ServiceSpec::try_from);
        let networks = wire.networks.into_iter().map(NetworkSpec::try_from);
        Ok(StackSpec {
            name: parsed(&wire.name, "stack.name")?,
            services: services.collect::<Result<_, _>>()?,
            files: wire.files.into_iter().map(file).collect::<Result<_, Malformed>>()?,
            networks: networks.collect::<Result<_, _>>()?,
            prune: wire.prune,
            is_partial: wire.is_partial,
        })
    }
}

impl From<&StackSpec> for v1::StackSpec {
    fn from(stack: &StackSpec) -> v1::StackSpec {
        let file = |(id, file): &(FileId, NewFile)| v1::StackFile {
            id: id.0,
            file: Some(v1::CreateFileRequest::from(file)),
        };
        v1::StackSpec {
            name: stack.name.to_string(),
            services: stack.services.iter().map(v1::ServiceSpec::from).collect(),
            files: stack.files.iter().map(file).collect(),
            networks: stack.networks.iter().map(v1::NetworkSpec::from).collect(),
            prune: stack.prune,
            is_partial: stack.is_partial,
        }
    }
}

impl TryFrom<v1::ServicePlan> for ServicePlan {
    type Error = Malformed;
    fn try_from(wire: v1::ServicePlan) -> Result<ServicePlan, Malformed> {
        use v1::service_plan::{Action, Change, Tasks};
        let tasks = |it: Vec<v1::ReplacedTask>| it.into_iter().map(ReplacedTask::from).collect();
        let action = match wire.action.ok_or_else(|| Malformed::missing("plan.action"))? {
            Action::Create(spec) => PlannedAction::Create { spec: Box::new(spec.try_into()?) },
            Action::Update(Change { old, new, replaced }) => PlannedAction::Update {
                old: Box::new(required(old, "plan.old")?),
                new: Box::new(required(new, "plan.new")?),
                replaced: tasks(replaced),
            },
            Action::Keep(v1::Empty {}) => PlannedAction::Keep,
            Action::Remove(Tasks { tasks: gone }) => PlannedAction::Remove { tasks: tasks(gone) },
            Action::Orphan(v1::Empty {}) => PlannedAction::Orphan,
        };
        Ok(ServicePlan { name: parsed(&wire.name, "plan.name")?, action })
    }
}

impl From<&ServicePlan> for v1::ServicePlan {
    fn from(plan: &ServicePlan) -> v1::ServicePlan {
        use v1::service_plan::{Action, Change, Tasks};
        let tasks = |it: &[ReplacedTask]| it.iter().map(v1::ReplacedTask::from).collect();
        let action = match &plan.action {
            PlannedAction::Create { spec } => Action::Create((&**spec).into()),
            PlannedAction::Update { old, new, replaced } => Action::Update(Change {
                old: Some((&**old).into()),
                new: Some((&**new).into()),
                replaced: tasks(replaced),
            }),
            PlannedAction::Keep => Action::Keep(v1::Empty {}),
            PlannedAction::Remove { tasks: gone } => Action::Remove(Tasks { tasks: tasks(gone) }),
            PlannedAction::Orphan => Action::Orphan(v1::Empty {}),
        };
        v1::ServicePlan { name: plan.name.to_string(), action: Some(action) }
    }
}

impl From<v1::ReplacedTask> for ReplacedTask {
    fn from(wire: v1::ReplacedTask) -> ReplacedTask {
        ReplacedTask { id: TaskId(wire.id), name: wire.name, node_name: wire.node_name }
    }
}

impl From<&ReplacedTask> for v1::ReplacedTask {
    fn from(task: &ReplacedTask) -> v1::ReplacedTask {
        v1::ReplacedTask {
            id: task.id.0,
            name: task.name.clone(),
            node_name: task.node_name.clone(),
        }
    }
}
