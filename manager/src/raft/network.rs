//! openraft's calls to the other managers, over the links that all of them share.

use super::links::{Line, LinkError, Links};
use super::types::{Peer, TypeConfig};
use common::NodeId;
use openraft::error::{
    InstallSnapshotError, NetworkError, RPCError, RaftError, RemoteError, Unreachable,
};
use openraft::network::{Backoff, RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use proto::v1::RaftMessage;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::error::Error;
use std::time::Duration;

/// An append waits for the other's disk, and an SD card may take seconds over one sync.
const APPEND_LIMIT: Duration = Duration::from_secs(60);
/// A vote is one small sync; an election that waits longer had better begin anew.
const VOTE_LIMIT: Duration = Duration::from_secs(5);
const SNAPSHOT_LIMIT: Duration = Duration::from_secs(90);
/// After a peer was not reached.
const RETRY_AFTER: Duration = Duration::from_millis(200);

type Failed<E> = RPCError<NodeId, Peer, RaftError<NodeId, E>>;

#[derive(Debug, Clone)]
pub(super) struct Network {
    links: Links,
}

impl Network {
    pub(super) fn new(links: Links) -> Network {
        Network { links }
    }
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Connection;

    async fn new_client(&mut self, target: NodeId, node: &Peer) -> Connection {
        Connection { links: self.links.clone(), target, peer: node.clone() }
    }
}

#[derive(Debug)]
pub(super) struct Connection {
    links: Links,
    target: NodeId,
    peer: Peer,
}

/// Which of the calls whose payload is openraft's own.
#[derive(Debug, Clone, Copy)]
enum Call {
    Append,
    Vote,
    InstallSnapshot,
}

impl Connection {
    async fn call<Q, A, E>(&self, call: Call, request: &Q, limit: Duration) -> Result<A, Failed<E>>
    where
        Q: Serialize,
        A: DeserializeOwned,
        E: Error + DeserializeOwned + 'static,
    {
        let payload = shell::codec::encode(request).map_err(|it| broken(&it))?;
        let exchange = async {
            let mut client = self.links.raft(self.target, self.peer.address).await?;
            let message = RaftMessage { payload };
            let answer = match call {
                Call::Append => client.append(message).await,
                Call::Vote => client.vote(message).await,
                Call::InstallSnapshot => client.install_snapshot(message).await,
            };
            answer.map_err(LinkError::from)
        };
        let answer = match tokio::time::timeout(limit, exchange).await {
            Ok(Ok(answer)) => answer.into_inner(),
            Ok(Err(error)) => {
                self.links.drop_link(self.target, Line::Raft);
                return Err(RPCError::Unreachable(Unreachable::new(&error)));
            }
            Err(_) => {
                self.links.drop_link(self.target, Line::Raft);
                return Err(RPCError::Unreachable(Unreachable::new(&LinkError::NoAnswer)));
            }
        };
        let result: Result<A, RaftError<NodeId, E>> =
            shell::codec::decode(&answer.payload).map_err(|it| broken(&it))?;
        result.map_err(|error| RPCError::RemoteError(RemoteError::new(self.target, error)))
    }
}

fn broken<N, E>(error: &shell::codec::CodecError) -> RPCError<NodeId, N, RaftError<NodeId, E>>
where
    N: openraft::Node,
    E: Error,
{
    RPCError::Network(NetworkError::new(error))
}

impl RaftNetwork<TypeConfig> for Connection {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<NodeId>, RPCError<NodeId, Peer, RaftError<NodeId>>> {
        self.call(Call::Append, &request, APPEND_LIMIT).await
    }

    async fn install_snapshot(
        &mut self,
        request: InstallSnapshotRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<InstallSnapshotResponse<NodeId>, Failed<InstallSnapshotError>> {
        self.call(Call::InstallSnapshot, &request, SNAPSHOT_LIMIT).await
    }

    async fn vote(
        &mut self,
        request: VoteRequest<NodeId>,
        _option: RPCOption,
    ) -> Result<VoteResponse<NodeId>, RPCError<NodeId, Peer, RaftError<NodeId>>> {
        self.call(Call::Vote, &request, VOTE_LIMIT).await
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(std::iter::repeat(RETRY_AFTER))
    }
}
