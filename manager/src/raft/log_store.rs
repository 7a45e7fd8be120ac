//! openraft's log and vote on this node's disk.
//!
//! Everything goes through the store's one writer, which gathers what comes together into one
//! batch and one sync. What must be true after a crash, whatever part of the unsynced writes it
//! took:
//! - The stored bounds name entries as durable only once they are. So a gap before that mark is
//!   damage, and a gap behind it is a write that nobody was told had happened.
//! - Entries are deleted only once the bounds that say so are durable.

mod records;
mod recovery;

use super::log_cache::{Located, LogCache};
use super::types::TypeConfig;
use common::NodeId;
use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{
    Entry, ErrorSubject, ErrorVerb, LogId, LogState, OptionalSend, RaftLogReader, StorageError,
    StorageIOError, Vote,
};
pub use records::Defect;
use records::{BOUNDS_KEY, Bounds, EntryReader, VOTE_KEY};
use shell::codec::CodecError;
use shell::store::{Done, Store, StoreError, Tree, Write};
use shell::threads::at_length;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::watch;

/// One message to a follower; a larger entry goes alone.
const REPLICATED_BYTES_MAX: usize = 1 << 20;

#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "the replicated log is damaged: entry {index} {defect}. Restore the data directory from \
         a backup, or remove the data directory, start skep and join again"
    )]
    Damaged { index: u64, defect: Defect },
    #[error("entry {index} of the replicated log is {cause}")]
    Unreadable { index: u64, cause: CodecError },
}

impl LogError {
    fn at(index: u64, defect: Defect) -> LogError {
        match defect {
            Defect::Codec(cause) => LogError::Unreadable { index, cause },
            defect @ (Defect::Missing | Defect::LacksPiece | Defect::OlderTerm) => {
                LogError::Damaged { index, defect }
            }
        }
    }
}

/// How far the disk is. Written on the writer's thread, read when the next batch is made.
#[derive(Debug, Default)]
struct Progress {
    /// The first index that is not durable.
    entries_end: AtomicU64,
    /// The first index that the durable bounds do not call purged.
    purged_end: AtomicU64,
}

/// Owned by openraft's core.
#[derive(Debug)]
pub struct LogStore {
    reader: LogReader,
    vote: Option<Vote<NodeId>>,
    purged: Option<LogId<NodeId>>,
    committed: Option<LogId<NodeId>>,
    last: Option<LogId<NodeId>>,
    /// `last`, for those who ask while the core waits for the disk.
    tail: watch::Sender<Option<LogId<NodeId>>>,
    progress: Arc<Progress>,
    /// Purged entries before this index are gone from the disk, or queued to go.
    deleted_end: u64,
}

/// One for the core, one for each follower.
#[derive(Debug, Clone)]
pub struct LogReader {
    store: Store,
    /// Written by the core alone; held for the look-up only, never across an await.
    cache: Arc<RwLock<LogCache>>,
}

impl LogStore {
    /// Reads the whole log once: a torn end is cut off, damage before it is an error.
    pub fn open(store: Store) -> Result<LogStore, LogError> {
        let recovered = recovery::recover(&store)?;
        let progress = Progress {
            entries_end: AtomicU64::new(recovered.cache.log().end),
            purged_end: AtomicU64::new(recovered.cache.log().start),
        };
        Ok(LogStore {
            vote: recovered.vote,
            purged: recovered.bounds.purged,
            committed: recovered.bounds.committed.min(recovered.last),
            last: recovered.last,
            tail: watch::Sender::new(recovered.last),
            progress: Arc::new(progress),
            deleted_end: recovered.deleted_end,
            reader: LogReader { store, cache: Arc::new(RwLock::new(recovered.cache)) },
        })
    }

    /// The newest entry, durable or not.
    pub fn tail(&self) -> watch::Receiver<Option<LogId<NodeId>>> {
        self.tail.subscribe()
    }

    fn ends_with(&mut self, last: Option<LogId<NodeId>>) {
        self.last = last;
        self.tail.send_replace(last);
    }

