//! Both disks keep one contract, and the writer shares syncs without ever losing order.

use super::*;
use std::sync::Mutex;
use std::time::Duration;
use tokio::task::JoinSet;

const TREE: Tree = Tree::RaftLog;

fn put(key: &str, value: &str) -> Write {
    Write::Put { tree: TREE, key: key.into(), value: value.into() }
}

fn delete(key: &str) -> Write {
    Write::Delete { tree: TREE, key: key.into() }
}

fn delete_range(from: &str, to: Option<&str>) -> Write {
    Write::DeleteRange { tree: TREE, keys: range(from, to) }
}

fn range(from: &str, to: Option<&str>) -> KeyRange {
    KeyRange { from: from.into(), to: to.map(Into::into) }
}

fn listing(disk: &dyn Disk, keys: &KeyRange, limit: usize) -> String {
    let records = disk.scan(TREE, keys, limit).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let lines = records.into_iter().map(|it| format!("{}={}", text(it.key), text(it.value)));
    lines.collect::<Vec<_>>().join(" ")
}

fn with_both_disks(test: impl Fn(&dyn Disk)) {
    test(&FakeDisk::new());
    let folder = tempfile::tempdir().unwrap();
    test(&SledDisk::open(folder.path()).unwrap());
}

#[test]
fn batches_take_effect_in_order() {
    let batches: [(Vec<Write>, &str); 7] = [
        (vec![put("a", "1"), put("b", "2"), put("c", "3")], "a=1 b=2 c=3"),
        (vec![put("a", "4"), delete("a"), put("a", "5")], "a=5 b=2 c=3"),
        (vec![put("d", "6"), delete("d"), delete("never")], "a=5 b=2 c=3"),
        (vec![put("bb", "7"), delete_range("b", Some("c"))], "a=5 c=3"),
        (vec![delete_range("c", None), put("d", "8")], "a=5 d=8"),
        (vec![delete_range("z", Some("a"))], "a=5 d=8"),
        (vec![], "a=5 d=8"),
    ];
    with_both_disks(|disk| {
        let neighbours = [
            Write::Put { tree: Tree::RaftSnapshot, key: b"z".to_vec(), value: vec![1] },
            Write::Put { tree: Tree::RaftState, key: vec![], value: vec![2] },
        ];
        disk.write(&neighbours).unwrap();
        for (batch, expected) in &batches {
            disk.write(batch).unwrap();
            disk.sync().unwrap();
            assert_eq!(listing(disk, &KeyRange::all(), 99), *expected, "{disk:?} {batch:?}");
        }
        assert_eq!(disk.get(Tree::RaftSnapshot, b"z").unwrap(), Some(vec![1]));
        assert_eq!(disk.get(Tree::RaftState, b"").unwrap(), Some(vec![2]));
    });
}

#[test]
fn long_batches_take_effect_in_order() {
    let names: Vec<String> = (10..90).map(|number| format!("k{number}")).collect();
    with_both_disks(|disk| {
        let mut batch: Vec<Write> = names.iter().map(|name| put(name, "1")).collect();
        batch.extend([put("k50", "2"), delete_range("k12", Some("k88")), put("k50", "3")]);
        disk.write(&batch).unwrap();
        disk.sync().unwrap();
        let listed = listing(disk, &KeyRange::all(), 99);
        assert_eq!(listed, "k10=1 k11=1 k50=3 k88=1 k89=1");
    });
}

#[test]
fn scans_keep_to_their_bounds() {
    let cases = [
        (range("", None), 99, "a=1 b=2 c=3"),
        (range("", None), 2, "a=1 b=2"),
        (range("b", None), 99, "b=2 c=3"),
        (range("a", Some("c")), 99, "a=1 b=2"),
        (range("aa", Some("b")), 99, ""),
        (range("c", Some("a")), 99, ""),
    ];
    with_both_disks(|disk| {
        disk.write(&[put("a", "1"), put("b", "2"), put("c", "3")]).unwrap();
        for (keys, limit, expected) in &cases {
            assert_eq!(listing(disk, keys, *limit), *expected, "{disk:?} {keys:?}");
        }
    });
}

