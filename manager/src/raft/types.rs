//! What openraft is told about our types.

use super::runtime::Runtime;
use common::NodeId;
use manager_core::change::Conflict;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::io::Cursor;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

openraft::declare_raft_types!(
    pub TypeConfig:
        D = Command,
        R = Answer,
        NodeId = NodeId,
        Node = Peer,
        Entry = openraft::Entry<TypeConfig>,
        SnapshotData = Cursor<Vec<u8>>,
        AsyncRuntime = Runtime,
);

/// Another manager, as the membership names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    pub address: SocketAddr,
}

impl Default for Peer {
    /// openraft asks for one where a membership names a node without its address.
    fn default() -> Peer {
        Peer { address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)) }
    }
}

/// An encoded entry. Cheap to clone, for log, cache and network hold the same bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Command(Arc<[u8]>);

impl Command {
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Command {
    fn from(bytes: Vec<u8>) -> Command {
        Command(bytes.into())
    }
}

impl fmt::Debug for Command {
    /// openraft prints commands where it fails, and they hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({} bytes)", self.0.len())
    }
}

impl Serialize for Command {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_bytes::serialize(self.bytes(), serializer)
    }
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Command, D::Error> {
        serde_bytes::deserialize::<Vec<u8>, D>(deserializer).map(Command::from)
    }
}

/// What became of an entry, for the manager that proposed it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Answer {
    /// For each batch of the entry the positions of the changes that were left out, and why.
    /// Never written: openraft wants a type that could be, but hands the value on as it is.
    #[serde(skip)]
    pub refused: Vec<Vec<(usize, Conflict)>>,
}
