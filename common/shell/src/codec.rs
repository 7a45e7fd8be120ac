//! Bytes at rest and on the wire: one byte of format version, one of seal, then the payload.
//!
//! The payload is MessagePack with field names, so that fields can be added with a default.
//! What is sealed is bound to the place where it lies: nobody can swap two values.

use crate::{clock, files};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FORMAT_VERSION: u8 = 1;
const SEAL_CLEAR: u8 = 0;
const SEAL_CHACHA20_POLY1305: u8 = 1;
/// Version and seal.
const HEADER_BYTES: usize = 2;
const KEY_BYTES: usize = 32;

/// The causes stand in the text and not behind it, because openraft keeps only the text.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CodecError {
    #[error(
        "written by a newer skep (format {found}, this one reads up to {FORMAT_VERSION}): \
         install that version or a later one on this node"
    )]
    Newer { found: u8 },
    #[error(
        "damaged ({detail}): restore the data directory from a backup, or remove the data \
         directory, start skep and join again"
    )]
    Damaged { detail: String },
    #[error(
        "sealed with another key, or damaged: when the key file was replaced, put the old one \
         back; otherwise restore the data directory from a backup, or remove the data directory, \
         start skep and join again"
    )]
    WrongKey,
    /// Its seal is whole, so it is just as it was written, by a skep that writes other values.
    #[error(
        "not what this version of skep knows ({detail}): install the version that wrote it on \
         this node, or a later one"
    )]
    Unknown { detail: String },
    #[error("a value that cannot be written: {detail}. Please report this as a bug of skep")]
    Unwritable { detail: String },
    #[error(
        "the key file {path} cannot be used ({cause}): make room on the disk, correct its owner \
         and permissions, or put it back from a backup"
    )]
    KeyFile { path: PathBuf, cause: Arc<io::Error> },
    #[error(
        "the key file {path} has {found_bytes} bytes instead of {KEY_BYTES}: put it back from a \
         backup, or remove the data directory, start skep and join again"
    )]
    KeyLength { path: PathBuf, found_bytes: usize },
}

/// In clear: for what travels inside TLS, and for what holds no secrets.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = vec![FORMAT_VERSION, SEAL_CLEAR];
    write_payload(value, &mut bytes)?;
    Ok(bytes)
}

pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    match open_header(bytes)? {
        (SEAL_CLEAR, payload) => read_payload(payload).map_err(|detail| damaged(&detail)),
        (SEAL_CHACHA20_POLY1305, _) => Err(damaged("sealed where clear text is expected")),
        (seal, _) => Err(unknown_seal(seal)),
    }
}

/// Where a sealed value lies. It unseals nowhere else.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub tree: &'a str,
    pub key: &'a [u8],
}

/// The node's own key, which never leaves it.
#[derive(Clone)]
pub struct SealKey(LessSafeKey);

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(…)")
    }
}

impl SealKey {
    pub fn from_bytes(bytes: &[u8; KEY_BYTES]) -> SealKey {
        let key = UnboundKey::new(&CHACHA20_POLY1305, bytes);
        SealKey(LessSafeKey::new(key.expect("a key of ChaCha20 has 32 bytes")))
    }

