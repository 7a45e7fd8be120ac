//! Why a command failed, in one line, and with which code it ends.

use shell::net::ConnectError;
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use tonic::{Code, Status};

const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Failed(String),
    /// A job's own program failed, and the command fails as it did.
    #[error("{reason}")]
    Job { reason: String, code: u8 },
    #[error(transparent)]
    NoConnection(#[from] ConnectError),
    #[error("{}", in_words(.0))]
    Refused(#[from] Status),
    #[error("the answer makes no sense ({0}): is the daemon of another version than this program?")]
    Malformed(#[from] proto::convert::Malformed),
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    /// Whoever reads the output has had enough of it, as `head` has. No failure of ours.
    #[error("the output was closed")]
    OutputClosed,
    #[error("the output cannot be written: {0}")]
    Output(#[source] io::Error),
    #[error("{0:#}")]
    Daemon(anyhow::Error),
}

impl CliError {
    pub(super) fn of_job(reason: String, exit_code: Option<i64>) -> CliError {
        match exit_code.and_then(|it| u8::try_from(it).ok()).filter(|it| *it != 0) {
            Some(code) => CliError::Job { reason, code },
            None => CliError::Failed(reason),
        }
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            CliError::OutputClosed => ExitCode::SUCCESS,
            CliError::Usage(_) => ExitCode::from(WRONG_USAGE),
            CliError::Job { code, .. } => ExitCode::from(*code),
            CliError::Refused(status) if status.code() == Code::InvalidArgument => {
                ExitCode::from(WRONG_USAGE)
            }
            CliError::Failed(_)
            | CliError::NoConnection(_)
            | CliError::Refused(_)
            | CliError::Malformed(_)
            | CliError::Unreadable { .. }
            | CliError::Output(_)
            | CliError::Daemon(_) => ExitCode::from(FAILED),
        }
    }
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |it: &&(dyn Error + 'static)| (*it).source());
    causes.last().map(ToString::to_string).unwrap_or_default()
}

/// The server's own words where it has any: it knows the cause and the way out.
fn in_words(status: &Status) -> String {
    if let Some(source) = status.source() {
        return format!("the connection to the skep daemon broke: {}", innermost(source));
    }
    match (status.code(), status.message()) {
        (Code::Unimplemented, "") => "the daemon on this machine does not know this command: a \
             worker's answers only for itself, so type it on a manager; after an upgrade, restart \
             the daemon"
            .to_owned(),
        (code, "") => format!("the daemon refused, and said only: {code}"),
        (_, message) => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_wrong_ends_with_2() {
        let usage = CliError::Refused(Status::invalid_argument("x"));
        assert_eq!(usage.exit_code(), ExitCode::from(2));
        assert_eq!(CliError::Refused(Status::not_found("x")).exit_code(), ExitCode::from(1));
        assert_eq!(CliError::Refused(Status::not_found("x")).to_string(), "x");
        assert_eq!(CliError::OutputClosed.exit_code(), ExitCode::SUCCESS);
    }
}
