//! Small files that are replaced as a whole: after a power cut there is the old one or the new
//! one. Only their owner may look into them. Everything else goes on while the disk takes its time.

use crate::threads::at_length;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Makes the file where there is none, in a folder that is there.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    at_length(|| {
        let half_written = half_written(path);
        // One that a power cut left may have other permissions: never write a key into it.
        remove(&half_written)?;
        write_new(&half_written, bytes)?;
        std::fs::rename(&half_written, path)?;
        sync_folder_of(path)
    })
}

/// Whether a file of this length could be written there now. Nothing is left of the attempt.
pub fn rehearse(path: &Path, length: usize) -> io::Result<()> {
    at_length(|| {
        let half_written = half_written(path);
        remove(&half_written)?;
        let written = write_new(&half_written, &vec![0; length]);
        remove(&half_written)?;
        written
    })
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// As well where there is none.
pub fn erase(path: &Path) -> io::Result<()> {
    at_length(|| {
        remove(&half_written(path))?;
        remove(path)?;
        match sync_folder_of(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    })
}

fn half_written(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".new");
    PathBuf::from(name)
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_file_is_replaced_and_erased_with_what_a_power_cut_left() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("key.pem");
        let left = folder.path().join("key.pem.new");
        std::fs::write(&left, "half of").expect("the folder is ours");
        replace(&path, b"one").expect("it can be written");
        replace(&path, b"two").expect("it can be replaced");
        assert_eq!(std::fs::read(&path).expect("it is there"), b"two");
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!((mode & 0o777, left.exists()), (0o600, false));
        rehearse(&path, 10).expect("there is room");
        assert_eq!(std::fs::read(&path).expect("it is there"), b"two");
        assert!(!left.exists());
        std::fs::write(&left, "half of").expect("the folder is ours");
        erase(&path).expect("it can be erased");
        erase(&path).expect("it need not be there");
        assert!(!path.exists() && !left.exists());
    }
}
