//! The only way to standard output and standard error.

use super::error::CliError;
use std::io::{self, Write};

/// All of it, or the reason why not; a reader that has gone is told apart.
pub(super) fn write(text: &str) -> Result<(), CliError> {
    write_bytes(text.as_bytes())
}

pub(super) fn line(text: &str) -> Result<(), CliError> {
    write(&format!("{text}\n"))
}

pub(super) fn write_bytes(bytes: &[u8]) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    written.map_err(|error| {
        if error.kind() == io::ErrorKind::BrokenPipe {
            CliError::OutputClosed
        } else {
            CliError::Output(error)
        }
    })
}

pub(super) fn warning(text: &str) {
    to_stderr(format!("warning: {text}\n").as_bytes());
}

/// What is good to know and no reason to worry.
pub(super) fn note(text: &str) {
    to_stderr(format!("{text}\n").as_bytes());
}

pub(super) fn error(text: &str) {
    to_stderr(format!("error: {text}\n").as_bytes());
}

pub(super) fn to_stderr(bytes: &[u8]) {
    // Where standard error is closed, nobody is left to be told.
    drop(io::stderr().lock().write_all(bytes));
}
