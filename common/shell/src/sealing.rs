//! What secrets are sealed with on their way from the command line to the nodes that need them.
//! Managers keep the key and the sealed bytes, and never call this.

use crate::clock;
use crate::codec::{Place, SealKey};
use common::Name;
use common::file::{Blob, Content, Digest, FILE_KEY_BYTES, FileKind};
use common::secret::Secret;
use ring::hmac;
use std::fmt;
use zeroize::Zeroizing;

const SEALING: &[u8] = b"skep: sealing of secrets, 1";
const DIGESTS: &[u8] = b"skep: digests of files, 1";
/// A sealed secret opens as no value of a database, and the other way round.
const TREE: &str = "secret";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealingError {
    #[error("the cluster's key for secrets has {0} bytes instead of {FILE_KEY_BYTES}")]
    KeyLength(usize),
    #[error("it is too large to be sealed")]
    TooLarge,
    #[error(
        "it was sealed with another key or under another name, or is damaged: remove it and make \
         it anew"
    )]
    NotOpened,
}

/// The cluster's key, as the two keys that are made of it.
pub struct FileKey {
    sealing: SealKey,
    digests: hmac::Key,
}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileKey(…)")
    }
}

/// For a cluster that has none.
pub fn new_file_key() -> Secret {
    Secret::new(clock::random_bytes::<FILE_KEY_BYTES>().to_vec())
}

impl FileKey {
    pub fn new(key: &Secret) -> Result<FileKey, SealingError> {
        if key.reveal().len() != FILE_KEY_BYTES {
            return Err(SealingError::KeyLength(key.reveal().len()));
        }
        let root = hmac::Key::new(hmac::HMAC_SHA256, key.reveal());
        let derived = |purpose| hmac::sign(&root, purpose);
        let mut sealing = Zeroizing::new([0; FILE_KEY_BYTES]);
        sealing.copy_from_slice(derived(SEALING).as_ref());
        Ok(FileKey {
            sealing: SealKey::from_bytes(&sealing),
            digests: hmac::Key::new(hmac::HMAC_SHA256, derived(DIGESTS).as_ref()),
        })
    }

    /// The same for the same content of the same cluster, and no help to whoever guesses it.
    pub fn digest(&self, content: &[u8]) -> Digest {
        let mut digest = [0; 32];
        digest.copy_from_slice(hmac::sign(&self.digests, content).as_ref());
        Digest(digest)
    }

    /// As it is kept.
    pub fn content(
        &self,
        kind: FileKind,
        name: &Name,
        content: &[u8],
    ) -> Result<Content, SealingError> {
        match kind {
            FileKind::Config => Ok(Content::Config(content.to_vec().into())),
            FileKind::Secret => Ok(Content::Secret(self.seal(name, content)?)),
        }
    }

    /// It opens under this name only, so that nobody can pass one secret off as another.
    fn seal(&self, name: &Name, content: &[u8]) -> Result<Blob, SealingError> {
        let sealed = self.sealing.encode_bytes(place(name), content);
        sealed.map(Blob::from).map_err(|_| SealingError::TooLarge)
    }

    pub fn unseal(&self, name: &Name, sealed: &Blob) -> Result<Zeroizing<Vec<u8>>, SealingError> {
        let opened = self.sealing.decode_bytes(place(name), sealed.bytes());
        opened.map(Zeroizing::new).map_err(|_| SealingError::NotOpened)
    }
}

fn place(name: &Name) -> Place<'_> {
    Place { tree: TREE, key: name.as_str().as_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::file::SEAL_BYTES;

    #[test]
    fn a_secret_opens_under_its_own_name_and_key_alone() {
        let name: Name = "db-password".parse().expect("a name");
        let key = FileKey::new(&new_file_key()).expect("a good key");
        let clear = clock::random_bytes::<100>();
        let sealed = key.content(FileKind::Secret, &name, &clear).expect("it is small");
        assert_eq!((sealed.blob().bytes().len(), sealed.length()), (100 + SEAL_BYTES, 100));
        assert!(!sealed.blob().bytes().windows(8).any(|it| it == &clear[..8]));
        let opened = key.unseal(&name, sealed.blob()).expect("it was sealed so");
        assert_eq!(opened.as_slice(), clear);
        let again = key.content(FileKind::Secret, &name, &clear).expect("it is small");
        assert_ne!(again, sealed, "nobody sees that two are the same");

        let other_name = "other".parse().expect("a name");
        let other_key = FileKey::new(&new_file_key()).expect("a good key");
        let cut = Blob::from(sealed.blob().bytes()[..50].to_vec());
        for opened in [
            key.unseal(&other_name, sealed.blob()),
            other_key.unseal(&name, sealed.blob()),
            key.unseal(&name, &cut),
        ] {
            assert_eq!(opened.map(drop), Err(SealingError::NotOpened));
        }
    }

    #[test]
    fn a_digest_tells_contents_apart_and_needs_the_key() {
        let secret = new_file_key();
        let key = FileKey::new(&secret).expect("a good key");
        let same = FileKey::new(&secret).expect("a good key");
        let other = FileKey::new(&new_file_key()).expect("a good key");
        assert_eq!(key.digest(b"one"), same.digest(b"one"));
        assert_ne!(key.digest(b"one"), key.digest(b"two"));
        assert_ne!(key.digest(b"one"), other.digest(b"one"));
        let short = FileKey::new(&Secret::new(vec![1; 31]));
        assert_eq!(short.map(drop), Err(SealingError::KeyLength(31)));
    }
}
