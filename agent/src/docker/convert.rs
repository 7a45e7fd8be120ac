//! Our words in Docker's and back.

use super::health::health_in;
use crate::containers::Owner;
use agent_core::container::{ContainerId, Exit, Phase, Seen};
use bollard::models::{
    ContainerCreateBody, ContainerSummary, ContainerSummaryStateEnum as State, HostConfig,
    Mount as DockerMount, MountTmpfsOptions, MountType, MountVolumeOptions,
    MountVolumeOptionsDriverConfig, RestartPolicy, RestartPolicyNameEnum,
};
use bollard::{BollardRequest, ClientVersion};
use common::TaskId;
use common::assignment::Assignment;
use common::container::{Access, Mount, MountSource};
use std::collections::HashMap;

pub(super) const TASK_LABEL: &str = "skep.task.id";
const NODE_LABEL: &str = "skep.node.id";
const CLUSTER_LABEL: &str = "skep.cluster.id";
const STACK_LABEL: &str = "com.docker.stack.namespace";

pub(super) fn api_version(text: &str) -> Option<ClientVersion> {
    let (major, minor) = text.split_once('.')?;
    Some(ClientVersion { major_version: major.parse().ok()?, minor_version: minor.parse().ok()? })
}

pub(super) fn with_version(mut request: BollardRequest, version: ClientVersion) -> BollardRequest {
    let mut parts = request.uri().clone().into_parts();
    let path = parts.path_and_query.as_ref().map_or("/", |it| it.as_str());
    parts.path_and_query = format!("/v{version}{path}").parse().ok();
    if let Ok(uri) = http::Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

pub(super) fn owner_labels(owner: Owner) -> [(&'static str, String); 2] {
    [(NODE_LABEL, owner.node.to_string()), (CLUSTER_LABEL, owner.cluster.to_string())]
}

pub(super) fn owner_filter(owner: Owner) -> Vec<String> {
    owner_labels(owner).iter().map(|(label, value)| format!("{label}={value}")).collect()
}

/// A container of ours. Images made from one carry its labels on to strangers, so its name, which
/// is given to one container only, must be that of its task too.
pub(super) fn seen(summary: &ContainerSummary) -> Option<Seen> {
    let labels = summary.labels.as_ref()?;
    let names = summary.names.as_deref().unwrap_or_default();
    let task = task_of(labels, names.iter().map(String::as_str))?;
    let id = ContainerId(summary.id.clone()?);
    let status = summary.status.as_deref().unwrap_or_default();
    let phase = match summary.state? {
        State::CREATED => Phase::Created,
        State::RUNNING | State::PAUSED | State::RESTARTING | State::STOPPING => {
            Phase::Running(health_in(status))
        }
        State::EXITED | State::DEAD => {
            Phase::Exited(Exit { code: exit_code(status), out_of_memory: false })
        }
        // It is as good as gone.
        State::REMOVING => return None,
        State::EMPTY => return None,
    };
    Some(Seen { task, id, phase })
}

pub(super) fn task_of<'a>(
    labels: &HashMap<String, String>,
    mut names: impl Iterator<Item = &'a str>,
) -> Option<TaskId> {
    let task = labels.get(TASK_LABEL)?;
    let is_its_name = |name: &str| name.rsplit_once('.').is_some_and(|(_, end)| end == task);
    names.any(is_its_name).then(|| task.parse().ok())?
}

/// `Exited (137) 3 minutes ago`
fn exit_code(status: &str) -> i64 {
    let code = status.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
    code.and_then(|(code, _)| code.parse().ok()).unwrap_or(-1)
}

pub(super) fn container(owner: Owner, assignment: &Assignment) -> ContainerCreateBody {
    let spec = &assignment.spec.container;
    let texts = |texts: &Vec<String>| (!texts.is_empty()).then(|| texts.clone());
    ContainerCreateBody {
        image: Some(spec.image.as_given().to_owned()),
        entrypoint: texts(&spec.entrypoint),
        cmd: texts(&spec.args),
        env: texts(&spec.env),
        labels: Some(labels(owner, assignment)),
        hostname: spec.hostname.clone(),
        working_dir: spec.workdir.clone(),
        user: spec.user.clone(),
        tty: Some(spec.tty),
        stop_signal: spec.stop_signal.clone(),
        stop_timeout: Some(whole_seconds(spec.stop_grace)),
        host_config: Some(host_config(assignment)),
        ..ContainerCreateBody::default()
    }
}

/// Rounded up: whoever asks for half a second does not mean none.
fn whole_seconds(duration: std::time::Duration) -> i64 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

fn host_config(assignment: &Assignment) -> HostConfig {
    let spec = &assignment.spec;
    let wish = |amount: u64| (amount > 0).then(|| i64::try_from(amount).unwrap_or(i64::MAX));
    HostConfig {
        memory: wish(spec.limits.memory_bytes),
        memory_reservation: wish(spec.reservations.memory_bytes),
        nano_cpus: wish(spec.limits.cpu_nanos),
        init: Some(spec.container.init),
        readonly_rootfs: Some(spec.container.read_only),
        mounts: Some(spec.container.mounts.iter().map(mount).collect()),
        // Managers replace what ends; an engine that restarts it by itself makes a twin.
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        ..HostConfig::default()
    }
}

fn mount(mount: &Mount) -> DockerMount {
    let shared = DockerMount {
        target: Some(mount.target.clone()),
        read_only: Some(mount.access == Access::ReadOnly),
        ..DockerMount::default()
    };
    match &mount.source {
        MountSource::Bind { path } => {
            DockerMount { typ: Some(MountType::BIND), source: Some(path.clone()), ..shared }
        }
        MountSource::Volume { name, driver, options } => {
            let options: HashMap<_, _> = options.clone().into_iter().collect();
            let driver = (driver.is_some() || !options.is_empty()).then(|| {
                // Docker takes no options without the name of their driver.
                let name = driver.clone().unwrap_or_else(|| "local".to_owned());
                MountVolumeOptionsDriverConfig { name: Some(name), options: Some(options) }
            });
            DockerMount {
                typ: Some(MountType::VOLUME),
                source: name.clone(),
                volume_options: driver.map(|it| MountVolumeOptions {
                    driver_config: Some(it),
                    ..MountVolumeOptions::default()
                }),
                ..shared
            }
        }
        MountSource::Tmpfs { size_bytes, mode } => DockerMount {
            typ: Some(MountType::TMPFS),
            tmpfs_options: Some(MountTmpfsOptions {
                size_bytes: size_bytes.map(|it| i64::try_from(it).unwrap_or(i64::MAX)),
                mode: mode.map(i64::from),
                options: None,
            }),
            ..shared
        },
    }
}

/// Ours, and Swarm's of the same meaning, so that people's dashboards and queries go on working.
fn labels(owner: Owner, assignment: &Assignment) -> HashMap<String, String> {
    let mut labels: HashMap<_, _> = assignment.spec.container.labels.clone().into_iter().collect();
    let task_name = assignment.container_name();
    let said = [
        ("skep.service.name", "com.docker.swarm.service.name", assignment.service_name.clone()),
        ("skep.service.id", "com.docker.swarm.service.id", assignment.service.to_string()),
        (TASK_LABEL, "com.docker.swarm.task.id", assignment.task.to_string()),
        ("skep.task.name", "com.docker.swarm.task.name", task_name),
        (NODE_LABEL, "com.docker.swarm.node.id", owner.node.to_string()),
    ];
    for (ours, swarms, value) in said {
        labels.insert(ours.to_owned(), value.clone());
        labels.insert(swarms.to_owned(), value);
    }
    labels.insert("com.docker.swarm.task".to_owned(), String::new());
    labels.insert(CLUSTER_LABEL.to_owned(), owner.cluster.to_string());
    labels.insert("skep.task.slot".to_owned(), assignment.slot.to_string());
    if let Some(stack) = assignment.service_labels.get(STACK_LABEL) {
        labels.insert("skep.stack".to_owned(), stack.clone());
        labels.insert(STACK_LABEL.to_owned(), stack.clone());
    }
    labels
}

#[cfg(test)]
mod tests;
