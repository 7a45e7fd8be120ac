//! Prints the lines of `service logs` as they come, whichever manager they come from.

use super::args::format::Format;
use super::error::CliError;
use super::out;
use super::render::logs::{self, LineStyle};
use super::target::{Target, accept};
use proto::v1;
use proto::v1::log_chunk::Stream;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// For the next manager to be found, where one goes away under a reader that follows.
const RESUME_LIMIT: Duration = Duration::from_secs(30);
const RESUME_RETRY: Duration = Duration::from_millis(500);
/// Of tasks; those that have been quiet for longest are most likely gone.
const SEEN_MAX: usize = 4_096;

/// Until there is nothing more to come. A reader that follows stays when managers go.
pub(super) async fn read(
    target: &Target,
    mut request: v1::ServiceLogsRequest,
    (format, style): (Format, LineStyle),
) -> Result<(), CliError> {
    let mut reading =
        Reading { format, style, seen: BTreeMap::new(), last_alive: None, is_lost: false };
    loop {
        let Err(error) = reading.read(target, &request).await else { return Ok(()) };
        if !request.follow || !reading.may_resume(&error) {
            return Err(error);
        }
        reading.say_once(&error);
        tokio::time::sleep(RESUME_RETRY).await;
        let seen = reading.seen.iter();
        let seen = seen.map(|(task, it)| v1::SeenLog { task: *task, timestamp: it.clone() });
        request.seen = seen.collect();
    }
}

struct Reading {
    format: Format,
    style: LineStyle,
    /// When the last line of each task was written.
    seen: BTreeMap<u64, String>,
    /// When a manager was last heard; none before the first answer.
    last_alive: Option<Instant>,
    /// And the user was told so.
    is_lost: bool,
}

impl Reading {
    async fn read(
        &mut self,
        target: &Target,
        request: &v1::ServiceLogsRequest,
    ) -> Result<(), CliError> {
        let mut control = target.control().await?;
        let mut chunks = accept(control.service_logs(request.clone()).await?);
        (self.last_alive, self.is_lost) = (Some(Instant::now()), false);
        loop {
            let next = chunks.message().await;
            self.last_alive = Some(Instant::now());
            let Some(chunk) = next? else { return Ok(()) };
            self.show(&chunk)?;
            if request.follow && !chunk.timestamp.is_empty() {
                self.note(chunk.task, chunk.timestamp);
            }
        }
    }

    fn note(&mut self, task: u64, timestamp: String) {
        self.seen.insert(task, timestamp);
        if self.seen.len() > SEEN_MAX {
            let oldest = self.seen.iter().min_by_key(|(_, it)| it.as_str()).map(|(task, _)| *task);
            oldest.map(|it| self.seen.remove(&it));
        }
    }

    fn show(&self, chunk: &v1::LogChunk) -> Result<(), CliError> {
        match (self.format, chunk.stream()) {
            (Format::Json, _) => return out::write(&logs::object(chunk)),
            (Format::Table, Stream::Stdout | Stream::Unspecified) => {
                out::write_bytes(&logs::line(chunk, self.style))?;
            }
            (Format::Table, Stream::Stderr) => out::to_stderr(&logs::line(chunk, self.style)),
            (Format::Table, Stream::Notice) => out::warning(&logs::notice(chunk)),
        }
        Ok(())
    }

    fn say_once(&mut self, error: &CliError) {
        if !std::mem::replace(&mut self.is_lost, true) {
            out::warning(&format!("{error}; looking for the next manager"));
        }
    }

    /// Only what was under way already, and only for so long.
    fn may_resume(&self, error: &CliError) -> bool {
        let is_on_the_way = match error {
            CliError::NoConnection(_) => true,
            CliError::Refused(status) => match status.code() {
                tonic::Code::Unavailable | tonic::Code::Unknown | tonic::Code::Cancelled => true,
                tonic::Code::Internal => std::error::Error::source(status).is_some(),
                _ => false,
            },
            CliError::Usage(_)
            | CliError::Failed(_)
            | CliError::Job { .. }
            | CliError::Malformed(_)
            | CliError::Unreadable { .. }
            | CliError::OutputClosed
            | CliError::Output(_)
            | CliError::Daemon(_) => false,
        };
        is_on_the_way && self.last_alive.is_some_and(|it| it.elapsed() < RESUME_LIMIT)
    }
}
