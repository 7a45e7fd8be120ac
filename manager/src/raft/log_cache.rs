//! The newest entries of the log, in memory: applying and replicating them needs no disk, and
//! what is not yet on the disk can be read.

use super::types::TypeConfig;
use openraft::Entry;
use std::collections::VecDeque;
use std::ops::Range;

/// What it holds at most of entries that can be read from the disk as well.
const BYTES_MAX: usize = 1 << 20;

#[derive(Debug)]
struct Cached {
    entry: Entry<TypeConfig>,
    bytes: usize,
}

/// Entries without a gap, up to the end of the log.
#[derive(Debug, Default)]
pub struct LogCache {
    entries: VecDeque<Cached>,
    bytes: usize,
}

impl LogCache {
    /// `bytes` is the size it has on the disk, which is near enough to that in memory.
    pub fn push(&mut self, entry: Entry<TypeConfig>, bytes: usize) {
        if let Some(newest) = self.entries.back() {
            let expected = newest.entry.log_id.index + 1;
            assert_eq!(entry.log_id.index, expected, "openraft appends without gaps");
        }
        self.bytes += bytes;
        self.entries.push_back(Cached { entry, bytes });
    }

    /// Lets go of the oldest, but never of what the disk does not hold yet: `durable` is the
    /// first index that is not durable.
    pub fn shrink(&mut self, durable: u64) {
        while self.bytes > BYTES_MAX
            && let Some(oldest) = self.entries.front()
            && oldest.entry.log_id.index < durable
        {
            self.pop_front();
        }
    }

    pub fn remove_from(&mut self, index: u64) {
        while let Some(newest) = self.entries.back()
            && newest.entry.log_id.index >= index
        {
            self.bytes -= newest.bytes;
            self.entries.pop_back();
        }
    }

    pub fn remove_below(&mut self, index: u64) {
        while let Some(oldest) = self.entries.front()
            && oldest.entry.log_id.index < index
        {
            self.pop_front();
        }
    }

    /// The first index it holds; everything after it is here as well.
    pub fn begin(&self) -> Option<u64> {
        self.entries.front().map(|it| it.entry.log_id.index)
    }

    /// What it holds of the range, oldest first, up to `bytes_max` but one entry at least.
    pub fn read(&self, range: Range<u64>, bytes_max: usize) -> Vec<Entry<TypeConfig>> {
        let Some(begin) = self.begin() else { return Vec::new() };
        let skipped = usize::try_from(range.start.saturating_sub(begin)).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let mut found = Vec::new();
        for cached in self.entries.iter().skip(skipped) {
            bytes += cached.bytes;
            let is_full = bytes > bytes_max && !found.is_empty();
            if cached.entry.log_id.index >= range.end || is_full {
                break;
            }
            found.push(cached.entry.clone());
        }
        found
    }

    fn pop_front(&mut self) {
        if let Some(oldest) = self.entries.pop_front() {
            self.bytes -= oldest.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::NodeId;
    use openraft::testing::blank_ent;

    /// Entries 5 to 14 of so many bytes each, shrunk with so many of them durable.
    fn cache(bytes_each: usize, durable: u64) -> LogCache {
        let mut cache = LogCache::default();
        for index in 5..15 {
            cache.push(blank_ent::<TypeConfig>(1, NodeId(1), index), bytes_each);
        }
        cache.shrink(durable);
        cache
    }

    fn indexes(cache: &LogCache, range: Range<u64>, bytes_max: usize) -> Vec<u64> {
        cache.read(range, bytes_max).iter().map(|it| it.log_id.index).collect()
    }

    #[test]
    fn it_reads_what_it_holds() {
        let cases: [(Range<u64>, usize, Vec<u64>); 8] = [
            (5..15, 1_000, (5..15).collect()),
            (0..7, 1_000, vec![5, 6]),
            (8..10, 1_000, vec![8, 9]),
            (13..99, 1_000, vec![13, 14]),
            (15..99, 1_000, vec![]),
            (9..9, 1_000, vec![]),
            (6..15, 25, vec![6, 7]),
            (6..15, 1, vec![6]),
        ];
        let cache = cache(10, 15);
        for (range, bytes_max, expected) in cases {
            assert_eq!(indexes(&cache, range.clone(), bytes_max), expected, "{range:?}");
        }
    }

    #[test]
    fn it_shrinks_to_its_bound_but_keeps_what_is_not_durable() {
        let quarter = BYTES_MAX / 4;
        let cases = [(10, 15, 5), (quarter, 15, 11), (quarter, 8, 8), (quarter, 0, 5)];
        for (bytes_each, durable, begin) in cases {
            assert_eq!(cache(bytes_each, durable).begin(), Some(begin), "{bytes_each} {durable}");
        }
    }

    #[test]
    fn it_is_cut_at_both_ends() {
        let mut cache = cache(10, 15);
        cache.remove_from(12);
        cache.remove_below(7);
        assert_eq!(indexes(&cache, 0..99, 1_000), [7, 8, 9, 10, 11]);
        assert_eq!(cache.bytes, 50);
        cache.remove_below(99);
        assert_eq!((cache.begin(), cache.bytes), (None, 0));
    }
}
