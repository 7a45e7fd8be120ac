//! What the shim wrote down, and what the program that it watched added of its own.

use super::notes::Note;
use anyhow::{Context, ensure};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

/// `struct record` in `shim.c`, without padding.
const HEAD_BYTES: usize = 32;
const NOTE: u32 = 9;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct InodeNumber(pub(super) u64);

/// Files are named by their inode, for they are renamed while they are open. Paths are below the
/// watched folder.
#[derive(Debug)]
pub(super) enum Record {
    Create { path: String, inode: InodeNumber },
    Folder { path: String, inode: InodeNumber },
    Write { inode: InodeNumber, offset: usize, data: Arc<[u8]> },
    Resize { inode: InodeNumber, bytes: usize },
    Rename { from: String, to: String },
    Remove { path: String },
    SyncBegin { thread: u64 },
    SyncEnd { inode: InodeNumber, thread: u64 },
    Note(Note),
}

pub(super) fn read(path: &Path) -> anyhow::Result<Vec<Record>> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let mut rest = bytes.as_slice();
    let mut records = Vec::new();
    while !rest.is_empty() {
        records.push(read_one(&mut rest).with_context(|| format!("record {}", records.len()))?);
    }
    Ok(records)
}

/// Appends to the journal that the shim writes to, in one call as the shim does.
pub(super) fn append(path: &Path, note: &Note) -> anyhow::Result<()> {
    let text = serde_json::to_vec(note)?;
    let mut record = Vec::with_capacity(HEAD_BYTES + text.len());
    record.extend(NOTE.to_ne_bytes());
    record.extend([0; HEAD_BYTES - 12]);
    record.extend((text.len() as u64).to_ne_bytes());
    record.extend(text);
    let mut journal = OpenOptions::new().append(true).open(path)?;
    ensure!(journal.write(&record)? == record.len(), "the journal took half a note");
    Ok(())
}

fn read_one(rest: &mut &[u8]) -> anyhow::Result<Record> {
    let head = take(rest, HEAD_BYTES)?;
    let small = |at| u32::from_ne_bytes(*head[at..].first_chunk().expect("within the head"));
    let large = |at| u64::from_ne_bytes(*head[at..].first_chunk().expect("within the head"));
    let (kind, path_bytes) = (small(0), small(4) as usize);
    let (inode, offset) = (InodeNumber(large(8)), large(16));
    let path = text(take(rest, path_bytes)?)?;
    let data = take(rest, usize::try_from(large(24))?)?;
    let size = usize::try_from(offset);
    Ok(match kind {
        1 => Record::Create { path, inode },
        2 => Record::Folder { path, inode },
        3 => Record::Write { inode, offset: size?, data: data.into() },
        4 => Record::Resize { inode, bytes: size? },
        5 => Record::Rename { from: path, to: text(data)? },
        6 => Record::Remove { path },
        7 => Record::SyncBegin { thread: offset },
        8 => Record::SyncEnd { inode, thread: offset },
        NOTE => Record::Note(serde_json::from_slice(data)?),
        unknown => anyhow::bail!("kind {unknown}"),
    })
}

fn take<'a>(rest: &mut &'a [u8], bytes: usize) -> anyhow::Result<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(bytes).context("the journal ends too early")?;
    *rest = left;
    Ok(taken)
}

fn text(bytes: &[u8]) -> anyhow::Result<String> {
    Ok(String::from_utf8(bytes.to_vec())?)
}
