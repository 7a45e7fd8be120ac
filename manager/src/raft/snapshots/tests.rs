//! Snapshots are found whole, whatever happened while they were written. Crashes under many
//! seeds are tested together with the log's.

use super::*;
use openraft::CommittedLeaderId;
use shell::codec::SealKey;
use shell::store::{Disk as _, FakeDisk, Fault, Loss, WriterThread};

fn open(disk: &FakeDisk) -> (SnapshotStore, WriterThread) {
    let key = SealKey::from_bytes(&[3; 32]);
    let (store, thread) = Store::over(Arc::new(disk.clone()), key).unwrap();
    (SnapshotStore::open(store).unwrap(), thread)
}

fn meta(index: u64) -> SnapshotMeta<NodeId, Peer> {
    SnapshotMeta {
        last_log_id: Some(LogId::new(CommittedLeaderId::new(1, NodeId(1)), index)),
        snapshot_id: index.to_string(),
        ..SnapshotMeta::default()
    }
}

fn pieces(disk: &FakeDisk) -> usize {
    disk.scan(Tree::RaftSnapshot, &KeyRange::all(), usize::MAX).unwrap().len()
}

fn data(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|it| it.to_le_bytes()[0]).collect()
}

#[tokio::test]
async fn a_snapshot_of_any_size_reads_back_and_replaces_the_one_before() {
    let disk = FakeDisk::new();
    let (snapshots, thread) = open(&disk);
    assert_eq!(snapshots.load().unwrap(), None);
    let one = PIECE_BYTES_MAX;
    let sizes = [0, 1, one - 1, one, one + 1, 500 * one, 2 * one];
    for (index, bytes) in (1..).zip(sizes) {
        snapshots.save(meta(index), data(bytes)).await.unwrap();
        assert_eq!(snapshots.load().unwrap(), Some((meta(index), data(bytes))), "{bytes}");
    }
    thread.stop().await.unwrap();
    assert_eq!(pieces(&disk), 3);
    let (snapshots, thread) = open(&disk.crashed(0, Loss::Tail));
    assert_eq!(snapshots.load().unwrap(), Some((meta(7), data(2 * one))));
    thread.stop().await.unwrap();
}

#[tokio::test]
async fn an_older_snapshot_does_not_replace_a_newer_one() {
    let disk = FakeDisk::new();
    let (snapshots, thread) = open(&disk);
    for (saved, expected) in [(5, 5), (4, 5), (5, 5), (6, 6)] {
        snapshots.save(meta(saved), data(10)).await.unwrap();
        assert_eq!(snapshots.load().unwrap(), Some((meta(expected), data(10))));
    }
    thread.stop().await.unwrap();
}

#[tokio::test]
async fn a_half_written_snapshot_is_ignored_and_cleaned_away() {
    let disk = FakeDisk::new();
    let (snapshots, thread) = open(&disk);
    snapshots.save(meta(1), data(10)).await.unwrap();
    // Its first group of pieces is synced, then the power goes.
    disk.fail_after(3, Fault::PowerCut);
    snapshots.save(meta(2), data(1 << 20)).await.unwrap_err();
    assert!(pieces(&disk) > 100);
    thread.stop().await.unwrap();
    for (seed, loss) in (0..20).flat_map(|seed| [(seed, Loss::Tail), (seed, Loss::Any)]) {
        let found = disk.crashed(seed, loss);
        let (snapshots, thread) = open(&found);
        assert_eq!(snapshots.load().unwrap(), Some((meta(1), data(10))));
        assert_eq!(pieces(&found), 2);
        thread.stop().await.unwrap();
    }
}

#[tokio::test]
async fn damage_is_reported_with_its_cure() {
    let disk = FakeDisk::new();
    let (snapshots, thread) = open(&disk);
    snapshots.save(meta(1), data(10_000)).await.unwrap();
    thread.stop().await.unwrap();
    let (tree, key) = (Tree::RaftSnapshot, piece_key(1, 2));
    let moved = disk.get(tree, &piece_key(1, 1)).unwrap().unwrap();
    let cases = [
        (Write::Delete { tree, key: key.clone() }, "lacks 1 of its 4 pieces"),
        (Write::Put { tree, key: key.clone(), value: moved }, "sealed with another key"),
        (Write::Put { tree, key, value: vec![2, 1] }, "written by a newer skep"),
    ];
    for (damage, expected) in cases {
        let damaged = disk.crashed(0, Loss::Tail);
        damaged.write(&[damage]).unwrap();
        let (snapshots, thread) = open(&damaged);
        let text = snapshots.load().unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
        thread.stop().await.unwrap();
    }
}

#[test]
fn the_formats_of_snapshots_stay() {
    let peer = Peer { address: "10.0.0.1:7373".parse().unwrap() };
    let peers = std::collections::BTreeMap::from([(NodeId(1), peer)]);
    let membership = openraft::Membership::new(vec![[NodeId(1)].into()], peers);
    let last_membership = openraft::StoredMembership::new(meta(3).last_log_id, membership);
    let pointer =
        Pointer { generation: 2, last_log_id: meta(9).last_log_id, meta_pieces: 1, data_pieces: 7 };
    let stored = (pointer, SnapshotMeta { last_membership, ..meta(9) });
    let encoded = codec::encode(&stored).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/snapshot-1.bin");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &encoded).unwrap();
    }
    let golden = std::fs::read(path).unwrap();
    assert_eq!(encoded, golden, "snapshots are written differently");
    let read: (Pointer, SnapshotMeta<NodeId, Peer>) = codec::decode(&golden).unwrap();
    assert_eq!(read, stored, "snapshots read differently");
}
