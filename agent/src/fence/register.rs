//! The files in which the agent and its watchdog tell each other what is started, what was ended,
//! and until when the lease lasts. They lie on a file system that a reboot empties.

use agent_core::container::ContainerId;
use agent_core::lease::BootTime;
use agent_core::standing::Standing;
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _};
use std::path::{Path, PathBuf};

const DEADLINE: &str = "lease";
const WATCHDOG: &str = "watchdog";

/// In the order in which a container goes through them.
const ALL: [Standing; 4] =
    [Standing::Starting, Standing::Running, Standing::Halted, Standing::Barred];

fn suffix(standing: Standing) -> &'static str {
    match standing {
        Standing::Starting => "starting",
        Standing::Running => "running",
        Standing::Halted => "halted",
        Standing::Barred => "barred",
    }
}

#[derive(Debug, Clone)]
pub(super) struct Register {
    folder: PathBuf,
}

impl Register {
    pub(super) fn at(folder: PathBuf) -> Register {
        Register { folder }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn file(&self, container: &ContainerId, standing: Standing) -> PathBuf {
        self.folder.join(format!("{container}.{}", suffix(standing)))
    }

    fn make_folder(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)
    }

    /// The beginning of time where none was ever written.
    pub(super) fn deadline(&self) -> BootTime {
        BootTime(self.read(DEADLINE).map_or(0, u64::from_le_bytes))
    }

    pub(super) fn set_deadline(&self, deadline: BootTime) -> io::Result<()> {
        self.write(DEADLINE, &deadline.0.to_le_bytes())
    }

    /// The newest watchdog says that it is there.
    pub(super) fn claim(&self, process: u32) -> io::Result<()> {
        self.write(WATCHDOG, &process.to_le_bytes())
    }

    pub(super) fn claimed_by(&self) -> Option<u32> {
        self.read(WATCHDOG).map(u32::from_le_bytes)
    }

    fn read<const BYTES: usize>(&self, name: &str) -> Option<[u8; BYTES]> {
        let mut number = [0; BYTES];
        File::open(self.folder.join(name)).ok()?.read_exact(&mut number).ok()?;
        Some(number)
    }

    /// In one piece: eight bytes that lie within a page.
    fn write(&self, name: &str, number: &[u8]) -> io::Result<()> {
        self.make_folder()?;
        let path = self.folder.join(name);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        file.write_all_at(number, 0)
    }

    pub(super) fn entries(&self) -> BTreeMap<ContainerId, Standing> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return BTreeMap::new() };
        let names = entries.filter_map(|it| it.ok()?.file_name().into_string().ok());
        let read = |name: String| {
            let (id, ending) = name.rsplit_once('.')?;
            let standing = ALL.into_iter().find(|it| suffix(*it) == ending)?;
            Some((ContainerId(id.to_owned()), standing))
        };
        names.filter_map(read).collect()
    }

    pub(super) fn enter(&self, container: &ContainerId) -> io::Result<()> {
        self.make_folder()?;
        File::create(self.file(container, Standing::Starting)).map(drop)
    }

    /// Answers whether it stood so.
    pub(super) fn turn(&self, container: &ContainerId, from: Standing, to: Standing) -> bool {
        std::fs::rename(self.file(container, from), self.file(container, to)).is_ok()
    }

    /// Nothing turns back, so what turns while this looks is not overlooked.
    pub(super) fn standing(&self, container: &ContainerId) -> Option<Standing> {
        ALL.into_iter().find(|it| self.file(container, *it).exists())
    }

    pub(super) fn strike(&self, container: &ContainerId) {
        for standing in ALL {
            match std::fs::remove_file(self.file(container, standing)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    tracing::warn!(%error, %container, "it stays registered, though it has ended");
                }
                Ok(()) | Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let register = Register::at(folder.path().join("fence/1"));
        assert_eq!((register.deadline(), register.entries()), (BootTime(0), BTreeMap::new()));
        register.set_deadline(BootTime(1 << 40)).unwrap();
        register.set_deadline(BootTime(7)).unwrap();
        assert_eq!(register.deadline(), BootTime(7));
        let id = ContainerId("c1".to_owned());
        register.enter(&id).unwrap();
        assert!(register.turn(&id, Standing::Starting, Standing::Running));
        assert_eq!(register.entries(), BTreeMap::from([(id.clone(), Standing::Running)]));
        // Whoever is first has it.
        assert!(register.turn(&id, Standing::Running, Standing::Halted));
        assert!(!register.turn(&id, Standing::Starting, Standing::Running));
        assert_eq!(register.standing(&id), Some(Standing::Halted));
        register.claim(7).unwrap();
        register.claim(8).unwrap();
        assert_eq!(register.claimed_by(), Some(8));
        register.strike(&id);
        assert_eq!((register.standing(&id), register.entries()), (None, BTreeMap::new()));
    }
}
