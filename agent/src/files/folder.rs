//! The folders that the configs and secrets of tasks lie in: open to their owner alone, while the
//! containers see the files by mounts of their own.

use common::TaskId;
use common::file::Grant;
use nix::sys::statfs::{FsType, TMPFS_MAGIC, statfs};
use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

const FOLDER_MODE: u32 = 0o700;
/// nix has no name for it. The kernel's word is as wide as the machine's, and signed.
const RAMFS_MAGIC: u32 = 0x8584_58f6;

/// Those that have a folder.
pub(super) fn tasks(root: &Path) -> BTreeSet<TaskId> {
    let Ok(entries) = std::fs::read_dir(root) else { return BTreeSet::new() };
    let names = entries.filter_map(|it| it.ok()?.file_name().into_string().ok());
    names.filter_map(|it| it.parse().ok()).collect()
}

pub(super) fn make(root: &Path, task: TaskId) -> io::Result<PathBuf> {
    let folder = root.join(task.to_string());
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&folder)?;
    // Whatever the process's mask or an older version made of it.
    std::fs::set_permissions(root, Permissions::from_mode(FOLDER_MODE))?;
    Ok(folder)
}

/// As well where there is none.
pub(super) fn remove(root: &Path, task: TaskId) -> io::Result<()> {
    let removed =
        shell::threads::at_length(|| std::fs::remove_dir_all(root.join(task.to_string())));
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Whether what is written there never reaches a disk, but for swap.
pub(super) fn is_in_memory(folder: &Path) -> io::Result<bool> {
    let found = statfs(folder)?.filesystem_type();
    Ok(found == TMPFS_MAGIC || found == FsType(RAMFS_MAGIC as _))
}

/// Closed until its owner is right.
pub(super) fn write(path: &Path, content: &[u8], grant: &Grant) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    let fails =
        |what: String| move |it: io::Error| io::Error::new(it.kind(), format!("{what}: {it}"));
    let Grant { uid, gid, mode, .. } = grant;
    fchown(&file, Some(*uid), Some(*gid)).map_err(fails(format!("owner {uid}:{gid}")))?;
    set_mode(&file, *mode).map_err(fails(format!("mode {mode:o}")))
}

fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))
}