#[test]
fn a_database_is_opened_by_one_process_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SledDisk::open(folder.path()).unwrap();
    disk.write(&[put("a", "1")]).unwrap();
    disk.sync().unwrap();
    let second = SledDisk::open(folder.path()).unwrap_err();
    assert!(matches!(second, StoreError::InUse { .. }), "{second}");
    drop(disk);
    let disk = SledDisk::open(folder.path()).unwrap();
    assert_eq!(listing(&disk, &KeyRange::all(), 99), "a=1");
}

#[test]
fn what_a_power_cut_left_half_written_while_opening_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SledDisk::open(folder.path()).unwrap();
    disk.write(&[put("a", "1")]).unwrap();
    disk.sync().unwrap();
    drop(disk);
    let settings = std::fs::read(folder.path().join("conf")).unwrap();
    let cut_off = &settings[..settings.len() - 4];
    let half_written: [(&str, &[u8]); 5] = [
        ("snap.7FFFFFFFFFFFFFFF.generating", b""),
        ("snap.7FFFFFFFFFFFFFFF.generating", b"half of one"),
        ("conf", b""),
        ("conf", &vec![0; settings.len()]),
        ("conf", cut_off),
    ];
    for (name, content) in half_written {
        std::fs::write(folder.path().join(name), content).unwrap();
        let disk = SledDisk::open(folder.path()).unwrap();
        assert_eq!(listing(&disk, &KeyRange::all(), 99), "a=1", "{name}: {content:?}");
        assert_eq!(std::fs::read(folder.path().join("conf")).unwrap(), settings);
    }
}

#[test]
fn a_database_that_is_too_large_refuses_to_grow() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SledDisk::open(folder.path()).unwrap().with_file_bytes_max(1);
    let error = disk.write(&[put("a", "1")]).unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { bytes_max: 1, .. }), "{error}");
    assert_eq!(listing(&disk, &KeyRange::all(), 99), "");
}

#[test]
fn the_largest_values_stay_in_the_one_file_that_is_synced() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SledDisk::open(folder.path()).unwrap();
    for batch in 0..64_u8 {
        let value = vec![batch; VALUE_BYTES_MAX];
        let writes = (0..64).map(|key| Write::Put {
            tree: TREE,
            key: vec![batch, key],
            value: value.clone(),
        });
        disk.write(&writes.collect::<Vec<_>>()).unwrap();
        disk.sync().unwrap();
    }
    assert_eq!(std::fs::read_dir(folder.path().join("blobs")).unwrap().count(), 0);
}

#[test]
fn a_crash_takes_only_what_was_not_synced() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        for loss in [Loss::Tail, Loss::Any] {
            let disk = FakeDisk::new();
            disk.write(&[put("a", "1")]).unwrap();
            disk.sync().unwrap();
            disk.write(&[put("b", "2"), put("c", "3")]).unwrap();
            disk.write(&[delete("a")]).unwrap();
            let found = listing(&disk.crashed(seed, loss), &KeyRange::all(), 99);
            seen.insert((format!("{loss:?}"), found));
        }
    }
    let tails: Vec<&str> =
        seen.iter().filter(|(loss, _)| loss == "Tail").map(|(_, it)| it.as_str()).collect();
    assert_eq!(tails, ["a=1", "a=1 b=2", "a=1 b=2 c=3", "b=2 c=3"]);
    assert_eq!(seen.len() - tails.len(), 8, "{seen:?}");
}

fn store_over(disk: &FakeDisk) -> (Store, WriterThread) {
    Store::over(Arc::new(disk.clone()), SealKey::from_bytes(&[1; 32])).unwrap()
}

