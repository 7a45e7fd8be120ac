//! The daemon's own socket: what the command line of this machine asks of it.

use crate::address::AddressError;
use crate::node::{Command, NodeError, Reply};
use proto::v1;
use proto::v1::local_server::{Local, LocalServer};
use shell::net::ListenError;
use shell::supervisor::{OnFailure, Scope};
use std::path::Path;
use tokio::sync::{mpsc, oneshot};
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};

#[derive(Debug)]
struct LocalService {
    node: mpsc::Sender<Command>,
}

impl LocalService {
    async fn ask<T>(
        &self,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<Response<T>, Status> {
        let gone = |_| Status::unavailable("the daemon is stopping");
        let (reply, answer) = oneshot::channel();
        self.node.send(command(reply)).await.map_err(|_| gone(()))?;
        let answer = answer.await.map_err(|_| gone(()))?;
        answer.map(Response::new).map_err(|error| Status::new(code(&error), error.to_string()))
    }
}

/// What was typed wrong is told apart from what went wrong.
fn code(error: &NodeError) -> Code {
    match error {
        NodeError::Address(error) => match error {
            AddressError::NotAnAddress(_)
            | AddressError::NotOurs(..)
            | AddressError::Ambiguous(_)
            | AddressError::None => Code::InvalidArgument,
            AddressError::NoRoute(..)
            | AddressError::Unresolved(_)
            | AddressError::NoNameServer(_)
            | AddressError::System(_) => Code::Unavailable,
        },
        NodeError::Join(crate::join::JoinError::Token(_)) => Code::InvalidArgument,
        NodeError::AlreadyMember | NodeError::NotAMember | NodeError::Refused(_) => {
            Code::FailedPrecondition
        }
        NodeError::Join(_)
        | NodeError::Identity(_)
        | NodeError::Member(_)
        | NodeError::Tls(_)
        | NodeError::Failed(_) => Code::Unavailable,
    }
}

#[tonic::async_trait]
impl Local for LocalService {
    async fn init(
        &self,
        request: Request<v1::InitRequest>,
    ) -> Result<Response<v1::InitResponse>, Status> {
        self.ask(|reply| Command::Init(request.into_inner(), reply)).await
    }

    async fn join(
        &self,
        request: Request<v1::LocalJoinRequest>,
    ) -> Result<Response<v1::LocalJoinResponse>, Status> {
        self.ask(|reply| Command::Join(request.into_inner(), reply)).await
    }

    async fn leave(
        &self,
        request: Request<v1::LeaveRequest>,
    ) -> Result<Response<v1::Empty>, Status> {
        self.ask(|reply| Command::Leave(request.into_inner(), reply)).await
    }

    async fn status(
        &self,
        _request: Request<v1::Empty>,
    ) -> Result<Response<v1::StatusResponse>, Status> {
        self.ask(Command::Status).await
    }
}

/// The routes of the socket; a full node adds those for users.
pub fn routes(node: mpsc::Sender<Command>) -> Routes {
    Routes::new(LocalServer::new(LocalService { node }))
}

pub fn serve<L>(scope: &Scope, socket: &Path, routes: Routes, layer: L) -> Result<(), ListenError>
where
    L: tower::Layer<Routes> + Clone + Send + Sync + 'static,
    L::Service: tower::Service<
            http::Request<tonic::body::Body>,
            Response = http::Response<tonic::body::Body>,
            Error = std::convert::Infallible,
        > + Clone
        + Send
        + 'static,
    <L::Service as tower::Service<http::Request<tonic::body::Body>>>::Future: Send + 'static,
{
    let incoming = shell::net::unix_incoming(socket)?;
    let token = scope.token();
    scope.spawn("local socket", OnFailure::StopScope, async move {
        shell::net::server()
            .layer(layer)
            .add_routes(routes)
            .serve_with_incoming_shutdown(incoming, token.cancelled())
            .await
    });
    Ok(())
}
