//! `service inspect` for programs: the shape that Docker gives it, as far as there is a meaning.

use super::pretty_json;
use crate::cli::seen::SeenService;
use common::calendar::rfc3339;
use common::container::{Access, ContainerSpec, Mount, MountSource, TmpfsMount, VolumeMount};
use common::resources::Resources;
use common::service::{Mode, RestartCondition, RestartPolicy, ServiceSpec, TaskSpec};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

pub(in crate::cli) fn inspect(services: &[SeenService]) -> String {
    pretty_json(&services.iter().map(ServiceJson::of).collect::<Vec<_>>())
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ServiceJson<'a> {
    #[serde(rename = "ID")]
    id: String,
    version: VersionJson,
    created_at: String,
    updated_at: String,
    spec: SpecJson<'a>,
    service_status: StatusJson,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct VersionJson {
    pub(super) index: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StatusJson {
    running_tasks: u32,
    desired_tasks: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SpecJson<'a> {
    name: &'a str,
    labels: &'a BTreeMap<String, String>,
    task_template: TaskJson<'a>,
    mode: ModeJson,
}

#[derive(Serialize)]
enum ModeJson {
    #[serde(rename_all = "PascalCase")]
    Replicated {
        replicas: u32,
    },
    Global {},
    #[serde(rename_all = "PascalCase")]
    ReplicatedJob {
        max_concurrent: u32,
        total_completions: u32,
    },
    GlobalJob {},
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TaskJson<'a> {
    container_spec: ContainerJson<'a>,
    resources: WishesJson,
    restart_policy: RestartJson,
    placement: PlacementJson,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerJson<'a> {
    image: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    command: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    args: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    env: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    dir: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    init: Option<bool>,
    #[serde(rename = "TTY", skip_serializing_if = "is_false")]
    tty: bool,
    #[serde(skip_serializing_if = "is_false")]
    read_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_signal: Option<&'a str>,
    /// In nanoseconds, as every duration here.
    stop_grace_period: u128,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mounts: Vec<MountJson<'a>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it may skip so")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MountJson<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    target: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    read_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    volume_options: Option<VolumeJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tmpfs_options: Option<TmpfsJson>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct VolumeJson<'a> {
    driver_config: DriverJson<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DriverJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    options: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TmpfsJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WishesJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<ResourcesJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reservations: Option<ResourcesJson>,
}

#[derive(Serialize)]
pub(super) struct ResourcesJson {
    #[serde(rename = "NanoCPUs", skip_serializing_if = "is_zero")]
    nano_cpus: u64,
    #[serde(rename = "MemoryBytes", skip_serializing_if = "is_zero")]
    memory_bytes: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it may skip so")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl ResourcesJson {
    pub(super) fn of(resources: Resources) -> Option<ResourcesJson> {
        (resources != Resources::NONE).then_some(ResourcesJson {
            nano_cpus: resources.cpu_nanos,
            memory_bytes: resources.memory_bytes,
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RestartJson {
    condition: &'static str,
    delay: u128,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<u128>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PlacementJson {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    constraints: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_replicas: Option<u32>,
}

impl<'a> ServiceJson<'a> {
    fn of(seen: &'a SeenService) -> ServiceJson<'a> {
        let service = &seen.service;
        ServiceJson {
            id: service.id.to_string(),
            version: VersionJson { index: service.version.0 },
            created_at: rfc3339(service.created.wall),
            updated_at: rfc3339(service.updated.wall),
            spec: SpecJson::of(&service.spec),
            service_status: StatusJson { running_tasks: seen.running, desired_tasks: seen.desired },
        }
    }
}

impl<'a> SpecJson<'a> {
    fn of(spec: &'a ServiceSpec) -> SpecJson<'a> {
        let mode = match spec.mode {
            Mode::Replicated { replicas } => ModeJson::Replicated { replicas },
            Mode::Global => ModeJson::Global {},
            Mode::ReplicatedJob { completions, concurrent_max } => ModeJson::ReplicatedJob {
                max_concurrent: if concurrent_max == 0 { completions } else { concurrent_max },
                total_completions: completions,
            },
            Mode::GlobalJob => ModeJson::GlobalJob {},
        };
        let task_template = TaskJson::of(&spec.task);
        SpecJson { name: spec.name.as_str(), labels: &spec.labels, task_template, mode }
    }
}

impl<'a> TaskJson<'a> {
    fn of(task: &'a TaskSpec) -> TaskJson<'a> {
        TaskJson {
            container_spec: ContainerJson::of(&task.container),
            resources: WishesJson {
                limits: ResourcesJson::of(task.limits),
                reservations: ResourcesJson::of(task.reservations),
            },
            restart_policy: RestartJson::of(&task.restart),
            placement: PlacementJson {
                constraints: task.constraints.iter().map(ToString::to_string).collect(),
                max_replicas: task.replicas_max_per_node,
            },
        }
    }
}

impl<'a> ContainerJson<'a> {
    fn of(container: &'a ContainerSpec) -> ContainerJson<'a> {
        ContainerJson {
            image: container.image.as_given(),
            labels: &container.labels,
            command: container.entrypoint.as_deref().unwrap_or_default(),
            args: container.args.as_deref().unwrap_or_default(),
            hostname: container.hostname.as_deref(),
            env: &container.env,
            dir: container.workdir.as_deref(),
            user: container.user.as_deref(),
            init: container.init,
            tty: container.tty,
            read_only: container.read_only,
            stop_signal: container.stop_signal.as_deref(),
            stop_grace_period: container.stop_grace.as_nanos(),
            mounts: container.mounts.iter().map(MountJson::of).collect(),
        }
    }
}

impl<'a> MountJson<'a> {
    fn of(mount: &'a Mount) -> MountJson<'a> {
        let mut json = MountJson {
            r#type: "tmpfs",
            source: None,
            target: &mount.target,
            read_only: mount.access == Access::ReadOnly,
            volume_options: None,
            tmpfs_options: None,
        };
        match &mount.source {
            MountSource::Bind(bind) => {
                json.r#type = "bind";
                json.source = Some(&bind.path);
            }
            MountSource::Volume(VolumeMount { name, driver, options, .. }) => {
                json.r#type = "volume";
                json.source = name.as_deref();
                let driver_config = DriverJson { name: driver.as_deref(), options };
                let says_anything = driver.is_some() || !options.is_empty();
                json.volume_options = says_anything.then_some(VolumeJson { driver_config });
            }
            MountSource::Tmpfs(TmpfsMount { size_bytes, mode, .. }) => {
                json.tmpfs_options = Some(TmpfsJson { size_bytes: *size_bytes, mode: *mode });
            }
        }
        json
    }
}

impl RestartJson {
    fn of(policy: &RestartPolicy) -> RestartJson {
        let condition = match policy.condition {
            RestartCondition::Never => "none",
            RestartCondition::OnFailure => "on-failure",
            RestartCondition::Any => "any",
        };
        RestartJson {
            condition,
            delay: policy.delay.as_nanos(),
            max_attempts: policy.attempts_max,
            window: (policy.window > Duration::ZERO).then_some(policy.window.as_nanos()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render::samples::{full_service, plain_service};
    use expect_test::expect_file;

    #[test]
    fn the_shape_is_docker_s() {
        expect_file!["expected/service_inspect_plain.json"].assert_eq(&inspect(&[plain_service()]));
        expect_file!["expected/service_inspect_full.json"].assert_eq(&inspect(&[full_service()]));
        assert_eq!(inspect(&[]), "[]\n");
    }
}
