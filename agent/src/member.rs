//! What a member remembers of its cluster beside its certificate. Written when it changes, which
//! is when managers come and go.

use serde::{Deserialize, Serialize};
use shell::files;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRecord {
    /// What others reach this node by.
    pub address: SocketAddr,
    /// Where it listens as a manager.
    pub listen: SocketAddr,
    pub name: String,
    /// The last known managers.
    pub managers: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    #[error("{path} cannot be read: {source}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{path} cannot be written: {source}; is the disk full?")]
    Unwritable { path: PathBuf, source: std::io::Error },
    #[error("{path} is damaged ({source}): remove the data directory, start skep and join again")]
    Damaged { path: PathBuf, source: serde_json::Error },
}

#[derive(Debug)]
pub struct MemberFile {
    path: PathBuf,
}

impl MemberFile {
    pub fn at(path: PathBuf) -> MemberFile {
        MemberFile { path }
    }

    pub fn load(&self) -> Result<Option<MemberRecord>, MemberError> {
        let path = || self.path.clone();
        match std::fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|source| MemberError::Damaged { path: path(), source }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(MemberError::Unreadable { path: path(), source }),
        }
    }

    pub fn save(&self, record: &MemberRecord) -> Result<(), MemberError> {
        let path = || self.path.clone();
        let bytes = serde_json::to_vec_pretty(record)
            .map_err(|source| MemberError::Damaged { path: path(), source })?;
        files::replace(&self.path, &bytes)
            .map_err(|source| MemberError::Unwritable { path: path(), source })
    }

    pub fn erase(&self) -> Result<(), MemberError> {
        let erased = files::erase(&self.path);
        erased.map_err(|source| MemberError::Unwritable { path: self.path.clone(), source })
    }
}
