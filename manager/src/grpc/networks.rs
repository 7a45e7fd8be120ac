//! What users ask of networks.

use super::control::{new_ids, not_found, refused};
use crate::manager::Manager;
use common::network::{Network, NetworkSpec};
use manager_core::state::State;
use manager_core::{lookup, network_requests};
use proto::v1;
use std::sync::Arc;
use tonic::Status;

type Answer<T> = Result<T, Status>;

pub(super) async fn create(
    manager: &Manager,
    request: v1::CreateNetworkRequest,
) -> Answer<v1::CreateNetworkResponse> {
    let spec = request.spec.ok_or_else(|| Status::invalid_argument("no specification"))?;
    let spec =
        NetworkSpec::try_from(spec).map_err(|error| Status::invalid_argument(error.to_string()))?;
    let (id, changes) =
        network_requests::create(&manager.state(), spec, &mut new_ids()).map_err(refused)?;
    manager.commit(changes).await?;
    Ok(v1::CreateNetworkResponse { id: id.0 })
}

pub(super) fn list(
    state: &State,
    request: &v1::ListNetworksRequest,
) -> Answer<v1::ListNetworksResponse> {
    let mut networks: Vec<&Arc<Network>> = Vec::new();
    if request.networks.is_empty() {
        networks.extend(state.networks());
        networks.sort_by(|a, b| (&a.spec.name, a.version).cmp(&(&b.spec.name, b.version)));
    }
    for given in &request.networks {
        networks.push(lookup::network(state, given).map_err(not_found)?);
    }
    let view = |network: &Arc<Network>| v1::NetworkView {
        network: Some(v1::Network::from(&**network)),
        services: state.services_on(network.id).map(|it| it.spec.name.to_string()).collect(),
    };
    Ok(v1::ListNetworksResponse { networks: networks.into_iter().map(view).collect() })
}

pub(super) async fn remove(
    manager: &Manager,
    request: &v1::RemoveNetworksRequest,
) -> Answer<v1::Empty> {
    let changes = network_requests::remove(&manager.state(), &request.networks);
    manager.commit(changes.map_err(refused)?).await?;
    Ok(v1::Empty {})
}

pub(super) async fn prune(manager: &Manager) -> Answer<v1::PruneNetworksResponse> {
    let (names, changes) = network_requests::prune(&manager.state());
    if !changes.is_empty() {
        manager.commit(changes).await?;
    }
    Ok(v1::PruneNetworksResponse { networks: names.iter().map(ToString::to_string).collect() })
}
