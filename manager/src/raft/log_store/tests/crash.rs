//! Power cuts at any write or sync, under many seeds: what was acknowledged survives, what was
//! not may vanish, and there is never a hole.

use super::*;
use crate::raft::snapshots::SnapshotStore;
use crate::raft::types::Peer;
use common::IdGen;
use openraft::SnapshotMeta;
use std::collections::BTreeMap;
use tokio::task::JoinSet;

const SEEDS: u64 = 300;
/// For a night of its own.
const SEEDS_VARIABLE: &str = "SKEP_CRASH_SEEDS";
const LIVES: usize = 5;

type Snapshot = (SnapshotMeta<NodeId, Peer>, Vec<u8>);

/// What the node was told, and what it has tried since.
#[derive(Default)]
struct Known {
    term: u64,
    vote: Option<Vote<NodeId>>,
    vote_tried: Option<Vote<NodeId>>,
    /// What must be found.
    entries: BTreeMap<u64, Entry<TypeConfig>>,
    /// What may be found, by term and index.
    tried: BTreeMap<(u64, u64), Entry<TypeConfig>>,
    purged: Option<LogId<NodeId>>,
    purged_tried: Option<LogId<NodeId>>,
    snapshot: Option<Snapshot>,
    snapshot_tried: Option<Snapshot>,
}

struct Node {
    chance: IdGen,
    known: Known,
    log: LogStore,
    snapshots: SnapshotStore,
}

/// The disk has failed, which is what was waited for.
struct Dead;

impl Node {
    /// Compares what the disk holds with what is known, and takes it for known from now on.
    async fn wake(store: Store, seed: u64, mut known: Known) -> Result<Node, (LogError, Known)> {
        let mut log = match LogStore::open(store.clone()) {
            Ok(log) => log,
            Err(error) => return Err((error, known)),
        };
        let snapshots = match SnapshotStore::open(store) {
            Ok(snapshots) => snapshots,
            Err(crate::raft::snapshots::SnapshotError::Store(error)) => {
                return Err((error.into(), known));
            }
            Err(error) => panic!("{error}"),
        };
        let vote = log.read_vote().await.unwrap();
        assert!(vote == known.vote || vote == known.vote_tried, "{vote:?}");
        (known.vote, known.vote_tried) = (vote, None);
        let snapshot = snapshots.load().unwrap();
        assert!(snapshot == known.snapshot || snapshot == known.snapshot_tried, "a lost snapshot");
        (known.snapshot, known.snapshot_tried) = (snapshot, None);
        known.check_log(&mut log).await;
        Ok(Node { chance: IdGen::from_seed(seed), known, log, snapshots })
    }

    async fn live(&mut self) -> Dead {
        loop {
            let done = match self.chance.below(12) {
                0 => self.vote().await,
                1 => self.truncate().await,
                2 => self.purge().await,
                3 => self.save_snapshot().await,
                4 => self.commit().await,
                _ => self.append().await,
            };
            if let Err(dead) = done {
                return dead;
            }
        }
    }

    async fn append(&mut self) -> Result<(), Dead> {
        let first = self.known.next_index();
        let count = 1 + self.chance.below(4);
        let sizes = [10, 500, 3_900, 4_200, 9_000];
        let entries: Vec<Entry<TypeConfig>> = (first..first + count)
            .map(|index| {
                let size = sizes[usize::try_from(self.chance.below(5)).unwrap()];
                entry(self.known.term, index, size)
            })
            .collect();
        let tried = entries.iter().map(|it| ((self.known.term, it.log_id.index), it.clone()));
        self.known.tried.extend(tried);
        self.log.blocking_append(entries.clone()).await.map_err(|_| Dead)?;
        self.known.entries.extend(entries.into_iter().map(|it| (it.log_id.index, it)));
        self.known.acknowledge();
        Ok(())
    }

    async fn vote(&mut self) -> Result<(), Dead> {
        self.known.term += 1;
        let vote = Vote::new(self.known.term, NodeId(1));
        self.known.vote_tried = Some(vote);
        self.log.save_vote(&vote).await.map_err(|_| Dead)?;
        self.known.vote = Some(vote);
        self.known.acknowledge();
        Ok(())
    }

    /// As after a change of leader: what follows has a higher term.
    async fn truncate(&mut self) -> Result<(), Dead> {
        let Some(last) = self.known.entries.keys().last().copied() else {
            return Ok(());
        };
        let since = last - self.chance.below(self.known.entries.len() as u64).min(3);
        let cut = self.known.entries.split_off(&since);
        self.known.term += 1;
        self.log.truncate(cut[&since].log_id).await.map_err(|_| Dead)?;
        assert!(indexes(&mut self.log, since..u64::MAX).await.is_empty());
        Ok(())
    }

