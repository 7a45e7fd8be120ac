//! Configs and secrets.

use super::{Malformed, enums, parsed, required, specified};
use crate::v1;
use common::file::{
    Blob, Content, Delivery, Digest, Extent, FILE_KEY_BYTES, File, FileKind, FileSet, Grant,
    NewFile,
};
use common::secret::Secret;
use common::{FileId, Name, Stamp, Version};
use std::collections::BTreeMap;
use std::fmt;

enums! {
    "file.kind": v1::FileKind = FileKind { Config Secret }
}

/// They hold contents or keys.
macro_rules! hidden {
    ($($wire:ident)*) => {$(
        impl fmt::Debug for v1::$wire {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($wire), "(…)"))
            }
        }
    )*};
}

hidden! { CreateFileRequest FileView GetSealingKeyResponse Files DeliveredFile }

fn content(kind: i32, bytes: Vec<u8>) -> Result<Content, Malformed> {
    let blob = Blob::from(bytes);
    Ok(match specified::<v1::FileKind, FileKind>(kind, "file.kind")? {
        FileKind::Config => Content::Config(blob),
        FileKind::Secret => Content::Secret(blob),
    })
}

fn digest(bytes: &[u8]) -> Result<Digest, Malformed> {
    let wrong = |_| Malformed {
        field: "file.digest",
        reason: format!("{} bytes where 32 are expected", bytes.len()),
    };
    bytes.try_into().map(Digest).map_err(wrong)
}

impl TryFrom<v1::Grant> for Grant {
    type Error = Malformed;
    fn try_from(wire: v1::Grant) -> Result<Grant, Malformed> {
        Ok(Grant {
            file: FileId(wire.file),
            kind: specified::<v1::FileKind, _>(wire.kind, "grant.kind")?,
            name: parsed(&wire.name, "grant.name")?,
            target: wire.target,
            uid: wire.uid,
            gid: wire.gid,
            mode: wire.mode,
        })
    }
}

impl From<&Grant> for v1::Grant {
    fn from(grant: &Grant) -> v1::Grant {
        v1::Grant {
            file: grant.file.0,
            kind: v1::FileKind::from(grant.kind).into(),
            name: grant.name.to_string(),
            target: grant.target.clone(),
            uid: grant.uid,
            gid: grant.gid,
            mode: grant.mode,
        }
    }
}

impl TryFrom<v1::CreateFileRequest> for NewFile {
    type Error = Malformed;
    fn try_from(wire: v1::CreateFileRequest) -> Result<NewFile, Malformed> {
        Ok(NewFile {
            name: parsed(&wire.name, "file.name")?,
            labels: wire.labels,
            stack: wire.stack.map(|it| parsed(&it, "file.stack")).transpose()?,
            digest: digest(&wire.digest)?,
            content: content(wire.kind, wire.content)?,
        })
    }
}

impl From<&NewFile> for v1::CreateFileRequest {
    fn from(new: &NewFile) -> v1::CreateFileRequest {
        v1::CreateFileRequest {
            kind: v1::FileKind::from(new.content.kind()).into(),
            name: new.name.to_string(),
            labels: new.labels.clone(),
            stack: new.stack.as_ref().map(ToString::to_string),
            digest: new.digest.0.to_vec(),
            content: new.content.blob().bytes().to_vec(),
        }
    }
}

/// A config or secret as users may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub id: FileId,
    pub version: Version,
    pub created: Stamp,
    pub updated: Stamp,
    pub kind: FileKind,
    pub name: Name,
    pub labels: BTreeMap<String, String>,
    pub stack: Option<Name>,
    pub digest: Digest,
    /// Of configs, where it was asked for.
    pub content: Option<Blob>,
}

impl Shown {
    pub fn without_content(file: &File) -> Shown {
        Shown {
            id: file.id,
            version: file.version,
            created: file.created,
            updated: file.updated,
            kind: file.kind(),
            name: file.name.clone(),
            labels: file.labels.clone(),
            stack: file.stack.clone(),
            digest: file.digest,
            content: None,
        }
    }

