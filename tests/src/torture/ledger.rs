//! What was promised: every write that was acknowledged, and those of which nobody knows.
//!
//! Each thing that is written goes through numbered stages and only upwards, by one writer, which
//! waits for an answer before it goes on. So what a cluster shows of a thing must lie between the
//! last stage that was acknowledged and the last that was tried, and to compare two numbers finds
//! every loss, at any time, without stopping the writers.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A service's stages are its replicas, with nothing before and this after them.
pub(super) const REMOVED: u32 = u32::MAX;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Promise {
    pub acknowledged: u32,
    pub attempted: u32,
}

#[derive(Debug, Clone, Default)]
struct Inner {
    services: BTreeMap<String, Promise>,
    labels: BTreeMap<String, Promise>,
    counts: Counts,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub acknowledged: u64,
    /// Not answered, or refused: done or not.
    pub doubtful: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Service,
    Label,
}

/// Shared by writers and whoever checks. The mutex is never held across a question.
#[derive(Debug, Default)]
pub struct Ledger {
    inner: Mutex<Inner>,
}

impl Ledger {
    /// To be called before the write is sent.
    pub(super) fn attempt(&self, kind: Kind, name: &str, stage: u32) {
        let mut inner = self.inner();
        let promise = inner.of(kind).entry(name.to_owned()).or_default();
        assert!(promise.attempted <= stage, "stages of {name} only rise");
        promise.attempted = stage;
    }

    pub(super) fn acknowledge(&self, kind: Kind, name: &str, stage: u32) {
        let mut inner = self.inner();
        inner.of(kind).entry(name.to_owned()).or_default().acknowledged = stage;
        inner.counts.acknowledged += 1;
    }

    pub fn doubt(&self) {
        self.inner().counts.doubtful += 1;
    }

    pub fn counts(&self) -> Counts {
        self.inner().counts
    }

    /// Of a thing that is written by the caller only.
    pub(super) fn promise(&self, kind: Kind, name: &str) -> Promise {
        self.inner().of(kind).get(name).copied().unwrap_or_default()
    }

    /// Compares what is promised with what `look` finds, which is asked in between: what was
    /// acknowledged before must be there, and what was never tried until now must not.
    pub(super) fn check<E>(
        &self,
        kind: Kind,
        look: impl FnOnce() -> Result<BTreeMap<String, u32>, E>,
    ) -> Result<Vec<String>, E> {
        let before = self.inner().of(kind).clone();
        let found = look()?;
        let after = self.inner().of(kind).clone();
        Ok(compare(&before, &found, &after))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A writer that panicked has failed the test; what it noted down still holds.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn of(&mut self, kind: Kind) -> &mut BTreeMap<String, Promise> {
        match kind {
            Kind::Service => &mut self.services,
            Kind::Label => &mut self.labels,
        }
    }
}

fn compare(
    before: &BTreeMap<String, Promise>,
    found: &BTreeMap<String, u32>,
    after: &BTreeMap<String, Promise>,
) -> Vec<String> {
    let mut broken = Vec::new();
    for (name, promise) in before {
        let acknowledged = promise.acknowledged;
        let attempted = after.get(name).map_or(promise.attempted, |it| it.attempted);
        let is_kept = match found.get(name) {
            // A removed one comes back by a loss only.
            Some(_) if acknowledged == REMOVED => false,
            Some(stage) => (acknowledged..=attempted).contains(stage),
            None => acknowledged == 0 || attempted == REMOVED,
        };
        if !is_kept {
            let found = found.get(name);
            broken.push(format!("{name}: {acknowledged}..={attempted} promised, found {found:?}"));
        }
    }
    let unknown = found.keys().filter(|it| !after.contains_key(*it));
    broken.extend(unknown.map(|name| format!("{name}: nobody asked for it")));
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_a_promise() {
        let promise = |acknowledged, attempted| Promise { acknowledged, attempted };
        let cases = [
            (promise(0, 1), None, true),
            (promise(0, 1), Some(1), true),
            (promise(1, 2), Some(1), true),
            (promise(1, 2), Some(2), true),
            (promise(1, 2), None, false),
            (promise(2, 2), Some(1), false),
            (promise(2, 2), Some(3), false),
            (promise(2, REMOVED), None, true),
            (promise(2, REMOVED), Some(2), true),
            (promise(2, REMOVED), Some(1), false),
            (promise(REMOVED, REMOVED), None, true),
            (promise(REMOVED, REMOVED), Some(2), false),
        ];
        for (promise, stage, is_kept) in cases {
            let promises = BTreeMap::from([("a".to_owned(), promise)]);
            let found = stage.map(|it| ("a".to_owned(), it)).into_iter().collect();
            let broken = compare(&promises, &found, &promises);
            assert_eq!(broken.is_empty(), is_kept, "{promise:?} {stage:?}: {broken:?}");
        }
        let found = BTreeMap::from([("b".to_owned(), 1)]);
        assert_eq!(compare(&BTreeMap::new(), &found, &BTreeMap::new()).len(), 1);
    }
}
