//! What users ask: convert, check, propose, answer. The decisions are in `manager_core`.

use super::gate::ASKED;
use super::{files, logs, manager, networks, reached, stacks, volumes};
use crate::manager::Manager;
use crate::raft::Leadership;
use crate::seat::Seat;
use crate::views::{Memory, View, in_reading_order};
use common::node::Role;
use common::service::{Service, ServiceSpec};
use common::task::Task;
use common::{IdGen, NodeId, ServiceId, Stamp, Version};
use manager_core::change::Change;
use manager_core::lookup;
use manager_core::requests::{self, NodeUpdate, Refused};
use manager_core::state::State;
use proto::v1;
use proto::v1::control_server::Control;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

#[derive(Debug)]
pub(super) struct ControlService {
    seats: watch::Receiver<Seat>,
}

impl ControlService {
    pub(super) fn new(seats: watch::Receiver<Seat>) -> ControlService {
        ControlService { seats }
    }
}

type Answer<T> = Result<Response<T>, Status>;

pub(super) fn refused(refused: Refused) -> Status {
    let text = refused.to_string();
    match refused {
        Refused::NotFound(_) => Status::not_found(text),
        Refused::Invalid(_) => Status::invalid_argument(text),
        Refused::Conflict(_) => Status::failed_precondition(text),
    }
}

pub(super) fn not_found(error: lookup::NotFound) -> Status {
    Status::not_found(error.to_string())
}

/// The node that the user's command was given to, wherever the leader is.
fn asked<T>(request: &Request<T>) -> Option<NodeId> {
    request.metadata().get(ASKED)?.to_str().ok()?.parse().ok()
}

/// `self` is the node that was asked.
fn resolve(given: &str, asked: Option<NodeId>) -> String {
    match (given, asked) {
        ("self", Some(node)) => node.to_string(),
        (other, _) => other.to_owned(),
    }
}

fn read_spec(wire: Option<v1::ServiceSpec>) -> Result<ServiceSpec, Status> {
    let wire = wire.ok_or_else(|| Status::invalid_argument("no specification"))?;
    ServiceSpec::try_from(wire).map_err(|error| Status::invalid_argument(error.to_string()))
}

pub(super) fn new_ids() -> IdGen {
    IdGen::from_seed(shell::clock::seed())
}

#[tonic::async_trait]
impl Control for ControlService {
    async fn create_service(
        &self,
        request: Request<v1::CreateServiceRequest>,
    ) -> Answer<v1::CreateServiceResponse> {
        let manager = manager(&self.seats)?;
        let spec = read_spec(request.into_inner().spec)?;
        let created = requests::create_service(&manager.state(), spec, &mut new_ids());
        let created = created.map_err(refused)?;
        manager.commit(created.changes).await?;
        let (id, warnings) = (created.id.0, created.warnings);
        Ok(Response::new(v1::CreateServiceResponse { id, warnings }))
    }

    async fn update_service(
        &self,
        request: Request<v1::UpdateServiceRequest>,
    ) -> Answer<v1::UpdateServiceResponse> {
        let manager = manager(&self.seats)?;
        let request = request.into_inner();
        let looked_at = (ServiceId(request.id), Version(request.version));
        let spec = read_spec(request.spec)?;
        let state = manager.state();
        let updated = requests::update_service(&state, looked_at, spec);
        let (changes, warnings) = updated.map_err(refused)?;
        let reached =
            reached::after(&state, &changes).service(looked_at.0).map(|it| reached::by(it));
        manager.commit(changes).await?;
        Ok(Response::new(v1::UpdateServiceResponse { warnings, reached }))
    }

    async fn roll_back_service(
        &self,
        request: Request<v1::RollBackServiceRequest>,
    ) -> Answer<v1::RollBackServiceResponse> {
        let manager = manager(&self.seats)?;
        let v1::RollBackServiceRequest { service, to } = request.into_inner();
        let state = manager.state();
        let (id, to, change) = requests::roll_back(&state, &service, to).map_err(refused)?;
        let changes = vec![change];
        let reached = reached::after(&state, &changes).service(id).map(|it| reached::by(it));
        manager.commit(changes).await?;
        Ok(Response::new(v1::RollBackServiceResponse { id: id.0, to, reached }))
    }

