//! What runs in the process whose power is cut: the real log, snapshots and values of others on
//! the real store, as a manager has them.

use super::journal;
use super::notes::{COUNTERS, Found, Known, Note, Place};
use anyhow::{Context, bail};
use common::{IdGen, NodeId};
use manager::raft::log_store::{LogError, LogStore};
use manager::raft::snapshots::{SnapshotError, SnapshotStore};
use manager::raft::types::{Command, TypeConfig};
use openraft::storage::{RaftLogStorage as _, RaftLogStorageExt as _};
use openraft::{
    CommittedLeaderId, Entry, EntryPayload, LogId, RaftLogReader as _, SnapshotMeta, Vote,
};
use shell::store::{Store, StoreError, Tree};
use std::path::{Path, PathBuf};
use tokio::sync::watch;

/// Of the log; the others keep its pace.
const OPERATIONS: u64 = 300;
/// From one snapshot to the next.
const SNAPSHOT_OPERATIONS: u64 = 15;

/// How a node finds its disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    Sound,
    /// What was acknowledged is not there, or what nobody wrote is.
    Lost(String),
    /// The store calls itself damaged.
    Refused(String),
}

impl Finding {
    /// What a process ends with to say so; the text goes to its standard error.
    pub fn code(&self) -> u8 {
        match self {
            Finding::Sound => 0,
            Finding::Lost(_) => 10,
            Finding::Refused(_) => 11,
        }
    }

    pub(super) fn from_code(code: Option<i32>, text: String) -> anyhow::Result<Finding> {
        match code {
            Some(0) => Ok(Finding::Sound),
            Some(10) => Ok(Finding::Lost(text)),
            Some(11) => Ok(Finding::Refused(text)),
            _ => bail!("diskload ended with {code:?}: {text}"),
        }
    }
}

/// Opens, checks, and works until the operations are done.
pub fn live(folder: &Path, past: &Path, seed: u64) -> anyhow::Result<Finding> {
    run(folder, past, Some(seed))
}

pub fn check(folder: &Path, past: &Path) -> anyhow::Result<Finding> {
    run(folder, past, None)
}

fn run(folder: &Path, past: &Path, seed: Option<u64>) -> anyhow::Result<Finding> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let known = read_past(past)?;
        let (store, thread) = match Store::open(folder) {
            Ok(opened) => opened,
            Err(error) => return Ok(refused(&error)),
        };
        let finding = match wake(store).await {
            Ok((node, found)) => match known.check(&found) {
                Ok(()) => {
                    if let Some(seed) = seed {
                        node.live(seed, found).await?;
                    }
                    Finding::Sound
                }
                Err(error) => Finding::Lost(error.to_string()),
            },
            Err(refusal) => refusal,
        };
        thread.stop().await?;
        Ok(finding)
    })
}

fn read_past(path: &Path) -> anyhow::Result<Known> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let mut known = Known::default();
    for line in text.lines() {
        known.learn(&serde_json::from_str(line)?);
    }
    Ok(known)
}

fn refused(error: &dyn std::error::Error) -> Finding {
    Finding::Refused(error.to_string())
}

struct Node {
    store: Store,
    log: LogStore,
    snapshots: SnapshotStore,
}

async fn wake(store: Store) -> Result<(Node, Found), Finding> {
    let log = LogStore::open(store.clone()).map_err(|it: LogError| refused(&it))?;
    let snapshots = SnapshotStore::open(store.clone()).map_err(|it: SnapshotError| refused(&it))?;
    let mut node = Node { store, log, snapshots };
    let found = node.look().await?;
    Ok((node, found))
}

impl Node {
    async fn look(&mut self) -> Result<Found, Finding> {
        let log = &mut self.log;
        let state = log.get_log_state().await.map_err(|it| refused(&it))?;
        let entries = log.try_get_log_entries(..).await.map_err(|it| refused(&it))?;
        for found in &entries {
            let place = place(found.log_id);
            if *found != entry(place) {
                return Err(Finding::Lost(format!("{place:?} has another content")));
            }
        }
        let vote = log.read_vote().await.map_err(|it| refused(&it))?;
        let committed = log.read_committed().await.map_err(|it| refused(&it))?;
        let mut counters = [0; COUNTERS];
        for (counter, value) in counters.iter_mut().enumerate() {
            *value = self.read_counter(counter).map_err(|it| refused(&it))?;
        }
        Ok(Found {
            vote: vote.map(|it| it.leader_id().term),
            purged: state.last_purged_log_id.map(place),
            entries: entries.iter().map(|it| place(it.log_id)).collect(),
            committed: committed.map(place),
            snapshot: self.read_snapshot()?,
            counters,
        })
    }

