//! openraft's own test suite. It wants node IDs made from numbers, so it runs with types of its
//! own, translated to ours by way of their common encoding.

use super::*;
use crate::raft::runtime::Runtime;
use crate::raft::snapshots::SnapshotStore;
use crate::raft::types::{Answer, Peer};
use openraft::storage::RaftStateMachine;
use openraft::testing::{StoreBuilder, Suite};
use openraft::{RaftSnapshotBuilder, Snapshot, SnapshotMeta, StoredMembership};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shell::store::{Disk, SledDisk};
use std::io::Cursor;

openraft::declare_raft_types!(
    pub SuiteTypes:
        D = Command,
        R = Answer,
        NodeId = u64,
        Node = Peer,
        Entry = Entry<SuiteTypes>,
        SnapshotData = Cursor<Vec<u8>>,
        AsyncRuntime = Runtime,
);

type Failure = StorageError<u64>;

fn translate<A: Serialize, B: DeserializeOwned>(value: &A) -> B {
    shell::codec::decode(&shell::codec::encode(value).unwrap()).unwrap()
}

#[expect(clippy::result_large_err, reason = "openraft's own error has this size")]
fn answer<A: Serialize, B: DeserializeOwned>(
    result: Result<A, StorageError<NodeId>>,
) -> Result<B, Failure> {
    result.map(|it| translate(&it)).map_err(|error| translate(&error))
}

struct SuiteLog(LogStore);
struct SuiteReader(LogReader);

impl RaftLogReader<SuiteTypes> for SuiteReader {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry<SuiteTypes>>, Failure> {
        answer(self.0.try_get_log_entries(range).await)
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry<SuiteTypes>>, Failure> {
        answer(self.0.limited_get_log_entries(start, end).await)
    }
}

impl RaftLogReader<SuiteTypes> for SuiteLog {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry<SuiteTypes>>, Failure> {
        answer(self.0.try_get_log_entries(range).await)
    }
}

impl RaftLogStorage<SuiteTypes> for SuiteLog {
    type LogReader = SuiteReader;

    async fn get_log_state(&mut self) -> Result<LogState<SuiteTypes>, Failure> {
        let state = self.0.get_log_state().await.map_err(|it| translate::<_, Failure>(&it))?;
        Ok(LogState {
            last_purged_log_id: translate(&state.last_purged_log_id),
            last_log_id: translate(&state.last_log_id),
        })
    }

    async fn get_log_reader(&mut self) -> SuiteReader {
        SuiteReader(self.0.get_log_reader().await)
    }

    async fn save_vote(&mut self, vote: &Vote<u64>) -> Result<(), Failure> {
        answer(self.0.save_vote(&translate(vote)).await)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<u64>>, Failure> {
        answer(self.0.read_vote().await)
    }

    async fn save_committed(&mut self, committed: Option<LogId<u64>>) -> Result<(), Failure> {
        answer(self.0.save_committed(translate(&committed)).await)
    }

    async fn read_committed(&mut self) -> Result<Option<LogId<u64>>, Failure> {
        answer(self.0.read_committed().await)
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: LogFlushed<SuiteTypes>,
    ) -> Result<(), Failure>
    where
        I: IntoIterator<Item = Entry<SuiteTypes>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry<TypeConfig>> =
            entries.into_iter().map(|it| translate(&it)).collect();
        let appended: Result<(), Failure> = answer(self.0.blocking_append(entries).await);
        callback.log_io_completed(Ok(()));
        appended
    }

    async fn truncate(&mut self, log_id: LogId<u64>) -> Result<(), Failure> {
        answer(self.0.truncate(translate(&log_id)).await)
    }

    async fn purge(&mut self, log_id: LogId<u64>) -> Result<(), Failure> {
        answer(self.0.purge(translate(&log_id)).await)
    }
}

/// Its state is what it has applied, and nothing else.
#[derive(Clone)]
struct Machine {
    applied: Option<LogId<u64>>,
    membership: StoredMembership<u64, Peer>,
    snapshots: SnapshotStore,
}

impl RaftSnapshotBuilder<SuiteTypes> for Machine {
    async fn build_snapshot(&mut self) -> Result<Snapshot<SuiteTypes>, Failure> {
        let data = shell::codec::encode(&self.applied).unwrap();
        let meta = SnapshotMeta {
            last_log_id: self.applied,
            last_membership: self.membership.clone(),
            snapshot_id: "built".to_owned(),
        };
        self.snapshots.save(translate(&meta), data.clone()).await.unwrap();
        Ok(Snapshot { meta, snapshot: Box::new(Cursor::new(data)) })
    }
}

impl RaftStateMachine<SuiteTypes> for Machine {
    type SnapshotBuilder = Machine;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogId<u64>>, StoredMembership<u64, Peer>), Failure> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Answer>, Failure>
    where
        I: IntoIterator<Item = Entry<SuiteTypes>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let apply = |entry: Entry<SuiteTypes>| {
            self.applied = Some(entry.log_id);
            if let EntryPayload::Membership(membership) = entry.payload {
                self.membership = StoredMembership::new(Some(entry.log_id), membership);
            }
            Answer::default()
        };
        Ok(entries.into_iter().map(apply).collect())
    }

    async fn get_snapshot_builder(&mut self) -> Machine {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, Failure> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta<u64, Peer>,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), Failure> {
        let data = snapshot.into_inner();
        self.applied = shell::codec::decode(&data).unwrap();
        self.membership = meta.last_membership.clone();
        self.snapshots.save(translate(meta), data).await.unwrap();
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<SuiteTypes>>, Failure> {
        let stored = self.snapshots.load().unwrap();
        Ok(stored.map(|(meta, data)| Snapshot {
            meta: translate(&meta),
            snapshot: Box::new(Cursor::new(data)),
        }))
    }
}

enum Kind {
    Fake,
    Sled,
}

struct Builder(Kind);

impl StoreBuilder<SuiteTypes, SuiteLog, Machine, (WriterThread, tempfile::TempDir)> for Builder {
    async fn build(
        &self,
    ) -> Result<((WriterThread, tempfile::TempDir), SuiteLog, Machine), Failure> {
        let folder = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = match self.0 {
            Kind::Fake => Arc::new(FakeDisk::new()),
            Kind::Sled => Arc::new(SledDisk::open(folder.path()).unwrap()),
        };
        let (store, thread) = Store::over(disk, key()).unwrap();
        let log = LogStore::open(store.clone()).unwrap();
        let snapshots = SnapshotStore::open(store).unwrap();
        let membership = StoredMembership::default();
        let machine = Machine { applied: None, membership, snapshots };
        Ok(((thread, folder), SuiteLog(log), machine))
    }
}

#[test]
fn openrafts_suite_passes_in_memory() {
    Suite::test_all(Builder(Kind::Fake)).unwrap();
}

#[test]
fn openrafts_suite_passes_on_sled() {
    Suite::test_all(Builder(Kind::Sled)).unwrap();
}
