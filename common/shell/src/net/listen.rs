//! Connections that are taken: over TCP with TLS, and over the daemon's own socket.

use super::tune;
use crate::supervisor::{OnFailure, Scope};
use crate::tls::{Caller, Credentials, caller};
use std::convert::Infallible;
use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
const HANDSHAKES_MAX: usize = 64;
const ACCEPTED_MAX: usize = 16;
/// Without file descriptors there is nothing to do but to wait until some are given back.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// A connection whose other end has shown who it is, or shown nothing.
#[derive(Debug)]
pub struct TlsConnection {
    stream: tokio_rustls::server::TlsStream<TcpStream>,
    caller: Caller,
}

#[derive(Debug)]
pub struct UnixConnection {
    stream: UnixStream,
}

#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("another skep daemon serves {0} already: stop it first, or give this one --socket")]
    InUse(PathBuf),
    #[error("{0} exists and is not a socket: remove it, or say another place with --socket")]
    NotASocket(PathBuf),
    #[error("{path} cannot be made ({source}): look at the owner and permissions of its folder")]
    Files { path: PathBuf, source: io::Error },
}

/// Connections as they finish their handshakes. A bad one disturbs no other.
pub fn tls_incoming(
    scope: &Scope,
    listener: TcpListener,
    credentials: Credentials,
) -> impl Stream<Item = io::Result<TlsConnection>> + use<> {
    let (ready, accepted) = mpsc::channel(ACCEPTED_MAX);
    let (handshakes, token) = (scope.clone(), scope.token());
    scope.spawn("tls listener", OnFailure::StopScope, async move {
        tokio::select! {
            () = accept_tls(&handshakes, &listener, &credentials, &ready) => {}
            () = token.cancelled() => {}
            () = ready.closed() => {}
        }
        Ok::<(), Infallible>(())
    });
    ReceiverStream::new(accepted)
}

async fn accept_tls(
    scope: &Scope,
    listener: &TcpListener,
    credentials: &Credentials,
    ready: &mpsc::Sender<io::Result<TlsConnection>>,
) {
    let seats = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    let mut trouble = Trouble::default();
    loop {
        let seat = Arc::clone(&seats).acquire_owned().await;
        let seat = seat.expect("the semaphore is never closed");
        let (stream, peer) = loop {
            match listener.accept().await {
                Ok(accepted) => break accepted,
                Err(error) => trouble.met(&error),
            }
            tokio::time::sleep(ACCEPT_RETRY).await;
        };
        trouble.over();
        let (acceptor, ready) = (TlsAcceptor::from(credentials.server_config()), ready.clone());
        let token = scope.token();
        scope.spawn("tls handshake", OnFailure::Log, async move {
            let handshake = tokio::time::timeout(HANDSHAKE_LIMIT, shake_hands(acceptor, stream));
            let finished = tokio::select! {
                finished = handshake => finished.unwrap_or_else(|_| Err(too_slow())),
                () = token.cancelled() => return Ok::<(), Infallible>(()),
            };
            match finished {
                // Nobody takes it where the server has stopped.
                Ok(connection) => drop(ready.send(Ok(connection)).await),
                Err(error) => tracing::debug!(%peer, %error, "a connection is not taken"),
            }
            // Only now, so that a server that is slow to take them has no pile of them.
            drop(seat);
            Ok(())
        });
    }
}

async fn shake_hands(acceptor: TlsAcceptor, stream: TcpStream) -> io::Result<TlsConnection> {
    tune(&stream);
    let stream = acceptor.accept(stream).await?;
    let certificates = stream.get_ref().1.peer_certificates();
    let caller = caller(certificates, crate::clock::wall()).map_err(io::Error::other)?;
    Ok(TlsConnection { stream, caller })
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "its handshake took too long")
}

/// Says once that no connection is taken, however often that is tried in vain.
#[derive(Debug, Default)]
struct Trouble {
    is_told: bool,
}

impl Trouble {
    fn met(&mut self, error: &io::Error) {
        if !self.is_told {
            tracing::warn!(%error, "connections cannot be taken at the moment");
        }
        self.is_told = true;
    }

    fn over(&mut self) {
        self.is_told = false;
    }
}

/// Connections to the daemon's own socket; its file goes with this.
#[derive(Debug)]
pub struct UnixIncoming {
    listener: UnixListener,
    _file: SocketFile,
    trouble: Trouble,
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
}

/// Only the owner may connect. The file of a daemon that was killed is replaced.
pub fn unix_incoming(path: &Path) -> Result<UnixIncoming, ListenError> {
    let files = |source| ListenError::Files { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(folder).map_err(files)?;
    }
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(ListenError::NotASocket(path.to_owned()));
        }
        Ok(_) => remove_stale(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(files(error)),
    }
    let listener = UnixListener::bind(path).map_err(files)?;
    let file = SocketFile::new(path).map_err(files)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(files)?;
    Ok(UnixIncoming { listener, _file: file, trouble: Trouble::default(), pause: None })
}

fn remove_stale(path: &Path) -> Result<(), ListenError> {
    let files = |source| ListenError::Files { path: path.to_owned(), source };
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(ListenError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(files)
        }
        Err(error) => Err(files(error)),
    }
}

impl Stream for UnixIncoming {
    type Item = io::Result<UnixConnection>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(pause) = &mut this.pause {
                std::task::ready!(pause.as_mut().poll(context));
                this.pause = None;
            }
            match std::task::ready!(this.listener.poll_accept(context)) {
                Ok((stream, _)) => {
                    this.trouble.over();
                    return Poll::Ready(Some(Ok(UnixConnection { stream })));
                }
                // Handed on, the server would ask again at once and for ever.
                Err(error) => {
                    this.trouble.met(&error);
                    this.pause = Some(Box::pin(tokio::time::sleep(ACCEPT_RETRY)));
                }
            }
        }
    }
}

/// The file is removed only while it is still the one that was made here.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<SocketFile> {
        let made = std::fs::symlink_metadata(path)?;
        Ok(SocketFile { path: path.to_owned(), device: made.dev(), inode: made.ino() })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = std::fs::symlink_metadata(&self.path);
        if found.is_ok_and(|it| (it.dev(), it.ino()) == (self.device, self.inode))
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::debug!(%error, path = %self.path.display(), "the socket is left behind");
        }
    }
}

impl Connected for TlsConnection {
    type ConnectInfo = Caller;
    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl Connected for UnixConnection {
    type ConnectInfo = Caller;
    fn connect_info(&self) -> Caller {
        Caller::Local
    }
}

macro_rules! carries_its_stream {
    ($connection:ty) => {
        impl AsyncRead for $connection {
            fn poll_read(
                mut self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                Pin::new(&mut self.stream).poll_read(context, buffer)
            }
        }

        impl AsyncWrite for $connection {
            fn poll_write(
                mut self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.stream).poll_write(context, bytes)
            }

            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                context: &mut Context<'_>,
                pieces: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
            }

            fn is_write_vectored(&self) -> bool {
                self.stream.is_write_vectored()
            }

            fn poll_flush(
                mut self: Pin<&mut Self>,
                context: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                Pin::new(&mut self.stream).poll_flush(context)
            }

            fn poll_shutdown(
                mut self: Pin<&mut Self>,
                context: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                Pin::new(&mut self.stream).poll_shutdown(context)
            }
        }
    };
}

carries_its_stream!(TlsConnection);
carries_its_stream!(UnixConnection);
