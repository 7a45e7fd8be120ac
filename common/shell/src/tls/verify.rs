//! Whether the certificate that the other side shows is good.
//!
//! The dates are read kindly: a certificate that is not valid yet is taken, because the clock of
//! a board without a battery is behind until somebody tells it the time. Expiry counts, but a
//! client whose certificate has expired is let in as what it is, so that it can get a new one.

use super::Caller;
use crate::identity::{Certificate, Member};
use common::{ClusterId, WallTime};
use ring::digest::{SHA256, digest};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    PeerIncompatible, RootCertStore, SignatureScheme,
};
use std::sync::Arc;
use std::time::Duration;

/// The server's authority is not the one that the join token names.
#[derive(Debug, thiserror::Error)]
#[error("another authority than the one that the join token names")]
pub(crate) struct ForeignAuthority;

/// By what a client knows its cluster.
#[derive(Debug)]
pub(super) enum Trust {
    Authority(CertificateDer<'static>),
    Digest([u8; 32]),
}

/// Looks at servers.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    trust: Trust,
    provider: Arc<CryptoProvider>,
}

impl ServerVerifier {
    pub(super) fn new(trust: Trust, provider: Arc<CryptoProvider>) -> ServerVerifier {
        ServerVerifier { trust, provider }
    }

    fn authority<'a>(
        &'a self,
        sent: &'a [CertificateDer<'a>],
    ) -> Result<&'a CertificateDer<'a>, Error> {
        match &self.trust {
            Trust::Authority(authority) => Ok(authority),
            Trust::Digest(expected) => {
                let found = sent.iter().find(|it| digest_of(it) == *expected);
                found.ok_or_else(|| {
                    CertificateError::Other(OtherError(Arc::new(ForeignAuthority))).into()
                })
            }
        }
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let authority = self.authority(intermediates)?;
        let roots = roots(authority)?;
        let verifier =
            WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&self.provider));
        let verifier = verifier.build().map_err(|error| Error::General(error.to_string()))?;
        let now = kind_time(now, [end_entity, authority])?;
        verifier.verify_server_cert(end_entity, &[], server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::ServerDoesNotSupportTls12Or13.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Looks at clients. One without a certificate is let in as `Caller::Unknown`.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    webpki: Arc<dyn ClientCertVerifier>,
    authority: CertificateDer<'static>,
    cluster: ClusterId,
}

impl ClientVerifier {
    pub(super) fn new(
        authority: &CertificateDer<'static>,
        cluster: ClusterId,
    ) -> Result<ClientVerifier, Error> {
        let webpki =
            WebPkiClientVerifier::builder_with_provider(roots(authority)?, super::provider())
                .allow_unauthenticated()
                .build()
                .map_err(|error| Error::General(error.to_string()))?;
        Ok(ClientVerifier { webpki, authority: authority.clone(), cluster })
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.webpki.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let now = kind_time(now, [end_entity, &self.authority])?;
        let end = read(end_entity)?.not_after().0 / 1_000;
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs().min(end)));
        let verified = self.webpki.verify_client_cert(end_entity, &[], now)?;
        let member = member(end_entity)?;
        if member.cluster != self.cluster {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// SHA-256 of a certificate: how a join token names the cluster's authority.
pub fn digest_of(certificate: &CertificateDer<'_>) -> [u8; 32] {
    let digest = digest(&SHA256, certificate);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// Who the other side of a finished handshake is, by the certificate that was verified in it.
pub(crate) fn caller(
    certificates: Option<&[CertificateDer<'_>]>,
    now: WallTime,
) -> Result<Caller, Error> {
    let Some([end_entity, ..]) = certificates else { return Ok(Caller::Unknown) };
    let member = member(end_entity)?;
    let has_lapsed = read(end_entity)?.not_after() < now;
    Ok(if has_lapsed { Caller::Lapsed(member) } else { Caller::Member(member) })
}

fn member(certificate: &CertificateDer<'_>) -> Result<Member, Error> {
    Certificate::read(certificate).and_then(|it| it.member()).map_err(|error| {
        Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error))))
    })
}

fn read<'a>(certificate: &'a CertificateDer<'a>) -> Result<Certificate<'a>, Error> {
    Certificate::read(certificate).map_err(|_| CertificateError::BadEncoding.into())
}

fn roots(authority: &CertificateDer<'_>) -> Result<Arc<RootCertStore>, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone().into_owned())?;
    Ok(Arc::new(roots))
}

/// The clock's time, but never before the certificates were made.
fn kind_time<'a>(
    now: UnixTime,
    certificates: [&'a CertificateDer<'a>; 2],
) -> Result<UnixTime, Error> {
    let mut seconds = now.as_secs();
    for certificate in certificates {
        seconds = seconds.max(read(certificate)?.not_before().0 / 1_000);
    }
    Ok(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
}
