//! Who talks to whom: a node's credentials, and the TLS made of them.
//!
//! TLS 1.3 and nothing older, with certificates of the cluster's own authority. Sessions are not
//! resumed: connections last for days, and tickets cost memory and outlive a renewal.

mod verify;

pub use crate::identity::{Member, node_name, role_name};
pub use verify::digest_of;
pub(crate) use verify::{ForeignAuthority, caller};

use crate::identity::{Identity, der};
use common::NodeId;
use common::node::Role;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{ClientConfig, ConfigBuilder, ServerConfig, WantsVerifier};
use std::fmt;
use std::sync::Arc;
use tokio::sync::watch;
use verify::{ClientVerifier, ServerVerifier, Trust};

const APPLICATION_PROTOCOL: &[u8] = b"h2";

/// Who makes a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Over the daemon's own socket.
    Local,
    /// Over the network, without a certificate.
    Unknown,
    Member(Member),
    /// One whose certificate has expired: it was off for long, and may ask for a new one.
    Lapsed(Member),
}

impl Caller {
    /// What its certificate says, whatever its dates.
    pub fn member(&self) -> Option<&Member> {
        match self {
            Caller::Member(member) | Caller::Lapsed(member) => Some(member),
            Caller::Local | Caller::Unknown => None,
        }
    }
}

/// Whom a connection has to lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Any manager of this node's cluster.
    Manager,
    Node(NodeId),
    /// A manager of the cluster whose authority has this SHA-256 digest. This node shows no
    /// certificate: it has none yet.
    AuthorityDigest([u8; 32]),
}

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{what} of this node cannot be used ({detail}): {REMEDY}")]
    Unusable { what: &'static str, detail: String },
    #[error("the key of this node is not that of its certificate: {REMEDY}")]
    KeyMismatch,
    #[error("this node is not a member of a cluster, so it cannot tell who is: join one first")]
    NotAMember,
}

const REMEDY: &str = "remove the data directory, start skep and join again";

impl TlsError {
    fn unusable(what: &'static str, detail: impl ToString) -> TlsError {
        TlsError::Unusable { what, detail: detail.to_string() }
    }
}

/// A node's present identity, ready to be used. Clones share it; what replaces it is used from
/// the next connection on, in both directions.
#[derive(Clone)]
pub struct Credentials {
    shared: Arc<Shared>,
}

struct Shared {
    identity: watch::Sender<Arc<Identity>>,
    ready: watch::Sender<Arc<Ready>>,
}

/// What TLS needs of an identity, parsed once.
struct Ready {
    key: Arc<CertifiedKey>,
    authority: CertificateDer<'static>,
    server: Arc<ServerConfig>,
}

impl Credentials {
    pub fn new(identity: Identity) -> Result<Self, TlsError> {
        let ready = Ready::new(&identity)?;
        let shared = Shared {
            identity: watch::Sender::new(Arc::new(identity)),
            ready: watch::Sender::new(Arc::new(ready)),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The old identity stays in use where the new one is refused.
    pub fn replace(&self, identity: Identity) -> Result<(), TlsError> {
        let ready = Ready::new(&identity)?;
        // In this order, so that who is told of the new identity also connects with it.
        self.shared.ready.send_replace(Arc::new(ready));
        self.shared.identity.send_replace(Arc::new(identity));
        Ok(())
    }

    pub fn current(&self) -> Arc<Identity> {
        Arc::clone(&self.shared.identity.borrow())
    }

    pub fn changed(&self) -> watch::Receiver<Arc<Identity>> {
        self.shared.identity.subscribe()
    }

    pub(crate) fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.shared.ready.borrow().server)
    }

    fn ready(&self) -> Arc<Ready> {
        Arc::clone(&self.shared.ready.borrow())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Credentials").field(&self.current().node).finish()
    }
}

impl Ready {
    fn new(identity: &Identity) -> Result<Ready, TlsError> {
        let own = der(&identity.certificate_pem)
            .map_err(|error| TlsError::unusable("the certificate", error))?;
        let authority = der(&identity.authority_pem)
            .map_err(|error| TlsError::unusable("the cluster's certificate", error))?;
        let key = PrivateKeyDer::from_pem_slice(identity.key_pem.reveal())
            .map_err(|error| TlsError::unusable("the key", error))?;
        let key = provider()
            .key_provider
            .load_private_key(key)
            .map_err(|error| TlsError::unusable("the key", error))?;
        // A joiner knows the authority by its digest alone, so it is sent along.
        let key = CertifiedKey::new(vec![own, authority.clone()], key);
        key.keys_match().map_err(|_| TlsError::KeyMismatch)?;
        let key = Arc::new(key);
        let verifier = ClientVerifier::new(&authority, identity.cluster)
            .map_err(|error| TlsError::unusable("the cluster's certificate", error))?;
        let builder = tls13(ServerConfig::builder_with_provider(provider()));
        let mut server = builder
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(Arc::new(OneKey(Arc::clone(&key))));
        server.alpn_protocols = vec![APPLICATION_PROTOCOL.to_vec()];
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Ok(Ready { key, authority, server: Arc::new(server) })
    }
}

/// Shows the same certificate whatever name is asked for: the client checks who it is.
#[derive(Debug)]
struct OneKey(Arc<CertifiedKey>);

impl ResolvesServerCert for OneKey {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

pub(crate) fn client_config(
    expect: Expect,
    credentials: Option<&Credentials>,
) -> Result<(ClientConfig, ServerName<'static>), TlsError> {
    let ready = credentials.map(Credentials::ready);
    let (trust, name, key) = match (expect, ready) {
        (Expect::AuthorityDigest(digest), _) => {
            (Trust::Digest(digest), role_name(Role::Manager), None)
        }
        (Expect::Manager, Some(ready)) => {
            (Trust::Authority(ready.authority.clone()), role_name(Role::Manager), Some(ready))
        }
        (Expect::Node(node), Some(ready)) => {
            (Trust::Authority(ready.authority.clone()), node_name(node), Some(ready))
        }
        (Expect::Manager | Expect::Node(_), None) => return Err(TlsError::NotAMember),
    };
    let verifier = Arc::new(ServerVerifier::new(trust, provider()));
    let builder = tls13(ClientConfig::builder_with_provider(provider()))
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match key {
        Some(ready) => {
            let key = SingleCertAndKey::from(Arc::clone(&ready.key));
            builder.with_client_cert_resolver(Arc::new(key))
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![APPLICATION_PROTOCOL.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    let name = ServerName::try_from(name).expect("an ID and our own words make a DNS name");
    Ok((config, name))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn tls13<Side: rustls::ConfigSide>(
    builder: ConfigBuilder<Side, rustls::WantsVersions>,
) -> ConfigBuilder<Side, WantsVerifier> {
    builder.with_protocol_versions(&[&TLS13]).expect("ring knows TLS 1.3")
}