    /// Reads the key file, or makes one that only its owner may read.
    pub fn load_or_create(path: &Path) -> Result<SealKey, CodecError> {
        let fails = |cause| CodecError::KeyFile { path: path.to_owned(), cause: Arc::new(cause) };
        match std::fs::read(path) {
            Ok(bytes) => {
                let key = <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).map_err(|_| {
                    CodecError::KeyLength { path: path.to_owned(), found_bytes: bytes.len() }
                })?;
                Ok(SealKey::from_bytes(&key))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = clock::random_bytes::<KEY_BYTES>();
                files::replace(path, &key).map_err(fails)?;
                Ok(SealKey::from_bytes(&key))
            }
            Err(error) => Err(fails(error)),
        }
    }

    pub fn encode<T: Serialize>(&self, place: Place<'_>, value: &T) -> Result<Vec<u8>, CodecError> {
        let mut payload = Vec::new();
        write_payload(value, &mut payload)?;
        self.seal(place, clock::random_bytes(), payload)
    }

    pub fn decode<T: DeserializeOwned>(
        &self,
        place: Place<'_>,
        bytes: &[u8],
    ) -> Result<T, CodecError> {
        let payload = self.unseal(place, bytes)?;
        read_payload(&payload).map_err(|detail| CodecError::Unknown { detail })
    }

    /// For bytes that are encoded already, as the pieces of a snapshot are.
    pub fn encode_bytes(&self, place: Place<'_>, bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
        self.seal(place, clock::random_bytes(), bytes.to_vec())
    }

    pub fn decode_bytes(&self, place: Place<'_>, bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
        self.unseal(place, bytes)
    }

    fn seal(
        &self,
        place: Place<'_>,
        nonce: [u8; NONCE_LEN],
        mut payload: Vec<u8>,
    ) -> Result<Vec<u8>, CodecError> {
        let unique = Nonce::assume_unique_for_key(nonce);
        self.0
            .seal_in_place_append_tag(unique, Aad::from(associated_data(place)), &mut payload)
            .map_err(|_| CodecError::Unwritable { detail: "it is too large to seal".into() })?;
        let mut bytes = vec![FORMAT_VERSION, SEAL_CHACHA20_POLY1305];
        bytes.extend_from_slice(&nonce);
        bytes.append(&mut payload);
        Ok(bytes)
    }

    /// Clear text is refused: whoever can write to the disk could put anything in its place.
    fn unseal(&self, place: Place<'_>, bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
        let sealed = match open_header(bytes)? {
            (SEAL_CHACHA20_POLY1305, sealed) => sealed,
            (SEAL_CLEAR, _) => return Err(damaged("clear text where a seal is expected")),
            (seal, _) => return Err(unknown_seal(seal)),
        };
        let Some((nonce, ciphertext)) = sealed.split_first_chunk::<NONCE_LEN>() else {
            return Err(damaged("cut off within the seal"));
        };
        let mut payload = ciphertext.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self
            .0
            .open_in_place(nonce, Aad::from(associated_data(place)), &mut payload)
            .map_err(|_| CodecError::WrongKey)?
            .len();
        payload.truncate(length);
        Ok(payload)
    }
}

/// Version and seal are part of it, so that neither can be changed under the seal.
fn associated_data(place: Place<'_>) -> Vec<u8> {
    let mut data = vec![FORMAT_VERSION, SEAL_CHACHA20_POLY1305];
    data.extend_from_slice(place.tree.as_bytes());
    // Ends the tree's name, so that no two places read alike.
    data.push(0);
    data.extend_from_slice(place.key);
    data
}

fn open_header(bytes: &[u8]) -> Result<(u8, &[u8]), CodecError> {
    match bytes.split_first_chunk::<HEADER_BYTES>() {
        Some(([FORMAT_VERSION, seal], rest)) => Ok((*seal, rest)),
        Some(([found, _], _)) if *found > FORMAT_VERSION => {
            Err(CodecError::Newer { found: *found })
        }
        Some(_) => Err(damaged("no format version at its beginning")),
        None => Err(damaged("too short")),
    }
}

fn write_payload<T: Serialize>(value: &T, into: &mut Vec<u8>) -> Result<(), CodecError> {
    rmp_serde::encode::write_named(into, value)
        .map_err(|error| CodecError::Unwritable { detail: error.to_string() })
}

fn read_payload<T: DeserializeOwned>(mut payload: &[u8]) -> Result<T, String> {
    let value = rmp_serde::from_read(&mut payload).map_err(|error| error.to_string())?;
    if payload.is_empty() { Ok(value) } else { Err("more bytes than the value has".to_owned()) }
}

fn damaged(detail: &str) -> CodecError {
    CodecError::Damaged { detail: detail.to_owned() }
}

fn unknown_seal(seal: u8) -> CodecError {
    damaged(&format!("unknown seal {seal}"))
}

#[cfg(test)]
mod tests;
