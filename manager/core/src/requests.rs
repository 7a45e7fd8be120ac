//! What users ask for, checked against the state and turned into changes.

mod spec;

use crate::change::Change;
use crate::file_requests;
use crate::lookup::{self, NotFound};
use crate::network_requests;
use crate::state::State;
use common::node::{Availability, Incapability, Node, NodeKind, NodeSpec, Role};
use common::service::{Former, Mode, Service, ServiceSpec};
use common::update::Update;
use common::{IdGen, NodeId, ServiceId, Version};
use spec::check_spec;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Why a request changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// Wrong whatever the state is.
    #[error("{0}")]
    Invalid(String),
    /// Wrong as things stand.
    #[error("{0}")]
    Conflict(String),
}

type Answer<T> = Result<T, Refused>;

#[derive(Debug, PartialEq, Eq)]
pub struct Created {
    pub id: ServiceId,
    pub changes: Vec<Change>,
    pub warnings: Vec<String>,
}

pub fn create_service(state: &State, spec: ServiceSpec, ids: &mut IdGen) -> Answer<Created> {
    check_spec(&spec)?;
    if state.service_named(spec.name.as_str()).is_some() {
        let name = &spec.name;
        return Err(Refused::Conflict(format!(
            "a service named {name} exists already: choose another name, or remove that one \
             with `skep service rm {name}`"
        )));
    }
    file_requests::check_grants(state, &spec)?;
    let spec = network_requests::attach(state, None, spec)?;
    let warnings = warnings(state, &spec);
    let id = ids.service();
    let changes = vec![Change::CreateService { id, spec: Box::new(spec) }];
    Ok(Created { id, changes, warnings })
}

/// Limits that some node takes without effect.
fn warnings(state: &State, spec: &ServiceSpec) -> Vec<String> {
    let asked = [
        (spec.task.limits.memory_bytes > 0, Incapability::MemoryLimit),
        (spec.task.limits.cpu_nanos > 0, Incapability::CpuLimit),
        (spec.task.pids_max.is_some(), Incapability::PidsLimit),
    ];
    let mut warnings = Vec::new();
    for (_, incapability) in asked.iter().filter(|(is_asked, _)| *is_asked) {
        let nodes: Vec<&str> = state
            .nodes()
            .filter(|it| it.description.engine.incapable_of.contains(incapability))
            .map(|it| it.name.as_str())
            .collect();
        if !nodes.is_empty() {
            warnings.push(format!("on {}: {incapability}", nodes.join(", ")));
        }
    }
    warnings
}

/// Every number is checked before any service is scaled.
pub fn scale(state: &State, scales: &[(String, u32)]) -> Answer<Vec<Change>> {
    let mut changes = Vec::new();
    let mut seen = BTreeSet::new();
    for (given, replicas) in scales {
        let service = lookup::service(state, given)?;
        if !seen.insert(service.id) {
            return Err(Refused::Invalid(format!("{given} is named twice")));
        }
        let mut spec = service.spec.clone();
        match &mut spec.mode {
            Mode::Replicated { replicas: current } => *current = *replicas,
            Mode::Global | Mode::GlobalJob => {
                return Err(Refused::Invalid(format!(
                    "{given} is a global service: one task on every node, which cannot be scaled"
                )));
            }
            Mode::ReplicatedJob { .. } => {
                return Err(Refused::Invalid(format!(
                    "{given} is a job, which cannot be scaled: `skep service update --replicas` \
                     runs it again"
                )));
            }
        }
        check_spec(&spec)?;
        changes.push(Change::SetServiceSpec {
            service: service.id,
            base: service.version,
            spec: Box::new(spec),
        });
    }
    Ok(changes)
}

/// Decided on the version of the service that somebody looked at.
pub fn update_service(
    state: &State,
    (id, base): (ServiceId, Version),
    spec: ServiceSpec,
) -> Answer<(Vec<Change>, Vec<String>)> {
    let service = lookup::service(state, &id.to_string())?;
    let name = &service.spec.name;
    check_spec(&spec)?;
    if service.version != base {
        return Err(Refused::Conflict(format!(
            "{name} was changed by somebody else meanwhile; look at it and try again"
        )));
    }
    if spec.name != *name {
        return Err(Refused::Invalid(format!("a service keeps its name: {name}")));
    }
    if !spec.mode.is_same_kind(service.spec.mode) {
        return Err(Refused::Invalid(format!(
            "the mode of {name} cannot be changed: remove it first (skep service rm {name}), and \
             create it anew"
        )));
    }
    let spec = network_requests::attach(state, Some(&service.spec), spec)?;
    let warnings = warnings(state, &spec);
    let change = Change::SetServiceSpec { service: id, base, spec: Box::new(spec) };
    Ok((vec![change], warnings))
}

/// To a number of its history, or to what it was before.
pub fn roll_back(state: &State, given: &str, to: Option<u32>) -> Answer<(ServiceId, u32, Change)> {
    let service = lookup::service(state, given)?;
    let name = &service.spec.name;
    let former = match to {
        Some(number) if number == service.number => {
            return Err(Refused::Conflict(format!("{name} is at version {number} already")));
        }
        Some(number) => service.former.iter().find(|it| it.number == number),
        None => service.former.iter().rev().find(|it| !is_no_way_back(service, it)),
    };
    let Some(former) = former else {
        let kept: Vec<String> = service.former.iter().map(|it| it.number.to_string()).collect();
        let kept = if kept.is_empty() { "none".to_owned() } else { kept.join(", ") };
        return Err(Refused::Conflict(format!(
            "{name} has no such former version; kept are: {kept} (skep service history {name})"
        )));
    };
    file_requests::check_former(state, name, former)?;
    let (from, to, trouble) = (service.number, former.number, None);
    Ok((service.id, to, Change::RollBackService { service: service.id, from, to, trouble }))
}

