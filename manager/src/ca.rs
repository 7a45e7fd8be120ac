//! The cluster's own certificate authority: made once, kept in the state, asked at every join.

use common::cluster::Authority;
use common::node::Role;
use common::secret::Secret;
use common::{ClusterId, NodeId, WallTime};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer};
use shell::tls::{digest_of, node_name, role_name};
use time::{Duration, OffsetDateTime};

/// The beginning of 2025. This program is younger, so a clock that shows less is not set.
const CLOCK_PLAUSIBLE: WallTime = WallTime(1_735_689_600_000);
const DAY: Duration = Duration::days(1);
const NODE_LIFE: Duration = Duration::days(90);
const AUTHORITY_LIFE: Duration = Duration::days(20 * 365);

#[derive(Debug, thiserror::Error)]
pub enum CaError {
    #[error(
        "the clock of this machine stands long before today, and what is signed by it would expire \
         as soon as it is set: set it first (`timedatectl` shows it), then try again"
    )]
    ClockNotSet,
    #[error(
        "the certificate authority cannot be made ({0}). This is a bug of skep: please report it"
    )]
    Make(String),
    #[error(
        "the request for a certificate makes no sense ({0}): does the same version of skep run on \
         both nodes?"
    )]
    Request(String),
    #[error(
        "the cluster's certificate authority cannot be used ({0}): restore the managers' data from \
         a backup"
    )]
    Authority(String),
}

/// Whom a certificate is for; what the request says of it is not believed.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    pub node: NodeId,
    pub cluster: ClusterId,
    pub role: Role,
}

/// Valid from a day before its making: other boards' clocks may be behind.
pub fn make_authority(cluster: ClusterId, now: WallTime) -> Result<Authority, CaError> {
    if now < CLOCK_PLAUSIBLE {
        return Err(CaError::ClockNotSet);
    }
    let failed = |error: rcgen::Error| CaError::Make(error.to_string());
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = name(&[
        (DnType::CommonName, "skep-ca".to_owned()),
        (DnType::OrganizationName, cluster.to_string()),
    ]);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params.not_before = date(now) - DAY;
    params.not_after = date(now) + AUTHORITY_LIFE;
    let certificate = params.self_signed(&key).map_err(failed)?;
    Ok(Authority {
        certificate_pem: certificate.pem(),
        key_pem: Secret::new(key.serialize_pem().into_bytes()),
    })
}

/// Takes the key from the request, which must be signed with it, and nothing else.
pub fn sign(
    authority: &Authority,
    csr_der: &[u8],
    subject: Subject,
    now: WallTime,
) -> Result<String, CaError> {
    let unusable = |error: &dyn std::fmt::Display| CaError::Authority(error.to_string());
    let key_pem = std::str::from_utf8(authority.key_pem.reveal()).map_err(|it| unusable(&it))?;
    let key = KeyPair::from_pem(key_pem).map_err(|it| unusable(&it))?;
    let issuer =
        Issuer::from_ca_cert_pem(&authority.certificate_pem, key).map_err(|it| unusable(&it))?;
    let request = CertificateSigningRequestDer::from(csr_der.to_vec());
    let mut request = CertificateSigningRequestParams::from_der(&request)
        .map_err(|error| CaError::Request(error.to_string()))?;
    if request.public_key.algorithm() != &PKCS_ECDSA_P256_SHA256 {
        return Err(CaError::Request("its key is not one of P-256".to_owned()));
    }
    let begins = date(now).max(begin(authority)?);
    let mut params = CertificateParams::new(vec![node_name(subject.node), role_name(subject.role)])
        .map_err(|error| CaError::Request(error.to_string()))?;
    params.distinguished_name = name(&[
        (DnType::CommonName, subject.node.to_string()),
        (DnType::OrganizationName, subject.cluster.to_string()),
        (DnType::OrganizationalUnitName, format!("skep-{}", subject.role)),
    ]);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.not_before = begins - DAY;
    params.not_after = params.not_before + NODE_LIFE;
    request.params = params;
    let certificate =
        request.signed_by(&issuer).map_err(|error| CaError::Request(error.to_string()))?;
    Ok(certificate.pem())
}