    async fn list_services(
        &self,
        request: Request<v1::ListServicesRequest>,
    ) -> Answer<v1::ListServicesResponse> {
        let manager = manager(&self.seats)?;
        let state = manager.state();
        let now = manager.now();
        let memory = memory_of_updates(&manager, &state, now).await;
        let view = View { state: Arc::clone(&state), memory, now };
        let v1::ListServicesRequest { services: given, with_former } = request.into_inner();
        let mut services = Vec::new();
        if given.is_empty() {
            services.extend(state.active_services().map(|it| view.service(it)));
            services.sort_by_key(name_of);
        }
        for given in &given {
            services.push(view.service(lookup::service(&state, given).map_err(not_found)?));
        }
        if !with_former {
            services.iter_mut().filter_map(|it| it.service.as_mut()).for_each(|it| {
                it.former.clear();
            });
        }
        let now = Some(v1::Stamp::from(&view.now));
        Ok(Response::new(v1::ListServicesResponse { services, now }))
    }

    async fn scale_services(
        &self,
        request: Request<v1::ScaleServicesRequest>,
    ) -> Answer<v1::ScaleServicesResponse> {
        let manager = manager(&self.seats)?;
        let scales: Vec<(String, u32)> =
            request.into_inner().scales.into_iter().map(|it| (it.service, it.replicas)).collect();
        let changes = requests::scale(&manager.state(), &scales).map_err(refused)?;
        let ids = services_of(&changes);
        manager.commit(changes).await?;
        Ok(Response::new(v1::ScaleServicesResponse { ids }))
    }

    async fn remove_services(
        &self,
        request: Request<v1::RemoveServicesRequest>,
    ) -> Answer<v1::RemoveServicesResponse> {
        let manager = manager(&self.seats)?;
        let given = request.into_inner().services;
        let changes = requests::remove_services(&manager.state(), &given).map_err(refused)?;
        let ids = services_of(&changes);
        manager.commit(changes).await?;
        Ok(Response::new(v1::RemoveServicesResponse { ids }))
    }

    async fn list_tasks(
        &self,
        request: Request<v1::ListTasksRequest>,
    ) -> Answer<v1::ListTasksResponse> {
        let manager = manager(&self.seats)?;
        let asked = asked(&request);
        let mut request = request.into_inner();
        if request.self_node {
            request.nodes.push("self".to_owned());
        }
        let view = match manager.leader() {
            Some(leader) => {
                let wanted = request.clone();
                let now = manager.now();
                leader
                    .ask(move |leader| {
                        let state = Arc::clone(leader.state());
                        let tasks = select(&state, &wanted, asked)?;
                        let memory = Memory::of_tasks(leader, tasks.iter(), now.at);
                        Ok::<View, Status>(View { state, memory, now })
                    })
                    .await
                    .map_err(|error| Status::unavailable(error.to_string()))??
            }
            None => View { state: manager.state(), memory: Memory::default(), now: manager.now() },
        };
        let tasks = select(&view.state, &request, asked)?;
        let tasks = in_reading_order(tasks.iter()).into_iter().map(|it| view.task(it)).collect();
        let now = Some(v1::Stamp::from(&view.now));
        Ok(Response::new(v1::ListTasksResponse { tasks, now }))
    }

    type ServiceLogsStream = logs::Lines;

    async fn service_logs(&self, request: Request<v1::ServiceLogsRequest>) -> Answer<logs::Lines> {
        let manager = manager(&self.seats)?;
        logs::subscribe(&manager, request.into_inner()).map(Response::new)
    }

    async fn create_file(
        &self,
        request: Request<v1::CreateFileRequest>,
    ) -> Answer<v1::CreateFileResponse> {
        files::create(&manager(&self.seats)?, request.into_inner()).await.map(Response::new)
    }

    async fn list_files(
        &self,
        request: Request<v1::ListFilesRequest>,
    ) -> Answer<v1::ListFilesResponse> {
        files::list(&manager(&self.seats)?, &request.into_inner()).map(Response::new)
    }

    async fn set_file_labels(
        &self,
        request: Request<v1::SetFileLabelsRequest>,
    ) -> Answer<v1::Empty> {
        files::set_labels(&manager(&self.seats)?, request.into_inner()).await.map(Response::new)
    }

    async fn remove_files(
        &self,
        request: Request<v1::RemoveFilesRequest>,
    ) -> Answer<v1::RemoveFilesResponse> {
        files::remove(&manager(&self.seats)?, &request.into_inner()).await.map(Response::new)
    }

    async fn get_sealing_key(
        &self,
        _request: Request<v1::Empty>,
    ) -> Answer<v1::GetSealingKeyResponse> {
        files::sealing_key(&manager(&self.seats)?).await.map(Response::new)
    }

