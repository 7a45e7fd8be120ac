//! What users ask for, checked against the state and turned into changes.

use crate::change::Change;
use crate::lookup::{self, NotFound};
use crate::state::State;
use common::container::{BindMount, MountSource};
use common::node::{Availability, Incapability, Node, NodeKind, NodeSpec, Role};
use common::resources::display_cpus;
use common::service::{Mode, ServiceSpec};
use common::units::display_bytes;
use common::{IdGen, NodeId, ServiceId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Docker's own floor; less than this the engine refuses on every node.
const MEMORY_LIMIT_LEAST: u64 = 6 << 20;
const REPLICAS_MAX: u32 = 100_000;

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
    let warnings = warnings(state, &spec);
    let id = ids.service();
    let changes = vec![Change::CreateService { id, spec: Box::new(spec) }];
    Ok(Created { id, changes, warnings })
}

fn check_spec(spec: &ServiceSpec) -> Answer<()> {
    let task = &spec.task;
    let invalid = |text: String| Err(Refused::Invalid(text));
    if let Mode::Replicated { replicas } = spec.mode
        && replicas > REPLICAS_MAX
    {
        return invalid(format!("{replicas} replicas are more than {REPLICAS_MAX}, the maximum"));
    }
    let limit = task.limits.memory_bytes;
    if limit != 0 && limit < MEMORY_LIMIT_LEAST {
        return invalid(format!(
            "a memory limit of {} is below 6MiB, the minimum",
            display_bytes(limit)
        ));
    }
    if limit != 0 && limit < task.reservations.memory_bytes {
        return invalid(format!(
            "the memory limit ({}) is below the reservation ({})",
            display_bytes(limit),
            display_bytes(task.reservations.memory_bytes)
        ));
    }
    if task.limits.cpu_nanos != 0 && task.limits.cpu_nanos < task.reservations.cpu_nanos {
        return invalid(format!(
            "the CPU limit ({}) is below the reservation ({})",
            display_cpus(task.limits.cpu_nanos),
            display_cpus(task.reservations.cpu_nanos)
        ));
    }
    if task.replicas_max_per_node == Some(0) {
        return invalid("at most 0 replicas per node would run nothing: leave it out".to_owned());
    }
    check_mounts(spec)?;
    if let Some(signal) = &task.container.stop_signal
        && !is_signal(signal)
    {
        return invalid(format!(
            "`{signal}` is not a signal: SIGTERM, INT, 9, SIGRTMIN+3 and the like are"
        ));
    }
    match task.container.env.iter().find(|it| it.is_empty() || it.starts_with('=')) {
        Some(bad) => invalid(format!("`{bad}` is not an environment variable: NAME=value is")),
        None => Ok(()),
    }
}

/// As Docker Engine takes them; with another one no container would ever start.
fn is_signal(given: &str) -> bool {
    const NAMES: [&str; 36] = [
        "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT",
        "KILL", "PIPE", "POLL", "PROF", "PWR", "QUIT", "RTMAX", "RTMIN", "SEGV", "STKFLT", "STOP",
        "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH",
        "XCPU", "XFSZ",
    ];
    const REAL_TIME: std::ops::RangeInclusive<u32> = 1..=15;
    if let Ok(number) = given.parse::<u32>() {
        return (1..=64).contains(&number);
    }
    let name = given.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let offset = name.strip_prefix("RTMIN+").or_else(|| name.strip_prefix("RTMAX-"));
    let is_real_time =
        offset.and_then(|it| it.parse().ok()).is_some_and(|it| REAL_TIME.contains(&it));
    is_real_time || NAMES.contains(&name)
}

fn check_mounts(spec: &ServiceSpec) -> Answer<()> {
    let mut targets = BTreeSet::new();
    for mount in &spec.task.container.mounts {
        let target = &mount.target;
        if !target.starts_with('/') {
            return Err(Refused::Invalid(format!(
                "mount target `{target}` is not an absolute path"
            )));
        }
        if !targets.insert(target.trim_end_matches('/')) {
            return Err(Refused::Invalid(format!("two mounts have the target `{target}`")));
        }
        match &mount.source {
            MountSource::Bind(BindMount { path, .. }) if !path.starts_with('/') => {
                return Err(Refused::Invalid(format!(
                    "bind source `{path}` is not an absolute path"
                )));
            }
            MountSource::Bind(_) | MountSource::Volume(_) | MountSource::Tmpfs(_) => {}
        }
    }
    Ok(())
}

/// Limits that some node takes without effect.
fn warnings(state: &State, spec: &ServiceSpec) -> Vec<String> {
    let asked = [
        (spec.task.limits.memory_bytes > 0, Incapability::MemoryLimit),
        (spec.task.limits.cpu_nanos > 0, Incapability::CpuLimit),
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
