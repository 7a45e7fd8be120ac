//! The log over both disks: openraft's own suite, crashes under many seeds, and what recovery
//! makes of every kind of damage.

mod crash;
mod golden;
mod suite;

use super::*;
use crate::raft::types::Command;
use openraft::storage::RaftLogStorageExt as _;
use openraft::{CommittedLeaderId, EntryPayload};
use shell::codec::SealKey;
use shell::store::{Disk as _, FakeDisk, Fault, KeyRange, Loss, Record, WriterThread};

fn key() -> SealKey {
    SealKey::from_bytes(&[3; 32])
}

fn store_over(disk: &FakeDisk) -> (Store, WriterThread) {
    Store::over(Arc::new(disk.clone()), key()).unwrap()
}

fn log_id(term: u64, index: u64) -> LogId<NodeId> {
    LogId::new(CommittedLeaderId::new(term, NodeId(1)), index)
}

fn entry(term: u64, index: u64, bytes: usize) -> Entry<TypeConfig> {
    let content = u8::try_from((term + index) % 251).unwrap();
    let command = Command::from(vec![content; bytes]);
    Entry { log_id: log_id(term, index), payload: EntryPayload::Normal(command) }
}

async fn indexes(log: &mut LogStore, range: Range<u64>) -> Vec<u64> {
    let entries = log.try_get_log_entries(range).await.unwrap();
    entries.iter().map(|it| it.log_id.index).collect()
}

/// Entries 0 to 9, number 5 in three pieces; 8 and 9 came last, in one batch.
async fn example_disk() -> FakeDisk {
    let disk = FakeDisk::new();
    let (store, thread) = store_over(&disk);
    let mut log = LogStore::open(store).unwrap();
    log.save_vote(&Vote::new(2, NodeId(1))).await.unwrap();
    let bytes = |index| if index == 5 { 10_000 } else { 10 };
    for index in 0..8 {
        log.blocking_append([entry(1, index, bytes(index))]).await.unwrap();
    }
    log.blocking_append([entry(2, 8, 10), entry(2, 9, 10)]).await.unwrap();
    drop(log);
    thread.stop().await.unwrap();
    disk
}

/// The same indexes, all of the first term.
async fn older_disk() -> FakeDisk {
    let disk = FakeDisk::new();
    let (store, thread) = store_over(&disk);
    let mut log = LogStore::open(store).unwrap();
    log.blocking_append((0..10).map(|it| entry(1, it, 10))).await.unwrap();
    thread.stop().await.unwrap();
    disk
}

fn raw_key(index: u64, piece: u16) -> Vec<u8> {
    [index.to_be_bytes().as_slice(), &piece.to_be_bytes()].concat()
}

fn lose(index: u64, piece: u16) -> Write {
    Write::Delete { tree: Tree::RaftLog, key: raw_key(index, piece) }
}

fn garble(tree: Tree, key: Vec<u8>) -> Write {
    Write::Put { tree, key, value: vec![0, 1, 1, 1, 5, 5, 5] }
}

fn garble_entry(index: u64) -> Write {
    garble(Tree::RaftLog, raw_key(index, 0))
}

fn records(disk: &FakeDisk, tree: Tree) -> Vec<Record> {
    disk.scan(tree, &KeyRange::all(), usize::MAX).unwrap()
}

#[tokio::test]
async fn recovery_cuts_a_torn_end() {
    // As a truncation leaves it behind that the power cut off.
    let Record { key, value } = records(&older_disk().await, Tree::RaftLog).pop().unwrap();
    let older = Write::Put { tree: Tree::RaftLog, key, value };
    let cases = [
        ("nothing", vec![], "0 to 9"),
        ("the last is missing", vec![lose(9, 0)], "0 to 8"),
        ("the last is garbled", vec![garble_entry(9)], "0 to 8"),
        ("a hole among the last", vec![lose(8, 0)], "0 to 7"),
        ("all of the last", vec![lose(8, 0), lose(9, 0)], "0 to 7"),
        ("the last is of an older term", vec![older], "0 to 8"),
        ("a foreign key at the end", vec![garble(Tree::RaftLog, vec![255])], "0 to 9"),
    ];
    check_recovery(&cases).await;
}

