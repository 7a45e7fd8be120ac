//! Asks a cluster for membership, and for new certificates later on.

use common::node::{Availability, NodeKind, Role};
use common::secret::Secret;
use common::token::{BadToken, JoinToken};
use common::{ClusterId, NodeId};
use proto::v1;
use proto::v1::ca_client::CaClient;
use shell::identity::{Identity, IdentityError};
use shell::net::ConnectError;
use shell::tls::{Credentials, Expect};
use std::net::SocketAddr;
use std::time::Duration;
use tonic::transport::Channel;

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const CALL_LIMIT: Duration = Duration::from_secs(25);

#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error(transparent)]
    Token(#[from] BadToken),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("{0}")]
    Refused(String),
    #[error(
        "the manager did not answer within 25 s: look with `skep node ls` there what became of it"
    )]
    NoAnswer,
    #[error("no manager is reached: {0}")]
    NoManager(String),
}

#[derive(Debug)]
pub struct Joining {
    pub token: JoinToken,
    /// `HOST:PORT`
    pub manager: String,
    pub name: String,
    pub hostname: String,
    pub address: SocketAddr,
    pub kind: NodeKind,
    pub availability: v1::Availability,
}

#[derive(Debug)]
pub struct Joined {
    pub identity: Identity,
    pub name: String,
    pub managers: Vec<String>,
}

/// The token's digest says which cluster it is before anything secret is sent.
pub async fn join(joining: Joining) -> Result<Joined, JoinError> {
    let expect = Expect::AuthorityDigest(joining.token.authority_digest);
    let channel = shell::net::connect(&joining.manager, expect, None, CONNECT_LIMIT).await?;
    let certificate = shell::identity::request_certificate()?;
    let request = v1::JoinRequest {
        secret: joining.token.secret.to_vec(),
        csr_der: certificate.csr_der,
        name: joining.name,
        hostname: joining.hostname,
        address: joining.address.to_string(),
        kind: v1::NodeKind::from(joining.kind).into(),
        availability: joining.availability.into(),
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let answer = within(CaClient::new(channel).join(request)).await?;
    let role = role(answer.role)?;
    let identity = Identity {
        node: NodeId(answer.node),
        cluster: ClusterId(answer.cluster),
        role,
        certificate_pem: answer.certificate_pem,
        key_pem: certificate.key_pem,
        authority_pem: answer.authority_pem,
    };
    let mut managers = answer.managers;
    if managers.is_empty() {
        managers.push(joining.manager);
    }
    Ok(Joined { identity, name: answer.name, managers })
}

/// Any manager will do: it asks the leader.
pub async fn renew(credentials: &Credentials, managers: &[String]) -> Result<Identity, JoinError> {
    let mut last = JoinError::NoManager("none is known".to_owned());
    for manager in managers {
        let connected =
            shell::net::connect(manager, Expect::Manager, Some(credentials), CONNECT_LIMIT).await;
        match connected {
            Ok(channel) => match renew_at(channel, credentials).await {
                Ok(identity) => return Ok(identity),
                Err(error) => last = error,
            },
            Err(error) => last = JoinError::NoManager(error.to_string()),
        }
    }
    Err(last)
}

async fn renew_at(channel: Channel, credentials: &Credentials) -> Result<Identity, JoinError> {
    let certificate = shell::identity::request_certificate()?;
    let request = v1::RenewRequest { csr_der: certificate.csr_der };
    let answer = within(CaClient::new(channel).renew(request)).await?;
    let current = credentials.current();
    Ok(Identity {
        node: current.node,
        cluster: current.cluster,
        role: role(answer.role)?,
        certificate_pem: answer.certificate_pem,
        key_pem: Secret::clone(&certificate.key_pem),
        authority_pem: current.authority_pem.clone(),
    })
}

async fn within<T>(
    call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
) -> Result<T, JoinError> {
    match tokio::time::timeout(CALL_LIMIT, call).await {
        Ok(Ok(answer)) => Ok(answer.into_inner()),
        Ok(Err(status)) => Err(JoinError::Refused(status.message().to_owned())),
        Err(_) => Err(JoinError::NoAnswer),
    }
}

fn role(wire: i32) -> Result<Role, JoinError> {
    match v1::Role::try_from(wire) {
        Ok(v1::Role::Worker) => Ok(Role::Worker),
        Ok(v1::Role::Manager) => Ok(Role::Manager),
        Ok(v1::Role::Unspecified) | Err(_) => {
            Err(JoinError::Refused("the manager gave this node no role that it knows".to_owned()))
        }
    }
}

/// What a command line that says nothing means.
pub fn availability(wire: v1::Availability) -> Availability {
    match wire {
        v1::Availability::Unspecified | v1::Availability::Active => Availability::Active,
        v1::Availability::Pause => Availability::Pause,
        v1::Availability::Drain => Availability::Drain,
    }
}
