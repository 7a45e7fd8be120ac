//! A process that is killed while it writes loses nothing that was acknowledged, and leaves a
//! database that opens. The process is this test again, told by a variable to be the victim.

#![expect(clippy::unwrap_used, reason = "a step that fails fails the test")]

use common::IdGen;
use shell::store::{KeyRange, Store, Tree, VALUE_BYTES_MAX, Write};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const FOLDER_VARIABLE: &str = "SKEP_TEST_KILLED_WRITER";
const ROUNDS: u64 = 12;
const ACKNOWLEDGED_MAX: u64 = 120;

/// Two values that must be found together or not at all.
fn pair(number: u64) -> Vec<Write> {
    let bytes = usize::try_from(number * 37).unwrap() % VALUE_BYTES_MAX;
    let value = vec![number.to_le_bytes()[0]; bytes];
    [0, 1]
        .map(|half| Write::Put {
            tree: Tree::RaftSnapshot,
            key: [number.to_be_bytes().as_slice(), &[half]].concat(),
            value: value.clone(),
        })
        .into()
}

async fn write_until_killed(folder: &Path) {
    let (store, _thread) = Store::open(folder).unwrap();
    let mut out = std::io::stdout().lock();
    for number in count(&store).. {
        store.write(pair(number)).await.unwrap();
        writeln!(out, "acknowledged {number}").unwrap();
    }
}

/// How many pairs there are; panics where one is not whole.
fn count(store: &Store) -> u64 {
    let records = store.disk().scan(Tree::RaftSnapshot, &KeyRange::all(), usize::MAX).unwrap();
    let written = (0..).flat_map(pair).zip(&records);
    for (expected, found) in written {
        let Write::Put { key, value, .. } = expected else { unreachable!("pairs are puts") };
        assert!(key == found.key && value == found.value, "not what was written at {key:02x?}");
    }
    assert_eq!(records.len() % 2, 0, "half a batch");
    records.len() as u64 / 2
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_was_acknowledged() {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        return write_until_killed(&PathBuf::from(folder)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut chance = IdGen::from_seed(9);
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .arg("--nocapture")
            .env(FOLDER_VARIABLE, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(victim.stdout.take().unwrap()).lines().map(Result::unwrap);
        let numbers = lines.filter_map(|it| it.split_once("acknowledged ")?.1.parse::<u64>().ok());
        let wanted = 1 + chance.below(ACKNOWLEDGED_MAX);
        let last = numbers.take(usize::try_from(wanted).unwrap()).last();
        victim.kill().unwrap();
        victim.wait().unwrap();
        acknowledged = acknowledged.max(last.expect("the victim writes until it is killed") + 1);
        let (store, thread) = Store::open(folder.path()).unwrap();
        let found = count(&store);
        assert!(found >= acknowledged, "round {round}: {found} of {acknowledged}");
        thread.stop().await.unwrap();
    }
}