    async fn purge(&mut self) -> Result<(), Dead> {
        let Some((first, _)) = self.known.entries.first_key_value() else {
            return Ok(());
        };
        let upto = first + self.chance.below(self.known.entries.len() as u64);
        let log_id = self.known.entries[&upto].log_id;
        self.known.entries = self.known.entries.split_off(&(upto + 1));
        self.known.purged_tried = Some(log_id);
        self.log.purge(log_id).await.map_err(|_| Dead)
    }

    async fn save_snapshot(&mut self) -> Result<(), Dead> {
        let last = self.known.snapshot.as_ref().and_then(|(meta, _)| meta.last_log_id);
        let index = last.map_or(0, |it| it.index + 1);
        let meta = SnapshotMeta {
            last_log_id: Some(log_id(self.known.term, index)),
            snapshot_id: index.to_string(),
            ..SnapshotMeta::default()
        };
        let bytes = usize::try_from(self.chance.below(20_000)).unwrap();
        let data: Vec<u8> = (0..bytes).map(|it| (it as u64 + index).to_le_bytes()[0]).collect();
        self.known.snapshot_tried = Some((meta.clone(), data.clone()));
        self.snapshots.save(meta.clone(), data.clone()).await.map_err(|_| Dead)?;
        self.known.snapshot = Some((meta, data));
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), Dead> {
        let committed = self.known.entries.values().next().map(|it| it.log_id);
        self.log.save_committed(committed.max(self.known.purged_tried)).await.map_err(|_| Dead)
    }
}

impl Known {
    fn next_index(&self) -> u64 {
        let purged = self.purged_tried.map_or(0, |it| it.index + 1);
        self.entries.keys().last().map_or(purged, |it| it + 1)
    }

    /// Whatever came before an acknowledged write is as durable as that.
    fn acknowledge(&mut self) {
        self.purged = self.purged_tried;
    }

    async fn check_log(&mut self, log: &mut LogStore) {
        let state = log.get_log_state().await.unwrap();
        let purged = state.last_purged_log_id;
        assert!(self.purged <= purged && purged <= self.purged_tried, "{purged:?}");
        let found = log.try_get_log_entries(..).await.unwrap();
        let begin = purged.map_or(0, |it| it.index + 1);
        for (index, entry) in (begin..).zip(&found) {
            assert_eq!(entry.log_id.index, index, "a hole");
            let tried = self.tried.get(&(entry.log_id.leader_id.term, index));
            assert_eq!(Some(entry), tried, "an entry that nobody wrote");
        }
        assert!(found.is_sorted_by_key(|it| it.log_id), "terms go back");
        assert_eq!(state.last_log_id, found.last().map(|it| it.log_id).max(purged));
        let found: BTreeMap<u64, Entry<TypeConfig>> =
            found.into_iter().map(|it| (it.log_id.index, it)).collect();
        for (index, entry) in &self.entries {
            assert_eq!(found.get(index), Some(entry), "acknowledged entry {index} is lost");
        }
        let committed = log.read_committed().await.unwrap();
        assert!(committed <= state.last_log_id, "{committed:?}");
        self.entries = found;
        (self.purged, self.purged_tried) = (purged, purged);
        // Truncated entries may have come back. In Raft, a new leader's entries end that.
        self.term += 1;
    }
}

async fn run(seed: u64) {
    let mut chance = IdGen::from_seed(seed);
    let mut disk = FakeDisk::new();
    let mut known = Known { term: 1, ..Known::default() };
    for _ in 0..LIVES {
        let (store, thread) = store_over(&disk);
        // Sometimes the power goes again while the last cut is being mended.
        let early = chance.below(4) == 0;
        if early {
            disk.fail_after(chance.below(3), Fault::PowerCut);
        }
        known = match Node::wake(store, chance.next_u64(), known).await {
            Ok(mut node) => {
                if !early {
                    disk.fail_after(chance.below(40), Fault::PowerCut);
                }
                let Dead = node.live().await;
                node.known
            }
            Err((LogError::Store(StoreError::Io { .. }), known)) if early => known,
            Err((error, _)) => panic!("{error}"),
        };
        thread.stop().await.unwrap();
        let loss = if chance.below(2) == 0 { Loss::Tail } else { Loss::Any };
        disk = disk.crashed(chance.next_u64(), loss);
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_power_cuts() {
    let seeds = std::env::var(SEEDS_VARIABLE).map_or(SEEDS, |it| it.parse().unwrap());
    for seed in 0..seeds {
        // A failed assertion names the seed that brings it back.
        let mut task = JoinSet::new();
        task.spawn(run(seed));
        assert!(matches!(task.join_next().await, Some(Ok(()))), "seed {seed}");
    }
}
