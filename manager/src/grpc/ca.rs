//! How a machine becomes a member, and how its certificate is renewed.

use super::control::refused;
use super::gate::ON_BEHALF;
use super::manager;
use crate::ca::Subject;
use crate::manager::Manager;
use crate::seat::Seat;
use common::node::{Node, NodeKind, NodeSpec, Role};
use common::token::role_of;
use common::{IdGen, Name, NodeId};
use manager_core::joining;
use proto::v1;
use proto::v1::ca_server::Ca;
use shell::tls::Caller;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

/// A name may be taken between the look and the commit; after this many times it is not chance.
const NAME_ATTEMPTS: usize = 5;

#[derive(Debug)]
pub(super) struct CaService {
    seats: watch::Receiver<Seat>,
}

impl CaService {
    pub(super) fn new(seats: watch::Receiver<Seat>) -> CaService {
        CaService { seats }
    }
}

#[tonic::async_trait]
impl Ca for CaService {
    async fn join(
        &self,
        request: Request<v1::JoinRequest>,
    ) -> Result<Response<v1::JoinResponse>, Status> {
        let manager = manager(&self.seats)?;
        let request = request.into_inner();
        let cluster = manager.cluster()?;
        let role = role_of(&request.secret, &cluster).ok_or_else(|| {
            Status::permission_denied(
                "this join token is not valid any more: ask a manager for the present one \
                 (skep join-token worker)",
            )
        })?;
        let joiner = Joiner::read(&request, role)?;
        let mut ids = IdGen::from_seed(shell::clock::seed());
        let node = ids.node();
        let subject = Subject { node, cluster: cluster.id, role };
        let certificate_pem = manager.sign(&request.csr_der, subject)?;
        let name = admit(&manager, node, &joiner).await?;
        Ok(Response::new(v1::JoinResponse {
            node: node.0,
            cluster: cluster.id.0,
            name: name.to_string(),
            role: v1::Role::from(role).into(),
            certificate_pem,
            authority_pem: cluster.authority.certificate_pem.clone(),
            managers: manager.manager_addresses(),
        }))
    }

    async fn renew(
        &self,
        request: Request<v1::RenewRequest>,
    ) -> Result<Response<v1::RenewResponse>, Status> {
        let manager = manager(&self.seats)?;
        let node = caller(&request)?;
        let state = manager.state();
        let Some(known) = state.node(node) else {
            return Err(Status::permission_denied("this node is not a member of this cluster"));
        };
        // It needs its old role until it is out of the voters: two managers cannot part otherwise.
        let votes = manager.replica().managers().get(&node).is_some_and(|it| it.voter);
        if known.spec.role == Role::Worker && votes {
            return Err(Status::unavailable("still one of the voters; ask again in a moment"));
        }
        let cluster = manager.cluster()?;
        let subject = Subject { node, cluster: cluster.id, role: known.spec.role };
        let certificate_pem = manager.sign(&request.get_ref().csr_der, subject)?;
        let role = v1::Role::from(known.spec.role).into();
        Ok(Response::new(v1::RenewResponse { certificate_pem, role }))
    }
}

/// Another manager may have passed the call on, for the node that it names.
fn caller(request: &Request<v1::RenewRequest>) -> Result<NodeId, Status> {
    let on_behalf = request.metadata().get(ON_BEHALF).and_then(|it| it.to_str().ok());
    if let Some(node) = on_behalf.and_then(|it| it.parse().ok()) {
        return Ok(node);
    }
    let caller = request.extensions().get::<Caller>().and_then(Caller::member);
    let member =
        caller.ok_or_else(|| Status::unauthenticated("only a member can renew its certificate"))?;
    Ok(member.node)
}

/// What a machine says of itself when it asks to be admitted.
struct Joiner {
    /// None: any name that is free, made from the host name.
    name: Option<Name>,
    node: Node,
}

impl Joiner {
    fn read(request: &v1::JoinRequest, role: Role) -> Result<Joiner, Status> {
        let invalid = |text: String| Status::invalid_argument(text);
        let name = match request.name.as_str() {
            "" => None,
            given => Some(given.parse::<Name>().map_err(|it| invalid(it.to_string()))?),
        };
        let kind = NodeKind::try_from(v1::NodeKind::try_from(request.kind).unwrap_or_default())
            .map_err(|it| invalid(it.to_string()))?;
        if (role, kind) == (Role::Manager, NodeKind::AgentOnly) {
            return Err(invalid(
                "this is the token for managers, and skep-agent is a worker for good: use the \
                 token for workers, or install `skep`"
                    .to_owned(),
            ));
        }
        let availability = v1::Availability::try_from(request.availability).unwrap_or_default();
        let availability = agent::join::availability(availability);
        let address = request
            .address
            .parse()
            .map_err(|_| invalid(format!("`{}` is not an address", request.address)))?;
        let spec = NodeSpec { availability, ..NodeSpec::of_role(role) };
        let unnamed = "joining".parse().map_err(|_| invalid("no name".to_owned()))?;
        let mut node = Node::joining(NodeId::default(), unnamed, spec, (address, kind));
        node.description.hostname.clone_from(&request.hostname);
        node.description.program_version.clone_from(&request.program_version);
        Ok(Joiner { name, node })
    }
}

async fn admit(manager: &Manager, id: NodeId, joiner: &Joiner) -> Result<Name, Status> {
    let mut failed = Status::internal("no attempt was made");
    for _ in 0..NAME_ATTEMPTS {
        let node = Node { id, ..joiner.node.clone() };
        let admitted = joining::admit(&manager.state(), &node, joiner.name.as_ref());
        let (name, changes) = admitted.map_err(refused)?;
        match manager.commit(changes).await {
            Ok(()) => return Ok(name),
            Err(status) if status.code() == tonic::Code::FailedPrecondition => failed = status,
            Err(status) => return Err(status),
        }
    }
    Err(failed)
}
