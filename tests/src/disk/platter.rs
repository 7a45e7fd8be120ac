//! A model of what a disk may hold when its power goes: what was synced, and any part of the rest.
//!
//! It promises as little as POSIX does. A file's data is durable once a sync of that file which
//! began later has succeeded; its name once its folder was synced so. Of everything else each
//! piece may be there or not, whatever came first: file systems and disks sort as they like.

use super::journal::{InodeNumber, Record};
use anyhow::Context;
use common::IdGen;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

/// Unlike the number in the journal never used again.
type Inode = usize;

#[derive(Debug, Clone, Default)]
pub(super) struct Platter {
    nodes: Vec<Node>,
    by_number: BTreeMap<InodeNumber, Inode>,
    names: Names,
    /// What was unsynced when a sync began, by thread.
    syncs: BTreeMap<u64, u64>,
    /// The next change's number.
    now: u64,
}

#[derive(Debug, Clone, Default)]
struct Node {
    is_folder: bool,
    durable: Arc<Vec<u8>>,
    pending: Vec<(u64, Change)>,
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, data: Arc<[u8]> },
    Resize { bytes: usize },
}

#[derive(Debug, Clone, Default)]
struct Names {
    durable: BTreeMap<String, Inode>,
    /// As the running program sees them.
    current: BTreeMap<String, Inode>,
    pending: Vec<(u64, NameChange)>,
}

#[derive(Debug, Clone)]
enum NameChange {
    Link { path: String, inode: Inode },
    Rename { from: String, to: String, inode: Inode },
    Remove { path: String },
}

/// How a cut treats what was not synced.
#[derive(Debug, Clone, Copy)]
struct Taste {
    /// In order up to some moment, or each piece for itself.
    is_sorted: bool,
    kept_percent: u64,
    piece_bytes: usize,
}

impl Platter {
    /// A disk whose folder holds what lies there now, all of it durable.
    pub(super) fn of(folder: &Path) -> anyhow::Result<Platter> {
        let mut platter = Platter::default();
        platter.load(folder, "")?;
        platter.names.current = platter.names.durable.clone();
        Ok(platter)
    }

    fn load(&mut self, folder: &Path, path: &str) -> anyhow::Result<()> {
        let whole = folder.join(path);
        let metadata = fs::metadata(&whole)?;
        let number = InodeNumber(metadata.ino());
        if metadata.is_dir() {
            let inode = self.add(number, true);
            self.names.durable.insert(path.to_owned(), inode);
            for entry in fs::read_dir(&whole)? {
                let name = entry?.file_name();
                let name = name.to_str().context("a name in UTF-8")?;
                let below =
                    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
                self.load(folder, &below)?;
            }
        } else {
            let inode = self.add(number, false);
            self.nodes[inode].durable = Arc::new(fs::read(&whole)?);
            self.names.durable.insert(path.to_owned(), inode);
        }
        Ok(())
    }

    fn add(&mut self, number: InodeNumber, is_folder: bool) -> Inode {
        let inode = self.nodes.len();
        self.nodes.push(Node { is_folder, ..Node::default() });
        self.by_number.insert(number, inode);
        inode
    }

    pub(super) fn apply(&mut self, record: &Record) -> anyhow::Result<()> {
        self.now += 1;
        match record {
            Record::Create { path, inode } => self.link(path, *inode, false),
            Record::Folder { path, inode } => self.link(path, *inode, true),
            Record::Write { inode, offset, data } => {
                let change = Change::Write { offset: *offset, data: Arc::clone(data) };
                self.change(*inode, change)?;
            }
            Record::Resize { inode, bytes } => {
                self.change(*inode, Change::Resize { bytes: *bytes })?;
            }
            Record::Rename { from, to } => {
                let inode = self.names.current.remove(from).context("a name that is not there")?;
                self.names.current.insert(to.clone(), inode);
                let change = NameChange::Rename { from: from.clone(), to: to.clone(), inode };
                self.names.pending.push((self.now, change));
            }
            Record::Remove { path } => {
                self.names.current.remove(path);
                self.names.pending.push((self.now, NameChange::Remove { path: path.clone() }));
            }
            Record::SyncBegin { thread } => {
                self.syncs.insert(*thread, self.now);
            }
            Record::SyncEnd { inode, thread } => {
                let began = self.syncs.remove(thread).context("a sync that never began")?;
                self.sync(self.inode(*inode)?, began);
            }
            Record::Note(_) => {}
        }
        Ok(())
    }

    fn inode(&self, number: InodeNumber) -> anyhow::Result<Inode> {
        self.by_number.get(&number).copied().with_context(|| format!("unknown {number:?}"))
    }

    fn link(&mut self, path: &str, number: InodeNumber, is_folder: bool) {
        let inode = self.add(number, is_folder);
        self.names.current.insert(path.to_owned(), inode);
        self.names.pending.push((self.now, NameChange::Link { path: path.to_owned(), inode }));
    }

    fn change(&mut self, number: InodeNumber, change: Change) -> anyhow::Result<()> {
        let inode = self.inode(number)?;
        self.nodes[inode].pending.push((self.now, change));
        Ok(())
    }