/// Where a service went back by itself, it is not to be led into what failed, nor to where it is.
fn is_no_way_back(service: &Service, former: &Former) -> bool {
    let went_back = |it: &Update| it.state.is_rollback() && it.trouble.is_some();
    let is_same =
        || ServiceSpec { mode: service.spec.mode, ..(*former.spec).clone() } == service.spec;
    service.update.as_ref().is_some_and(went_back)
        && (former.number + 1 == service.number || is_same())
}

pub fn remove_services(state: &State, given: &[String]) -> Answer<Vec<Change>> {
    let mut seen = BTreeSet::new();
    let mut changes = Vec::new();
    for given in given {
        let service = lookup::service(state, given)?;
        if seen.insert(service.id) {
            changes.push(Change::RemoveService { service: service.id, base: service.version });
        }
    }
    Ok(changes)
}

/// What a user wants to be different about a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeUpdate {
    pub availability: Option<Availability>,
    pub role: Option<Role>,
    pub labels_put: BTreeMap<String, String>,
    pub labels_remove: Vec<String>,
    /// Zero: back to the default.
    pub down_after: Option<Duration>,
}

/// `answers` says of managers whether the others hear them.
pub fn update_node(
    state: &State,
    given: &str,
    update: NodeUpdate,
    answers: impl Fn(NodeId) -> bool,
) -> Answer<(Vec<Change>, Vec<String>)> {
    let node = lookup::node(state, given)?;
    let mut spec = node.spec.clone();
    let mut warnings = Vec::new();
    if let Some(availability) = update.availability {
        spec.availability = availability;
    }
    if let Some(role) = update.role {
        check_role(state, node, role, answers)?;
        spec.role = role;
        warnings.extend(even_managers(state, node, role));
    }
    for label in update.labels_remove {
        if spec.labels.remove(&label).is_none() {
            return Err(Refused::Conflict(format!("node {} has no label `{label}`", node.name)));
        }
    }
    for (label, value) in update.labels_put {
        if label.is_empty() || label.contains(char::is_whitespace) {
            return Err(Refused::Invalid(format!("`{label}` is not a label: NAME=value is")));
        }
        spec.labels.insert(label, value);
    }
    if let Some(down_after) = update.down_after {
        spec.down_after = match down_after {
            Duration::ZERO => None,
            short if short < Duration::from_secs(1) => {
                return Err(Refused::Invalid("a node is never down after less than 1s".to_owned()));
            }
            fixed => Some(fixed),
        };
    }
    if spec == node.spec {
        return Ok((Vec::new(), warnings));
    }
    Ok((vec![set_spec(node, spec)], warnings))
}

fn set_spec(node: &Node, spec: NodeSpec) -> Change {
    Change::SetNodeSpec { node: node.id, base: node.version, spec }
}

fn check_role(
    state: &State,
    node: &Node,
    role: Role,
    answers: impl Fn(NodeId) -> bool,
) -> Answer<()> {
    match role {
        Role::Manager if node.kind == NodeKind::AgentOnly => Err(Refused::Conflict(format!(
            "node {} runs skep-agent, which is a worker for good: install `skep` there, let the \
             node leave, and join it again with `skep join`",
            node.name
        ))),
        Role::Worker if node.spec.role == Role::Manager => check_demotion(state, node, answers),
        Role::Manager | Role::Worker => Ok(()),
    }
}

fn check_demotion(state: &State, node: &Node, answers: impl Fn(NodeId) -> bool) -> Answer<()> {
    let others: Vec<_> =
        state.nodes().filter(|it| it.id != node.id && it.spec.role == Role::Manager).collect();
    let is_up = |it: &&&Arc<Node>| !it.status.state.is_down() && answers(it.id);
    let (up, count) = (others.iter().filter(is_up).count(), others.len());
    let name = &node.name;
    if count == 0 {
        return Err(Refused::Conflict(format!(
            "{name} is the only manager: promote another node first (skep node promote NODE)"
        )));
    }
    if up * 2 <= count {
        return Err(Refused::Conflict(format!(
            "without {name}, {up} of {count} managers would answer, which is no majority, and the \
             cluster could decide nothing any more: bring the others back, or demote those that \
             do not answer first"
        )));
    }
    Ok(())
}

fn even_managers(state: &State, node: &Node, role: Role) -> Option<String> {
    let others =
        state.nodes().filter(|it| it.id != node.id && it.spec.role == Role::Manager).count();
    let managers = others + usize::from(role == Role::Manager);
    (managers % 2 == 0).then(|| {
        format!(
            "{managers} managers survive the loss of no more of them than {} would: an odd number \
             is better",
            managers - 1
        )
    })
}

pub fn remove_node(state: &State, given: &str, force: bool) -> Answer<Vec<Change>> {
    let node = lookup::node(state, given)?;
    let name = &node.name;
    if node.spec.role == Role::Manager {
        return Err(Refused::Conflict(format!(
            "{name} is a manager: demote it first (skep node demote {name})"
        )));
    }
    if !node.status.state.is_down() && !force {
        return Err(Refused::Conflict(format!(
            "{name} is not down: let it leave (`skep leave` there), or use --force"
        )));
    }
    Ok(vec![Change::RemoveNode { node: node.id, base: node.version }])
}
