//! What a workload tried, what it was told had happened, and what must therefore be found after
//! any power cut.

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Values of others in the same database, which share the log's batches.
pub(super) const COUNTERS: usize = 2;

/// A place in the log. Its content follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) term: u64,
    pub(super) index: u64,
}

/// Written before something is tried and after it was acknowledged.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Note {
    Found(Found),
    VoteTried(u64),
    VoteDone(u64),
    AppendTried { first: Place, count: u64 },
    AppendDone { first: Place, count: u64 },
    TruncateTried(u64),
    PurgeTried(Place),
    SnapshotTried(Place),
    SnapshotDone(Place),
    CounterTried { counter: usize, value: u64 },
    CounterDone { counter: usize, value: u64 },
}

/// What a disk holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Found {
    pub(super) vote: Option<u64>,
    pub(super) purged: Option<Place>,
    pub(super) entries: Vec<Place>,
    pub(super) committed: Option<Place>,
    pub(super) snapshot: Option<Place>,
    pub(super) counters: [u64; COUNTERS],
}

/// The first is what must be there at least, the second what may be.
type Bounds<T> = (T, T);

#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    vote: Bounds<Option<u64>>,
    purged: Bounds<Option<Place>>,
    snapshot: Bounds<Option<Place>>,
    counters: [Bounds<u64>; COUNTERS],
    /// Terms by index: what must be found.
    entries: BTreeMap<u64, u64>,
    /// What may be found.
    tried: BTreeSet<Place>,
}

impl Known {
    pub(super) fn learn(&mut self, note: &Note) {
        match note {
            Note::Found(found) => self.take(found),
            Note::VoteTried(term) => self.vote.1 = Some(*term),
            Note::VoteDone(term) => {
                self.vote.0 = Some(*term);
                self.acknowledge();
            }
            Note::AppendTried { first, count } => self.tried.extend(places(*first, *count)),
            Note::AppendDone { first, count } => {
                let places = places(*first, *count);
                self.entries.extend(places.map(|it| (it.index, it.term)));
                self.acknowledge();
            }
            Note::TruncateTried(since) => drop(self.entries.split_off(since)),
            Note::PurgeTried(upto) => {
                self.entries = self.entries.split_off(&(upto.index + 1));
                self.purged.1 = Some(*upto);
            }
            Note::SnapshotTried(place) => self.snapshot.1 = Some(*place),
            Note::SnapshotDone(place) => self.snapshot.0 = Some(*place),
            Note::CounterTried { counter, value } => self.counters[*counter].1 = *value,
            Note::CounterDone { counter, value } => self.counters[*counter].0 = *value,
        }
    }

    /// Whatever the log was told before an acknowledged write is as durable as that.
    fn acknowledge(&mut self) {
        self.purged.0 = self.purged.1;
    }

    /// A new life goes on from what it finds.
    fn take(&mut self, found: &Found) {
        self.vote = (found.vote, found.vote);
        self.purged = (found.purged, found.purged);
        self.snapshot = (found.snapshot, found.snapshot);
        self.counters = found.counters.map(|it| (it, it));
        self.entries = found.entries.iter().map(|it| (it.index, it.term)).collect();
    }

    pub(super) fn check(&self, found: &Found) -> anyhow::Result<()> {
        let is_bound = |it, (least, most)| it == least || it == most;
        ensure!(is_bound(found.vote, self.vote), "vote {:?}: {:?}", found.vote, self.vote);
        let is_snapshot = found.snapshot == self.snapshot.0 || found.snapshot == self.snapshot.1;
        ensure!(is_snapshot, "snapshot {:?}: {:?}", found.snapshot, self.snapshot);
        for (value, (least, most)) in found.counters.iter().zip(&self.counters) {
            ensure!(least <= value && value <= most, "counter at {value}: {least} to {most}");
        }
        let (least, most) = self.purged;
        ensure!(least <= found.purged && found.purged <= most, "{:?} purged", found.purged);
        self.check_entries(found)
    }

    fn check_entries(&self, found: &Found) -> anyhow::Result<()> {
        let begin = found.purged.map_or(0, |it| it.index + 1);
        for (index, place) in (begin..).zip(&found.entries) {
            ensure!(place.index == index, "a hole before {place:?}: {index} is missing");
            ensure!(self.tried.contains(place), "{place:?} was never written");
        }
        ensure!(found.entries.is_sorted_by_key(|it| it.term), "terms go back");
        let by_index: BTreeMap<u64, u64> =
            found.entries.iter().map(|it| (it.index, it.term)).collect();
        for (index, term) in &self.entries {
            let term_found = by_index.get(index);
            ensure!(
                term_found == Some(term),
                "acknowledged entry {index} of term {term} is lost: {term_found:?}"
            );
        }
        let last = found.entries.last().copied().or(found.purged);
        ensure!(found.committed <= last, "{:?} committed, {last:?} the last", found.committed);
        Ok(())
    }
}

fn places(first: Place, count: u64) -> impl Iterator<Item = Place> {
    (first.index..first.index + count).map(move |index| Place { term: first.term, index })
}