#[tokio::test]
async fn recovery_reports_damage_that_no_crash_explains() {
    let newer = Write::Put { tree: Tree::RaftLog, key: raw_key(9, 0), value: vec![0, 1, 2, 1] };
    let cases = [
        ("a confirmed one is missing", vec![lose(3, 0)], "entry 3 is missing"),
        ("the first is missing", vec![lose(0, 0)], "entry 0 is missing"),
        ("the confirmed end", vec![lose(7, 0), lose(8, 0), lose(9, 0)], "entry 7 is missing"),
        (
            "a confirmed one is garbled",
            vec![garble_entry(3)],
            "entry 3 of the replicated log is damaged",
        ),
        ("a first piece is missing", vec![lose(5, 0)], "entry 5 lacks a piece"),
        ("a last piece is missing", vec![lose(5, 2)], "entry 5 lacks a piece"),
        ("a later version's", vec![newer], "entry 9 of the replicated log is written by a newer"),
        ("bounds", vec![garble(Tree::RaftState, BOUNDS_KEY.into())], "stored value raft-state"),
        ("vote", vec![garble(Tree::RaftState, VOTE_KEY.into())], "stored value raft-state"),
    ];
    check_recovery(&cases).await;
}

async fn check_recovery(cases: &[(&str, Vec<Write>, &str)]) {
    for (name, damage, expected) in cases {
        let disk = example_disk().await;
        disk.write(damage).unwrap();
        let found = reopen(&disk).await;
        assert!(found.contains(expected), "{name}: {found}");
    }
}

/// Which entries the next start finds, or why it finds none.
async fn reopen(disk: &FakeDisk) -> String {
    let (store, _thread) = store_over(disk);
    let mut log = match LogStore::open(store.clone()) {
        Ok(log) => log,
        Err(error) => {
            let text = error.to_string();
            let cures = ["remove the data directory", "install that version"];
            let named: usize = cures.iter().map(|it| text.matches(it).count()).sum();
            assert_eq!(named, 1, "{text}");
            return text;
        }
    };
    let found = indexes(&mut log, 0..u64::MAX).await;
    let (first, last) = (found[0], found[found.len() - 1]);
    let state = log.get_log_state().await.unwrap();
    assert_eq!(state.last_log_id.map(|it| it.index), Some(last));
    // What was cut is gone, and the start after that finds a whole log.
    let last_record = records(disk, Tree::RaftLog).pop().unwrap();
    assert_eq!(last_record.key[..8], last.to_be_bytes());
    let mut again = LogStore::open(store).unwrap();
    assert_eq!(indexes(&mut again, 0..u64::MAX).await, found);
    format!("{first} to {last}")
}

#[tokio::test]
async fn another_key_is_named_as_the_cause() {
    let disk = example_disk().await;
    let stranger = SealKey::from_bytes(&[4; 32]);
    let (store, thread) = Store::over(Arc::new(disk), stranger).unwrap();
    let text = LogStore::open(store).unwrap_err().to_string();
    assert!(text.contains("sealed with another key"), "{text}");
    thread.stop().await.unwrap();
}

#[tokio::test]
async fn what_lies_on_the_disk_shows_nothing_of_what_was_written() {
    let disk = example_disk().await;
    let clear = [6_u8; 10];
    for record in records(&disk, Tree::RaftLog) {
        assert!(!record.value.windows(clear.len()).any(|it| it == clear), "{record:?}");
    }
}

#[tokio::test]
async fn a_log_larger_than_the_cache_reads_the_same_from_disk_and_memory() {
    let disk = FakeDisk::new();
    let (store, thread) = store_over(&disk);
    let mut log = LogStore::open(store).unwrap();
    for index in 0..300 {
        log.blocking_append([entry(1, index, 10_000)]).await.unwrap();
    }
    let mut reader = log.get_log_reader().await;
    for (start, end) in [(0, 300), (0, 1), (5, 6), (150, 250), (180, 300), (299, 300), (250, 999)] {
        let read = reader.try_get_log_entries(start..end).await.unwrap();
        let expected: Vec<_> = (start..end.min(300)).map(|it| entry(1, it, 10_000)).collect();
        assert_eq!(read, expected, "{start}..{end}");
        let limited = reader.limited_get_log_entries(start, end).await.unwrap();
        assert!(!limited.is_empty() && limited.len() <= 210, "{start}..{end}: {}", limited.len());
        assert_eq!(limited, expected[..limited.len()], "{start}..{end}");
    }
    assert_eq!(indexes(&mut log, 300..999).await, Vec::<u64>::new());
    thread.stop().await.unwrap();
}

