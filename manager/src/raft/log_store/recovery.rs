//! What a crash left of the log.

use super::LogError;
use super::records::{self, BOUNDS_KEY, Bounds, Defect, EntryReader, Found, Stored, VOTE_KEY};
use crate::raft::log_cache::LogCache;
use common::NodeId;
use openraft::{LogId, Vote};
use shell::codec::CodecError;
use shell::store::{Store, Tree};
use tracing::warn;

#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) vote: Option<Vote<NodeId>>,
    pub(super) bounds: Bounds,
    pub(super) last: Option<LogId<NodeId>>,
    pub(super) cache: LogCache,
    pub(super) deleted_end: u64,
}

/// What an opened disk holds is durable: every entry that is found may be counted on.
pub(super) fn recover(store: &Store) -> Result<Recovered, LogError> {
    let vote = store.read(Tree::RaftState, VOTE_KEY)?.map(only_granted);
    let bounds: Bounds = store.read(Tree::RaftState, BOUNDS_KEY)?.unwrap_or_default();
    let begin = bounds.purged.map_or(0, |it| it.index + 1);
    let mut cache = LogCache::starting_at(begin);
    let mut last = bounds.purged;
    let mut gap = None;
    for found in EntryReader::new(store, begin..u64::MAX) {
        match check(found?, cache.log().end, last) {
            Ok(stored) => {
                last = Some(stored.entry.log_id);
                cache.push(stored.entry, stored.bytes);
                cache.shrink(u64::MAX);
            }
            Err(defect) => {
                gap = Some(defect);
                break;
            }
        }
    }
    let end = cache.log().end;
    if end < bounds.durable_end {
        return Err(LogError::at(end, gap.unwrap_or(Defect::Missing)));
    }
    if let Some(defect) = gap {
        if !is_torn(&defect) {
            return Err(LogError::at(end, defect));
        }
        warn!("cut the log before entry {end}, which was never confirmed: it {defect}");
        store.disk().write(&[records::delete(end..u64::MAX)])?;
        store.disk().sync()?;
    }
    let deleted_end = if has_purged_entries(store, begin)? { 0 } else { begin };
    Ok(Recovered { vote, bounds, last, cache, deleted_end })
}

/// The vote as it was granted, and not that it won. openraft lets a manager whose own vote had won
/// lead on at once after a restart: with the state of its last snapshot, and perhaps long after
/// others have elected another. Elected anew, it knows that its state is whole.
fn only_granted(vote: Vote<NodeId>) -> Vote<NodeId> {
    Vote { committed: false, ..vote }
}

/// Only the entry that follows the last one counts, and only of the same term or a later one:
/// an older term is what a truncation left behind that was not finished.
fn check(found: Found, expected: u64, last: Option<LogId<NodeId>>) -> Result<Stored, Defect> {
    if found.index != expected {
        return Err(Defect::Missing);
    }
    let stored = found.stored?;
    let is_stale = last.is_some_and(|last| stored.entry.log_id.leader_id < last.leader_id);
    if is_stale { Err(Defect::OlderTerm) } else { Ok(stored) }
}

/// A crash explains it. What another version of skep wrote is no crash's work: it is kept.
fn is_torn(defect: &Defect) -> bool {
    match defect {
        Defect::Missing | Defect::LacksPiece | Defect::OlderTerm => true,
        Defect::Codec(CodecError::WrongKey | CodecError::Damaged { .. }) => true,
        Defect::Codec(
            CodecError::Newer { .. }
            | CodecError::Unknown { .. }
            | CodecError::Unwritable { .. }
            | CodecError::KeyFile { .. }
            | CodecError::KeyLength { .. },
        ) => false,
    }
}

fn has_purged_entries(store: &Store, begin: u64) -> Result<bool, LogError> {
    let found = EntryReader::new(store, 0..begin).next().transpose()?;
    Ok(found.is_some())
}
