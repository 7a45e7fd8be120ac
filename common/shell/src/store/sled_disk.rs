//! The real disk: one sled database.
//!
//! sled 0.34 is used around six of its edges. Its `flush` does not reach the disk, so its file
//! is synced here. It relies on that flush all the same where it uses space again, so large
//! batches are synced in between, too. It writes by itself twice a second unless told not to. On
//! damaged files it may panic, so every call is contained. What a power cut left half written
//! beside its file it takes for damage, so that is removed. And on 32-bit systems it damages a
//! file that passes 4 GiB, so growth ends far below.

use super::{Disk, KeyRange, Record, StoreError, Tree, VALUE_BYTES_MAX, Write};
use std::collections::BTreeMap;
use std::ffi::c_ulong;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt as _;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Pages kept in memory. What is read often is kept by those who read it.
const CACHE_BYTES: u64 = 1 << 20;
/// sled's own size.
const SEGMENT_BYTES: i64 = 512 << 10;
/// A segment says how far the log before it is durable, and is used again once its successor is.
/// Both are true only while no two segments begin between one sync and the next.
const UNSYNCED_BYTES_MAX: i64 = SEGMENT_BYTES / 4;
/// Keys that are changed before the log's growth is looked at again. A key may cost the rewriting
/// of pages beside its own: eight have been seen to take 272 KiB, and there is room for 384.
const STEP_KEYS: usize = 8;
/// How late the timers of sled's own threads may go off.
const TIMER_SLACK_NANOS: c_ulong = 1_000_000_000;
const FILE_BYTES_MAX: Option<u64> =
    if cfg!(target_pointer_width = "32") { Some(2 << 30) } else { None };

#[derive(Debug)]
pub struct SledDisk {
    folder: PathBuf,
    database: sled::Db,
    /// The same file that sled writes to: only to sync it and to know its size.
    file: File,
    file_bytes_max: Option<u64>,
    /// The log's last byte that is on the disk, as sled counts them.
    synced_end: AtomicI64,
}

/// Changes that are made at once: the last word on every key, or its removal.
type Step<'a> = BTreeMap<Vec<u8>, Option<&'a [u8]>>;

impl SledDisk {
    /// Opens or creates the database and reads it once, so that damage shows now and not later.
    pub fn open(folder: &Path) -> Result<SledDisk, StoreError> {
        let fails = |error| io_error(folder, error);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fails)?;
        remove_half_written(folder).map_err(fails)?;
        let config =
            sled::Config::new().path(folder).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        let database = with_lazy_timers(|| contained(folder, || config.open()))?;
        contained(folder, || database.iter().try_for_each(|record| record.map(drop)))?;
        contained(folder, || database.flush())?;
        sync_new_files(folder).map_err(fails)?;
        let file = File::open(folder.join("db")).map_err(fails)?;
        let folder = folder.to_owned();
        let synced_end = AtomicI64::new(written_end(&database));
        Ok(SledDisk { folder, database, file, file_bytes_max: FILE_BYTES_MAX, synced_end })
    }

    #[cfg(test)]
    pub(super) fn with_file_bytes_max(self, file_bytes_max: u64) -> SledDisk {
        SledDisk { file_bytes_max: Some(file_bytes_max), ..self }
    }

    fn check_size(&self) -> Result<(), StoreError> {
        let Some(bytes_max) = self.file_bytes_max else {
            return Ok(());
        };
        let bytes = self.file.metadata().map_err(|it| io_error(&self.folder, it))?.len();
        if bytes < bytes_max {
            return Ok(());
        }
        Err(StoreError::TooLarge { folder: self.folder.clone(), bytes, bytes_max })
    }

    fn apply(&self, step: Step<'_>) -> Result<(), StoreError> {
        if step.is_empty() {
            return Ok(());
        }
        self.bound_unsynced()?;
        let mut batch = sled::Batch::default();
        for (key, value) in step {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        contained(&self.folder, || self.database.apply_batch(batch))
    }

    fn delete_range(&self, range: &Range<Vec<u8>>) -> Result<(), StoreError> {
        loop {
            let found = || self.database.range(range.clone()).keys().take(STEP_KEYS).collect();
            let keys: Vec<sled::IVec> = contained(&self.folder, found)?;
            if keys.is_empty() {
                return Ok(());
            }
            self.apply(keys.into_iter().map(|key| (key.to_vec(), None)).collect())?;
        }
    }

    fn bound_unsynced(&self) -> Result<(), StoreError> {
        contained(&self.folder, || self.database.flush())?;
        let unsynced = written_end(&self.database) - self.synced_end.load(Ordering::Acquire);
        if unsynced < UNSYNCED_BYTES_MAX { Ok(()) } else { self.sync() }
    }
}

