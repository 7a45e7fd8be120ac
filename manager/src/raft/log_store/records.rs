//! How the log lies in its trees: an entry is sealed as a whole, bound to its index, and cut
//! into pieces that the disk takes.

use crate::raft::types::TypeConfig;
use common::NodeId;
use openraft::{Entry, LogId};
use serde::{Deserialize, Serialize};
use shell::codec::{CodecError, Place};
use shell::store::{KeyRange, Record, Store, StoreError, Tree, VALUE_BYTES_MAX, Write};
use std::collections::VecDeque;
use std::ops::Range;

pub(super) const VOTE_KEY: &[u8] = b"vote";
pub(super) const BOUNDS_KEY: &[u8] = b"log-bounds";
/// How many pieces the entry has, at the beginning of each of them.
const COUNT_BYTES: usize = 2;
const PIECE_BYTES_MAX: usize = VALUE_BYTES_MAX - COUNT_BYTES;
const INDEX_BYTES: usize = 8;
const KEY_BYTES: usize = INDEX_BYTES + COUNT_BYTES;
/// Records that are read from the disk at a time.
const PAGE_RECORDS: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Bounds {
    pub(super) purged: Option<LogId<NodeId>>,
    /// May be older than what was committed, never newer.
    pub(super) committed: Option<LogId<NodeId>>,
    /// Entries before this index were synced before these bounds were written.
    pub(super) durable_end: u64,
}

/// Adds the entry's pieces to a batch and tells their size.
pub(super) fn encode(
    store: &Store,
    entry: &Entry<TypeConfig>,
    writes: &mut Vec<Write>,
) -> Result<usize, StoreError> {
    let index = entry.log_id.index;
    let sealed = store.key().encode(place(&index.to_be_bytes()), entry)?;
    let pieces = sealed.chunks(PIECE_BYTES_MAX);
    let count = u16::try_from(pieces.len()).map_err(|_| CodecError::Unwritable {
        detail: format!("log entry {index} has {} bytes", sealed.len()),
    })?;
    for (piece, bytes) in (0..count).zip(pieces) {
        let value = [count.to_be_bytes().as_slice(), bytes].concat();
        writes.push(Write::Put { tree: Tree::RaftLog, key: entry_key(index, piece), value });
    }
    Ok(sealed.len())
}

pub(super) fn delete(indexes: Range<u64>) -> Write {
    Write::DeleteRange { tree: Tree::RaftLog, keys: key_range(&indexes) }
}

fn place(index: &[u8]) -> Place<'_> {
    Place { tree: Tree::RaftLog.name(), key: index }
}

fn entry_key(index: u64, piece: u16) -> Vec<u8> {
    [index.to_be_bytes().as_slice(), &piece.to_be_bytes()].concat()
}

fn key_range(indexes: &Range<u64>) -> KeyRange {
    let to = Some(indexes.end).filter(|end| *end != u64::MAX);
    KeyRange {
        from: indexes.start.to_be_bytes().to_vec(),
        to: to.map(|end| end.to_be_bytes().to_vec()),
    }
}

/// A key of any other length is none of ours; padded, it belongs to no whole entry.
fn parse_key(key: &[u8]) -> (u64, u16) {
    let mut padded = [0_u8; KEY_BYTES];
    padded.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    let [index @ .., first, second] = padded;
    (u64::from_be_bytes(index), u16::from_be_bytes([first, second]))
}

#[derive(Debug)]
pub(super) struct Stored {
    pub(super) entry: Entry<TypeConfig>,
    pub(super) bytes: usize,
}

/// What is wrong with an entry.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Defect {
    #[error("is missing")]
    Missing,
    #[error("lacks a piece")]
    LacksPiece,
    #[error("belongs to an older term")]
    OlderTerm,
    #[error("is {0}")]
    Codec(CodecError),
}

/// What lies at one index.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) index: u64,
    pub(super) stored: Result<Stored, Defect>,
}

/// Entries from the disk in the order of their indexes, gaps skipped.
#[derive(Debug)]
pub(super) struct EntryReader<'a> {
    store: &'a Store,
    /// What has not been read from the disk.
    rest: Option<KeyRange>,
    page: VecDeque<Record>,
}

impl<'a> EntryReader<'a> {
    pub(super) fn new(store: &'a Store, indexes: Range<u64>) -> EntryReader<'a> {
        EntryReader { store, rest: Some(key_range(&indexes)), page: VecDeque::new() }
    }

    fn peek(&mut self) -> Result<Option<&Record>, StoreError> {
        if self.page.is_empty()
            && let Some(rest) = self.rest.take()
        {
            self.page = self.store.disk().scan(Tree::RaftLog, &rest, PAGE_RECORDS)?.into();
            if let Some(last) = self.page.back().filter(|_| self.page.len() == PAGE_RECORDS) {
                // The key right behind the last one.
                let from = [last.key.as_slice(), &[0]].concat();
                self.rest = Some(KeyRange { from, to: rest.to });
            }
        }
        Ok(self.page.front())
    }

    /// All records of the next index.
    fn next_records(&mut self) -> Result<Option<(u64, Vec<Record>)>, StoreError> {
        let Some(first) = self.peek()? else {
            return Ok(None);
        };
        let (index, _) = parse_key(&first.key);
        let mut records = Vec::new();
        while let Some(record) = self.peek()?
            && parse_key(&record.key).0 == index
        {
            records.extend(self.page.pop_front());
        }
        Ok(Some((index, records)))
    }
}

impl Iterator for EntryReader<'_> {
    type Item = Result<Found, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let records = self.next_records().transpose()?;
        let found = records
            .map(|(index, records)| Found { index, stored: assemble(self.store, index, &records) });
        Some(found)
    }
}

fn assemble(store: &Store, index: u64, records: &[Record]) -> Result<Stored, Defect> {
    let mut sealed = Vec::new();
    let mut expected = 0_u16..u16::MAX;
    for record in records {
        let split = record.value.split_first_chunk::<COUNT_BYTES>();
        let (count, bytes) = split.ok_or(Defect::LacksPiece)?;
        if sealed.is_empty() {
            expected = 0..u16::from_be_bytes(*count);
        }
        if expected.is_empty() {
            // Left behind by a longer entry that this one replaced.
            break;
        }
        if expected.next() != Some(parse_key(&record.key).1) {
            return Err(Defect::LacksPiece);
        }
        sealed.extend_from_slice(bytes);
    }
    if !expected.is_empty() {
        return Err(Defect::LacksPiece);
    }
    let entry = store.key().decode(place(&index.to_be_bytes()), &sealed);
    Ok(Stored { entry: entry.map_err(Defect::Codec)?, bytes: sealed.len() })
}