    async fn create_network(
        &self,
        request: Request<v1::CreateNetworkRequest>,
    ) -> Answer<v1::CreateNetworkResponse> {
        networks::create(&manager(&self.seats)?, request.into_inner()).await.map(Response::new)
    }

    async fn list_networks(
        &self,
        request: Request<v1::ListNetworksRequest>,
    ) -> Answer<v1::ListNetworksResponse> {
        let manager = manager(&self.seats)?;
        networks::list(&manager.state(), request.get_ref()).map(Response::new)
    }

    async fn remove_networks(
        &self,
        request: Request<v1::RemoveNetworksRequest>,
    ) -> Answer<v1::Empty> {
        networks::remove(&manager(&self.seats)?, request.get_ref()).await.map(Response::new)
    }

    async fn prune_networks(
        &self,
        _request: Request<v1::Empty>,
    ) -> Answer<v1::PruneNetworksResponse> {
        networks::prune(&manager(&self.seats)?).await.map(Response::new)
    }

    async fn deploy_stack(
        &self,
        request: Request<v1::DeployStackRequest>,
    ) -> Answer<v1::DeployStackResponse> {
        let manager = manager(&self.seats)?;
        stacks::deploy(&manager, request.into_inner()).await.map(Response::new)
    }

    async fn list_stacks(&self, _: Request<v1::Empty>) -> Answer<v1::ListStacksResponse> {
        let manager = manager(&self.seats)?;
        Ok(Response::new(stacks::list(&manager.state())))
    }

    async fn remove_stacks(
        &self,
        request: Request<v1::RemoveStacksRequest>,
    ) -> Answer<v1::RemoveServicesResponse> {
        let manager = manager(&self.seats)?;
        let given = request.into_inner().stacks;
        let changes = manager_core::stacks::remove(&manager.state(), &given).map_err(refused)?;
        let ids = services_of(&changes);
        manager.commit(changes).await?;
        Ok(Response::new(v1::RemoveServicesResponse { ids }))
    }

    async fn list_volumes(
        &self,
        request: Request<v1::ListVolumesRequest>,
    ) -> Answer<v1::ListVolumesResponse> {
        let manager = manager(&self.seats)?;
        let reported = match manager.leader() {
            Some(leader) => leader
                .ask(volumes::reported)
                .await
                .map_err(|error| Status::unavailable(error.to_string()))?,
            None => volumes::Reported::default(),
        };
        volumes::list(&manager, &reported, &request.into_inner()).map(Response::new)
    }

    async fn remove_volumes(
        &self,
        request: Request<v1::RemoveVolumesRequest>,
    ) -> Answer<v1::Empty> {
        let manager = manager(&self.seats)?;
        volumes::remove(&manager, request.into_inner()).await.map(Response::new)
    }

    async fn list_nodes(
        &self,
        request: Request<v1::ListNodesRequest>,
    ) -> Answer<v1::ListNodesResponse> {
        let manager = manager(&self.seats)?;
        let asked = asked(&request);
        let state = manager.state();
        let memory = match manager.leader() {
            Some(leader) => leader
                .ask(|leader| Memory::of_nodes(leader.soft(), leader.state()))
                .await
                .map_err(|error| Status::unavailable(error.to_string()))?,
            None => Memory::default(),
        };
        let view = View { state: Arc::clone(&state), memory, now: manager.now() };
        let mut nodes = Vec::new();
        let given = request.into_inner().nodes;
        if given.is_empty() {
            nodes.extend(state.nodes().cloned());
            nodes.sort_by(|a, b| a.name.cmp(&b.name));
        }
        for given in &given {
            let given = resolve(given, asked);
            nodes.push(lookup::node(&state, &given).map_err(not_found)?.clone());
        }
        let now = Some(v1::Stamp::from(&view.now));
        let nodes = nodes.iter().map(|it| node_view(&manager, &view, it, asked)).collect();
        Ok(Response::new(v1::ListNodesResponse { nodes, now }))
    }

    async fn update_node(
        &self,
        request: Request<v1::UpdateNodeRequest>,
    ) -> Answer<v1::UpdateNodeResponse> {
        let manager = manager(&self.seats)?;
        let given = resolve(&request.get_ref().node, asked(&request));
        let update = node_update(request.into_inner())?;
        let id = lookup::node(&manager.state(), &given).map_err(not_found)?.id.0;
        let (changes, warnings) = manager.update_node(&given, update).map_err(refused)?;
        manager.commit(changes).await?;
        Ok(Response::new(v1::UpdateNodeResponse { id, warnings }))
    }

