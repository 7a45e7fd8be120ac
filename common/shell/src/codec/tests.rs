//! Every kind of bytes that may be found on a disk, and the golden files that fix the format.

use super::*;
use serde::Deserialize;
use std::os::unix::fs::PermissionsExt as _;

/// A value as an early version wrote it, and as a later one with one more field reads it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Early {
    name: String,
    count: u32,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Later {
    name: String,
    count: u32,
    #[serde(default)]
    note: Option<String>,
}

const KEY: [u8; 32] = *b"0123456789abcdef0123456789abcdef";
const NONCE: [u8; NONCE_LEN] = *b"golden-nonce";
const PLACE: Place<'_> = Place { tree: "raft-log", key: &[0, 0, 7] };
const GOLDEN_CLEAR: &[u8] = include_bytes!("../../tests/golden/clear-1.bin");
const GOLDEN_SEALED: &[u8] = include_bytes!("../../tests/golden/sealed-1.bin");

fn example() -> Early {
    Early { name: "consumer".into(), count: 2 }
}

fn sealed_example() -> Vec<u8> {
    let payload = rmp_serde::to_vec_named(&example()).unwrap();
    SealKey::from_bytes(&KEY).seal(PLACE, NONCE, payload).unwrap()
}

#[test]
fn golden_files_are_read_and_written_alike() {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        std::fs::write(folder.join("clear-1.bin"), encode(&example()).unwrap()).unwrap();
        std::fs::write(folder.join("sealed-1.bin"), sealed_example()).unwrap();
        return;
    }
    assert_eq!(encode(&example()).unwrap(), GOLDEN_CLEAR);
    assert_eq!(sealed_example(), GOLDEN_SEALED);
    assert_eq!(decode::<Early>(GOLDEN_CLEAR).unwrap(), example());
    let key = SealKey::from_bytes(&KEY);
    assert_eq!(key.decode::<Early>(PLACE, GOLDEN_SEALED).unwrap(), example());
}

#[test]
fn fields_can_be_added() {
    let later: Later = decode(GOLDEN_CLEAR).unwrap();
    assert_eq!(later, Later { name: "consumer".into(), count: 2, note: None });
}

#[test]
fn wrong_bytes_are_named() {
    let change = |at: usize, to: u8| {
        let mut bytes = GOLDEN_SEALED.to_vec();
        bytes[at] = to;
        bytes
    };
    let last = GOLDEN_SEALED.len() - 1;
    let cases: [(&str, Vec<u8>, &str); 9] = [
        ("nothing", vec![], "damaged (too short)"),
        ("one byte", vec![1], "damaged (too short)"),
        ("a later version", change(0, 2), "written by a newer skep (format 2"),
        ("no version", change(0, 0), "damaged (no format version"),
        ("clear", GOLDEN_CLEAR.to_vec(), "damaged (clear text"),
        ("another seal", change(1, 9), "damaged (unknown seal 9)"),
        ("cut in the nonce", GOLDEN_SEALED[..5].to_vec(), "damaged (cut off"),
        ("cut in the text", GOLDEN_SEALED[..last].to_vec(), "sealed with another key"),
        ("a flipped bit", change(last, GOLDEN_SEALED[last] ^ 1), "sealed with another key"),
    ];
    let key = SealKey::from_bytes(&KEY);
    for (name, bytes, expected) in cases {
        let error = key.decode::<Early>(PLACE, &bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
    let unknown = key.decode::<u64>(PLACE, GOLDEN_SEALED);
    assert!(matches!(unknown, Err(CodecError::Unknown { .. })), "{unknown:?}");
    let trailing = [GOLDEN_CLEAR, &[0]].concat();
    for bytes in [&trailing, GOLDEN_SEALED, &GOLDEN_CLEAR[..9]] {
        assert!(matches!(decode::<Early>(bytes), Err(CodecError::Damaged { .. })));
    }
}

#[test]
fn a_sealed_value_opens_only_with_its_key_and_in_its_place() {
    let key = SealKey::from_bytes(&KEY);
    let sealed = key.encode(PLACE, &example()).unwrap();
    assert_ne!(sealed, key.encode(PLACE, &example()).unwrap(), "a nonce was used twice");
    assert_eq!(key.decode::<Early>(PLACE, &sealed).unwrap(), example());
    let other_key = SealKey::from_bytes(&[7; 32]);
    let strangers = [
        (&other_key, PLACE),
        (&key, Place { key: &[0, 0, 8], ..PLACE }),
        (&key, Place { tree: "raft-state", ..PLACE }),
    ];
    for (key, place) in strangers {
        let result = key.decode::<Early>(place, &sealed);
        assert!(matches!(result, Err(CodecError::WrongKey)), "{place:?}");
    }
}

#[test]
fn the_key_file_is_made_once_and_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.key");
    let first = SealKey::load_or_create(&path).unwrap();
    let again = SealKey::load_or_create(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let sealed = first.encode(PLACE, &example()).unwrap();
    assert_eq!(again.decode::<Early>(PLACE, &sealed).unwrap(), example());

    std::fs::write(&path, b"short").unwrap();
    let short = SealKey::load_or_create(&path);
    assert!(matches!(short, Err(CodecError::KeyLength { found_bytes: 5, .. })));
    let nowhere = SealKey::load_or_create(&folder.path().join("missing/store.key"));
    assert!(matches!(nowhere, Err(CodecError::KeyFile { .. })));
}