impl Disk for SledDisk {
    fn write(&self, batch: &[Write]) -> Result<(), StoreError> {
        self.check_size()?;
        let mut step = Step::new();
        for write in batch {
            match write {
                Write::Put { tree, key, value } => {
                    assert!(value.len() <= VALUE_BYTES_MAX, "a value is too large: {write:?}");
                    step.insert(disk_key(*tree, key), Some(value));
                }
                Write::Delete { tree, key } => {
                    step.insert(disk_key(*tree, key), None);
                }
                Write::DeleteRange { tree, keys } if !keys.is_empty() => {
                    self.apply(std::mem::take(&mut step))?;
                    self.delete_range(&disk_range(*tree, keys))?;
                }
                Write::DeleteRange { .. } => {}
            }
            if step.len() == STEP_KEYS {
                self.apply(std::mem::take(&mut step))?;
            }
        }
        self.apply(step)
    }

    fn sync(&self) -> Result<(), StoreError> {
        contained(&self.folder, || self.database.flush())?;
        let end = written_end(&self.database);
        self.file.sync_data().map_err(|error| io_error(&self.folder, error))?;
        let synced_end = self.synced_end.swap(end, Ordering::AcqRel);
        debug_assert!(end - synced_end < SEGMENT_BYTES, "{} bytes at once", end - synced_end);
        Ok(())
    }

    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let value = contained(&self.folder, || self.database.get(disk_key(tree, key)))?;
        Ok(value.map(|it| it.to_vec()))
    }

    fn scan(&self, tree: Tree, keys: &KeyRange, limit: usize) -> Result<Vec<Record>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        contained(&self.folder, || {
            let records = self.database.range(disk_range(tree, keys)).take(limit);
            let own = records.map(|it| {
                let (key, value) = it?;
                Ok(Record { key: key[1..].to_vec(), value: value.to_vec() })
            });
            own.collect()
        })
    }
}

/// sled shows this for its own tests only; its version is pinned.
fn written_end(database: &sled::Db) -> i64 {
    database.context.pagecache.log.stable_offset()
}

/// All trees lie in one of sled's, for its batches are atomic within one only.
fn disk_key(tree: Tree, key: &[u8]) -> Vec<u8> {
    let mut of_disk = Vec::with_capacity(1 + key.len());
    of_disk.push(tree.prefix());
    of_disk.extend_from_slice(key);
    of_disk
}

fn disk_range(tree: Tree, keys: &KeyRange) -> Range<Vec<u8>> {
    let to = keys.to.as_ref().map_or_else(|| vec![tree.prefix() + 1], |to| disk_key(tree, to));
    disk_key(tree, &keys.from)..to
}

/// While it opens, sled writes its settings where they are missing, and an index of its file
/// beside the last one. It can do without: the settings never change, and the index follows from
/// the file.
fn remove_half_written(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_half_index = path.extension().is_some_and(|it| it == "generating");
        if is_half_index || (path.ends_with("conf") && !are_whole(&fs::read(&path)?)) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Lines of text, then a checksum.
fn are_whole(settings: &[u8]) -> bool {
    settings.split_last_chunk::<4>().is_some_and(|(lines, _)| lines.ends_with(b"\n"))
}

/// A crash right after the first start must not lose the files that were made by it.
fn sync_new_files(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        File::open(entry?.path())?.sync_all()?;
    }
    File::open(folder)?.sync_all()?;
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        Some(_) | None => Ok(()),
    }
}

/// sled keeps seven threads that look every second whether they are still wanted, and are woken
/// at once where there is work. Threads have the timers of the thread that makes them: with lazy
/// ones they look half as often, and when the processor is awake anyway.
fn with_lazy_timers<T>(make_threads: impl FnOnce() -> T) -> T {
    use nix::sys::prctl::{get_timerslack, set_timerslack};
    let usual = get_timerslack().ok().and_then(|it| c_ulong::try_from(it).ok());
    let is_lazy = usual.is_some() && set_timerslack(TIMER_SLACK_NANOS).is_ok();
    let made = make_threads();
    if let Some(usual) = usual.filter(|_| is_lazy)
        && let Err(error) = set_timerslack(usual)
    {
        tracing::debug!(%error, "the timers of this thread stay lazy");
    }
    made
}

/// Runs a call into sled and turns its errors, and its panics, into ours.
fn contained<T>(folder: &Path, call: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    // Nothing of sled is used again after a panic: it is not opened then, or the writer stops.
    match std::panic::catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Io(error))) => Err(io_error(folder, error)),
        Ok(Err(error)) => Err(damaged(folder, error.to_string())),
        Err(panic) => Err(damaged(folder, panic_text(panic.as_ref()))),
    }
}

fn io_error(folder: &Path, error: io::Error) -> StoreError {
    let folder = folder.to_owned();
    // sled tells of the lock in words only.
    if error.to_string().contains("could not acquire lock") {
        return StoreError::InUse { folder };
    }
    if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        return StoreError::Full { folder };
    }
    StoreError::Io { folder, cause: Arc::new(error) }
}

fn damaged(folder: &Path, detail: String) -> StoreError {
    StoreError::Damaged { folder: folder.to_owned(), detail }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("sled panicked").to_owned()
}