    /// Nobody is shown a secret, sealed or not.
    pub fn with_content(file: &File) -> Shown {
        let content = match &file.content {
            Content::Config(blob) => Some(blob.clone()),
            Content::Secret(_) => None,
        };
        Shown { content, ..Shown::without_content(file) }
    }
}

impl TryFrom<v1::FileView> for Shown {
    type Error = Malformed;
    fn try_from(wire: v1::FileView) -> Result<Shown, Malformed> {
        Ok(Shown {
            id: FileId(wire.id),
            version: Version(wire.version),
            created: required::<_, Stamp>(wire.created, "file.created")?,
            updated: required::<_, Stamp>(wire.updated, "file.updated")?,
            kind: specified::<v1::FileKind, _>(wire.kind, "file.kind")?,
            name: parsed(&wire.name, "file.name")?,
            labels: wire.labels,
            stack: wire.stack.map(|it| parsed(&it, "file.stack")).transpose()?,
            digest: digest(&wire.digest)?,
            content: wire.content.map(Blob::from),
        })
    }
}

impl From<&Shown> for v1::FileView {
    fn from(shown: &Shown) -> v1::FileView {
        v1::FileView {
            id: shown.id.0,
            version: shown.version.0,
            created: Some((&shown.created).into()),
            updated: Some((&shown.updated).into()),
            kind: v1::FileKind::from(shown.kind).into(),
            name: shown.name.to_string(),
            labels: shown.labels.clone(),
            stack: shown.stack.as_ref().map(ToString::to_string),
            digest: shown.digest.0.to_vec(),
            content: shown.content.as_ref().map(|it| it.bytes().to_vec()),
        }
    }
}

impl TryFrom<v1::DeliveredFile> for Delivery {
    type Error = Malformed;
    fn try_from(wire: v1::DeliveredFile) -> Result<Delivery, Malformed> {
        Ok(Delivery {
            file: FileId(wire.id),
            name: parsed(&wire.name, "file.name")?,
            content: content(wire.kind, wire.content)?,
        })
    }
}

impl From<&Delivery> for v1::DeliveredFile {
    fn from(delivery: &Delivery) -> v1::DeliveredFile {
        v1::DeliveredFile {
            id: delivery.file.0,
            kind: v1::FileKind::from(delivery.content.kind()).into(),
            name: delivery.name.to_string(),
            content: delivery.content.blob().bytes().to_vec(),
        }
    }
}

impl TryFrom<v1::Files> for FileSet {
    type Error = Malformed;
    fn try_from(wire: v1::Files) -> Result<FileSet, Malformed> {
        let remove: Vec<FileId> = wire.remove.into_iter().map(FileId).collect();
        let extent = match (wire.complete, remove.is_empty()) {
            (false, _) => Extent::Changes { remove },
            (true, true) => Extent::Complete,
            (true, false) => {
                return Err(Malformed {
                    field: "files.remove",
                    reason: "a complete set leaves out what is to go".to_owned(),
                });
            }
        };
        let put = wire.put.into_iter().map(Delivery::try_from).collect::<Result<_, _>>()?;
        let key = wire.key.map(file_key).transpose()?;
        Ok(FileSet { extent, key, put })
    }
}

impl From<&FileSet> for v1::Files {
    fn from(set: &FileSet) -> v1::Files {
        let (complete, remove) = match &set.extent {
            Extent::Complete => (true, Vec::new()),
            Extent::Changes { remove } => (false, remove.iter().map(|it| it.0).collect()),
        };
        v1::Files {
            complete,
            key: set.key.as_ref().map(|it| it.reveal().to_vec()),
            put: set.put.iter().map(v1::DeliveredFile::from).collect(),
            remove,
        }
    }
}

/// The cluster's, from the bytes that travelled.
pub fn file_key(bytes: Vec<u8>) -> Result<Secret, Malformed> {
    if bytes.len() == FILE_KEY_BYTES {
        return Ok(Secret::new(bytes));
    }
    let reason = format!("{} bytes where {FILE_KEY_BYTES} are expected", bytes.len());
    Err(Malformed { field: "files.key", reason })
}
