//! Values on this node's disk. One database per process, one thread that writes to it, and
//! values that are sealed with the node's key. Nothing above this module names sled.

mod fake;
mod sled_disk;
mod writer;

pub use fake::{Counts, FakeDisk, Fault, Loss};
pub use sled_disk::SledDisk;
pub use writer::{Done, Writer, WriterThread};

use crate::codec::{CodecError, Place, SealKey};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Larger ones would go to files of their own that nobody syncs. Whoever has more cuts it.
pub const VALUE_BYTES_MAX: usize = 4_096;
/// What sealing adds to a value's bytes: version, seal, nonce and tag.
pub const SEAL_BYTES: usize = 30;

/// Who owns a part of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tree {
    /// Vote, bounds of the log, which snapshot counts.
    RaftState,
    RaftLog,
    RaftSnapshot,
}

impl Tree {
    /// Part of every seal: a tree that changes its name can no longer be read.
    pub fn name(self) -> &'static str {
        match self {
            Tree::RaftState => "raft-state",
            Tree::RaftLog => "raft-log",
            Tree::RaftSnapshot => "raft-snapshot",
        }
    }

    /// What its keys begin with on the disk, where all trees lie in one.
    fn prefix(self) -> u8 {
        match self {
            Tree::RaftState => 1,
            Tree::RaftLog => 2,
            Tree::RaftSnapshot => 3,
        }
    }
}

/// From `from` up to but without `to`; without `to` up to the tree's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    pub from: Vec<u8>,
    pub to: Option<Vec<u8>>,
}

impl KeyRange {
    pub fn all() -> KeyRange {
        KeyRange { from: Vec::new(), to: None }
    }

    fn is_empty(&self) -> bool {
        self.to.as_ref().is_some_and(|to| *to <= self.from)
    }
}

#[derive(Clone, PartialEq, Eq)]
pub enum Write {
    Put { tree: Tree, key: Vec<u8>, value: Vec<u8> },
    Delete { tree: Tree, key: Vec<u8> },
    DeleteRange { tree: Tree, keys: KeyRange },
}

impl Write {
    fn bytes(&self) -> usize {
        match self {
            Write::Put { key, value, .. } => key.len() + value.len(),
            Write::Delete { key, .. } => key.len(),
            Write::DeleteRange { keys, .. } => keys.from.len(),
        }
    }
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Write::Put { tree, key, value } => {
                write!(f, "Put({} {key:02x?}: {} bytes)", tree.name(), value.len())
            }
            Write::Delete { tree, key } => write!(f, "Delete({} {key:02x?})", tree.name()),
            Write::DeleteRange { tree, keys } => write!(f, "Delete({} {keys:02x?})", tree.name()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

/// Where IO begins: sled in the product, memory in tests. Every call may block.
pub trait Disk: fmt::Debug + Send + Sync {
    /// In order, and durable once `sync` has returned. Until then a crash may keep any first part,
    /// also of one batch, and of a range its last keys.
    fn write(&self, batch: &[Write]) -> Result<(), StoreError>;
    fn sync(&self) -> Result<(), StoreError>;
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    /// At most `limit` records, in the order of their keys.
    fn scan(&self, tree: Tree, keys: &KeyRange, limit: usize) -> Result<Vec<Record>, StoreError>;
}

/// The causes stand in the text and not behind it, because openraft keeps only the text.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    #[error(
        "another skep daemon runs on the data directory {folder}: stop it, or give this one \
         another --data-dir"
    )]
    InUse { folder: PathBuf },
    #[error(
        "the database in {folder} is damaged ({detail}): restore it from a backup, or remove the \
         data directory, start skep and join again"
    )]
    Damaged { folder: PathBuf, detail: String },
    #[error("the disk that holds {folder} is full: free some space, then restart skep")]
    Full { folder: PathBuf },
    #[error(
        "the disk that holds {folder} fails ({cause}): look into the kernel's log, mend or \
         replace the disk, then restart skep"
    )]
    Io { folder: PathBuf, cause: Arc<io::Error> },
    #[error(
        "the database in {folder} has grown to {bytes} bytes, and a 32-bit system can hold no \
         more than {bytes_max}: remove the data directory, start skep and join again, which \
         begins with an empty one"
    )]
    TooLarge { folder: PathBuf, bytes: u64, bytes_max: u64 },
    #[error("stored value {tree}/{key:02x?} is {cause}")]
    Value { tree: &'static str, key: Vec<u8>, cause: CodecError },
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error("nothing can be stored any more: skep is stopping")]
    Stopped,
    #[error("the thread that writes to the disk cannot be started ({0}): restart skep")]
    NoThread(Arc<io::Error>),
    #[error("the thread that writes to the disk panicked. Please report this as a bug of skep")]
    Panicked,
}

/// What the owners of trees hold: the disk to read from, the writer to write with, and the key.
#[derive(Debug, Clone)]
pub struct Store {
    disk: Arc<dyn Disk>,
    writer: Writer,
    key: SealKey,
}

impl Store {
    /// Opens this node's database and starts the thread that writes to it.
    pub fn open(data_dir: &Path) -> Result<(Store, WriterThread), StoreError> {
        let disk = SledDisk::open(&data_dir.join("store"))?;
        // After the database, whose lock keeps a second daemon from making a second key.
        let key = SealKey::load_or_create(&data_dir.join("store.key"))?;
        Store::over(Arc::new(disk), key)
    }

    pub fn over(disk: Arc<dyn Disk>, key: SealKey) -> Result<(Store, WriterThread), StoreError> {
        let (writer, thread) = Writer::start(Arc::clone(&disk))?;
        Ok((Store { disk, writer, key }, thread))
    }

    pub fn disk(&self) -> &dyn Disk {
        self.disk.as_ref()
    }

    pub fn key(&self) -> &SealKey {
        &self.key
    }

    /// A sealed value, to be written along with others.
    pub fn put<T: Serialize>(
        &self,
        tree: Tree,
        key: Vec<u8>,
        value: &T,
    ) -> Result<Write, StoreError> {
        let value = self.key.encode(Place { tree: tree.name(), key: &key }, value)?;
        Ok(Write::Put { tree, key, value })
    }

    pub fn read<T: DeserializeOwned>(
        &self,
        tree: Tree,
        key: &[u8],
    ) -> Result<Option<T>, StoreError> {
        let stored = self.disk.get(tree, key)?;
        stored.map(|value| self.decode(tree, key, &value)).transpose()
    }

    pub fn decode<T: DeserializeOwned>(
        &self,
        tree: Tree,
        key: &[u8],
        value: &[u8],
    ) -> Result<T, StoreError> {
        let decoded = self.key.decode(Place { tree: tree.name(), key }, value);
        decoded.map_err(|cause| StoreError::Value { tree: tree.name(), key: key.to_vec(), cause })
    }

    /// Returns once the writes are durable.
    pub async fn write(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        self.writer.write(writes).await
    }

    /// Returns once the writes are queued; `done` is called when they are durable.
    pub async fn submit(&self, writes: Vec<Write>, done: Done) -> Result<(), StoreError> {
        self.writer.submit(writes, done).await
    }
}

#[cfg(test)]
mod tests;
