//! What nodes have so many of: who has enough of it left.

use super::filter::{Candidate, Refusal};
use crate::draft::Draft;
use common::NodeId;
use common::resources::GenericResources;
use common::service::TaskSpec;
use std::collections::BTreeMap;

/// Looks after what is free only where something is asked for.
pub(crate) fn know(draft: &Draft<'_>, spec: &TaskSpec, candidates: &mut [Candidate]) {
    if spec.generic.is_empty() {
        return;
    }
    let taken = taken(draft);
    for candidate in candidates {
        let Some(node) = draft.node(candidate.node) else { continue };
        candidate.generic_free.clone_from(&node.description.generic);
        if let Some(taken) = taken.get(&candidate.node) {
            take(&mut candidate.generic_free, taken);
        }
    }
}

/// By the live tasks of each node, this plan's included.
fn taken(draft: &Draft<'_>) -> BTreeMap<NodeId, GenericResources> {
    let mut taken: BTreeMap<NodeId, GenericResources> = BTreeMap::new();
    for service in draft.state.services() {
        for task in draft.tasks_of(service.id).filter(|it| it.is_live()) {
            let (Some(node), Some(spec)) = (task.placement.node(), draft.spec(task)) else {
                continue;
            };
            if !spec.generic.is_empty() {
                give_back(taken.entry(node).or_default(), &spec.generic);
            }
        }
    }
    taken
}

pub(crate) fn take(free: &mut GenericResources, taken: &GenericResources) {
    for (kind, amount) in taken {
        if let Some(free) = free.get_mut(kind) {
            *free = free.saturating_sub(*amount);
        }
    }
}

pub(crate) fn give_back(free: &mut GenericResources, amounts: &GenericResources) {
    for (kind, amount) in amounts {
        let free = free.entry(kind.clone()).or_default();
        *free = free.saturating_add(*amount);
    }
}

pub(crate) fn check(free: &GenericResources, spec: &TaskSpec) -> Result<(), Refusal> {
    let free = |kind: &String| free.get(kind).copied().unwrap_or(0);
    match spec.generic.iter().find(|(kind, needed)| free(kind) < **needed) {
        Some((kind, needed)) => {
            Err(Refusal::Generic { kind: kind.clone(), needed: *needed, free: free(kind) })
        }
        None => Ok(()),
    }
}
