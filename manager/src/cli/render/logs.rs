//! Lines of `service logs`.

use common::TaskId;
use proto::v1::LogChunk;
use proto::v1::log_chunk::Stream;
use serde_json::json;

#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct LineStyle {
    /// The line alone, without a word on where it comes from.
    pub(in crate::cli) is_raw: bool,
    pub(in crate::cli) has_timestamps: bool,
    pub(in crate::cli) has_task_ids: bool,
}

/// An object a line. What is no UTF-8 is told by the character for it.
pub(in crate::cli) fn object(chunk: &LogChunk) -> String {
    let stream = match chunk.stream() {
        Stream::Stderr => "stderr",
        Stream::Notice => "notice",
        Stream::Stdout | Stream::Unspecified => "stdout",
    };
    let object = json!({
        "Message": String::from_utf8_lossy(&chunk.line),
        "Node": chunk.node_name,
        "Stream": stream,
        "Task": chunk.task_name,
        "TaskID": TaskId(chunk.task).to_string(),
        "Timestamp": chunk.timestamp,
    });
    super::json_lines([object].into_iter())
}

/// A container's bytes are passed on as they are.
pub(in crate::cli) fn line(chunk: &LogChunk, style: LineStyle) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(chunk.line.len() + 80);
    if style.has_timestamps {
        bytes.extend_from_slice(chunk.timestamp.as_bytes());
        bytes.push(b' ');
    }
    if !style.is_raw {
        bytes.extend_from_slice(origin(chunk, style).as_bytes());
        bytes.extend_from_slice(b"    | ");
    }
    bytes.extend_from_slice(&chunk.line);
    bytes.push(b'\n');
    bytes
}

/// Why a task's log is not there.
pub(in crate::cli) fn notice(chunk: &LogChunk) -> String {
    let text = super::one_line(&String::from_utf8_lossy(&chunk.line));
    if chunk.task_name.is_empty() { text } else { format!("{}: {text}", chunk.task_name) }
}

fn origin(chunk: &LogChunk, style: LineStyle) -> String {
    let LogChunk { task_name, node_name, .. } = chunk;
    if style.has_task_ids {
        format!("{task_name}.{}@{node_name}", TaskId(chunk.task))
    } else {
        format!("{task_name}@{node_name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(stream: Stream, line: &[u8]) -> LogChunk {
        LogChunk {
            task: 1,
            task_name: "web.1".to_owned(),
            node_name: "rasp1".to_owned(),
            stream: stream.into(),
            line: line.to_vec(),
            timestamp: "2026-03-01T12:00:00.1Z".to_owned(),
        }
    }

    #[test]
    fn lines() {
        let style = |is_raw, has_timestamps, has_task_ids| LineStyle {
            is_raw,
            has_timestamps,
            has_task_ids,
        };
        let cases = [
            (style(false, false, true), "web.1.0000000000001@rasp1    | hi\n"),
            (style(false, false, false), "web.1@rasp1    | hi\n"),
            (
                style(false, true, true),
                "2026-03-01T12:00:00.1Z web.1.0000000000001@rasp1    | hi\n",
            ),
            (style(true, false, true), "hi\n"),
            (style(true, true, true), "2026-03-01T12:00:00.1Z hi\n"),
        ];
        for (style, expected) in cases {
            let bytes = line(&chunk(Stream::Stdout, b"hi"), style);
            assert_eq!(String::from_utf8(bytes).expect("text"), expected);
        }
        let bytes = line(&chunk(Stream::Stderr, &[0xff]), style(true, false, false));
        assert_eq!(bytes, [0xff, b'\n'], "what is no UTF-8 stays what it is");
    }

    #[test]
    fn objects() {
        let expected = concat!(
            r#"{"Message":"a\"b\ufffd","Node":"rasp1","Stream":"stderr","Task":"web.1","#,
            r#""TaskID":"0000000000001","Timestamp":"2026-03-01T12:00:00.1Z"}"#,
            "\n"
        );
        let object = object(&chunk(Stream::Stderr, b"a\"b\xff"));
        assert_eq!(object, expected.replace("\\ufffd", "\u{fffd}"));
    }

    #[test]
    fn notices() {
        let chunk = chunk(Stream::Notice, b"its node is down");
        assert_eq!(notice(&chunk), "web.1: its node is down");
    }
}
