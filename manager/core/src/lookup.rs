//! Names, IDs and beginnings of IDs, as people type them; and the names that they read.

use crate::state::State;
use common::file::{File, FileKind};
use common::network::Network;
use common::node::Node;
use common::service::{Service, ServicePhase};
use common::task::Task;
use common::{NodeId, ServiceId};
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    #[error("no such {kind}: {given} (`skep {kind} ls` lists them)")]
    Nothing { kind: &'static str, given: String },
    #[error("{given} fits {count} {kind}s: type more of the ID")]
    Ambiguous { kind: &'static str, given: String, count: usize },
}

pub fn service<'a>(state: &'a State, given: &str) -> Result<&'a Arc<Service>, NotFound> {
    if let Some(service) = state.service_named(given) {
        return Ok(service);
    }
    let active = state.services().filter(|it| it.phase == ServicePhase::Active);
    one("service", given, active.filter(|it| begins(&it.id.to_string(), given)))
}

pub fn task<'a>(state: &'a State, given: &str) -> Result<&'a Arc<Task>, NotFound> {
    one("task", given, state.tasks().filter(|it| begins(&it.id.to_string(), given)))
}

pub fn node<'a>(state: &'a State, given: &str) -> Result<&'a Arc<Node>, NotFound> {
    if let Some(node) = state.node_named(given) {
        return Ok(node);
    }
    one("node", given, state.nodes().filter(|it| begins(&it.id.to_string(), given)))
}

pub fn file<'a>(state: &'a State, kind: FileKind, given: &str) -> Result<&'a Arc<File>, NotFound> {
    if let Some(file) = state.file_named(kind, given) {
        return Ok(file);
    }
    let files = state.files(kind).filter(|it| begins(&it.id.to_string(), given));
    one(kind.as_str(), given, files)
}

pub fn network<'a>(state: &'a State, given: &str) -> Result<&'a Arc<Network>, NotFound> {
    if let Some(network) = state.network_named(given) {
        return Ok(network);
    }
    one("network", given, state.networks().filter(|it| begins(&it.id.to_string(), given)))
}

/// `web.1`
pub fn slot_name(state: &State, task: &Task) -> String {
    format!("{}.{}", service_name(state, task.service), task.slot)
}

/// What was removed has its ID left.
pub fn service_name(state: &State, id: ServiceId) -> String {
    state.service(id).map_or_else(|| id.to_string(), |it| it.spec.name.to_string())
}

pub fn node_name(state: &State, id: NodeId) -> String {
    state.node(id).map_or_else(|| id.to_string(), |it| it.name.to_string())
}

fn begins(id: &str, given: &str) -> bool {
    !given.is_empty() && id.starts_with(&given.to_ascii_lowercase())
}

fn one<'a, T>(
    kind: &'static str,
    given: &str,
    mut found: impl Iterator<Item = &'a T>,
) -> Result<&'a T, NotFound> {
    let given = given.to_owned();
    match (found.next(), found.count()) {
        (Some(only), 0) => Ok(only),
        (Some(_), more) => Err(NotFound::Ambiguous { kind, given, count: more + 1 }),
        (None, _) => Err(NotFound::Nothing { kind, given }),
    }
}
