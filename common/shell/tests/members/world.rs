//! Clusters to take certificates from, and a service that tells who called it.

use crate::ca::{self, Subject};
use common::cluster::Authority;
use common::node::Role;
use common::{ClusterId, NodeId, WallTime};
use proto::v1;
use proto::v1::local_server::{Local, LocalServer};
use shell::identity::{Identity, request_certificate};
use shell::net::ConnectError;
use shell::supervisor::{OnFailure, Scope};
use shell::tls::{Caller, Credentials};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

pub(crate) const DAY_MS: u64 = 24 * 3_600 * 1_000;
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

pub(crate) fn days_ago(days: u64) -> WallTime {
    WallTime(shell::clock::wall().0 - days * DAY_MS)
}

pub(crate) fn days_ahead(days: u64) -> WallTime {
    WallTime(shell::clock::wall().0 + days * DAY_MS)
}

pub(crate) struct TestCluster {
    pub(crate) id: ClusterId,
    pub(crate) authority: Authority,
}

impl TestCluster {
    pub(crate) fn made(id: u64, now: WallTime) -> TestCluster {
        let id = ClusterId(id);
        TestCluster { id, authority: ca::make_authority(id, now).unwrap() }
    }

    pub(crate) fn digest(&self) -> [u8; 32] {
        ca::digest(&self.authority)
    }

    pub(crate) fn identity(&self, node: u64, role: Role, now: WallTime) -> Identity {
        self.identity_for(Subject { node: NodeId(node), cluster: self.id, role }, now)
    }

    pub(crate) fn identity_for(&self, subject: Subject, now: WallTime) -> Identity {
        let request = request_certificate().unwrap();
        Identity {
            node: subject.node,
            cluster: subject.cluster,
            role: subject.role,
            certificate_pem: ca::sign(&self.authority, &request.csr_der, subject, now).unwrap(),
            key_pem: request.key_pem,
            authority_pem: self.authority.certificate_pem.clone(),
        }
    }
}

/// Answers every question for its status with the caller's name.
pub(crate) struct WhoCalls;

#[tonic::async_trait]
impl Local for WhoCalls {
    async fn init(
        &self,
        _: Request<v1::InitRequest>,
    ) -> Result<Response<v1::InitResponse>, Status> {
        Err(Status::unimplemented("init"))
    }

    async fn join(
        &self,
        _: Request<v1::LocalJoinRequest>,
    ) -> Result<Response<v1::LocalJoinResponse>, Status> {
        Err(Status::unimplemented("join"))
    }

    async fn leave(&self, _: Request<v1::LeaveRequest>) -> Result<Response<v1::Empty>, Status> {
        Err(Status::unimplemented("leave"))
    }

    async fn status(
        &self,
        request: Request<v1::Empty>,
    ) -> Result<Response<v1::StatusResponse>, Status> {
        let name = match request.extensions().get::<Caller>() {
            Some(Caller::Local) => "local".to_owned(),
            Some(Caller::Unknown) => "unknown".to_owned(),
            Some(Caller::Member(member)) => {
                format!("{} {} of {}", member.role, member.node.0, member.cluster.0)
            }
            Some(Caller::Lapsed(member)) => {
                format!("lapsed {} of {}", member.node.0, member.cluster.0)
            }
            None => return Err(Status::internal("the connection says nothing of its caller")),
        };
        Ok(Response::new(v1::StatusResponse { name, ..v1::StatusResponse::default() }))
    }
}

pub(crate) async fn serve(scope: &Scope, credentials: &Credentials) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = shell::net::tls_incoming(scope, listener, credentials.clone());
    let server = shell::net::server().add_service(LocalServer::new(WhoCalls));
    let token = scope.token();
    scope.spawn("server", OnFailure::StopScope, async move {
        server.serve_with_incoming_shutdown(incoming, token.cancelled()).await
    });
    address
}

/// How the server names its caller, or what went wrong in one word.
pub(crate) async fn outcome(connected: Result<Channel, ConnectError>) -> String {
    match connected {
        Ok(channel) => ask(channel).await.unwrap(),
        Err(error) => word(&error),
    }
}

pub(crate) async fn ask(channel: Channel) -> Result<String, Status> {
    let mut client = v1::local_client::LocalClient::new(channel);
    Ok(client.status(v1::Empty {}).await?.into_inner().name)
}

/// The name of the variant.
pub(crate) fn word(error: &(impl std::fmt::Debug + std::fmt::Display)) -> String {
    let text = error.to_string();
    assert!(text.len() > 20, "it says what to do: {text}");
    let debug = format!("{error:?}");
    debug.split(|it: char| !it.is_alphanumeric()).next().unwrap_or_default().to_owned()
}