/// What a join token says of the cluster.
pub fn digest(authority: &Authority) -> [u8; 32] {
    let der = CertificateDer::from_pem_slice(authority.certificate_pem.as_bytes());
    digest_of(&der.expect("the cluster's own certificate was made here"))
}

/// A day after the authority's own beginning: a clock that stands before it is wrong.
fn begin(authority: &Authority) -> Result<OffsetDateTime, CaError> {
    let (from, _) = shell::identity::validity(&authority.certificate_pem)
        .map_err(|error| CaError::Authority(error.to_string()))?;
    Ok(date(from) + DAY)
}

fn name(parts: &[(DnType, String)]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for (kind, value) in parts {
        name.push(kind.clone(), value.clone());
    }
    name
}

fn date(time: WallTime) -> OffsetDateTime {
    let seconds = i64::try_from(time.0 / 1_000).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shell::identity::{request_certificate, validity};

    const CLUSTER: ClusterId = ClusterId(7);
    const NOW: WallTime = WallTime(1_800_000_000_000);
    const DAY_MS: u64 = 24 * 3_600 * 1_000;

    fn subject() -> Subject {
        Subject { node: NodeId(1), cluster: CLUSTER, role: Role::Worker }
    }

    #[test]
    fn a_certificate_lasts_ninety_days_from_the_day_before() {
        let authority = make_authority(CLUSTER, NOW).unwrap();
        let request = request_certificate().unwrap();
        let later = WallTime(NOW.0 + 400 * DAY_MS);
        // A clock before the authority's own beginning is wrong, and the beginning counts.
        for (now, expected) in [(NOW, NOW), (later, later), (WallTime(0), NOW)] {
            let pem = sign(&authority, &request.csr_der, subject(), now).unwrap();
            let begin = WallTime(expected.0 - DAY_MS);
            let end = WallTime(begin.0 + 90 * DAY_MS);
            assert_eq!(validity(&pem).unwrap(), (begin, end), "made at {now:?}");
        }
    }

    #[test]
    fn nothing_of_a_request_counts_but_its_key() {
        let authority = make_authority(CLUSTER, NOW).unwrap();
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut wishes = CertificateParams::new(vec![role_name(Role::Manager)]).unwrap();
        wishes.distinguished_name.push(DnType::OrganizationalUnitName, "skep-manager");
        wishes.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let request = wishes.serialize_request(&key).unwrap();
        let pem = sign(&authority, request.der(), subject(), NOW).unwrap();
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let (_, found) = x509_parser::parse_x509_certificate(&der).unwrap();
        assert!(!found.is_ca());
        assert!(!format!("{:?}", found.subject()).contains("manager"));
        let names = found.subject_alternative_name().unwrap().unwrap();
        assert!(!format!("{names:?}").contains("manager"));
        assert_eq!(found.public_key().raw, rcgen::PublicKeyData::subject_public_key_info(&key));
    }

    #[test]
    fn a_request_that_its_key_did_not_sign_is_refused() {
        let authority = make_authority(CLUSTER, NOW).unwrap();
        let whole = request_certificate().unwrap().csr_der;
        let mut forged = whole.clone();
        *forged.last_mut().unwrap() ^= 1;
        let cut = whole[..whole.len() / 2].to_vec();
        let other_kind = {
            let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
            CertificateParams::default().serialize_request(&key).unwrap().der().to_vec()
        };
        for bytes in [forged, cut, Vec::new(), other_kind] {
            let signed = sign(&authority, &bytes, subject(), NOW);
            assert!(matches!(signed, Err(CaError::Request(_))), "{signed:?}");
        }
    }

    #[test]
    fn a_clock_that_was_never_set_makes_no_cluster() {
        for now in [WallTime(0), WallTime(CLOCK_PLAUSIBLE.0 - 1)] {
            assert!(matches!(make_authority(CLUSTER, now), Err(CaError::ClockNotSet)));
        }
    }
}
