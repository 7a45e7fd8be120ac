//! A Docker Engine that is played: it answers, and has nothing to run. So daemons of a cluster
//! that is only there to be killed are ready within milliseconds and share no containers.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// What the agent asks before and while it runs nothing. Anything else is not there.
const ANSWERS: [(&str, &str); 5] = [
    ("/_ping", "OK"),
    ("/version", r#"{"Version":"28.0.0","ApiVersion":"1.47"}"#),
    ("/info", r#"{"OSType":"linux","Architecture":"x86_64","NCPU":4,"MemTotal":1073741824}"#),
    ("/images/json", "[]"),
    ("/containers/json", "[]"),
];

#[derive(Debug)]
pub struct PlayedEngine {
    socket: PathBuf,
    stops: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl PlayedEngine {
    pub fn start(socket: &Path) -> PlayedEngine {
        let listener = UnixListener::bind(socket)
            .unwrap_or_else(|error| panic!("cannot listen on {}: {error}", socket.display()));
        let stops = Arc::new(AtomicBool::new(false));
        let has_stopped = Arc::clone(&stops);
        let listener = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if has_stopped.load(Ordering::Acquire) {
                    return;
                }
                if let Ok(stream) = stream {
                    // It ends with its client, which is a daemon that does not outlive the test.
                    std::thread::spawn(move || serve(&stream));
                }
            }
        });
        PlayedEngine { socket: socket.to_owned(), stops, listener: Some(listener) }
    }

    pub fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }
}

impl Drop for PlayedEngine {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::Release);
        // Wakes the listener up, so that it sees that it is to end.
        let woken = UnixStream::connect(&self.socket).is_ok();
        if let (true, Some(listener)) = (woken, self.listener.take())
            && listener.join().is_err()
        {
            eprintln!("the played engine at {} panicked", self.socket.display());
        }
    }
}

/// One connection, until the client goes: whatever goes wrong with it is the client's affair.
fn serve(stream: &UnixStream) {
    let mut requests = BufReader::new(stream);
    while let Ok(Some(path)) = next_path(&mut requests) {
        if answer(stream, &path).is_err() {
            return;
        }
    }
}

/// Reads the head of a request; none of those that are answered has a body.
fn next_path(requests: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut first = String::new();
    requests.read_line(&mut first)?;
    let mut line = String::new();
    while requests.read_line(&mut line)? > 2 {
        line.clear();
    }
    Ok(first.split(' ').nth(1).map(str::to_owned))
}

fn answer(mut stream: &UnixStream, target: &str) -> io::Result<()> {
    let path = target.split('?').next().unwrap_or_default();
    if path.ends_with("/events") {
        // Nothing ever happens, but the stream of it stays open.
        return stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    }
    let known = ANSWERS.iter().find(|(end, _)| path.ends_with(end));
    let (status, body) =
        known.map_or(("404 Not Found", r#"{"message":"played"}"#), |(_, body)| ("200 OK", *body));
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n\
         {body}"
    )
}
