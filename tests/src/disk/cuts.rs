//! Lives of a node's store that end in power cuts, one after the other on the same disk.
//!
//! Each life is recorded whole; then the power goes at many moments of that one record, and each
//! disk that a cut may have left is opened by a process of its own. The next life begins on one.

use super::journal::{self, Record};
use super::load::Finding;
use super::notes::Note;
use super::platter::Platter;
use super::shim::Shim;
use crate::hosts::binary;
use anyhow::{Context, ensure};
use common::IdGen;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const CUTS_PER_LIFE: u64 = 15;
/// Every so many lives a new node starts, for its first start is cut short too.
const LIVES_PER_NODE: u64 = 4;
/// The first records of a life are those of its opening, which mends what the last cut left.
const OPENING_RECORDS: usize = 60;
/// A process that has not ended after so many looks hangs.
const LOOKS_MAX: u32 = 12_000;
const LOOK: Duration = Duration::from_millis(10);

/// What to do to the disk, and where.
#[derive(Debug)]
pub struct Cuts {
    /// Exists and is empty; whoever made it removes it.
    pub home: PathBuf,
    pub seed: u64,
    pub count: u64,
    /// Where to keep disks that were not found sound.
    pub keep: Option<PathBuf>,
}

#[derive(Debug, Default)]
pub struct Tally {
    pub sound: u64,
    /// Disks that lacked something of what their process had written.
    pub harmed: u64,
    pub refused: Vec<String>,
    pub lost: Vec<String>,
}

/// What the next life begins with.
#[derive(Clone, Default)]
struct Past {
    folder: PathBuf,
    notes: Vec<Note>,
}

impl Past {
    fn begin(&mut self, folder: PathBuf) -> anyhow::Result<()> {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder)?;
        }
        fs::create_dir(&folder)?;
        *self = Past { folder, notes: Vec::new() };
        Ok(())
    }
}

impl Cuts {
    pub fn run(&self) -> anyhow::Result<Tally> {
        let mut chance = IdGen::from_seed(self.seed);
        let mut tally = Tally::default();
        let mut past = Past::default();
        for life in 0..self.count.div_ceil(CUTS_PER_LIFE) {
            if life % LIVES_PER_NODE == 0 {
                past.begin(self.home.join(format!("node-{life}")))?;
            }
            let count = CUTS_PER_LIFE.min(self.count - life * CUTS_PER_LIFE);
            past = self.life(life, count, &mut chance, past, &mut tally)?;
        }
        Ok(tally)
    }

    fn life(
        &self,
        life: u64,
        count: u64,
        chance: &mut IdGen,
        past: Past,
        tally: &mut Tally,
    ) -> anyhow::Result<Past> {
        let mut platter = Platter::of(&past.folder)?;
        let records = self.record(life, chance.next_u64(), &past)?;
        let until = records.len();
        let moments = moments(&records, count, chance);
        // The next life begins on a disk that was found sound, as late as chance wants it.
        let begin_after = chance.below(count);
        let mut next = None;
        let mut notes = past.notes.clone();
        let mut applied = 0;
        for (cut, moment) in (0..).zip(moments) {
            for record in &records[applied..moment] {
                platter.apply(record)?;
                notes.extend(record.note().cloned());
            }
            applied = moment;
            let seed = chance.next_u64();
            let name = format!("life {life} cut {cut} at {moment} of {until}");
            let folder = self.home.join(format!("cut-{life}-{cut}"));
            let left = Past { folder, notes: notes.clone() };
            self.cut(&platter, seed, &left)?;
            tally.harmed += u64::from(files_of(&left.folder)? != platter.contents());
            let finding = self.check(&left)?;
            if next.is_none() && cut >= begin_after && finding == Finding::Sound {
                self.cut(&platter, seed, &left)?;
                next = Some(left);
            } else {
                self.put_away(&platter, seed, &left, &finding)?;
            }
            tally.add(&name, finding);
        }
        for record in &records[applied..] {
            platter.apply(record)?;
        }
        let lived = files_of(&past.folder)?;
        ensure!(platter.contents() == lived, "the record of life {life} is not what happened");
        fs::remove_dir_all(&past.folder)?;
        next.context("no cut of a whole life left a sound disk")
    }