#[tokio::test]
async fn nobody_leads_by_memory_alone() {
    let disk = FakeDisk::new();
    let (store, thread) = store_over(&disk);
    let mut log = LogStore::open(store).unwrap();
    let won = Vote::new_committed(3, NodeId(1));
    log.save_vote(&won).await.unwrap();
    assert_eq!(log.read_vote().await.unwrap(), Some(won));
    drop(log);
    thread.stop().await.unwrap();
    let (store, thread) = store_over(&disk);
    let found = LogStore::open(store).unwrap().read_vote().await.unwrap();
    assert_eq!(found, Some(Vote::new(3, NodeId(1))));
    thread.stop().await.unwrap();
}

#[tokio::test]
async fn purged_entries_leave_the_disk_with_the_next_batch() {
    let disk = FakeDisk::new();
    let (store, thread) = store_over(&disk);
    let mut log = LogStore::open(store).unwrap();
    log.blocking_append((0..20).map(|it| entry(1, it, 10))).await.unwrap();
    log.purge(log_id(1, 11)).await.unwrap();
    assert_eq!(indexes(&mut log, 0..99).await, (12..20).collect::<Vec<_>>());
    log.save_vote(&Vote::new(2, NodeId(1))).await.unwrap();
    log.blocking_append([entry(2, 20, 10)]).await.unwrap();
    assert_eq!(records(&disk, Tree::RaftLog).len(), 9);
    // Past the end, as after a snapshot from the leader.
    log.purge(log_id(2, 50)).await.unwrap();
    log.blocking_append([entry(2, 51, 10)]).await.unwrap();
    log.blocking_append([entry(2, 52, 10)]).await.unwrap();
    assert_eq!(indexes(&mut log, 0..99).await, [51, 52]);
    assert_eq!(records(&disk, Tree::RaftLog).len(), 2);
    thread.stop().await.unwrap();
}

#[tokio::test]
async fn truncated_entries_are_gone_at_once_and_leave_the_disk() {
    let disk = FakeDisk::new();
    let (store, thread) = store_over(&disk);
    let mut log = LogStore::open(store).unwrap();
    log.blocking_append((0..20).map(|it| entry(1, it, 10))).await.unwrap();
    for (since, last) in [(15, Some(14)), (14, Some(13)), (0, None)] {
        log.truncate(log_id(1, since)).await.unwrap();
        let state = log.get_log_state().await.unwrap();
        assert_eq!(state.last_log_id.map(|it| it.index), last, "{since}");
        assert_eq!(indexes(&mut log, 0..99).await, (0..since).collect::<Vec<_>>());
    }
    log.blocking_append([entry(2, 0, 10)]).await.unwrap();
    assert_eq!(records(&disk, Tree::RaftLog).len(), 1);
    thread.stop().await.unwrap();
}

#[tokio::test]
async fn saving_what_is_committed_costs_no_write() {
    let disk = FakeDisk::new();
    let (store, thread) = store_over(&disk);
    let mut log = LogStore::open(store).unwrap();
    log.blocking_append((0..3).map(|it| entry(1, it, 10))).await.unwrap();
    let before = disk.counts();
    log.save_committed(Some(log_id(1, 1))).await.unwrap();
    assert_eq!(disk.counts(), before);
    log.blocking_append([entry(1, 3, 10)]).await.unwrap();
    assert_eq!(disk.counts().writes, before.writes + 1);
    drop(log);
    thread.stop().await.unwrap();
    let (store, thread) = store_over(&disk.crashed(0, Loss::Tail));
    let mut log = LogStore::open(store).unwrap();
    assert_eq!(log.read_committed().await.unwrap(), Some(log_id(1, 1)));
    thread.stop().await.unwrap();
}

#[tokio::test]
async fn a_failing_disk_is_reported_and_ends_writing() {
    let faults = [(Fault::Full, "free some space"), (Fault::Broken, "kernel's log")];
    for (after, (fault, expected)) in (0..6).flat_map(|it| faults.map(|fault| (it, fault))) {
        let disk = FakeDisk::new();
        let (store, thread) = store_over(&disk);
        let mut log = LogStore::open(store).unwrap();
        disk.fail_after(after, fault);
        let mut acknowledged = Vec::new();
        for index in 0..5 {
            match log.blocking_append([entry(1, index, 10)]).await {
                Ok(()) => acknowledged.push(index),
                Err(error) => assert!(error.to_string().contains(expected), "{error}"),
            }
        }
        assert_eq!(acknowledged, (0..after / 2).collect::<Vec<_>>(), "{after} {fault:?}");
        let vote = log.save_vote(&Vote::new(9, NodeId(1))).await.unwrap_err().to_string();
        assert!(vote.contains("Vote") && vote.contains(expected), "{vote}");
        thread.stop().await.unwrap();
    }
}
