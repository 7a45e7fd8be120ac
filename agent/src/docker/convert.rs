//! Our words in Docker's and back.

mod body;
mod mount;

pub(super) use body::container;
pub(super) use mount::{folders_to_make, unknown_to};

use super::health::health_in;
use crate::containers::Owner;
use agent_core::container::{ContainerId, Exit, Phase, Seen};
use bollard::models::{ContainerSummary, ContainerSummaryStateEnum as State};
use bollard::{BollardRequest, ClientVersion};
use common::TaskId;
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

#[cfg(test)]
mod tests;
