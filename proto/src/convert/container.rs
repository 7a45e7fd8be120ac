//! What runs in a task.

use super::{Malformed, parsed, required};
use crate::v1;
use common::container::{
    Access, ContainerSpec, HealthCheck, Mount, MountSource, Probe, ProbeCommand,
};
use common::file::Grant;
use common::time::millis;
use std::time::Duration;

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
            health: wire.health.map(HealthCheck::try_from).transpose()?,
            grants: wire.grants.into_iter().map(Grant::try_from).collect::<Result<_, _>>()?,
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
            health: spec.health.as_ref().map(v1::HealthCheck::from),
            grants: spec.grants.iter().map(v1::Grant::from).collect(),
        }
    }
}

impl TryFrom<v1::HealthCheck> for HealthCheck {
    type Error = Malformed;
    fn try_from(wire: v1::HealthCheck) -> Result<HealthCheck, Malformed> {
        match wire.of.ok_or_else(|| Malformed::missing("container.health"))? {
            v1::health_check::Of::Disabled(v1::Empty {}) => Ok(HealthCheck::Disabled),
            v1::health_check::Of::Enabled(probe) => Ok(HealthCheck::Enabled(probe.into())),
        }
    }
}

impl From<&HealthCheck> for v1::HealthCheck {
    fn from(health: &HealthCheck) -> v1::HealthCheck {
        let of = match health {
            HealthCheck::Disabled => v1::health_check::Of::Disabled(v1::Empty {}),
            HealthCheck::Enabled(probe) => v1::health_check::Of::Enabled(probe.into()),
        };
        v1::HealthCheck { of: Some(of) }
    }
}

impl From<v1::Probe> for Probe {
    fn from(wire: v1::Probe) -> Probe {
        Probe {
            test: wire.test.map(|test| match test {
                v1::probe::Test::Exec(v1::Words { words }) => ProbeCommand::Exec(words),
                v1::probe::Test::Shell(line) => ProbeCommand::Shell(line),
            }),
            interval: wire.interval_millis.map(Duration::from_millis),
            timeout: wire.timeout_millis.map(Duration::from_millis),
            retries: wire.retries,
            start_period: wire.start_period_millis.map(Duration::from_millis),
            start_interval: wire.start_interval_millis.map(Duration::from_millis),
        }
    }
}

impl From<&Probe> for v1::Probe {
    fn from(probe: &Probe) -> v1::Probe {
        v1::Probe {
            test: probe.test.as_ref().map(|test| match test {
                ProbeCommand::Exec(words) => {
                    v1::probe::Test::Exec(v1::Words { words: words.clone() })
                }
                ProbeCommand::Shell(line) => v1::probe::Test::Shell(line.clone()),
            }),
            interval_millis: probe.interval.map(millis),
            timeout_millis: probe.timeout.map(millis),
            retries: probe.retries,
            start_period_millis: probe.start_period.map(millis),
            start_interval_millis: probe.start_interval.map(millis),
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