    fn sync(&mut self, inode: Inode, began: u64) {
        let node = &mut self.nodes[inode];
        let covered = node.pending.partition_point(|(at, _)| *at < began);
        for (_, change) in node.pending.drain(..covered) {
            change.apply(Arc::make_mut(&mut node.durable));
        }
        let paths = self.names.current.iter().filter(|(_, of)| **of == inode);
        let folders: Vec<String> = paths.map(|(path, _)| path.clone()).collect();
        let is_covered = |at: u64, change: &NameChange| {
            at < began && folders.iter().any(|it| change.touches(it))
        };
        let durable = &mut self.names.durable;
        self.names.pending.retain(|(at, change)| {
            let covered = is_covered(*at, change);
            if covered {
                change.apply(durable);
            }
            !covered
        });
    }

    /// Writes into an empty folder what the next process finds after a power cut now.
    pub(super) fn cut(&self, chance: &mut IdGen, folder: &Path) -> anyhow::Result<()> {
        let taste = Taste {
            is_sorted: chance.below(3) == 0,
            kept_percent: [0, 10, 50, 90, 99, 100][chance.below(6) as usize],
            piece_bytes: [512, 4_096][chance.below(2) as usize],
        };
        // All that was ever changed lies on one line of time, which a sorted disk cuts once.
        let oldest = self.pending().min().unwrap_or(self.now);
        let until = oldest + chance.below(self.now - oldest + 1);
        let mut names = self.names.durable.clone();
        for (at, change) in &self.names.pending {
            if taste.keeps(chance, *at, until) {
                change.apply(&mut names);
            }
        }
        let folders: BTreeSet<&str> = names
            .iter()
            .filter(|(_, inode)| self.nodes[**inode].is_folder)
            .map(|(path, _)| path.as_str())
            .collect();
        // In the order of their names, folders come before what lies in them.
        for (path, inode) in names.iter().filter(|(path, _)| !path.is_empty()) {
            if !ancestors(path).all(|it| folders.contains(it)) {
                continue;
            }
            let node = &self.nodes[*inode];
            if node.is_folder {
                fs::create_dir(folder.join(path))?;
            } else {
                fs::write(folder.join(path), node.cut(taste, chance, until))?;
            }
        }
        Ok(())
    }

    fn pending(&self) -> impl Iterator<Item = u64> {
        let of_nodes = self.nodes.iter().flat_map(|it| &it.pending).map(|(at, _)| *at);
        of_nodes.chain(self.names.pending.iter().map(|(at, _)| *at))
    }

    /// What the program that is watched sees itself: nothing is lost.
    pub(super) fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let files = self.names.current.iter().filter(|(_, it)| !self.nodes[**it].is_folder);
        let contents = files.map(|(path, inode)| {
            let node = &self.nodes[*inode];
            let mut content = node.durable.to_vec();
            node.pending.iter().for_each(|(_, change)| change.apply(&mut content));
            (path.clone(), content)
        });
        contents.collect()
    }
}

impl Taste {
    fn keeps(self, chance: &mut IdGen, at: u64, until: u64) -> bool {
        if self.is_sorted { at < until } else { chance.below(100) < self.kept_percent }
    }
}

impl Node {
    fn cut(&self, taste: Taste, chance: &mut IdGen, until: u64) -> Vec<u8> {
        let mut content = self.durable.to_vec();
        for (at, change) in &self.pending {
            match change {
                Change::Resize { .. } => {
                    if taste.keeps(chance, *at, until) {
                        change.apply(&mut content);
                    }
                }
                Change::Write { offset, data } => {
                    // A file may have grown already while its data is still on the way.
                    if chance.below(4) == 0 {
                        let bytes = content.len().max(offset + data.len());
                        content.resize(bytes, 0);
                    }
                    for (offset, piece) in pieces(*offset, data, taste.piece_bytes) {
                        // The write that the cut meets is torn.
                        let is_met = taste.is_sorted && *at == until && chance.below(2) == 0;
                        if is_met || taste.keeps(chance, *at, until) {
                            write(&mut content, offset, piece);
                        }
                    }
                }
            }
        }
        content
    }
}

/// Torn at what the disk holds to be its sectors.
fn pieces(offset: usize, data: &[u8], bytes: usize) -> impl Iterator<Item = (usize, &[u8])> {
    let first = (bytes - offset % bytes).min(data.len());
    let (head, rest) = data.split_at(first);
    let starts = (offset + first..).step_by(bytes);
    std::iter::once((offset, head)).chain(starts.zip(rest.chunks(bytes)))
}

fn write(content: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(data);
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Change::Write { offset, data } => write(content, *offset, data),
            Change::Resize { bytes } => content.resize(*bytes, 0),
        }
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, Inode>) {
        match self {
            NameChange::Link { path, inode } => {
                names.insert(path.clone(), *inode);
            }
            NameChange::Rename { from, to, inode } => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
            NameChange::Remove { path } => {
                names.remove(path);
            }
        }
    }

    fn touches(&self, folder: &str) -> bool {
        match self {
            NameChange::Link { path, .. } | NameChange::Remove { path } => parent(path) == folder,
            NameChange::Rename { from, to, .. } => parent(from) == folder || parent(to) == folder,
        }
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Without the watched folder itself.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}
