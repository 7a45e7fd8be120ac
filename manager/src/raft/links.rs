//! Connections to the other managers, made when they are needed and dropped when they fail.

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

type Channels = BTreeMap<(NodeId, Line), (SocketAddr, Channel)>;

/// What a connection is for. Whoever is slow to read what it asked for must not hold up Raft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    Raft,
    /// Users' calls that are passed on.
    Calls,
}

#[derive(Debug, Clone)]
pub struct Links {
    credentials: Credentials,
    /// A map of ready channels that many callers clone from; held for the look-up only, never
    /// across an await, so a plain mutex does.
    channels: Arc<Mutex<Channels>>,
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
        let channel = self.channel(node, address, Line::Raft).await?;
        Ok(RaftClient::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX))
    }

    pub async fn channel(
        &self,
        node: NodeId,
        address: SocketAddr,
        line: Line,
    ) -> Result<Channel, LinkError> {
        if let Some((known, channel)) = self.channels().get(&(node, line))
            && *known == address
        {
            return Ok(channel.clone());
        }
        let channel = self.own_channel(node, address).await?;
        self.channels().insert((node, line), (address, channel.clone()));
        Ok(channel)
    }

    /// For a call that may go on for hours and be read at any pace.
    pub async fn own_channel(
        &self,
        node: NodeId,
        address: SocketAddr,
    ) -> Result<Channel, LinkError> {
        let (address, credentials) = (address.to_string(), Some(&self.credentials));
        let expect = Expect::Node(node);
        Ok(shell::net::connect(&address, expect, credentials, CONNECT_LIMIT).await?)
    }

    /// To any manager, whichever that is by now.
    pub async fn to_manager(&self, address: &str) -> Result<Channel, LinkError> {
        let credentials = Some(&self.credentials);
        Ok(shell::net::connect(address, Expect::Manager, credentials, CONNECT_LIMIT).await?)
    }

    /// The next call connects anew.
    pub fn drop_link(&self, node: NodeId, line: Line) {
        self.channels().remove(&(node, line));
    }

    fn channels(&self) -> std::sync::MutexGuard<'_, Channels> {
        // The map is whole at every moment, so a panic elsewhere says nothing about it.
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
