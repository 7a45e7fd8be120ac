//! A database file with damage anywhere opens or is refused with a reason. It never panics.
//!
//! Alone in its process: a panic inside sled may end the threads that all its databases share.

use common::IdGen;
use shell::store::{Disk, SledDisk, StoreError, Tree, Write};
use std::fs;
use std::path::Path;

const VALUES: u32 = 2_000;

fn write_database(folder: &Path) {
    let disk = SledDisk::open(folder).expect("an empty folder takes a database");
    for first in (0..VALUES).step_by(100) {
        let writes: Vec<Write> = (first..first + 100)
            .map(|key| Write::Put {
                tree: Tree::RaftSnapshot,
                key: key.to_be_bytes().to_vec(),
                value: vec![7; 1_000],
            })
            .collect();
        disk.write(&writes).expect("the disk has space");
        disk.sync().expect("the disk works");
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("blobs")).expect("temporary folder");
    for name in ["db", "conf"] {
        fs::copy(from.join(name), to.join(name)).expect("sled keeps its data in these files");
    }
}

enum Damage {
    Byte,
    Block,
    Cut,
    Config,
}

fn damage(folder: &Path, damage: &Damage, chance: &mut IdGen) {
    let name = if matches!(damage, Damage::Config) { "conf" } else { "db" };
    let path = folder.join(name);
    let mut bytes = fs::read(&path).expect("the file was copied");
    let at = usize::try_from(chance.below(bytes.len() as u64)).expect("a file that fits memory");
    match damage {
        Damage::Byte | Damage::Config => bytes[at] ^= 0x55,
        Damage::Block => bytes.iter_mut().skip(at).take(4_096).for_each(|byte| *byte = 0),
        Damage::Cut => bytes.truncate(at),
    }
    fs::write(&path, bytes).expect("temporary file");
}

#[test]
fn damage_is_reported_and_never_panics() {
    let whole = tempfile::tempdir().expect("temporary folder");
    write_database(whole.path());
    let mut chance = IdGen::from_seed(20);
    let mut refused = 0;
    for round in 0..40 {
        let kinds = [Damage::Byte, Damage::Block, Damage::Cut, Damage::Config];
        let copy = tempfile::tempdir().expect("temporary folder");
        copy_folder(whole.path(), copy.path());
        damage(copy.path(), &kinds[round % kinds.len()], &mut chance);
        match SledDisk::open(copy.path()) {
            Ok(_) => {}
            Err(error @ (StoreError::Damaged { .. } | StoreError::Io { .. })) => {
                let text = error.to_string();
                let path = copy.path().display().to_string();
                assert!(text.contains(&path) && text.contains("skep"), "{text}");
                refused += 1;
            }
            Err(error) => panic!("round {round}: {error}"),
        }
    }
    assert!(refused > 0, "no damage was ever noticed");
}