    fn read_snapshot(&self) -> Result<Option<Place>, Finding> {
        let Some((meta, data)) = self.snapshots.load().map_err(|it| refused(&it))? else {
            return Ok(None);
        };
        let Some(of) = meta.last_log_id.map(place) else {
            return Err(Finding::Lost("a snapshot of nothing".to_owned()));
        };
        if data != snapshot(of) {
            return Err(Finding::Lost(format!("the snapshot of {of:?} has another content")));
        }
        Ok(Some(of))
    }

    fn read_counter(&self, counter: usize) -> Result<u64, StoreError> {
        let found: Option<(u64, Vec<u8>)> =
            self.store.read(Tree::RaftState, counter_key(counter))?;
        Ok(found.map_or(0, |(value, _)| value))
    }

    async fn live(self, seed: u64, found: Found) -> anyhow::Result<()> {
        let journal = std::env::var_os("SKEP_SHIM_JOURNAL").context("no journal is kept")?;
        let notes = Notes { journal: journal.into() };
        notes.write(&Note::Found(found.clone()))?;
        let beat = watch::Sender::new(0_u64);
        let (snapshots, store) = (self.snapshots, self.store);
        let mut others = IdGen::from_seed(seed ^ 1);
        let saver = save_snapshots(&notes, &snapshots, &found, beat.subscribe());
        let [first, second] = [0, 1].map(|counter| {
            let chance = IdGen::from_seed(others.next_u64());
            count(&notes, &store, (counter, found.counters[counter]), chance, beat.subscribe())
        });
        let log = LogLife::new(seed, &notes, self.log, &found).run(beat);
        tokio::try_join!(log, saver, first, second)?;
        Ok(())
    }
}

struct Notes {
    journal: PathBuf,
}

impl Notes {
    fn write(&self, note: &Note) -> anyhow::Result<()> {
        journal::append(&self.journal, note)
    }
}

/// What openraft does with a log, in any order.
struct LogLife<'a> {
    chance: IdGen,
    notes: &'a Notes,
    log: LogStore,
    /// How often many entries come at once, as to a follower that was away.
    catching_up_one_in: u64,
    term: u64,
    purged: Option<Place>,
    entries: std::collections::VecDeque<Place>,
}

impl LogLife<'_> {
    fn new<'a>(seed: u64, notes: &'a Notes, log: LogStore, found: &Found) -> LogLife<'a> {
        let last = found.entries.last().or(found.purged.as_ref());
        let term = found.vote.max(last.map(|it| it.term)).unwrap_or(0);
        let entries = found.entries.iter().copied().collect();
        let mut chance = IdGen::from_seed(seed);
        let catching_up_one_in = [12, 12, 2][chance.below(3) as usize];
        LogLife { chance, notes, log, catching_up_one_in, term, purged: found.purged, entries }
    }

    /// Ends the others' lives with its own.
    async fn run(mut self, beat: watch::Sender<u64>) -> anyhow::Result<()> {
        self.vote().await?;
        for operation in 0..OPERATIONS {
            match self.chance.below(12) {
                0 => self.vote().await?,
                1 => self.truncate().await?,
                2 => self.purge().await?,
                3 => self.commit().await?,
                _ => self.append().await?,
            }
            beat.send_replace(operation);
        }
        Ok(())
    }

    async fn vote(&mut self) -> anyhow::Result<()> {
        self.term += 1;
        self.notes.write(&Note::VoteTried(self.term))?;
        self.log.save_vote(&Vote::new(self.term, NodeId(1))).await?;
        self.notes.write(&Note::VoteDone(self.term))
    }

    async fn append(&mut self) -> anyhow::Result<()> {
        let last = self.entries.back().or(self.purged.as_ref());
        let first = Place { term: self.term, index: last.map_or(0, |it| it.index + 1) };
        let count = match self.chance.below(self.catching_up_one_in) {
            0 => 30 + self.chance.below(250),
            _ => 1 + self.chance.below(4),
        };
        self.notes.write(&Note::AppendTried { first, count })?;
        let places = (first.index..first.index + count).map(|index| Place { index, ..first });
        self.log.blocking_append(places.clone().map(entry)).await?;
        self.entries.extend(places);
        self.notes.write(&Note::AppendDone { first, count })
    }

    /// As after a change of leader: what follows has a higher term.
    async fn truncate(&mut self) -> anyhow::Result<()> {
        self.vote().await?;
        let cut = self.chance.below(4).min(self.entries.len() as u64);
        let left = self.entries.len() - usize::try_from(cut)?;
        let Some(since) = self.entries.get(left).copied() else {
            return Ok(());
        };
        self.entries.truncate(left);
        self.notes.write(&Note::TruncateTried(since.index))?;
        Ok(self.log.truncate(log_id(since)).await?)
    }

    async fn purge(&mut self) -> anyhow::Result<()> {
        let count = self.chance.below(self.entries.len() as u64 + 1);
        let Some(upto) = self.entries.drain(..usize::try_from(count)?).next_back() else {
            return Ok(());
        };
        self.purged = Some(upto);
        self.notes.write(&Note::PurgeTried(upto))?;
        Ok(self.log.purge(log_id(upto)).await?)
    }

    async fn commit(&mut self) -> anyhow::Result<()> {
        let committed = self.entries.front().or(self.purged.as_ref());
        Ok(self.log.save_committed(committed.copied().map(log_id)).await?)
    }
}

