//! What a node's certificate says: who it is, in which cluster, as what, and for how long.

use common::node::Role;
use common::{ClusterId, NodeId, WallTime};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::str::FromStr;
use x509_parser::prelude::{AttributeTypeAndValue, FromDer as _, X509Certificate};

/// The names that certificates carry beside the subject, for the check of TLS.
pub fn role_name(role: Role) -> String {
    format!("{role}.role.skep")
}

pub fn node_name(node: NodeId) -> String {
    format!("{node}.node.skep")
}

/// A node as its certificate names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    pub node: NodeId,
    pub cluster: ClusterId,
    pub role: Role,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a certificate as skep makes them: {detail}")]
pub struct BadCertificate {
    pub detail: String,
}

impl BadCertificate {
    fn new(detail: impl ToString) -> BadCertificate {
        BadCertificate { detail: detail.to_string() }
    }
}

pub(crate) fn der(pem: &str) -> Result<CertificateDer<'static>, BadCertificate> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(BadCertificate::new)
}

/// One certificate, read.
#[derive(Debug)]
pub(crate) struct Certificate<'a>(X509Certificate<'a>);

impl<'a> Certificate<'a> {
    pub(crate) fn read(der: &'a [u8]) -> Result<Certificate<'a>, BadCertificate> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(BadCertificate::new)?;
        Ok(Certificate(certificate))
    }

    pub(crate) fn member(&self) -> Result<Member, BadCertificate> {
        let subject = self.0.subject();
        let unit = one(subject.iter_organizational_unit(), "role")?;
        let role = match unit {
            "skep-manager" => Role::Manager,
            "skep-worker" => Role::Worker,
            other => return Err(BadCertificate::new(format!("`{other}` is not a role"))),
        };
        Ok(Member {
            node: parsed(one(subject.iter_common_name(), "node")?)?,
            cluster: parsed(one(subject.iter_organization(), "cluster")?)?,
            role,
        })
    }

    pub(crate) fn not_before(&self) -> WallTime {
        wall_time(self.0.validity().not_before.timestamp())
    }

    pub(crate) fn not_after(&self) -> WallTime {
        wall_time(self.0.validity().not_after.timestamp())
    }

    /// With its algorithm, in DER.
    pub(crate) fn public_key(&self) -> &[u8] {
        self.0.public_key().raw
    }
}

fn wall_time(seconds: i64) -> WallTime {
    WallTime(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000))
}

/// Exactly one: of two, different readers could believe different ones.
fn one<'a>(
    mut values: impl Iterator<Item = &'a AttributeTypeAndValue<'a>>,
    what: &str,
) -> Result<&'a str, BadCertificate> {
    match (values.next(), values.next()) {
        (Some(value), None) => value.as_str().map_err(BadCertificate::new),
        (None, _) => Err(BadCertificate::new(format!("it names no {what}"))),
        (Some(_), Some(_)) => Err(BadCertificate::new(format!("it names more than one {what}"))),
    }
}

fn parsed<T: FromStr<Err: ToString>>(text: &str) -> Result<T, BadCertificate> {
    text.parse().map_err(BadCertificate::new)
}
