//! What users ask of volumes, checked against the state and turned into changes.

use crate::change::{Change, VolumeChange};
use crate::lookup::{self, NotFound};
use crate::requests::Refused;
use crate::state::State;
use common::NodeId;
use common::volume::Volume;
use std::collections::BTreeSet;

type Answer<T> = Result<T, Refused>;

/// What is to be removed, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    pub volumes: Vec<String>,
    /// Of these nodes only; of all where it is empty.
    pub nodes: Vec<String>,
    /// Nobody waits for the nodes: what they have counts no more from now on.
    pub force: bool,
}

pub fn find<'a>(state: &'a State, given: &str) -> Answer<&'a Volume> {
    let nothing = || NotFound::Nothing { kind: "volume", given: given.to_owned() };
    Ok(state.volume(given).ok_or_else(nothing)?)
}

/// All of it or nothing; what is in use stays.
pub fn remove(state: &State, removal: &Removal) -> Answer<Vec<Change>> {
    let mut nodes = BTreeSet::new();
    for given in &removal.nodes {
        nodes.insert(lookup::node(state, given)?.id);
    }
    let mut seen = BTreeSet::new();
    let mut changes = Vec::new();
    for given in removal.volumes.iter().filter(|it| seen.insert(it.as_str())) {
        let volume = find(state, given)?;
        // A service that waits for what is lost is helped by forgetting it.
        if !removal.force {
            let checked = state.check_volume_free(given);
            checked.map_err(|conflict| Refused::Conflict(conflict.to_string()))?;
        }
        let meant = holders(state, volume, &nodes)?;
        let volume = given.clone();
        changes.push(Change::Volume(match removal.force {
            true => VolumeChange::Forget { volume, nodes: meant },
            false => VolumeChange::Remove { volume, nodes: meant },
        }));
    }
    Ok(changes)
}

fn holders(state: &State, volume: &Volume, given: &BTreeSet<NodeId>) -> Answer<BTreeSet<NodeId>> {
    if given.is_empty() {
        return Ok(volume.holders.keys().copied().collect());
    }
    match given.iter().find(|it| !volume.holders.contains_key(it)) {
        Some(node) => Err(Refused::Conflict(format!(
            "{} has no volume {} (`skep volume inspect {}` says who has)",
            lookup::node_name(state, *node),
            volume.name,
            volume.name
        ))),
        None => Ok(given.clone()),
    }
}
