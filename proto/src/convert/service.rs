//! Services and what their tasks are made from.

use super::{Malformed, enums, parsed, required, specified};
use crate::v1;
use common::container::{Access, ContainerSpec, Mount, MountSource};
use common::resources::Resources;
use common::service::{
    Mode, RestartCondition, RestartPolicy, Service, ServicePhase, ServiceSpec, TaskSpec,
};
use common::time::millis;
use common::{ServiceId, Stamp, Version};
use std::sync::Arc;
use std::time::Duration;

enums! {
    "restart.condition": v1::restart_policy::Condition = RestartCondition { Never OnFailure Any }
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
        }
    }
}

impl From<v1::service_spec::Mode> for Mode {
    fn from(wire: v1::service_spec::Mode) -> Mode {
        match wire {
            v1::service_spec::Mode::Replicated(it) => Mode::Replicated { replicas: it.replicas },
            v1::service_spec::Mode::Global(v1::Global {}) => Mode::Global,
        }
    }
}

impl From<Mode> for v1::service_spec::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Replicated { replicas } => Self::Replicated(v1::Replicated { replicas }),
            Mode::Global => Self::Global(v1::Global {}),
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

impl TryFrom<v1::ContainerSpec> for ContainerSpec {
    type Error = Malformed;
    fn try_from(wire: v1::ContainerSpec) -> Result<ContainerSpec, Malformed> {
        let mounts = wire.mounts.into_iter().map(Mount::try_from);
        Ok(ContainerSpec {
            image: parsed(&wire.image, "container.image")?,
            entrypoint: wire.entrypoint,
            args: wire.args,
            env: wire.env,
            labels: wire.labels,
            hostname: wire.hostname,
            workdir: wire.workdir,
            user: wire.user,
            mounts: mounts.collect::<Result<_, _>>()?,
            stop_signal: wire.stop_signal,
            stop_grace: Duration::from_millis(wire.stop_grace_millis),
            init: wire.init,
            tty: wire.tty,
            read_only: wire.read_only,
        })
    }
}

impl From<&ContainerSpec> for v1::ContainerSpec {
    fn from(spec: &ContainerSpec) -> v1::ContainerSpec {
        v1::ContainerSpec {
            image: spec.image.as_given().to_owned(),
            entrypoint: spec.entrypoint.clone(),
            args: spec.args.clone(),
            env: spec.env.clone(),
            labels: spec.labels.clone(),
            hostname: spec.hostname.clone(),
            workdir: spec.workdir.clone(),
            user: spec.user.clone(),
            mounts: spec.mounts.iter().map(v1::Mount::from).collect(),
            stop_signal: spec.stop_signal.clone(),
            stop_grace_millis: millis(spec.stop_grace),
            init: spec.init,
            tty: spec.tty,
            read_only: spec.read_only,
        }
    }
}

impl TryFrom<v1::Mount> for Mount {
    type Error = Malformed;
    fn try_from(wire: v1::Mount) -> Result<Mount, Malformed> {
        Ok(Mount {
            target: wire.target,
            access: if wire.read_only { Access::ReadOnly } else { Access::ReadWrite },
            source: required(wire.source, "mount.source")?,
        })
    }
}

impl From<&Mount> for v1::Mount {
    fn from(mount: &Mount) -> v1::Mount {
        v1::Mount {
            target: mount.target.clone(),
            read_only: mount.access == Access::ReadOnly,
            source: Some((&mount.source).into()),
        }
    }
}

impl From<v1::mount::Source> for MountSource {
    fn from(wire: v1::mount::Source) -> MountSource {
        match wire {
            v1::mount::Source::Bind(v1::mount::Bind { path }) => MountSource::Bind { path },
            v1::mount::Source::Volume(v1::mount::Volume { name, driver, options }) => {
                MountSource::Volume { name, driver, options }
            }
            v1::mount::Source::Tmpfs(v1::mount::Tmpfs { size_bytes, mode }) => {
                MountSource::Tmpfs { size_bytes, mode }
            }
        }
    }
}

impl From<&MountSource> for v1::mount::Source {
    fn from(source: &MountSource) -> Self {
        match source.clone() {
            MountSource::Bind { path } => Self::Bind(v1::mount::Bind { path }),
            MountSource::Volume { name, driver, options } => {
                Self::Volume(v1::mount::Volume { name, driver, options })
            }
            MountSource::Tmpfs { size_bytes, mode } => {
                Self::Tmpfs(v1::mount::Tmpfs { size_bytes, mode })
            }
        }
    }
}
