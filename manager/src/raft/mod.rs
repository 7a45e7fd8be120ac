//! The replicated log: openraft, its storage and its network. Nothing outside this folder names
//! openraft.

mod ballot;
mod elections;
pub mod links;
pub mod log_cache;
pub mod log_store;
mod network;
mod proposer;
mod pulse;
mod replica;
mod runtime;
pub mod snapshots;
pub mod state_machine;
pub mod types;

pub use links::Line;
pub use proposer::{Committed, ProposeError, Proposer};
pub use replica::{Leadership, Manager, Parts, Replica, ReplicaError, Start};
pub use state_machine::Feed;

use common::NodeId;
use manager_core::change::Batch;
use openraft::{StorageError, StorageIOError};
use shell::codec::CodecError;
use shell::store::{KeyRange, Store, StoreError, Tree, Write};
use types::{Command, Peer, TypeConfig};

/// openraft tells every step of its own at the levels left out here, and of a manager that is away
/// five times a second, for as long as it is: `skep node ls` shows that.
pub const LOG_FILTER: &str = "openraft=error,openraft::replication=off";

pub(crate) type Raft = openraft::Raft<TypeConfig>;
pub(crate) type Metrics = openraft::RaftMetrics<NodeId, Peer>;

/// Batches that were proposed together share one log entry.
fn encode_batches(batches: &[Batch]) -> Result<Command, CodecError> {
    shell::codec::encode(&batches).map(Command::from)
}

fn decode_batches(command: &Command) -> Result<Vec<Batch>, CodecError> {
    shell::codec::decode(command.bytes())
}

fn unreadable(error: impl std::error::Error + 'static) -> StorageError<NodeId> {
    StorageError::IO { source: StorageIOError::read_state_machine(&error) }
}

/// A log of another cluster, or of an earlier membership, must not be gone on with.
pub async fn erase(store: &Store) -> Result<(), StoreError> {
    let trees = [Tree::RaftState, Tree::RaftLog, Tree::RaftSnapshot];
    let all = |tree| Write::DeleteRange { tree, keys: KeyRange::all() };
    store.write(trees.into_iter().map(all).collect()).await
}
