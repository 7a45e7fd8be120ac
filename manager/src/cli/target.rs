//! Which daemon a command is given to, and the way there.

use super::error::CliError;
use super::out;
use proto::v1::control_client::ControlClient;
use proto::v1::local_client::LocalClient;
use std::path::PathBuf;
use std::str::FromStr;
use tonic::Response;
use tonic::transport::Channel;

/// In answers: why they may be old.
const STALE: &str = "skep-stale";
/// A list of all tasks of a large cluster; far above what a command line is meant to read.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// The socket of a daemon on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    socket: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadTarget {
    #[error(
        "over the network a manager wants an operator certificate, which comes with a later \
         version; until then run the command on a manager, as in `ssh HOST skep …`"
    )]
    OverNetwork,
    #[error("`{0}` is not a socket: unix:///run/skep/skep.sock or a path is expected")]
    NotASocket(String),
}

impl FromStr for Target {
    type Err = BadTarget;
    fn from_str(text: &str) -> Result<Target, BadTarget> {
        let path = match text.split_once("://") {
            Some(("unix", path)) => path,
            Some(("tcp" | "https" | "http" | "ssh", _)) => return Err(BadTarget::OverNetwork),
            Some(_) => return Err(BadTarget::NotASocket(text.to_owned())),
            None if !text.contains('/') && text.contains(':') => {
                return Err(BadTarget::OverNetwork);
            }
            None => text,
        };
        if path.is_empty() {
            return Err(BadTarget::NotASocket(text.to_owned()));
        }
        Ok(Target { socket: PathBuf::from(path) })
    }
}

impl Target {
    pub(super) async fn control(&self) -> Result<ControlClient<Channel>, CliError> {
        let client = ControlClient::new(self.connect().await?);
        Ok(client.max_decoding_message_size(ANSWER_BYTES_MAX))
    }

    pub(super) async fn local(&self) -> Result<LocalClient<Channel>, CliError> {
        Ok(LocalClient::new(self.connect().await?))
    }

    async fn connect(&self) -> Result<Channel, CliError> {
        Ok(shell::net::connect_local(&self.socket).await?)
    }
}

/// An answer's content; that it may be old is said on the way.
pub(super) fn accept<T>(response: Response<T>) -> T {
    if let Some(reason) = response.metadata().get(STALE).and_then(|it| it.to_str().ok()) {
        out::warning(reason);
    }
    response.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_taken_and_the_network_is_not_yet() {
        let cases = [
            ("/run/skep/skep.sock", Ok("/run/skep/skep.sock")),
            ("unix:///tmp/s", Ok("/tmp/s")),
            ("skep.sock", Ok("skep.sock")),
            ("tcp://10.0.0.1:7373", Err(BadTarget::OverNetwork)),
            ("10.0.0.1:7373", Err(BadTarget::OverNetwork)),
            ("unix://", Err(BadTarget::NotASocket("unix://".to_owned()))),
            ("", Err(BadTarget::NotASocket(String::new()))),
            ("fd://3", Err(BadTarget::NotASocket("fd://3".to_owned()))),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|it| Target { socket: PathBuf::from(it) });
            assert_eq!(text.parse::<Target>(), expected, "{text}");
        }
    }
}
