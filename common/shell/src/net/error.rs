//! Why a connection is not made, in words that say what to do about it.

use crate::tls::{ForeignAuthority, TlsError};
use rustls::{AlertDescription, CertificateError, Error};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("`{0}` is not an address: HOST:PORT is expected")]
    NoAddress(String),
    #[error(
        "no address is found for {address} ({source}): is the name right, and does this machine's \
         DNS know it?"
    )]
    Unresolved { address: String, source: io::Error },
    #[error("nothing listens on {0}: is skep running there, and is the port right?")]
    Refused(String),
    #[error(
        "{address} does not answer within {} s: is the machine on, and does a firewall let the \
         port through?",
        limit.as_secs_f32()
    )]
    TimedOut { address: String, limit: Duration },
    #[error("{address} cannot be reached ({source}): look at the network between the two")]
    Unreachable { address: String, source: io::Error },
    #[error(
        "the join token belongs to another cluster than {0}: take the token of that cluster \
         (`skep join-token worker` on one of its managers), or the address of the other"
    )]
    OtherToken(String),
    #[error(
        "{0} belongs to another cluster than this node: correct the address, or run \
         `skep leave --force` on the node that is in the wrong one, and join again"
    )]
    OtherCluster(String),
    #[error("{0} is not a manager: use the address of one (`skep node ls` shows them)")]
    NotAManager(String),
    #[error("another node has the address {0} now: `skep node ls` shows where each one is")]
    OtherNode(String),
    #[error(
        "the certificate of {0} has expired: look at the clocks of both machines; where they are \
         right, start skep anew there, and it makes itself a new one"
    )]
    Expired(String),
    #[error(
        "{address} refuses this node's certificate ({alert}): is it a manager of this cluster? \
         Otherwise run `skep leave --force` on this node and join again"
    )]
    Unwelcome { address: String, alert: String },
    #[error("what listens on {address} does not speak as skep does ({detail}): is the port right?")]
    NotSkep { address: String, detail: String },
    #[error(
        "{address} ended the connection at once ({source}): is it skep that listens there? If it \
         is, it may be stopping: try again"
    )]
    Broken { address: String, source: io::Error },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("{address} is reached, but no HTTP/2 connection comes about ({detail}): try again")]
    Http { address: String, detail: String },
    #[error(
        "the skep daemon is not running on this machine (nothing answers at {0}): start it with \
         `systemctl start skep`, or `skep daemon`"
    )]
    NoDaemon(PathBuf),
    #[error("no permission to use {0}: run the command as root, with sudo")]
    Forbidden(PathBuf),
}

/// Which of a certificate's names was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked {
    Manager,
    Node,
}

pub(super) fn of_tcp(address: &str, source: io::Error, limit: Duration) -> ConnectError {
    let address = address.to_owned();
    match source.kind() {
        io::ErrorKind::ConnectionRefused => ConnectError::Refused(address),
        io::ErrorKind::TimedOut => ConnectError::TimedOut { address, limit },
        _ => ConnectError::Unreachable { address, source },
    }
}

pub(super) fn of_tls(address: &str, source: io::Error, asked: Asked) -> ConnectError {
    let address = address.to_owned();
    match source.get_ref().and_then(|it| it.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(error)) => of_certificate(address, error, asked),
        Some(Error::AlertReceived(alert)) => of_alert(address, *alert),
        Some(other) => ConnectError::NotSkep { address, detail: other.to_string() },
        None => ConnectError::Broken { address, source },
    }
}

fn of_certificate(address: String, error: &CertificateError, asked: Asked) -> ConnectError {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ConnectError::Expired(address)
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            match asked {
                Asked::Manager => ConnectError::NotAManager(address),
                Asked::Node => ConnectError::OtherNode(address),
            }
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            ConnectError::OtherCluster(address)
        }
        CertificateError::Other(other) if other.0.is::<ForeignAuthority>() => {
            ConnectError::OtherToken(address)
        }
        other => ConnectError::NotSkep { address, detail: other.to_string() },
    }
}

fn of_alert(address: String, alert: AlertDescription) -> ConnectError {
    match alert {
        AlertDescription::BadCertificate
        | AlertDescription::CertificateExpired
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied
        | AlertDescription::DecryptError => {
            ConnectError::Unwelcome { address, alert: format!("{alert:?}") }
        }
        other => ConnectError::NotSkep { address, detail: format!("{other:?}") },
    }
}
