//! Services and what their tasks are made from.

use super::{Malformed, enums, parsed, required, specified};
use crate::v1;
use common::resources::Resources;
use common::service::{
    Dependency, DependencyCondition, FailureAction, Mode, Ratio, RestartCondition, RestartPolicy,
    Service, ServicePhase, ServiceSpec, TaskSpec, UpdateOrder, UpdatePolicy,
};
use common::time::millis;
use common::{ServiceId, Stamp, Version};
use std::sync::Arc;
use std::time::Duration;

enums! {
    "restart.condition": v1::restart_policy::Condition = RestartCondition { Never OnFailure Any }
    "update.on_failure": v1::update_policy::FailureAction = FailureAction { Pause Continue Rollback }
    "update.order": v1::update_policy::UpdateOrder = UpdateOrder { StopFirst StartFirst }
    "depends_on.condition": v1::dependency::DependencyCondition = DependencyCondition {
        Started Healthy CompletedSuccessfully
    }
}

impl TryFrom<v1::Service> for Service {
    type Error = Malformed;
    fn try_from(wire: v1::Service) -> Result<Service, Malformed> {
        Ok(Service {
            id: ServiceId(wire.id),
            version: Version(wire.version),
            created: required::<_, Stamp>(wire.created, "service.created")?,
            updated: required::<_, Stamp>(wire.updated, "service.updated")?,
            spec: required(wire.spec, "service.spec")?,
            template: Version(wire.template),
            // Only these are shown to anyone.
            phase: ServicePhase::Active,
        })
    }
}

impl From<&Service> for v1::Service {
    fn from(service: &Service) -> v1::Service {
        v1::Service {
            id: service.id.0,
            version: service.version.0,
            created: Some((&service.created).into()),
            updated: Some((&service.updated).into()),
            spec: Some((&service.spec).into()),
            template: service.template.0,
        }
    }
}

