//! Who this node is, kept on its disk: key, certificate and the cluster's authority.
//!
//! All three lie in one file that is replaced as a whole, so that a power cut while a certificate
//! is renewed leaves the old set or the new one, never a key beside another key's certificate.

mod certificate;

pub use certificate::{BadCertificate, Member, node_name, role_name};
pub(crate) use certificate::{Certificate, der};

use crate::files;
use common::node::Role;
use common::secret::Secret;
use common::{ClusterId, NodeId, WallTime};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

const FILE_NAME: &str = "node.pem";
/// A key and two certificates are well below it.
const BYTES_MAX: usize = 4_096;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub node: NodeId,
    pub cluster: ClusterId,
    pub role: Role,
    pub certificate_pem: String,
    pub key_pem: Secret,
    pub authority_pem: String,
}

#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error(
        "{path} cannot be {verb} ({cause}): check its owner and permissions, and that the disk is \
         neither full nor read-only"
    )]
    Io { path: PathBuf, verb: &'static str, cause: io::Error },
    #[error(
        "this node's identity in {path} is damaged ({detail}): restore the file from a backup, or \
         remove the data directory, start skep and join again"
    )]
    Damaged { path: PathBuf, detail: String },
    #[error("no key can be made ({0}). This is a bug of skep: please report it")]
    NoKey(#[from] rcgen::Error),
    #[error("{0}: remove the data directory, start skep and join again")]
    Certificate(#[from] BadCertificate),
}

/// Where the identity lies. Nobody but its owner may look into it.
#[derive(Debug, Clone)]
pub struct IdentityFolder {
    folder: PathBuf,
}

impl IdentityFolder {
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// None where this node is not a member of a cluster.
    pub fn load(&self) -> Result<Option<Identity>, IdentityError> {
        let path = self.file();
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                read(&text).map(Some).map_err(|detail| IdentityError::Damaged { path, detail })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(IdentityError::Damaged { path, detail: "it is not text".to_owned() })
            }
            Err(cause) => Err(IdentityError::Io { path, verb: "read", cause }),
        }
    }

    pub fn save(&self, identity: &Identity) -> Result<(), IdentityError> {
        let mut text = Vec::new();
        let certificates = [identity.certificate_pem.as_bytes(), identity.authority_pem.as_bytes()];
        for block in [identity.key_pem.reveal()].into_iter().chain(certificates) {
            text.extend_from_slice(block.trim_ascii());
            text.push(b'\n');
        }
        let written = self.make_folder().and_then(|()| files::replace(&self.file(), &text));
        written.map_err(|cause| self.io("written", cause))
    }

    /// Whether there will be room for an identity, to be asked before a cluster makes one.
    pub fn rehearse(&self) -> Result<(), IdentityError> {
        let made = self.make_folder();
        let written = made.and_then(|()| files::rehearse(&self.file(), BYTES_MAX));
        written.map_err(|cause| self.io("written", cause))
    }

    fn make_folder(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)
    }

    /// This node is not a member any more.
    pub fn erase(&self) -> Result<(), IdentityError> {
        files::erase(&self.file()).map_err(|cause| self.io("removed", cause))
    }

    fn file(&self) -> PathBuf {
        self.folder.join(FILE_NAME)
    }

    fn io(&self, verb: &'static str, cause: io::Error) -> IdentityError {
        IdentityError::Io { path: self.file(), verb, cause }
    }
}

fn read(text: &str) -> Result<Identity, String> {
    let (keys, certificates) = (blocks(text, "PRIVATE KEY"), blocks(text, "CERTIFICATE"));
    let ([key_pem], [certificate_pem, authority_pem]) = (&keys[..], &certificates[..]) else {
        return Err("a key, a certificate and the cluster's certificate are expected".to_owned());
    };
    let words = |error: BadCertificate| error.to_string();
    let (own, authority) = (der(certificate_pem), der(authority_pem));
    let (own, authority) = (own.map_err(words)?, authority.map_err(words)?);
    Certificate::read(&authority).map_err(words)?;
    let certificate = Certificate::read(&own).map_err(words)?;
    let member = certificate.member().map_err(words)?;
    let key = KeyPair::from_pem(key_pem).map_err(|error| error.to_string())?;
    if key.subject_public_key_info() != certificate.public_key() {
        return Err("the key is not that of the certificate".to_owned());
    }
    Ok(Identity {
        node: member.node,
        cluster: member.cluster,
        role: member.role,
        certificate_pem: certificate_pem.clone(),
        key_pem: Secret::new(key_pem.clone().into_bytes()),
        authority_pem: authority_pem.clone(),
    })
}

/// The PEM blocks with that label, each whole.
fn blocks(text: &str, label: &str) -> Vec<String> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let bodies = text.split(&begin).skip(1).filter_map(|it| it.split_once(&end));
    bodies.map(|(body, _)| format!("{begin}{body}{end}\n")).collect()
}

/// A new key and the request for its certificate. The authority reads nothing but the key: it
/// knows itself who asks.
#[derive(Debug)]
pub struct CertificateRequest {
    pub key_pem: Secret,
    pub csr_der: Vec<u8>,
}

pub fn request_certificate() -> Result<CertificateRequest, IdentityError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let request = CertificateParams::default().serialize_request(&key)?;
    Ok(CertificateRequest {
        key_pem: Secret::new(key.serialize_pem().into_bytes()),
        csr_der: request.der().to_vec(),
    })
}

/// From when to when a certificate counts.
pub fn validity(certificate_pem: &str) -> Result<(WallTime, WallTime), IdentityError> {
    let der = der(certificate_pem)?;
    let certificate = Certificate::read(&der)?;
    Ok((certificate.not_before(), certificate.not_after()))
}

/// Whether its time is over. One that cannot be read is not called expired: others say what it is.
pub fn has_lapsed(certificate_pem: &str, now: WallTime) -> bool {
    validity(certificate_pem).is_ok_and(|(_, end)| end < now)
}

/// A random point between 50 and 80 % of its life, so that a cluster that was made in one hour
/// does not renew in one hour.
pub fn renewal_due(certificate_pem: &str, random: u64) -> Result<WallTime, IdentityError> {
    let (begin, end) = validity(certificate_pem)?;
    let life = end.0.saturating_sub(begin.0);
    let per_mille = 500 + random % 301;
    Ok(WallTime(begin.0 + life / 1_000 * per_mille))
}
