//! The daemon's own socket.

use crate::world::{WhoCalls, outcome, word};
use proto::v1::local_server::LocalServer;
use shell::net::{connect_local, unix_incoming};
use shell::supervisor::{OnFailure, Scope};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

const GRACE: Duration = Duration::from_secs(5);

fn serve(scope: &Scope, socket: &Path) {
    let incoming = unix_incoming(socket).unwrap();
    let token = scope.token();
    scope.spawn("socket", OnFailure::StopScope, async move {
        let server = shell::net::server().add_service(LocalServer::new(WhoCalls));
        server.serve_with_incoming_shutdown(incoming, token.cancelled()).await
    });
}

#[tokio::test]
async fn only_its_owner_may_use_it_and_only_one_daemon_may_serve_it() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("run/skep/skep.sock");
    assert_eq!(outcome(connect_local(&socket).await).await, "NoDaemon");
    let scope = Scope::root("test");
    serve(&scope, &socket);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&socket), mode(socket.parent().unwrap())), (0o600, 0o755));
    assert_eq!(outcome(connect_local(&socket).await).await, "local");
    assert_eq!(word(&unix_incoming(&socket).unwrap_err()), "InUse");
    assert_eq!(outcome(connect_local(&socket).await).await, "local", "the first goes on");
    assert_eq!(scope.stop(GRACE).await, Ok(()));
    assert!(!socket.exists(), "the file goes with its daemon");
}

#[tokio::test]
async fn what_a_killed_daemon_left_is_replaced_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let stale = folder.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    assert!(stale.exists());
    let scope = Scope::root("test");
    serve(&scope, &stale);
    assert_eq!(outcome(connect_local(&stale).await).await, "local");

    let precious = folder.path().join("precious");
    std::fs::write(&precious, "data").unwrap();
    assert_eq!(word(&unix_incoming(&precious).unwrap_err()), "NotASocket");
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "data");

    // Another daemon's socket has taken the place meanwhile: it stays.
    std::fs::remove_file(&stale).unwrap();
    let _other = std::os::unix::net::UnixListener::bind(&stale).unwrap();
    assert_eq!(scope.stop(GRACE).await, Ok(()));
    assert!(stale.exists());
}