impl TryFrom<v1::ServiceSpec> for ServiceSpec {
    type Error = Malformed;
    fn try_from(wire: v1::ServiceSpec) -> Result<ServiceSpec, Malformed> {
        Ok(ServiceSpec {
            name: parsed(&wire.name, "service.name")?,
            labels: wire.labels,
            mode: required(wire.mode, "service.mode")?,
            task: Arc::new(required(wire.task, "service.task")?),
            stack: wire.stack.map(|it| parsed(&it, "service.stack")).transpose()?,
            update: wire.update.map(UpdatePolicy::try_from).transpose()?.unwrap_or_default(),
            rollback: wire.rollback.map(UpdatePolicy::try_from).transpose()?.unwrap_or_default(),
            depends_on: wire
                .depends_on
                .into_iter()
                .map(Dependency::try_from)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl From<&ServiceSpec> for v1::ServiceSpec {
    fn from(spec: &ServiceSpec) -> v1::ServiceSpec {
        v1::ServiceSpec {
            name: spec.name.to_string(),
            labels: spec.labels.clone(),
            mode: Some(spec.mode.into()),
            task: Some((&*spec.task).into()),
            stack: spec.stack.as_ref().map(ToString::to_string),
            update: Some((&spec.update).into()),
            rollback: Some((&spec.rollback).into()),
            depends_on: spec.depends_on.iter().map(v1::Dependency::from).collect(),
        }
    }
}

impl From<v1::service_spec::Mode> for Mode {
    fn from(wire: v1::service_spec::Mode) -> Mode {
        match wire {
            v1::service_spec::Mode::Replicated(it) => Mode::Replicated { replicas: it.replicas },
            v1::service_spec::Mode::Global(v1::Global {}) => Mode::Global,
            v1::service_spec::Mode::ReplicatedJob(v1::ReplicatedJob {
                completions,
                concurrent_max,
            }) => Mode::ReplicatedJob { completions, concurrent_max },
            v1::service_spec::Mode::GlobalJob(v1::GlobalJob {}) => Mode::GlobalJob,
        }
    }
}

impl From<Mode> for v1::service_spec::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Replicated { replicas } => Self::Replicated(v1::Replicated { replicas }),
            Mode::Global => Self::Global(v1::Global {}),
            Mode::ReplicatedJob { completions, concurrent_max } => {
                Self::ReplicatedJob(v1::ReplicatedJob { completions, concurrent_max })
            }
            Mode::GlobalJob => Self::GlobalJob(v1::GlobalJob {}),
        }
    }
}

impl TryFrom<v1::TaskSpec> for TaskSpec {
    type Error = Malformed;
    fn try_from(wire: v1::TaskSpec) -> Result<TaskSpec, Malformed> {
        let constraints = wire.constraints.iter().map(|it| parsed(it, "task.constraints"));
        Ok(TaskSpec {
            container: required(wire.container, "task.container")?,
            // Nobody who asks for nothing has to say so.
            limits: wire.limits.map(Resources::from).unwrap_or_default(),
            reservations: wire.reservations.map(Resources::from).unwrap_or_default(),
            restart: wire.restart.map(RestartPolicy::try_from).transpose()?.unwrap_or_default(),
            constraints: constraints.collect::<Result<_, _>>()?,
            replicas_max_per_node: wire.replicas_max_per_node,
            spread: wire.spread,
            pids_max: wire.pids_max,
            at_most_one: wire.at_most_one,
            force: wire.force,
        })
    }
}

impl From<&TaskSpec> for v1::TaskSpec {
    fn from(spec: &TaskSpec) -> v1::TaskSpec {
        v1::TaskSpec {
            container: Some((&spec.container).into()),
            limits: Some((&spec.limits).into()),
            reservations: Some((&spec.reservations).into()),
            restart: Some((&spec.restart).into()),
            constraints: spec.constraints.iter().map(ToString::to_string).collect(),
            replicas_max_per_node: spec.replicas_max_per_node,
            spread: spec.spread.clone(),
            pids_max: spec.pids_max,
            at_most_one: spec.at_most_one,
            force: spec.force,
        }
    }
}

impl TryFrom<v1::RestartPolicy> for RestartPolicy {
    type Error = Malformed;
    fn try_from(wire: v1::RestartPolicy) -> Result<RestartPolicy, Malformed> {
        Ok(RestartPolicy {
            condition: specified::<v1::restart_policy::Condition, _>(
                wire.condition,
                "restart.condition",
            )?,
            delay: Duration::from_millis(wire.delay_millis),
            attempts_max: wire.attempts_max,
            window: Duration::from_millis(wire.window_millis),
        })
    }
}

impl From<&RestartPolicy> for v1::RestartPolicy {
    fn from(policy: &RestartPolicy) -> v1::RestartPolicy {
        v1::RestartPolicy {
            condition: v1::restart_policy::Condition::from(policy.condition).into(),
            delay_millis: millis(policy.delay),
            attempts_max: policy.attempts_max,
            window_millis: millis(policy.window),
        }
    }
}

impl TryFrom<v1::UpdatePolicy> for UpdatePolicy {
    type Error = Malformed;
    fn try_from(wire: v1::UpdatePolicy) -> Result<UpdatePolicy, Malformed> {
        use v1::update_policy::{FailureAction as Action, UpdateOrder as Order};
        Ok(UpdatePolicy {
            parallelism: wire.parallelism,
            delay: Duration::from_millis(wire.delay_millis),
            on_failure: specified::<Action, _>(wire.on_failure, "update.on_failure")?,
            monitor: Duration::from_millis(wire.monitor_millis),
            failure_ratio_max: Ratio(wire.failure_ratio_max_millionths),
            order: specified::<Order, _>(wire.order, "update.order")?,
        })
    }
}

impl From<&UpdatePolicy> for v1::UpdatePolicy {
    fn from(policy: &UpdatePolicy) -> v1::UpdatePolicy {
        use v1::update_policy::{FailureAction as Action, UpdateOrder as Order};
        v1::UpdatePolicy {
            parallelism: policy.parallelism,
            delay_millis: millis(policy.delay),
            on_failure: Action::from(policy.on_failure).into(),
            monitor_millis: millis(policy.monitor),
            failure_ratio_max_millionths: policy.failure_ratio_max.0,
            order: Order::from(policy.order).into(),
        }
    }
}

impl TryFrom<v1::Dependency> for Dependency {
    type Error = Malformed;
    fn try_from(wire: v1::Dependency) -> Result<Dependency, Malformed> {
        use v1::dependency::DependencyCondition as Condition;
        Ok(Dependency {
            service: parsed(&wire.service, "depends_on.service")?,
            condition: specified::<Condition, _>(wire.condition, "depends_on.condition")?,
            required: wire.required,
        })
    }
}

impl From<&Dependency> for v1::Dependency {
    fn from(dependency: &Dependency) -> v1::Dependency {
        use v1::dependency::DependencyCondition as Condition;
        v1::Dependency {
            service: dependency.service.to_string(),
            condition: Condition::from(dependency.condition).into(),
            required: dependency.required,
        }
    }
}
