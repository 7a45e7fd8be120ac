//! Connections: made with an expectation of who answers, and taken with knowledge of who calls.

mod error;
mod listen;

pub use error::ConnectError;
pub use listen::{
    ListenError, TlsConnection, UnixConnection, UnixIncoming, tls_incoming, unix_incoming,
};

use crate::tls::{Credentials, Expect, client_config};
use error::{Asked, of_tcp, of_tls};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;
use tokio::time::error::Elapsed;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint, Server};

/// Data that nobody has acknowledged for so long will not be: the other machine is gone.
const UNACKNOWLEDGED_LIMIT: Duration = Duration::from_secs(4);
/// After so long without a word the other end is asked, and it has as long to answer.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// Memory that each stream and each connection may take while nobody reads.
const STREAM_WINDOW_BYTES: u32 = 128 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 256 << 10;
const FIRST_CALL_LIMIT: Duration = Duration::from_millis(500);
const REQUESTS_WAITING_MAX: usize = 64;
const STREAMS_MAX: u32 = 1_024;

/// `address` is `HOST:PORT`. The channel does not connect anew by itself: who uses it decides
/// whether, where to and with which expectation.
pub async fn connect(
    address: &str,
    expect: Expect,
    credentials: Option<&Credentials>,
    timeout: Duration,
) -> Result<Channel, ConnectError> {
    let open = async {
        let stream = connect_tls(address, expect, credentials, timeout).await?;
        channel(address, stream).await
    };
    // One limit for all of it: a name server, a network and a server may each be slow.
    match tokio::time::timeout(timeout, open).await {
        Ok(opened) => opened,
        Err(_) => Err(ConnectError::TimedOut { address: address.to_owned(), limit: timeout }),
    }
}

/// To the daemon of this machine.
pub async fn connect_local(socket: &Path) -> Result<Channel, ConnectError> {
    let stream = UnixStream::connect(socket).await.map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => ConnectError::Forbidden(socket.to_owned()),
        _ => ConnectError::NoDaemon(socket.to_owned()),
    })?;
    channel("the daemon", stream).await
}

/// A server with bounds that suit small machines and many idle connections. It notices clients
/// that are gone without a word.
pub fn server() -> Server {
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(STREAMS_MAX)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
}

async fn connect_tls(
    address: &str,
    expect: Expect,
    credentials: Option<&Credentials>,
    timeout: Duration,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    let (config, name) = client_config(expect, credentials)?;
    let asked = match expect {
        Expect::Manager | Expect::AuthorityDigest(_) => Asked::Manager,
        Expect::Node(_) => Asked::Node,
    };
    let stream = connect_tcp(address, timeout).await?;
    tune(&stream);
    let connector = TlsConnector::from(Arc::new(config));
    let failed = |error| of_tls(address, error, asked);
    let mut stream = connector.connect(name, stream).await.map_err(failed)?;
    // In TLS 1.3 the client is through before the server has looked at its certificate. The
    // server's first bytes say that it is content; they stay in the buffer for HTTP/2.
    let is_closed = stream.fill_buf().await.map_err(failed)?.is_empty();
    if is_closed {
        return Err(failed(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(stream)
}

/// Tries all addresses of a name, each with its share of the time: one that swallows packets must
/// not hide one that answers.
async fn connect_tcp(address: &str, timeout: Duration) -> Result<TcpStream, ConnectError> {
    let unresolved = |source| ConnectError::Unresolved { address: address.to_owned(), source };
    let begin = Instant::now();
    let found = tokio::net::lookup_host(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::InvalidInput => ConnectError::NoAddress(address.to_owned()),
        _ => unresolved(source),
    })?;
    let addresses: Vec<SocketAddr> = found.collect();
    let mut last = unresolved(io::ErrorKind::NotFound.into());
    for (tried, target) in (0_u32..).zip(&addresses) {
        let left = u32::try_from(addresses.len()).unwrap_or(u32::MAX).saturating_sub(tried);
        let share = timeout.saturating_sub(begin.elapsed()) / left.max(1);
        last = match call_twice(*target, share).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => of_tcp(address, error, timeout),
            Err(_) => ConnectError::TimedOut { address: address.to_owned(), limit: timeout },
        };
    }
    Err(last)
}

/// The kernel says a first word again after a second, and then ever more rarely: a cable that is
/// plugged in again, or a radio that wakes up, is noticed sooner by whoever calls anew.
async fn call_twice(target: SocketAddr, limit: Duration) -> Result<io::Result<TcpStream>, Elapsed> {
    let first = limit.min(FIRST_CALL_LIMIT);
    match tokio::time::timeout(first, TcpStream::connect(target)).await {
        Err(_) if limit > first => {
            tokio::time::timeout(limit - first, TcpStream::connect(target)).await
        }
        answered => answered,
    }
}

/// What a channel answers that has lost its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection was lost before")]
struct LostBefore;

/// Whether the other side may have got the request that failed so.
pub fn may_have_arrived(failure: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(failure);
    while let Some(error) = cause {
        if error.is::<LostBefore>() {
            return false;
        }
        cause = error.source();
    }
    true
}

async fn channel<S>(address: &str, stream: S) -> Result<Channel, ConnectError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut stream = Some(TokioIo::new(stream));
    let once = tower::service_fn(move |_| std::future::ready(stream.take().ok_or(LostBefore)));
    Endpoint::from_static("http://skep")
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .buffer_size(REQUESTS_WAITING_MAX)
        .connect_with_connector(once)
        .await
        .map_err(|error| ConnectError::Http {
            address: address.to_owned(),
            detail: error.to_string(),
        })
}

/// Small messages must not wait for large ones, a dead peer must be noticed, and a pause of the
/// radio must not cost twice its length: what was lost is said again at an even pace, where TCP
/// would wait twice as long each time. A kernel that will do none of it still carries the
/// connection.
fn tune(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    let settings = [
        ("sends no small messages at once", socket.set_tcp_nodelay(true)),
        ("limits no unacknowledged data", socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_LIMIT))),
        ("says nothing again at an even pace", socket.set_tcp_thin_linear_timeouts(true)),
    ];
    for (without, set) in settings {
        if let Err(error) = set {
            tracing::debug!(%error, "the kernel {without}");
        }
    }
}