#[tokio::test]
async fn writes_that_come_together_share_a_sync() {
    let disk = FakeDisk::new();
    disk.set_sync_takes(Duration::from_millis(20));
    let (store, thread) = store_over(&disk);
    let mut writers = JoinSet::new();
    for number in 0..1_000 {
        let store = store.clone();
        writers.spawn(async move { store.write(vec![put(&number.to_string(), "x")]).await });
    }
    while let Some(written) = writers.join_next().await {
        written.unwrap().unwrap();
    }
    thread.stop().await.unwrap();
    let found = disk.crashed(0, Loss::Tail);
    assert_eq!(found.scan(TREE, &KeyRange::all(), 9_999).unwrap().len(), 1_000);
    let syncs = disk.counts().syncs;
    assert!((1..=20).contains(&syncs), "{syncs} syncs for 1000 writes");
}

#[tokio::test]
async fn after_a_failure_nothing_is_written_any_more() {
    let faults = [(Fault::Full, "is full: free some space"), (Fault::Broken, "kernel's log")];
    for (operations, (fault, expected)) in (0..4).flat_map(|it| faults.map(|fault| (it, fault))) {
        let disk = FakeDisk::new();
        let (store, thread) = store_over(&disk);
        disk.fail_after(operations, fault);
        let first = store.write(vec![put("a", "1")]).await;
        let second = store.write(vec![put("b", "2")]).await;
        assert_eq!(first.is_ok(), operations >= 2, "{operations}");
        let error = second.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        // The disk has recovered, but the writer cannot know what was lost.
        disk.fail_after(u64::MAX / 2, fault);
        store.write(vec![put("c", "3")]).await.unwrap_err();
        assert!(!listing(&disk, &KeyRange::all(), 9).contains('c'));
        thread.stop().await.unwrap();
    }
}

#[tokio::test]
async fn stopping_writes_what_is_queued_and_refuses_the_rest() {
    let disk = FakeDisk::new();
    disk.set_sync_takes(Duration::from_millis(5));
    let (store, thread) = store_over(&disk);
    let order = Arc::new(Mutex::new(Vec::new()));
    for number in 0..50 {
        let order = Arc::clone(&order);
        let done: Done = Box::new(move |result| {
            result.unwrap();
            order.lock().unwrap().push(number);
        });
        store.submit(vec![put(&number.to_string(), "x")], done).await.unwrap();
    }
    thread.stop().await.unwrap();
    assert_eq!(*order.lock().unwrap(), (0..50).collect::<Vec<_>>());
    assert!(matches!(store.write(vec![put("late", "x")]).await, Err(StoreError::Stopped)));
    let counts = disk.counts();
    assert_eq!(counts.writes, counts.syncs);
}

#[tokio::test]
async fn a_value_reads_back_only_where_it_was_put() {
    let disk = FakeDisk::new();
    let (store, thread) = store_over(&disk);
    let write = store.put(TREE, b"a".to_vec(), &7_u32).unwrap();
    let Write::Put { value, .. } = write.clone() else { unreachable!("put makes a put") };
    let moved = Write::Put { tree: TREE, key: b"b".to_vec(), value };
    store.write(vec![write, moved]).await.unwrap();
    assert_eq!(store.read::<u32>(TREE, b"a").unwrap(), Some(7));
    assert_eq!(store.read::<u32>(TREE, b"never").unwrap(), None);
    let error = store.read::<u32>(TREE, b"b").unwrap_err().to_string();
    assert!(error.starts_with("stored value raft-log/[62] is sealed with another key"), "{error}");
    thread.stop().await.unwrap();
}

#[tokio::test]
async fn the_store_of_a_data_directory_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    for start in 0..3_u32 {
        let (store, thread) = Store::open(folder.path()).unwrap();
        let before = store.read::<u32>(TREE, b"starts").unwrap();
        assert_eq!(before, start.checked_sub(1));
        let write = store.put(TREE, b"starts".to_vec(), &start).unwrap();
        store.write(vec![write]).await.unwrap();
        thread.stop().await.unwrap();
    }
}
