//! Services and what their tasks are made from.

use super::{Malformed, enums, parsed, required, specified, specified_if_any};
use crate::v1;
use common::network::{Attachment, Port};
use common::resources::Resources;
use common::service::{
    Dependency, DependencyCondition, Former, Mode, RestartCondition, RestartPolicy, Service,
    ServicePhase, ServiceSpec, TaskSpec,
};
use common::time::millis;
use common::update::{Update, UpdatePolicy};
use common::volume::VolumePolicy;
use common::{ServiceId, Stamp, Version};
use std::sync::Arc;
use std::time::Duration;

enums! {
    "restart.condition": v1::restart_policy::Condition = RestartCondition { Never OnFailure Any }
    "depends_on.condition": v1::dependency::DependencyCondition = DependencyCondition {
        Started Healthy CompletedSuccessfully
    }
    "task.volume_policies": v1::VolumePolicy = VolumePolicy { Strict Preferred None }
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
            number: wire.number,
            renewed: required::<_, Stamp>(wire.renewed, "service.renewed")?,
            former: wire.former.into_iter().map(Former::try_from).collect::<Result<_, _>>()?,
            update: wire.update.map(Update::try_from).transpose()?,
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
            number: service.number,
            renewed: Some((&service.renewed).into()),
            former: service.former.iter().map(v1::Former::from).collect(),
            update: service.update.as_ref().map(v1::Update::from),
        }
    }
}

impl TryFrom<v1::Former> for Former {
    type Error = Malformed;
    fn try_from(wire: v1::Former) -> Result<Former, Malformed> {
        Ok(Former {
            number: wire.number,
            template: Version(wire.template),
            since: required::<_, Stamp>(wire.since, "former.since")?,
            spec: Arc::new(required(wire.spec, "former.spec")?),
        })
    }
}

impl From<&Former> for v1::Former {
    fn from(former: &Former) -> v1::Former {
        v1::Former {
            number: former.number,
            template: former.template.0,
            since: Some((&former.since).into()),
            spec: Some((&*former.spec).into()),
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
            ports: wire.ports.into_iter().map(Port::try_from).collect::<Result<_, _>>()?,
            endpoint: specified_if_any::<v1::service_spec::Endpoint, _>(
                wire.endpoint,
                "service.endpoint",
            )?
            .unwrap_or_default(),
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
            ports: spec.ports.iter().map(v1::Port::from).collect(),
            endpoint: Some(v1::service_spec::Endpoint::from(spec.endpoint).into()),
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
        let networks = wire.networks.into_iter();
        let networks = networks.map(|(name, it)| Ok((name, Attachment::try_from(it)?)));
        let policies = wire.volume_policies.into_iter().map(read_volume_policy);
        Ok(TaskSpec {
            container: required(wire.container, "task.container")?,
            // Nobody who asks for nothing has to say so.
            limits: wire.limits.map(Resources::from).unwrap_or_default(),
            reservations: wire.reservations.map(Resources::from).unwrap_or_default(),
            generic: wire.generic,
            restart: wire.restart.map(RestartPolicy::try_from).transpose()?.unwrap_or_default(),
            constraints: constraints.collect::<Result<_, _>>()?,
            replicas_max_per_node: wire.replicas_max_per_node,
            spread: wire.spread,
            pids_max: wire.pids_max,
            at_most_one: wire.at_most_one,
            networks: networks.collect::<Result<_, Malformed>>()?,
            volume_policies: policies.collect::<Result<_, Malformed>>()?,
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
            generic: spec.generic.clone(),
            restart: Some((&spec.restart).into()),
            constraints: spec.constraints.iter().map(ToString::to_string).collect(),
            replicas_max_per_node: spec.replicas_max_per_node,
            spread: spec.spread.clone(),
            pids_max: spec.pids_max,
            at_most_one: spec.at_most_one,
            networks: spec.networks.iter().map(|(name, it)| (name.clone(), it.into())).collect(),
            volume_policies: spec.volume_policies.iter().map(write_volume_policy).collect(),
            force: spec.force,
        }
    }
}

fn read_volume_policy((name, wire): (String, i32)) -> Result<(String, VolumePolicy), Malformed> {
    Ok((name, specified::<v1::VolumePolicy, _>(wire, "task.volume_policies")?))
}

fn write_volume_policy((name, policy): (&String, &VolumePolicy)) -> (String, i32) {
    (name.clone(), v1::VolumePolicy::from(*policy).into())
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
