//! A container's log, line by line.

use crate::containers::{LOG_LINE_BYTES_MAX, LogLine, LogQuery, LogStream};
use agent_core::container::ContainerId;
use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::query_parameters::LogsOptionsBuilder;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;

pub(super) async fn read(
    client: &Docker,
    container: &ContainerId,
    query: LogQuery,
    lines: mpsc::Sender<LogLine>,
) -> Result<(), Error> {
    let seconds = |it: i64| i32::try_from(it).unwrap_or(i32::MAX).max(0);
    let options = LogsOptionsBuilder::new()
        .follow(query.follow)
        .stdout(true)
        .stderr(true)
        .timestamps(true)
        .since(seconds(query.since_seconds))
        .until(seconds(query.until_seconds))
        .tail(&query.tail.map_or_else(|| "all".to_owned(), |it| it.to_string()))
        .build();
    let pieces = client.logs(&container.0, Some(options));
    tokio::pin!(pieces);
    let mut joiner = Joiner::default();
    loop {
        tokio::select! {
            piece = pieces.next() => match piece {
                Some(Ok(piece)) => {
                    if let Some(line) = joiner.take(piece)
                        && lines.send(line).await.is_err()
                    {
                        return Ok(());
                    }
                }
                Some(Err(error)) => return Err(error),
                None => break,
            },
            // Nobody reads any more, and a quiet container would never tell.
            () = lines.closed() => return Ok(()),
        }
    }
    for line in joiner.rest() {
        if lines.send(line).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Docker cuts long lines into pieces, each with a time in front; the last has the line's end.
#[derive(Debug, Default)]
struct Joiner {
    stdout: Option<LogLine>,
    stderr: Option<LogLine>,
}

impl Joiner {
    fn take(&mut self, piece: LogOutput) -> Option<LogLine> {
        let stream = match &piece {
            LogOutput::StdErr { .. } => LogStream::Stderr,
            LogOutput::StdOut { .. } | LogOutput::StdIn { .. } | LogOutput::Console { .. } => {
                LogStream::Stdout
            }
        };
        let bytes = piece.into_bytes();
        let (timestamp, text) = split_time(&bytes);
        let (text, is_end) = match text.strip_suffix(b"\n") {
            Some(text) => (text.strip_suffix(b"\r").unwrap_or(text), true),
            None => (text, false),
        };
        let open = match stream {
            LogStream::Stdout => &mut self.stdout,
            LogStream::Stderr => &mut self.stderr,
        };
        let line = open.get_or_insert_with(|| LogLine {
            stream,
            line: Vec::new(),
            timestamp: timestamp.to_owned(),
        });
        let room = LOG_LINE_BYTES_MAX.saturating_sub(line.line.len());
        line.line.extend_from_slice(&text[..text.len().min(room)]);
        if is_end { open.take() } else { None }
    }

    fn rest(self) -> impl Iterator<Item = LogLine> {
        self.stdout.into_iter().chain(self.stderr)
    }
}

/// `2026-11-21T10:00:00.123456789Z text`
fn split_time(bytes: &[u8]) -> (&str, &[u8]) {
    let Some(space) = bytes.iter().position(|it| *it == b' ') else { return ("", bytes) };
    match std::str::from_utf8(&bytes[..space]) {
        Ok(time) if time.contains('T') && time.starts_with(|it: char| it.is_ascii_digit()) => {
            (time, &bytes[space + 1..])
        }
        Ok(_) | Err(_) => ("", bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(pieces: Vec<LogOutput>) -> Vec<(LogStream, String, String)> {
        let mut joiner = Joiner::default();
        let mut lines: Vec<LogLine> = pieces.into_iter().filter_map(|it| joiner.take(it)).collect();
        lines.extend(joiner.rest());
        let text = |line: Vec<u8>| String::from_utf8(line).unwrap();
        lines.into_iter().map(|it| (it.stream, it.timestamp, text(it.line))).collect()
    }

    fn out(text: &str) -> LogOutput {
        LogOutput::StdOut { message: text.to_owned().into() }
    }

    fn err(text: &str) -> LogOutput {
        LogOutput::StdErr { message: text.to_owned().into() }
    }

    #[test]
    fn lines_are_put_together_and_cut() {
        let lines = join(vec![
            out("2026-01-01T00:00:01Z one\n"),
            out("2026-01-01T00:00:02Z tw"),
            err("2026-01-01T00:00:03Z oops\n"),
            out("2026-01-01T00:00:04Z o\n"),
            LogOutput::Console { message: "2026-01-01T00:00:05Z tty\r\n".into() },
            out("2026-01-01T00:00:06Z \n"),
            out("2026-01-01T00:00:07Z no end"),
        ]);
        let expected = [
            (LogStream::Stdout, "01Z", "one"),
            (LogStream::Stderr, "03Z", "oops"),
            (LogStream::Stdout, "02Z", "two"),
            (LogStream::Stdout, "05Z", "tty"),
            (LogStream::Stdout, "06Z", ""),
            (LogStream::Stdout, "07Z", "no end"),
        ];
        assert_eq!(lines.len(), expected.len());
        for ((stream, time, text), expected) in lines.iter().zip(expected) {
            assert_eq!((*stream, text.as_str()), (expected.0, expected.2));
            assert!(time.ends_with(expected.1), "{time}");
        }
        let long = "x".repeat(LOG_LINE_BYTES_MAX - 1);
        let lines = join(vec![out(&long), out("yz\n")]);
        assert_eq!(lines[0].2.len(), LOG_LINE_BYTES_MAX);
        assert!(lines[0].2.ends_with("xy"));
    }
}
