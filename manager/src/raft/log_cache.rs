//! The newest entries of the log, in memory: applying and replicating them needs no disk, and
//! what is not yet on the disk can be read. It also knows where the log begins and ends, for
//! the disk lags behind.

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

#[derive(Debug, Default)]
pub struct LogCache {
    /// Without a gap, up to the end of the log.
    entries: VecDeque<Cached>,
    bytes: usize,
    /// All indexes that the log has, cached or not.
    log: Range<u64>,
}

/// Where the entries of a range are.
#[derive(Debug)]
pub struct Located {
    /// These first.
    pub on_disk: Range<u64>,
    pub cached: Vec<Entry<TypeConfig>>,
}

impl LogCache {
    /// For a log that has no entries before `begin`.
    pub fn starting_at(begin: u64) -> LogCache {
        LogCache { log: begin..begin, ..LogCache::default() }
    }

    pub fn log(&self) -> Range<u64> {
        self.log.clone()
    }

    /// `bytes` is the size it has on the disk, which is near enough to that in memory.
    pub fn push(&mut self, entry: Entry<TypeConfig>, bytes: usize) {
        let index = entry.log_id.index;
        if self.log.is_empty() {
            self.log = index..index;
        }
        assert_eq!(index, self.log.end, "openraft appends without gaps");
        self.log.end += 1;
        self.bytes += bytes;
        self.entries.push_back(Cached { entry, bytes });
    }

    /// Lets go of the oldest, but never of what the disk does not hold yet: `durable_end` is
    /// the first index that is not durable.
    pub fn shrink(&mut self, durable_end: u64) {
        while self.bytes > BYTES_MAX && self.begin() < durable_end {
            self.pop_front();
        }
    }

    pub fn remove_from(&mut self, index: u64) {
        while self.begin() < self.log.end && index < self.log.end {
            if let Some(newest) = self.entries.pop_back() {
                self.bytes -= newest.bytes;
            }
            self.log.end -= 1;
        }
        self.log.end = self.log.end.min(index).max(self.log.start);
    }

    pub fn remove_below(&mut self, index: u64) {
        while self.begin() < self.log.end.min(index) {
            self.pop_front();
        }
        self.log.start = self.log.start.max(index);
        self.log.end = self.log.end.max(index);
    }

    /// Cached entries end where they pass `bytes_max`, but there is one at least.
    pub fn locate(&self, range: Range<u64>, bytes_max: usize) -> Located {
        let start = range.start.max(self.log.start);
        let end = range.end.min(self.log.end);
        let begin = self.begin();
        let skipped = usize::try_from(start.saturating_sub(begin)).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let mut cached = Vec::new();
        for it in self.entries.iter().skip(skipped) {
            bytes += it.bytes;
            let is_full = bytes > bytes_max && !cached.is_empty();
            if it.entry.log_id.index >= end || is_full {
                break;
            }
            cached.push(it.entry.clone());
        }
        Located { on_disk: start..begin.min(end).max(start), cached }
    }

    /// The first index it holds; the end of the log where it holds none.
    fn begin(&self) -> u64 {
        self.entries.front().map_or(self.log.end, |it| it.entry.log_id.index)
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

    /// Entries 5 to 14 of so many bytes each, shrunk with those before `durable_end` durable.
    fn cache(bytes_each: usize, durable_end: u64) -> LogCache {
        let mut cache = LogCache::starting_at(5);
        for index in 5..15 {
            cache.push(blank_ent::<TypeConfig>(1, NodeId(1), index), bytes_each);
        }
        cache.shrink(durable_end);
        cache
    }

    fn located(cache: &LogCache, range: Range<u64>, bytes_max: usize) -> (Range<u64>, Vec<u64>) {
        let located = cache.locate(range, bytes_max);
        (located.on_disk, located.cached.iter().map(|it| it.log_id.index).collect())
    }

    #[test]
    fn it_finds_what_it_holds_and_names_what_it_does_not() {
        let quarter = BYTES_MAX / 4;
        type Case = (Range<u64>, usize, Range<u64>, Vec<u64>);
        let cases: [Case; 8] = [
            (11..15, usize::MAX, 11..11, (11..15).collect()),
            (0..99, usize::MAX, 5..11, (11..15).collect()),
            (0..7, usize::MAX, 5..7, vec![]),
            (8..12, usize::MAX, 8..11, vec![11]),
            (13..99, usize::MAX, 13..13, vec![13, 14]),
            (15..99, usize::MAX, 15..15, vec![]),
            (11..15, 2 * quarter, 11..11, vec![11, 12]),
            (11..15, 1, 11..11, vec![11]),
        ];
        let cache = cache(quarter, 15);
        for (range, bytes_max, on_disk, cached) in cases {
            let found = located(&cache, range.clone(), bytes_max);
            assert_eq!(found, (on_disk, cached), "{range:?}");
        }
    }

    #[test]
    fn it_shrinks_to_its_bound_but_keeps_what_is_not_durable() {
        let quarter = BYTES_MAX / 4;
        let cases = [
            (10, 15, 5),
            (quarter, 15, 11),
            (quarter, 8, 8),
            (quarter, 0, 5),
            (4 * quarter, 15, 14),
        ];
        for (bytes_each, durable_end, begin) in cases {
            assert_eq!(cache(bytes_each, durable_end).begin(), begin, "{bytes_each} {durable_end}");
        }
    }

    #[test]
    fn it_is_cut_at_both_ends() {
        let quarter = BYTES_MAX / 4;
        type Cut = fn(&mut LogCache);
        let cases: [(&str, Cut, Range<u64>, Vec<u64>); 7] = [
            ("behind", |it| it.remove_from(13), 5..13, vec![11, 12]),
            ("behind, on disk", |it| it.remove_from(8), 5..8, vec![]),
            ("behind, all", |it| it.remove_from(2), 5..5, vec![]),
            ("behind, none", |it| it.remove_from(15), 5..15, vec![11, 12, 13, 14]),
            ("before", |it| it.remove_below(13), 13..15, vec![13, 14]),
            ("before, on disk", |it| it.remove_below(8), 8..15, vec![11, 12, 13, 14]),
            ("before, all and more", |it| it.remove_below(99), 99..99, vec![]),
        ];
        for (name, cut, log, cached) in cases {
            let mut cache = cache(quarter, 15);
            cut(&mut cache);
            assert_eq!(cache.log(), log, "{name}");
            assert_eq!(located(&cache, 0..u64::MAX, usize::MAX).1, cached, "{name}");
            assert_eq!(cache.bytes, cached.len() * quarter, "{name}");
            let next = cache.log().end;
            cache.push(blank_ent::<TypeConfig>(2, NodeId(1), next), 1);
            assert_eq!(cache.log().end, next + 1, "{name}");
        }
    }
}
