//! What users ask of volumes.

use super::control::refused;
use crate::manager::Manager;
use common::NodeId;
use common::volume::{Holder, HolderPhase, Volume};
use manager_core::leader::Leader;
use manager_core::lookup;
use manager_core::state::State;
use manager_core::volume_requests::{self, Removal};
use proto::v1;
use proto::v1::holder::State as HolderState;
use std::collections::{BTreeMap, BTreeSet};
use tonic::Status;

type Answer<T> = Result<T, Status>;

/// What nodes say of their volumes; nothing, where this manager does not lead.
pub(super) type Reported = BTreeMap<NodeId, BTreeSet<String>>;

pub(super) fn reported(leader: &Leader) -> Reported {
    let nodes = leader.state().nodes().map(|it| it.id);
    nodes.filter_map(|it| Some((it, leader.soft().volumes_of(it)?.clone()))).collect()
}

pub(super) fn list(
    manager: &Manager,
    reported: &Reported,
    request: &v1::ListVolumesRequest,
) -> Answer<v1::ListVolumesResponse> {
    let state = manager.state();
    let mut volumes = Vec::new();
    if request.volumes.is_empty() {
        volumes.extend(state.volumes().map(|it| view(&state, reported, it)));
    }
    for given in &request.volumes {
        let found = volume_requests::find(&state, given).map_err(refused)?;
        volumes.push(view(&state, reported, found));
    }
    Ok(v1::ListVolumesResponse { volumes, now: Some(v1::Stamp::from(&manager.now())) })
}

fn view(state: &State, reported: &Reported, volume: &Volume) -> v1::VolumeView {
    let services = state.services_with_volume(&volume.name);
    let holders = volume.holders.iter();
    let mut holders: Vec<v1::Holder> =
        holders.map(|(node, it)| holder(state, reported, volume, (*node, it))).collect();
    holders.sort_by_key(|it| (!it.is_home, it.node_name.clone()));
    v1::VolumeView {
        name: volume.name.clone(),
        driver: volume.driver.clone(),
        options: volume.options.clone(),
        labels: volume.labels.clone(),
        created: Some(v1::Stamp::from(&volume.created)),
        holders,
        services: services.map(|it| it.spec.name.to_string()).collect(),
    }
}

fn holder(
    state: &State,
    reported: &Reported,
    volume: &Volume,
    (node, holder): (NodeId, &Holder),
) -> v1::Holder {
    let is_lost = reported.get(&node).is_some_and(|it| !it.contains(&volume.name));
    let holder_state = match holder.phase {
        HolderPhase::Leaving => HolderState::Leaving,
        HolderPhase::Kept if is_lost => HolderState::Lost,
        HolderPhase::Kept => HolderState::Kept,
    };
    v1::Holder {
        node: node.0,
        node_name: lookup::node_name(state, node),
        since: Some(v1::Stamp::from(&holder.since)),
        state: holder_state.into(),
        is_home: volume.home == Some(node),
        node_down: state.node(node).is_none_or(|it| it.status.state.is_down()),
    }
}

pub(super) async fn remove(
    manager: &Manager,
    request: v1::RemoveVolumesRequest,
) -> Answer<v1::Empty> {
    let v1::RemoveVolumesRequest { volumes, nodes, force } = request;
    let removal = Removal { volumes, nodes, force };
    let changes = volume_requests::remove(&manager.state(), &removal).map_err(refused)?;
    manager.commit(changes).await?;
    Ok(v1::Empty {})
}
