//! Configs and secrets: small files that the cluster keeps and gives to tasks.

use crate::id::{FileId, Version};
use crate::name::Name;
use crate::secret::Secret;
use crate::time::Stamp;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Docker's own limits.
pub const CONFIG_BYTES_MAX: usize = 1_000 << 10;
pub const SECRET_BYTES_MAX: usize = 500 << 10;
/// What a seal adds to a content: version and kind, a nonce, a tag.
pub const SEAL_BYTES: usize = 2 + 12 + 16;
pub const FILE_KEY_BYTES: usize = 32;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    pub id: FileId,
    pub version: Version,
    pub created: Stamp,
    pub updated: Stamp,
    /// Belongs to one config and one secret at most; it never changes.
    pub name: Name,
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub stack: Option<Name>,
    pub digest: Digest,
    pub content: Content,
}

impl File {
    pub fn kind(&self) -> FileKind {
        self.content.kind()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FileKind {
    Config,
    Secret,
}

impl FileKind {
    pub fn as_str(self) -> &'static str {
        match self {
            FileKind::Config => "config",
            FileKind::Secret => "secret",
        }
    }

    /// Of the content before it is sealed.
    pub fn bytes_max(self) -> usize {
        match self {
            FileKind::Config => CONFIG_BYTES_MAX,
            FileKind::Secret => SECRET_BYTES_MAX,
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A secret is sealed by the command line that makes it, and unsealed by the agents that write
/// it: what lies between never sees it in clear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    Config(Blob),
    Secret(Blob),
}

impl Content {
    pub fn kind(&self) -> FileKind {
        match self {
            Content::Config(_) => FileKind::Config,
            Content::Secret(_) => FileKind::Secret,
        }
    }

    /// As it is kept: of a secret under its seal.
    pub fn blob(&self) -> &Blob {
        match self {
            Content::Config(blob) | Content::Secret(blob) => blob,
        }
    }

    /// How long the file will be.
    pub fn length(&self) -> usize {
        match self {
            Content::Config(blob) => blob.bytes().len(),
            Content::Secret(sealed) => sealed.bytes().len().saturating_sub(SEAL_BYTES),
        }
    }
}

/// A config or secret as its maker describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    pub name: Name,
    pub labels: BTreeMap<String, String>,
    pub stack: Option<Name>,
    pub digest: Digest,
    pub content: Content,
}

/// Bytes that are kept once, however many hold them.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Blob(Arc<[u8]>);

impl Blob {
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Blob {
        Blob(bytes.into())
    }
}

impl fmt::Debug for Blob {
    /// Configs hold passwords too, whatever people mean to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}

/// As bytes, where serde alone would write a list of numbers.
impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Blob, D::Error> {
        deserializer.deserialize_byte_buf(BlobVisitor)
    }
}

struct BlobVisitor;

impl<'de> Visitor<'de> for BlobVisitor {
    type Value = Blob;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Blob, E> {
        Ok(Blob(bytes.into()))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Blob, E> {
        Ok(Blob(bytes.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Blob, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = sequence.next_element()? {
            bytes.push(byte);
        }
        Ok(Blob(bytes.into()))
    }
}

/// Keyed, so that it tells whether two contents are the same and nothing else of them.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(pub [u8; 32]);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

/// A file in the containers of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub file: FileId,
    pub kind: FileKind,
    /// Of the file, for people.
    pub name: Name,
    /// As given: absolute, or below the folder of its kind.
    pub target: String,
    pub uid: u32,
    pub gid: u32,
    /// Permissions, as in 0o444.
    pub mode: u32,
}

pub const GRANT_MODE_DEFAULT: u32 = 0o444;

impl Grant {
    /// Readable by all, under its own name.
    pub fn of(file: FileId, kind: FileKind, name: Name) -> Grant {
        let target = name.to_string();
        Grant { file, kind, name, target, uid: 0, gid: 0, mode: GRANT_MODE_DEFAULT }
    }

    /// Where it lies in a container.
    pub fn path(&self) -> String {
        if self.target.starts_with('/') {
            return self.target.clone();
        }
        match self.kind {
            FileKind::Config => format!("/{}", self.target),
            FileKind::Secret => format!("/run/secrets/{}", self.target),
        }
    }
}

/// What a node is given of a file that its tasks need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub file: FileId,
    pub name: Name,
    pub content: Content,
}

impl From<&File> for Delivery {
    fn from(file: &File) -> Delivery {
        Delivery { file: file.id, name: file.name.clone(), content: file.content.clone() }
    }
}

/// What changed of the files that a node needs. It goes ahead of the tasks that need them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSet {
    pub extent: Extent,
    /// What unseals the secrets among them; none where there are no secrets.
    pub key: Option<Secret>,
    pub put: Vec<Delivery>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// All there is: others are not needed any more.
    Complete,
    /// Beside those that the node has, but for the ones that are not needed any more.
    Changes { remove: Vec<FileId> },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let name: Name = "app.conf".parse().expect("a name");
        for (kind, target, path) in [
            (FileKind::Config, "app.conf", "/app.conf"),
            (FileKind::Secret, "app.conf", "/run/secrets/app.conf"),
            (FileKind::Secret, "a/b", "/run/secrets/a/b"),
            (FileKind::Config, "/etc/app", "/etc/app"),
            (FileKind::Secret, "/etc/app", "/etc/app"),
        ] {
            let mut grant = Grant::of(FileId(1), kind, name.clone());
            grant.target = target.to_owned();
            assert_eq!(grant.path(), path);
        }
    }

    #[test]
    fn nothing_shows_a_content() {
        let content = Content::Config(b"password".to_vec().into());
        assert_eq!(format!("{content:?}"), "Config(Blob(8 bytes))");
        assert_eq!(format!("{:?}", Digest([7; 32])), "Digest(…)");
    }
}
