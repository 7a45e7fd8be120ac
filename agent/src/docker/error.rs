//! What Docker's errors mean. It tells them apart by words, so they are read here and nowhere else.

use crate::containers::EngineError;
use agent_core::container::OperationFailure;
use bollard::errors::Error;
use std::error::Error as _;
use std::io::ErrorKind;

/// The same status means different things at different doors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    Create,
    Remove,
    Other,
}

const DETAIL_CHARACTERS_MAX: usize = 300;

pub(super) fn engine_error(address: &str, error: &Error) -> EngineError {
    let address = address.to_owned();
    match error {
        Error::SocketNotFoundError(_) => EngineError::Absent { address },
        Error::DockerResponseServerError { message, .. } => {
            EngineError::Refused { detail: shortened(message) }
        }
        Error::RequestTimeoutError => {
            EngineError::Silent { detail: "no answer in time".to_owned() }
        }
        other => match io_kind(other) {
            Some(ErrorKind::NotFound) => EngineError::Absent { address },
            Some(ErrorKind::ConnectionRefused) => EngineError::NotRunning { address },
            Some(ErrorKind::PermissionDenied) => EngineError::Forbidden { address },
            _ => EngineError::Silent { detail: shortened(&with_causes(other)) },
        },
    }
}

/// The kind of the input/output error at the bottom, where there is one.
fn io_kind(error: &Error) -> Option<ErrorKind> {
    let mut cause = error.source();
    if let Error::IOError { err } = error {
        return Some(err.kind());
    }
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return Some(error.kind());
        }
        cause = error.source();
    }
    None
}

fn with_causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

pub(super) fn operation_failure(context: Context, error: &Error) -> OperationFailure {
    let Error::DockerResponseServerError { status_code, message } = error else {
        return OperationFailure::EngineAway { detail: shortened(&with_causes(error)) };
    };
    if let Some(path) = missing_bind_source(message) {
        return OperationFailure::BindSourceMissing { path };
    }
    match (context, status_code) {
        (Context::Create, 404) if is_missing_image(message) => OperationFailure::ImageMissing,
        (Context::Create, 409) if message.contains("is already in use") => {
            OperationFailure::NameTaken
        }
        (Context::Remove, 409) if message.contains("already in progress") => {
            OperationFailure::NoSuchContainer
        }
        (Context::Remove | Context::Other, 404) if message.contains("No such container") => {
            OperationFailure::NoSuchContainer
        }
        _ => OperationFailure::Refused { detail: shortened(message) },
    }
}

fn is_missing_image(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    // With the containerd image store it is "…: not found" alone.
    message.contains("no such image")
        || message.contains("not found")
        || message.contains("does not match the specified platform")
}

fn missing_bind_source(message: &str) -> Option<String> {
    const WORDS: &str = "bind source path does not exist";
    let (_, rest) = message.split_once(WORDS)?;
    Some(rest.trim_start_matches(':').trim().trim_end_matches(['\n', '"']).to_owned())
}

/// What a pull ended with, as far as the engine's words tell.
pub(super) fn pull_failure(error: &Error) -> OperationFailure {
    let (status_code, message) = match error {
        Error::DockerResponseServerError { status_code, message } => {
            (*status_code, message.clone())
        }
        Error::DockerStreamError { error } => (0, error.clone()),
        other => {
            return OperationFailure::EngineAway { detail: shortened(&with_causes(other)) };
        }
    };
    let detail = shortened(&message);
    let lower = message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|it| lower.contains(it));
    // The registry answered, if only with a refusal.
    if says(&["manifest unknown", "not found", "denied", "no matching manifest", "unauthorized"])
        && !says(&["no such host", "server misbehaving"])
    {
        return OperationFailure::NoSuchImage { detail };
    }
    let unreachable = [
        "no such host",
        "server misbehaving",
        "connection refused",
        "connection reset",
        "no route to host",
        "network is unreachable",
        "i/o timeout",
        "timeout",
        "timed out",
        "deadline exceeded",
        "temporary failure",
        "eof",
        "dial tcp",
        "toomanyrequests",
        "too many requests",
        "service unavailable",
        "bad gateway",
        "context canceled",
    ];
    if says(&unreachable) || status_code >= 500 && lower.contains("get ") {
        return OperationFailure::RegistryUnreachable { detail };
    }
    match status_code {
        404 => OperationFailure::NoSuchImage { detail },
        _ => OperationFailure::Refused { detail },
    }
}

/// One line, of a length that fits in a table.
pub(super) fn shortened(text: &str) -> String {
    let text = text.trim().replace(['\n', '\r', '\t'], " ");
    match text.char_indices().nth(DETAIL_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(status_code: u16, message: &str) -> Error {
        Error::DockerResponseServerError { status_code, message: message.to_owned() }
    }

    #[test]
    fn pulls_that_failed() {
        let no_such = [
            (404, "manifest for redis:nope not found: manifest unknown: manifest unknown"),
            (
                404,
                "pull access denied for nope, repository does not exist or may require 'docker login'",
            ),
            (500, "unauthorized: authentication required"),
            (404, "no matching manifest for linux/arm/v7 in the manifest list entries"),
        ];
        for (status, words) in no_such {
            let failure = pull_failure(&server(status, words));
            assert!(
                matches!(failure, OperationFailure::NoSuchImage { .. }),
                "{words}: {failure:?}"
            );
        }
        let unreachable = [
            (
                500,
                "Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no such host",
            ),
            (
                500,
                "Get \"http://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused",
            ),
            (
                500,
                "Get \"https://x/v2/\": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)",
            ),
            (500, "toomanyrequests: You have reached your pull rate limit"),
            (
                500,
                "Get \"https://x.invalid/v2/\": dial tcp: lookup x.invalid on 10.0.0.1:53: server misbehaving",
            ),
        ];
        for (status, words) in unreachable {
            let failure = pull_failure(&server(status, words));
            assert!(
                matches!(failure, OperationFailure::RegistryUnreachable { .. }),
                "{words}: {failure:?}"
            );
        }
        let disk =
            pull_failure(&server(500, "write /var/lib/docker/tmp/x: no space left on device"));
        assert!(matches!(disk, OperationFailure::Refused { .. }), "{disk:?}");
    }

    #[test]
    fn what_creating_and_removing_may_answer() {
        let bind =
            "invalid mount config for type \"bind\": bind source path does not exist: /data/x";
        let cases = [
            (Context::Create, 404, "No such image: redis:7", OperationFailure::ImageMissing),
            (
                Context::Create,
                400,
                bind,
                OperationFailure::BindSourceMissing { path: "/data/x".to_owned() },
            ),
            (
                Context::Create,
                409,
                "Conflict. The container name \"/web.1.x\" is already in use by container \"y\".",
                OperationFailure::NameTaken,
            ),
            (Context::Other, 404, "No such container: abc", OperationFailure::NoSuchContainer),
            (
                Context::Remove,
                409,
                "removal of container abc is already in progress",
                OperationFailure::NoSuchContainer,
            ),
            (
                Context::Other,
                400,
                "exec: \"nope\": executable file not found in $PATH",
                OperationFailure::Refused {
                    detail: "exec: \"nope\": executable file not found in $PATH".to_owned(),
                },
            ),
        ];
        for (context, status, words, expected) in cases {
            assert_eq!(operation_failure(context, &server(status, words)), expected, "{words}");
        }
    }

    #[test]
    fn details_fit_in_a_line() {
        let long = shortened(&"é\n".repeat(400));
        assert_eq!(long.chars().count(), DETAIL_CHARACTERS_MAX + 1);
        assert!(!long.contains('\n'));
    }
}
