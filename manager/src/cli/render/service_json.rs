//! `service inspect` for programs: the shape that Docker gives it, as far as there is a meaning.

mod container;
mod kernel;
mod mounts;
mod network;

use super::generic_json::SupplyJson;
use super::pretty_json;
use crate::cli::seen::SeenService;
use common::calendar::rfc3339;
use common::container::Logging;
use common::resources::Resources;
use common::service::{Mode, RestartCondition, RestartPolicy, ServiceSpec, TaskSpec};
use common::update::{FailureAction, Update, UpdateOrder, UpdatePolicy, UpdateState};
use container::ContainerJson;
use network::{EndpointJson, NetworkJson};
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
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_spec: Option<SpecJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_status: Option<ProgressJson>,
    service_status: StatusJson,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ProgressJson {
    state: &'static str,
    started_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
    message: String,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_tasks: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SpecJson<'a> {
    name: &'a str,
    labels: &'a BTreeMap<String, String>,
    task_template: TaskJson<'a>,
    mode: ModeJson,
    update_config: UpdateJson,
    rollback_config: UpdateJson,
    endpoint_spec: EndpointJson,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateJson {
    parallelism: u32,
    delay: u128,
    failure_action: &'static str,
    monitor: u128,
    max_failure_ratio: f64,
    order: &'static str,
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
    placement: PlacementJson<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    networks: Vec<NetworkJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_driver: Option<LogJson<'a>>,
    force_update: u64,
    #[serde(skip_serializing_if = "is_false")]
    at_most_one: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LogJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    options: &'a BTreeMap<String, String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it may skip so")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WishesJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<LimitsJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reservations: Option<SupplyJson>,
}

#[derive(Serialize)]
struct LimitsJson {
    #[serde(flatten)]
    resources: Option<ResourcesJson>,
    #[serde(rename = "Pids", skip_serializing_if = "Option::is_none")]
    pids: Option<u64>,
}

impl LimitsJson {
    fn of(task: &TaskSpec) -> Option<LimitsJson> {
        let (resources, pids) = (ResourcesJson::of(task.limits), task.pids_max);
        (resources.is_some() || pids.is_some()).then_some(LimitsJson { resources, pids })
    }
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
struct PlacementJson<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    constraints: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    preferences: Vec<PreferenceJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_replicas: Option<u32>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    volume_policies: BTreeMap<&'a str, &'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PreferenceJson<'a> {
    spread: SpreadJson<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SpreadJson<'a> {
    spread_descriptor: &'a str,
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
            previous_spec: service.former.last().map(|it| SpecJson::of(&it.spec)),
            update_status: service.update.as_ref().map(|it| ProgressJson::of(it, seen.trouble())),
            service_status: StatusJson {
                running_tasks: seen.running,
                desired_tasks: seen.desired,
                completed_tasks: service.spec.mode.is_job().then_some(seen.completed),
            },
        }
    }
}

impl ProgressJson {
    fn of(update: &Update, trouble: Option<String>) -> ProgressJson {
        let is_over = !update.state.is_under_way();
        let message = trouble.unwrap_or_else(|| message(update.state).to_owned());
        ProgressJson {
            state: update.state.as_str(),
            started_at: rfc3339(update.started.wall),
            completed_at: is_over.then(|| rfc3339(update.since.wall)),
            message,
        }
    }
}

/// Where nothing went wrong.
fn message(state: UpdateState) -> &'static str {
    match state {
        UpdateState::Updating => "update in progress",
        UpdateState::Paused => "update paused",
        UpdateState::Completed => "update completed",
        UpdateState::RollingBack => "rollback in progress",
        UpdateState::RollbackPaused => "rollback paused",
        UpdateState::RolledBack => "rollback completed",
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
        SpecJson {
            name: spec.name.as_str(),
            labels: &spec.labels,
            task_template,
            mode,
            update_config: UpdateJson::of(&spec.update),
            rollback_config: UpdateJson::of(&spec.rollback),
            endpoint_spec: EndpointJson::of(spec),
        }
    }
}