async fn save_snapshots(
    notes: &Notes,
    snapshots: &SnapshotStore,
    found: &Found,
    mut beat: watch::Receiver<u64>,
) -> anyhow::Result<()> {
    let mut next = found.snapshot.map_or(0, |it| it.index + 1);
    loop {
        let due = *beat.borrow() + SNAPSHOT_OPERATIONS;
        if beat.wait_for(|it| *it >= due).await.is_err() {
            return Ok(());
        }
        let of = Place { term: 1, index: next };
        let meta = SnapshotMeta {
            last_log_id: Some(log_id(of)),
            snapshot_id: next.to_string(),
            ..SnapshotMeta::default()
        };
        notes.write(&Note::SnapshotTried(of))?;
        snapshots.save(meta, snapshot(of)).await?;
        notes.write(&Note::SnapshotDone(of))?;
        next += 1;
    }
}

async fn count(
    notes: &Notes,
    store: &Store,
    (counter, mut value): (usize, u64),
    mut chance: IdGen,
    mut beat: watch::Receiver<u64>,
) -> anyhow::Result<()> {
    while beat.changed().await.is_ok() {
        value += 1;
        let filler = vec![0_u8; usize::try_from(chance.below(3_000))?];
        let put = store.put(Tree::RaftState, counter_key(counter).to_vec(), &(value, filler))?;
        notes.write(&Note::CounterTried { counter, value })?;
        store.write(vec![put]).await?;
        notes.write(&Note::CounterDone { counter, value })?;
    }
    Ok(())
}

fn counter_key(counter: usize) -> &'static [u8] {
    [b"first".as_slice(), b"second"][counter]
}

fn log_id(place: Place) -> LogId<NodeId> {
    LogId::new(CommittedLeaderId::new(place.term, NodeId(1)), place.index)
}

fn place(log_id: LogId<NodeId>) -> Place {
    Place { term: log_id.leader_id.term, index: log_id.index }
}

/// Content and size follow from the place, so that notes are short.
fn entry(place: Place) -> Entry<TypeConfig> {
    let mut chance = chance_of(place);
    let bytes = [10, 500, 3_900, 4_200, 9_000][chance.below(5) as usize];
    let command = Command::from(noise(&mut chance, bytes));
    Entry { log_id: log_id(place), payload: EntryPayload::Normal(command) }
}

/// A few are large.
fn snapshot(place: Place) -> Vec<u8> {
    let mut chance = chance_of(place);
    let bytes_max = [20_000, 20_000, 100_000, 1_000_000][chance.below(4) as usize];
    let bytes = chance.below(bytes_max);
    noise(&mut chance, bytes)
}

fn chance_of(place: Place) -> IdGen {
    IdGen::from_seed(place.term << 40 ^ place.index)
}

fn noise(chance: &mut IdGen, bytes: u64) -> Vec<u8> {
    (0..bytes).map(|_| chance.next_u64().to_le_bytes()[0]).collect()
}
