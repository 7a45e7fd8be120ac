//! The newest snapshot on this node's disk, in pieces.
//!
//! A new one is written beside the old one and synced, then one small value is switched over,
//! then the old one is deleted. Whatever a crash interrupts, one whole snapshot is found.

use super::types::Peer;
use common::NodeId;
use openraft::{LogId, SnapshotMeta};
use serde::{Deserialize, Serialize};
use shell::codec::{self, CodecError, Place};
use shell::store::{Done, KeyRange, SEAL_BYTES, Store, StoreError, Tree, VALUE_BYTES_MAX, Write};
use std::sync::Arc;
use tokio::sync::Mutex;

const POINTER_KEY: &[u8] = b"snapshot";
const PIECE_BYTES_MAX: usize = VALUE_BYTES_MAX - SEAL_BYTES;
/// Pieces that are written with one sync, or read at a time. The log's writes come between.
const GROUP_PIECES: usize = 128;

#[derive(Debug, Clone, thiserror::Error)]
pub enum SnapshotError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the snapshot of the cluster's state is {0}")]
    Codec(#[from] CodecError),
    #[error(
        "the snapshot of the cluster's state lacks {missing} of its {pieces} pieces: restore the \
         data directory from a backup, or remove the data directory, start skep and join again"
    )]
    Incomplete { missing: usize, pieces: usize },
}

/// What openraft wants to know of a snapshot, and the state itself.
pub type StoredSnapshot = (SnapshotMeta<NodeId, Peer>, Vec<u8>);

/// Which snapshot counts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Pointer {
    generation: u64,
    last_log_id: Option<LogId<NodeId>>,
    /// The first pieces hold the description, the others what it describes.
    meta_pieces: u32,
    data_pieces: u32,
}

impl Pointer {
    fn pieces(&self) -> u32 {
        self.meta_pieces + self.data_pieces
    }

    fn keys(&self) -> KeyRange {
        KeyRange {
            from: piece_key(self.generation, 0),
            to: Some(piece_key(self.generation, self.pieces())),
        }
    }
}

#[derive(Debug, Clone)]
pub struct SnapshotStore {
    store: Store,
    /// Held while one is written, for openraft may build one while another is installed.
    newest: Arc<Mutex<Option<Pointer>>>,
}

impl SnapshotStore {
    /// Deletes what a crash left half written.
    pub fn open(store: Store) -> Result<SnapshotStore, SnapshotError> {
        let newest = read_pointer(&store)?;
        let generation = newest.as_ref().map_or(0, |it| it.generation);
        let others = [
            KeyRange { from: Vec::new(), to: Some(piece_key(generation, 0)) },
            KeyRange { from: piece_key(generation + 1, 0), to: None },
        ];
        for keys in others {
            if !store.disk().scan(Tree::RaftSnapshot, &keys, 1)?.is_empty() {
                store.disk().write(&[Write::DeleteRange { tree: Tree::RaftSnapshot, keys }])?;
                store.disk().sync()?;
            }
        }
        Ok(SnapshotStore { store, newest: Arc::new(Mutex::new(newest)) })
    }

    /// Returns once it is durable. One that is older than the stored one is not written.
    pub async fn save(
        &self,
        meta: SnapshotMeta<NodeId, Peer>,
        data: Vec<u8>,
    ) -> Result<(), SnapshotError> {
        let mut newest = self.newest.lock().await;
        if newest.as_ref().is_some_and(|it| meta.last_log_id < it.last_log_id) {
            return Ok(());
        }
        let description = codec::encode(&meta)?;
        let pointer = Pointer {
            generation: newest.as_ref().map_or(0, |it| it.generation) + 1,
            last_log_id: meta.last_log_id,
            meta_pieces: count_pieces(&description)?,
            data_pieces: count_pieces(&data)?,
        };
        self.write_pieces(pointer.generation, &description, &data).await?;
        let switch = self.store.put(Tree::RaftState, POINTER_KEY.to_vec(), &pointer)?;
        self.store.write(vec![switch]).await?;
        let before = KeyRange { from: Vec::new(), to: Some(piece_key(pointer.generation, 0)) };
        *newest = Some(pointer);
        let deletion = Write::DeleteRange { tree: Tree::RaftSnapshot, keys: before };
        // What is left of it after a crash is deleted at the next start.
        let ignored: Done = Box::new(drop);
        Ok(self.store.submit(vec![deletion], ignored).await?)
    }

    async fn write_pieces(
        &self,
        generation: u64,
        description: &[u8],
        data: &[u8],
    ) -> Result<(), SnapshotError> {
        let mut group = Vec::with_capacity(GROUP_PIECES);
        let pieces = description.chunks(PIECE_BYTES_MAX).chain(data.chunks(PIECE_BYTES_MAX));
        for (piece, bytes) in (0..).zip(pieces) {
            let (tree, key) = (Tree::RaftSnapshot, piece_key(generation, piece));
            let place = Place { tree: tree.name(), key: &key };
            let value = self.store.key().encode_bytes(place, bytes)?;
            group.push(Write::Put { tree, key, value });
            if group.len() == GROUP_PIECES {
                self.store.write(std::mem::take(&mut group)).await?;
            }
        }
        Ok(self.store.write(group).await?)
    }

    /// Blocks while it reads. openraft asks at the start and when a follower needs all of it.
    pub fn load(&self) -> Result<Option<StoredSnapshot>, SnapshotError> {
        let mut pointer = read_pointer(&self.store)?;
        while let Some(wanted) = pointer {
            let read = self.read_pieces(&wanted);
            // A newer one may have replaced it meanwhile. Then its pieces are gone.
            pointer = read_pointer(&self.store)?;
            if pointer.as_ref() == Some(&wanted) {
                return read.map(Some);
            }
        }
        Ok(None)
    }

    fn read_pieces(&self, pointer: &Pointer) -> Result<StoredSnapshot, SnapshotError> {
        let (mut description, mut data) = (Vec::new(), Vec::new());
        let mut keys = pointer.keys();
        let mut pieces = 0..pointer.pieces();
        loop {
            let records = self.store.disk().scan(Tree::RaftSnapshot, &keys, GROUP_PIECES)?;
            let Some(last) = records.last() else { break };
            keys.from = [last.key.as_slice(), &[0]].concat();
            for record in records {
                let place = Place { tree: Tree::RaftSnapshot.name(), key: &record.key };
                let bytes = self.store.key().decode_bytes(place, &record.value)?;
                let is_meta = pieces.next().is_some_and(|it| it < pointer.meta_pieces);
                if is_meta { &mut description } else { &mut data }.extend(bytes);
            }
        }
        match pieces.len() {
            0 => Ok((codec::decode(&description)?, data)),
            missing => {
                let pieces = pointer.pieces() as usize;
                Err(SnapshotError::Incomplete { missing, pieces })
            }
        }
    }
}

fn read_pointer(store: &Store) -> Result<Option<Pointer>, StoreError> {
    store.read(Tree::RaftState, POINTER_KEY)
}

fn piece_key(generation: u64, piece: u32) -> Vec<u8> {
    [generation.to_be_bytes().as_slice(), &piece.to_be_bytes()].concat()
}

fn count_pieces(bytes: &[u8]) -> Result<u32, CodecError> {
    u32::try_from(bytes.len().div_ceil(PIECE_BYTES_MAX))
        .map_err(|_| CodecError::Unwritable { detail: "the snapshot is too large".to_owned() })
}

#[cfg(test)]
mod tests;
