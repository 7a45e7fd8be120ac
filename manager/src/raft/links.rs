//! One connection to each other manager, made when it is needed and dropped when it fails.

use common::NodeId;
use proto::v1::raft_client::RaftClient;
use shell::net::ConnectError;
use shell::tls::{Credentials, Expect};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tonic::transport::Channel;

const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// Snapshots come in pieces of 1 MiB; this leaves room for entries that are larger than most.
pub const MESSAGE_BYTES_MAX: usize = 32 << 20;

#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("{}", .0.message())]
    Refused(Box<tonic::Status>),
    #[error("no answer in time")]
    NoAnswer,
}

impl From<tonic::Status> for LinkError {
    fn from(status: tonic::Status) -> LinkError {
        LinkError::Refused(Box::new(status))
    }
}

#[derive(Debug, Clone)]
pub struct Links {
    credentials: Credentials,
    /// A map of ready channels that many callers clone from; held for the look-up only, never
    /// across an await, so a plain mutex does.
    channels: Arc<Mutex<BTreeMap<NodeId, (SocketAddr, Channel)>>>,
}

impl Links {
    pub fn new(credentials: Credentials) -> Links {
        Links { credentials, channels: Arc::default() }
    }

    pub fn own_node(&self) -> NodeId {
        self.credentials.current().node
    }

    pub async fn raft(
        &self,
        node: NodeId,
        address: SocketAddr,
    ) -> Result<RaftClient<Channel>, LinkError> {
        let channel = self.channel(node, address).await?;
        Ok(RaftClient::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX))
    }

    pub async fn channel(&self, node: NodeId, address: SocketAddr) -> Result<Channel, LinkError> {
        if let Some((known, channel)) = self.channels().get(&node)
            && *known == address
        {
            return Ok(channel.clone());
        }
        let expect = Expect::Node(node);
        let channel = shell::net::connect(
            &address.to_string(),
            expect,
            Some(&self.credentials),
            CONNECT_LIMIT,
        )
        .await?;
        self.channels().insert(node, (address, channel.clone()));
        Ok(channel)
    }

    /// To any manager, whichever that is by now.
    pub async fn to_manager(&self, address: &str) -> Result<Channel, LinkError> {
        let credentials = Some(&self.credentials);
        Ok(shell::net::connect(address, Expect::Manager, credentials, CONNECT_LIMIT).await?)
    }

    /// The next call connects anew.
    pub fn drop_link(&self, node: NodeId) {
        self.channels().remove(&node);
    }

    fn channels(&self) -> std::sync::MutexGuard<'_, BTreeMap<NodeId, (SocketAddr, Channel)>> {
        // The map is whole at every moment, so a panic elsewhere says nothing about it.
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
