//! The two things that a watchdog asks of the engine, where the kernel alone is not enough.

use agent_core::container::ContainerId;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Others wait to be ended meanwhile.
const LIMIT: Duration = Duration::from_millis(1_000);

/// So that a request to start it which is still to come finds nothing.
pub(super) fn remove(socket: &Path, container: &ContainerId) -> io::Result<()> {
    match ask(socket, &format!("DELETE /containers/{container}?force=1"))? {
        // Done, or there is no such container.
        200..=299 | 404 => Ok(()),
        status => Err(io::Error::other(format!("the engine answered {status}"))),
    }
}

pub(super) fn kill(socket: &Path, container: &ContainerId) -> io::Result<()> {
    match ask(socket, &format!("POST /containers/{container}/kill"))? {
        // Done, there is no such container, or it does not run.
        200..=299 | 404 | 409 => Ok(()),
        status => Err(io::Error::other(format!("the engine answered {status}"))),
    }
}

fn ask(socket: &Path, what: &str) -> io::Result<u16> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    // In one piece: who reads it may answer the first that comes.
    let headers = "Host: docker\r\nConnection: close\r\nContent-Length: 0";
    stream.write_all(format!("{what} HTTP/1.1\r\n{headers}\r\n\r\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|it| it.parse().ok());
    status.ok_or_else(|| io::Error::other("the engine's answer makes no sense"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::os::unix::net::UnixListener;

    #[test]
    fn what_the_engine_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("engine.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let answers = ["204 No Content", "404 Not Found", "409 Conflict", "500 Oh"];
        let engine = std::thread::spawn(move || {
            let asked = answers.map(|answer| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 1_024];
                let length = stream.read(&mut request).unwrap();
                write!(stream, "HTTP/1.1 {answer}\r\n\r\n").unwrap();
                String::from_utf8_lossy(&request[..length]).lines().next().unwrap().to_owned()
            });
            asked.to_vec()
        });
        let id = ContainerId("c1".to_owned());
        assert!(remove(&socket, &id).is_ok());
        assert!(remove(&socket, &id).is_ok());
        assert!(kill(&socket, &id).is_ok());
        assert!(remove(&socket, &id).is_err());
        let asked = engine.join().unwrap();
        assert_eq!(asked[0], "DELETE /containers/c1?force=1 HTTP/1.1");
        assert_eq!(asked[2], "POST /containers/c1/kill HTTP/1.1");
    }
}