    fn record(&self, life: u64, seed: u64, past: &Past) -> anyhow::Result<Vec<Record>> {
        let journal = self.home.join(format!("journal-{life}"));
        let shim = Shim::build(&self.home, &past.folder).with_journal(journal.clone());
        let mut command = self.diskload("live", past)?;
        command.arg(seed.to_string()).envs(shim.variables());
        let finding = finish(command)?;
        ensure!(finding == Finding::Sound, "life {life} on a sound disk: {finding:?}");
        let records = journal::read(&journal)?;
        fs::remove_file(&journal)?;
        Ok(records)
    }

    fn check(&self, left: &Past) -> anyhow::Result<Finding> {
        finish(self.diskload("check", left)?)
    }

    fn diskload(&self, what: &str, past: &Past) -> anyhow::Result<Command> {
        let lines: Result<Vec<String>, _> = past.notes.iter().map(serde_json::to_string).collect();
        let path = past.folder.with_extension("notes");
        fs::write(&path, lines?.join("\n"))?;
        let mut command = Command::new(binary("diskload"));
        command.arg(what).arg(&past.folder).arg(path);
        Ok(command)
    }

    fn cut(&self, platter: &Platter, seed: u64, left: &Past) -> anyhow::Result<()> {
        if left.folder.exists() {
            fs::remove_dir_all(&left.folder)?;
        }
        fs::create_dir(&left.folder)?;
        platter.cut(&mut IdGen::from_seed(seed), &left.folder)
    }

    fn put_away(
        &self,
        platter: &Platter,
        seed: u64,
        left: &Past,
        finding: &Finding,
    ) -> anyhow::Result<()> {
        let notes = left.folder.with_extension("notes");
        if let (Some(keep), true) = (&self.keep, *finding != Finding::Sound) {
            let name = left.folder.file_name().context("it has a name")?;
            let kept = Past { folder: keep.join(name), notes: Vec::new() };
            self.cut(platter, seed, &kept)?;
            fs::copy(&notes, kept.folder.with_extension("notes"))?;
        }
        fs::remove_dir_all(&left.folder)?;
        Ok(fs::remove_file(notes)?)
    }
}

/// In their order. A quarter lies in the opening, and half where much is at stake.
fn moments(records: &[Record], count: u64, chance: &mut IdGen) -> Vec<usize> {
    let mut unsynced_bytes = 0;
    let at_stake: Vec<usize> = records
        .iter()
        .map(|record| {
            match record {
                Record::Write { data, .. } => unsynced_bytes += data.len(),
                Record::SyncEnd { .. } => unsynced_bytes = 0,
                Record::Create { .. }
                | Record::Folder { .. }
                | Record::Resize { .. }
                | Record::Rename { .. }
                | Record::Remove { .. }
                | Record::SyncBegin { .. }
                | Record::Note(_) => {}
            }
            unsynced_bytes
        })
        .collect();
    let mut moments: Vec<usize> = (0..count)
        .map(|cut| {
            let within = if cut % 4 == 0 { OPENING_RECORDS } else { records.len() };
            let tries = if cut % 4 < 2 { 1 } else { 8 };
            let drawn = (0..tries).map(|_| chance.below(within.min(records.len()) as u64) as usize);
            drawn.max_by_key(|it| at_stake[*it]).expect("one at least was drawn")
        })
        .collect();
    moments.sort_unstable();
    moments
}

impl Tally {
    fn add(&mut self, name: &str, finding: Finding) {
        match finding {
            Finding::Sound => self.sound += 1,
            Finding::Refused(text) => self.refused.push(format!("{name}: {text}")),
            Finding::Lost(text) => self.lost.push(format!("{name}: {text}")),
        }
    }
}

impl Record {
    fn note(&self) -> Option<&Note> {
        if let Record::Note(note) = self { Some(note) } else { None }
    }
}

fn finish(mut command: Command) -> anyhow::Result<Finding> {
    let mut child = Running(command.stderr(Stdio::piped()).spawn()?);
    let mut said = child.0.stderr.take().context("it is piped")?;
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        said.read_to_string(&mut text).map(|_| text)
    });
    for _ in 0..LOOKS_MAX {
        if let Some(status) = child.0.try_wait()? {
            let text = reader.join().ok().context("the reader panicked")??;
            return Finding::from_code(status.code(), text);
        }
        std::thread::sleep(LOOK);
    }
    anyhow::bail!("{command:?} hangs")
}

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended needs no more than that.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn files_of(folder: &Path) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    Ok(Platter::of(folder)?.contents())
}