impl<'a> TaskJson<'a> {
    fn of(task: &'a TaskSpec) -> TaskJson<'a> {
        TaskJson {
            container_spec: ContainerJson::of(&task.container),
            resources: WishesJson {
                limits: LimitsJson::of(task),
                reservations: SupplyJson::of(task.reservations, &task.generic),
            },
            restart_policy: RestartJson::of(&task.restart),
            placement: PlacementJson {
                constraints: task.constraints.iter().map(ToString::to_string).collect(),
                preferences: task.spread.iter().map(PreferenceJson::of).collect(),
                max_replicas: task.replicas_max_per_node,
                volume_policies: task
                    .volume_policies
                    .iter()
                    .map(|(name, it)| (name.as_str(), it.as_str()))
                    .collect(),
            },
            networks: NetworkJson::of(task),
            log_driver: task.container.logging.as_ref().map(LogJson::of),
            force_update: task.force,
            at_most_one: task.at_most_one,
        }
    }
}

impl<'a> PreferenceJson<'a> {
    fn of(label: &'a String) -> PreferenceJson<'a> {
        PreferenceJson { spread: SpreadJson { spread_descriptor: label } }
    }
}

impl<'a> LogJson<'a> {
    fn of(logging: &'a Logging) -> LogJson<'a> {
        LogJson { name: logging.driver.as_deref(), options: &logging.options }
    }
}

impl UpdateJson {
    fn of(policy: &UpdatePolicy) -> UpdateJson {
        UpdateJson {
            parallelism: policy.parallelism,
            delay: policy.delay.as_nanos(),
            failure_action: match policy.on_failure {
                FailureAction::Pause => "pause",
                FailureAction::Continue => "continue",
                FailureAction::Rollback => "rollback",
            },
            monitor: policy.monitor.as_nanos(),
            max_failure_ratio: policy.failure_ratio_max.share(),
            order: match policy.order {
                UpdateOrder::StopFirst => "stop-first",
                UpdateOrder::StartFirst => "start-first",
            },
        }
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
    use crate::cli::render::samples::{full_service, odd_service, plain_service};
    use common::Stamp;
    use common::update::UpdateTrouble;
    use expect_test::expect_file;
    use std::time::Duration;

    #[test]
    fn the_shape_is_docker_s() {
        expect_file!["expected/service_inspect_plain.json"].assert_eq(&inspect(&[plain_service()]));
        expect_file!["expected/service_inspect_full.json"].assert_eq(&inspect(&[full_service()]));
        expect_file!["expected/service_inspect_odd.json"].assert_eq(&inspect(&[odd_service()]));
        assert_eq!(inspect(&[]), "[]\n");
    }
    #[test]
    fn an_update_says_why_it_does_not_move() {
        use UpdateState::{Paused, RollingBack, Updating};
        let stuck = Some(UpdateTrouble::NoProgress { for_at_least: Duration::from_secs(600) });
        let still = "no progress for 90 s; web.1: no suitable node: 2 down";
        for (state, trouble, standstill, message) in [
            (Updating, None, "", "update in progress"),
            (Updating, None, still, still),
            (Paused, stuck.clone(), "", "no progress for 600 s"),
            (RollingBack, stuck, still, &format!("no progress for 600 s; {still}")),
        ] {
            let (started, since) = (Stamp::default(), Stamp::default());
            let mut seen = plain_service();
            seen.service.update = Some(Update { state, started, since, base: None, trouble });
            seen.standstill = standstill.to_owned();
            let json: serde_json::Value = inspect(&[seen.clone()]).parse().expect("it is JSON");
            assert_eq!(json[0]["UpdateStatus"]["Message"], message);
            let page = crate::cli::render::service_page::pretty(&seen);
            let is_told = page.contains(&format!(" Message:\t{message}\n"));
            assert_eq!(is_told, seen.trouble().is_some(), "{page}");
        }
    }
}