    /// What goes along with every write: the bounds as they are now, which costs no write of
    /// its own, and the deletion of what older bounds have purged.
    fn batch(&mut self, entries_end_max: u64) -> Result<Vec<Write>, StoreError> {
        let mut writes = Vec::new();
        let purged_end = self.progress.purged_end.load(Ordering::Acquire);
        if purged_end > self.deleted_end {
            writes.push(records::delete(0..purged_end));
            self.deleted_end = purged_end;
        }
        let durable_end = self.progress.entries_end.load(Ordering::Acquire).min(entries_end_max);
        let (purged, committed) = (self.purged, self.committed);
        let bounds = Bounds { purged, committed, durable_end };
        writes.push(self.reader.store.put(Tree::RaftState, BOUNDS_KEY.to_vec(), &bounds)?);
        Ok(writes)
    }

    /// The entry before `index`, which the log holds or has just purged.
    fn log_id_before(&self, index: u64) -> Result<Option<LogId<NodeId>>, LogError> {
        let Some(before) = index.checked_sub(1) else {
            return Ok(None);
        };
        match self.reader.read(before..index, usize::MAX)?.first() {
            Some(entry) => Ok(Some(entry.log_id)),
            None => Ok(self.purged),
        }
    }

    async fn truncate_from(&mut self, index: u64) -> Result<(), LogError> {
        self.ends_with(self.log_id_before(index)?);
        self.reader.cache_mut().remove_from(index);
        // Nothing may be deleted while the stored bounds still call it durable.
        let writes = self.batch(index)?;
        self.reader.store.write(writes).await?;
        self.progress.entries_end.fetch_min(index, Ordering::AcqRel);
        // Whether this lasts shows when the next entries are synced.
        let ignored: Done = Box::new(drop);
        let deletion = records::delete(index..u64::MAX);
        Ok(self.reader.store.submit(vec![deletion], ignored).await?)
    }

    async fn purge_upto(&mut self, log_id: LogId<NodeId>) -> Result<(), StoreError> {
        let end = log_id.index + 1;
        self.purged = self.purged.max(Some(log_id));
        self.ends_with(self.last.max(Some(log_id)));
        self.reader.cache_mut().remove_below(end);
        let progress = Arc::clone(&self.progress);
        let done: Done = Box::new(move |result| {
            if result.is_ok() {
                progress.purged_end.fetch_max(end, Ordering::AcqRel);
            }
        });
        let writes = self.batch(u64::MAX)?;
        // After a crash it would be purged again, so nobody has to wait.
        self.reader.store.submit(writes, done).await
    }

    async fn append_all(
        &mut self,
        entries: Vec<Entry<TypeConfig>>,
        callback: LogFlushed<TypeConfig>,
    ) -> Result<(), StoreError> {
        let mut writes = self.batch(u64::MAX)?;
        let mut encoded = Vec::with_capacity(entries.len());
        for entry in entries {
            let bytes = records::encode(&self.reader.store, &entry, &mut writes)?;
            encoded.push((entry, bytes));
        }
        let durable_end = self.progress.entries_end.load(Ordering::Acquire);
        let mut last = self.last;
        {
            let mut cache = self.reader.cache_mut();
            for (entry, bytes) in encoded {
                last = Some(entry.log_id);
                cache.push(entry, bytes);
            }
            cache.shrink(durable_end);
        }
        self.ends_with(last);
        let entries_end = self.last.map_or(0, |it| it.index + 1);
        let progress = Arc::clone(&self.progress);
        let done: Done = Box::new(move |result| {
            if result.is_ok() {
                progress.entries_end.store(entries_end, Ordering::Release);
            }
            callback.log_io_completed(result.map_err(io::Error::other));
        });
        self.reader.store.submit(writes, done).await
    }
}

impl LogReader {
    fn read(
        &self,
        range: Range<u64>,
        bytes_max: usize,
    ) -> Result<Vec<Entry<TypeConfig>>, LogError> {
        let located = self.cache().locate(range, bytes_max);
        match located.on_disk.is_empty() {
            true => Ok(located.cached),
            false => at_length(|| self.read_on(located, bytes_max)),
        }
    }