    async fn remove_node(&self, request: Request<v1::RemoveNodeRequest>) -> Answer<v1::Empty> {
        let manager = manager(&self.seats)?;
        let given = resolve(&request.get_ref().node, asked(&request));
        let force = request.get_ref().force;
        let changes = requests::remove_node(&manager.state(), &given, force).map_err(refused)?;
        manager.commit(changes).await?;
        Ok(Response::new(v1::Empty {}))
    }

    async fn get_join_token(
        &self,
        request: Request<v1::GetJoinTokenRequest>,
    ) -> Answer<v1::GetJoinTokenResponse> {
        let manager = manager(&self.seats)?;
        let request = request.into_inner();
        let role = Role::try_from(v1::Role::try_from(request.role).unwrap_or_default())
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        if request.rotate {
            let secret = crate::manager::new_join_secret();
            manager.commit(vec![Change::SetJoinSecret { role, secret }]).await?;
        }
        let token = manager.join_token(role)?.to_string();
        let address = manager.address().to_string();
        Ok(Response::new(v1::GetJoinTokenResponse { token, address }))
    }
}

/// Services are listed also where the leader is about to be another.
async fn memory_of_updates(manager: &Manager, state: &State, now: Stamp) -> Memory {
    let moves = |it: &Arc<Service>| it.update.as_ref().is_some_and(|it| it.state.is_under_way());
    match manager.leader().filter(|_| state.active_services().any(moves)) {
        Some(leader) => {
            leader.ask(move |it| Memory::of_services(it, now.at)).await.unwrap_or_default()
        }
        None => Memory::default(),
    }
}

fn name_of(view: &v1::ServiceView) -> String {
    let spec = view.service.as_ref().and_then(|it| it.spec.as_ref());
    spec.map(|it| it.name.clone()).unwrap_or_default()
}

fn services_of(changes: &[Change]) -> Vec<u64> {
    let service = |change: &Change| {
        let (Change::SetServiceSpec { service, .. } | Change::RemoveService { service, .. }) =
            change
        else {
            return None;
        };
        Some(service.0)
    };
    changes.iter().filter_map(service).collect()
}

/// The tasks that a request asks for.
fn select(
    state: &State,
    request: &v1::ListTasksRequest,
    asked: Option<NodeId>,
) -> Result<Vec<Arc<Task>>, Status> {
    if request.services.is_empty() && request.nodes.is_empty() {
        return Ok(state.tasks().cloned().collect());
    }
    let mut tasks = Vec::new();
    for given in &request.services {
        let service = lookup::service(state, given).map_err(not_found)?;
        tasks.extend(state.tasks_of(service.id).cloned());
    }
    for given in &request.nodes {
        let node = lookup::node(state, &resolve(given, asked)).map_err(not_found)?;
        tasks.extend(state.tasks_on(node.id).cloned());
    }
    Ok(tasks)
}

fn node_view(
    manager: &Manager,
    view: &View,
    node: &common::node::Node,
    asked: Option<NodeId>,
) -> v1::NodeView {
    use v1::node_view::ManagerStatus;
    let replica = manager.replica();
    let mut shown = view.node(node, &replica.managers());
    let leads = match replica.leadership() {
        Leadership::Mine { .. } => node.id == manager.node(),
        Leadership::Other { node: leader, .. } => node.id == leader,
        Leadership::Unknown => false,
    };
    if leads {
        shown.manager_status = ManagerStatus::Leader.into();
    }
    shown.is_self = asked == Some(node.id);
    shown
}

fn node_update(request: v1::UpdateNodeRequest) -> Result<NodeUpdate, Status> {
    let invalid = |error: proto::convert::Malformed| Status::invalid_argument(error.to_string());
    let availability = request
        .availability
        .map(|it| v1::Availability::try_from(it).unwrap_or_default())
        .map(common::node::Availability::try_from)
        .transpose()
        .map_err(invalid)?;
    let role = request
        .role
        .map(|it| v1::Role::try_from(it).unwrap_or_default())
        .map(Role::try_from)
        .transpose()
        .map_err(invalid)?;
    Ok(NodeUpdate {
        availability,
        role,
        labels_put: request.labels_put,
        labels_remove: request.labels_remove,
        down_after: request.down_after_millis.map(Duration::from_millis),
    })
}
