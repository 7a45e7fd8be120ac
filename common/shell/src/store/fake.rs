//! A disk in memory that keeps synced and unsynced writes apart, so that a test can cut its
//! power, fill it up, break it or make it slow.

use super::{Disk, KeyRange, Record, StoreError, Tree, VALUE_BYTES_MAX, Write};
use common::IdGen;
use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

type Records = BTreeMap<(Tree, Vec<u8>), Vec<u8>>;

/// What happens from some operation on. Writes and syncs count, reads do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Full,
    Broken,
    PowerCut,
}

/// What a crash takes of the writes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The last writes: what sled promises.
    Tail,
    /// Any single writes: harder than any disk below sled, and survived all the same.
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub writes: u64,
    pub syncs: u64,
}

#[derive(Debug, Default)]
struct Inner {
    synced: Records,
    current: Records,
    unsynced: Vec<Vec<Write>>,
    counts: Counts,
    fault: Option<(u64, Fault)>,
    sync_takes: Duration,
}

/// Clones are the same disk. One mutex, never held across a wait: tests reach in while the
/// writer's thread works.
#[derive(Debug, Clone, Default)]
pub struct FakeDisk {
    inner: Arc<Mutex<Inner>>,
}

impl FakeDisk {
    pub fn new() -> FakeDisk {
        FakeDisk::default()
    }

    pub fn counts(&self) -> Counts {
        self.inner().counts
    }

    /// Every sync from now on takes so long.
    pub fn set_sync_takes(&self, duration: Duration) {
        self.inner().sync_takes = duration;
    }

    /// The operation after `operations` more of them fails, and so do all that follow.
    pub fn fail_after(&self, operations: u64, fault: Fault) {
        let mut inner = self.inner();
        let done = inner.counts.writes + inner.counts.syncs;
        inner.fault = Some((done + operations, fault));
    }

    /// The disk as the next process finds it. This one is left as it is.
    pub fn crashed(&self, seed: u64, loss: Loss) -> FakeDisk {
        let inner = self.inner();
        let mut chance = IdGen::from_seed(seed);
        let mut left = inner.synced.clone();
        let unsynced: Vec<&Write> = inner.unsynced.iter().flatten().collect();
        let kept = chance.below(unsynced.len() as u64 + 1);
        for (position, write) in (0..).zip(unsynced) {
            let is_kept = match loss {
                Loss::Tail => position < kept,
                Loss::Any => chance.below(2) == 0,
            };
            if is_kept {
                apply(&mut left, write);
            }
        }
        let found = Inner { synced: left.clone(), current: left, ..Inner::default() };
        FakeDisk { inner: Arc::new(Mutex::new(found)) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A test that panicked elsewhere has failed already.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn check(&self) -> Result<(), StoreError> {
        let folder = PathBuf::from("/fake");
        let done = self.counts.writes + self.counts.syncs;
        let fault = self.fault.filter(|(after, _)| done >= *after).map(|(_, fault)| fault);
        let cause = match fault {
            None => return Ok(()),
            Some(Fault::Full) => return Err(StoreError::Full { folder }),
            Some(Fault::Broken) => io::Error::from_raw_os_error(5),
            Some(Fault::PowerCut) => io::Error::other("the power is cut"),
        };
        Err(StoreError::Io { folder, cause: Arc::new(cause) })
    }
}

fn apply(records: &mut Records, write: &Write) {
    match write {
        Write::Put { tree, key, value } => {
            records.insert((*tree, key.clone()), value.clone());
        }
        Write::Delete { tree, key } => {
            records.remove(&(*tree, key.clone()));
        }
        Write::DeleteRange { tree, keys } => {
            records.retain(|(of, key), _| of != tree || !is_in(keys, key));
        }
    }
}

fn is_in(keys: &KeyRange, key: &[u8]) -> bool {
    key >= keys.from.as_slice() && keys.to.as_ref().is_none_or(|to| key < to.as_slice())
}

impl Disk for FakeDisk {
    fn write(&self, batch: &[Write]) -> Result<(), StoreError> {
        let inner = &mut *self.inner();
        inner.check()?;
        inner.counts.writes += 1;
        for write in batch {
            if let Write::Put { value, .. } = write {
                assert!(value.len() <= VALUE_BYTES_MAX, "a value is too large: {write:?}");
            }
            apply(&mut inner.current, write);
        }
        inner.unsynced.push(batch.to_vec());
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        let (takes, covered) = {
            let inner = self.inner();
            inner.check()?;
            (inner.sync_takes, inner.unsynced.len())
        };
        // What is written meanwhile is not covered, as on a real disk.
        if !takes.is_zero() {
            std::thread::sleep(takes);
        }
        let inner = &mut *self.inner();
        inner.counts.syncs += 1;
        for batch in inner.unsynced.drain(..covered) {
            batch.iter().for_each(|write| apply(&mut inner.synced, write));
        }
        Ok(())
    }

    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.inner().current.get(&(tree, key.to_vec())).cloned())
    }

    fn scan(&self, tree: Tree, keys: &KeyRange, limit: usize) -> Result<Vec<Record>, StoreError> {
        let inner = self.inner();
        let from = Bound::Included((tree, keys.from.clone()));
        let of_tree = inner.current.range((from, Bound::Unbounded));
        let records = of_tree
            .take_while(|((of, key), _)| *of == tree && is_in(keys, key))
            .take(limit)
            .map(|((_, key), value)| Record { key: key.clone(), value: value.clone() });
        Ok(records.collect())
    }
}