    /// From the disk, which only a follower that lags by more than the cache holds makes happen,
    /// and at most for one message's worth.
    fn read_on(
        &self,
        located: Located,
        bytes_max: usize,
    ) -> Result<Vec<Entry<TypeConfig>>, LogError> {
        let wanted = located.on_disk;
        let (mut entries, mut bytes) = (Vec::new(), 0);
        let mut expected = wanted.clone();
        let mut gap = Defect::Missing;
        for found in EntryReader::new(&self.store, wanted.clone()) {
            let found = found?;
            if Some(found.index) != expected.next() {
                break;
            }
            let stored = match found.stored {
                Ok(stored) => stored,
                Err(defect) => {
                    gap = defect;
                    break;
                }
            };
            bytes += stored.bytes;
            if bytes > bytes_max && !entries.is_empty() {
                return Ok(entries);
            }
            entries.push(stored.entry);
        }
        let read_end = wanted.start + entries.len() as u64;
        if read_end == wanted.end {
            entries.extend(located.cached);
            return Ok(entries);
        }
        // What was purged while it was read is no damage; openraft sends a snapshot then.
        let is_purged = self.cache().log().start > read_end;
        if is_purged { Ok(entries) } else { Err(LogError::at(read_end, gap)) }
    }

    fn cache(&self) -> RwLockReadGuard<'_, LogCache> {
        // A panic elsewhere leaves a cache that openraft's core would have been the one to use.
        self.cache.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn cache_mut(&self) -> RwLockWriteGuard<'_, LogCache> {
        self.cache.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn half_open(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}

fn failed(
    verb: ErrorVerb,
    subject: ErrorSubject<NodeId>,
    error: &LogError,
) -> StorageError<NodeId> {
    StorageError::IO { source: StorageIOError::new(subject, verb, error) }
}

fn not_written(error: impl Into<LogError>) -> StorageError<NodeId> {
    failed(ErrorVerb::Write, ErrorSubject::Logs, &error.into())
}

impl RaftLogReader<TypeConfig> for LogReader {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry<TypeConfig>>, StorageError<NodeId>> {
        let entries = self.read(half_open(&range), usize::MAX);
        entries.map_err(|error| failed(ErrorVerb::Read, ErrorSubject::Logs, &error))
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry<TypeConfig>>, StorageError<NodeId>> {
        let entries = self.read(start..end, REPLICATED_BYTES_MAX);
        entries.map_err(|error| failed(ErrorVerb::Read, ErrorSubject::LogIndex(start), &error))
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry<TypeConfig>>, StorageError<NodeId>> {
        self.reader.try_get_log_entries(range).await
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogReader;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, StorageError<NodeId>> {
        Ok(LogState { last_purged_log_id: self.purged, last_log_id: self.last })
    }

    async fn get_log_reader(&mut self) -> LogReader {
        self.reader.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<NodeId>) -> Result<(), StorageError<NodeId>> {
        let failed =
            |error: StoreError| failed(ErrorVerb::Write, ErrorSubject::Vote, &error.into());
        let mut writes = self.batch(u64::MAX).map_err(failed)?;
        let put = self.reader.store.put(Tree::RaftState, VOTE_KEY.to_vec(), vote);
        writes.push(put.map_err(failed)?);
        self.reader.store.write(writes).await.map_err(failed)?;
        self.vote = Some(*vote);
        Ok(())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<NodeId>>, StorageError<NodeId>> {
        Ok(self.vote)
    }

    async fn save_committed(
        &mut self,
        committed: Option<LogId<NodeId>>,
    ) -> Result<(), StorageError<NodeId>> {
        self.committed = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId<NodeId>>, StorageError<NodeId>> {
        Ok(self.committed)
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: LogFlushed<TypeConfig>,
    ) -> Result<(), StorageError<NodeId>>
    where
        I: IntoIterator<Item = Entry<TypeConfig>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry<TypeConfig>> = entries.into_iter().collect();
        self.append_all(entries, callback).await.map_err(not_written)
    }

    async fn truncate(&mut self, log_id: LogId<NodeId>) -> Result<(), StorageError<NodeId>> {
        self.truncate_from(log_id.index).await.map_err(not_written)
    }

    async fn purge(&mut self, log_id: LogId<NodeId>) -> Result<(), StorageError<NodeId>> {
        self.purge_upto(log_id).await.map_err(not_written)
    }
}

#[cfg(test)]
mod tests;
