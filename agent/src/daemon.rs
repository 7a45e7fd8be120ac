//! The one process of a node: opens it, serves its socket, and stops it in order.

use crate::ending;
use crate::local;
use crate::manager_part::ManagerPart;
use crate::node::{Node, NodeOptions};
use shell::supervisor::{OnFailure, Scope};
use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

const COMMANDS_MAX: usize = 16;
const STOP_GRACE: Duration = Duration::from_secs(5);

/// `socket_server` decides what is served on the socket beside what concerns this machine.
pub async fn run<M: ManagerPart>(
    options: NodeOptions,
    socket: &Path,
    managers: M,
    socket_server: impl FnOnce(&Scope, &Path, Routes) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let root = Scope::root("daemon");
    for folder in [&options.data_dir, &options.run_dir] {
        std::fs::create_dir_all(folder)
            .map_err(|error| anyhow::anyhow!("{} cannot be made: {error}", folder.display()))?;
    }
    let (commands, asked) = mpsc::channel(COMMANDS_MAX);
    // A second daemon on the same socket must be stopped before it touches anything.
    socket_server(&root, socket, local::routes(commands))?;
    let ending = ending::wait(options.run_dir.clone());
    let node = Node::open(&root, options, managers).await?;
    tracing::info!(socket = %socket.display(), "ready");
    let node_scope = root.child("node");
    let ended = CancellationToken::new();
    let has_ended = ended.clone();
    node_scope.spawn("node", OnFailure::StopScope, async move {
        node.run(asked, ending).await;
        ended.cancel();
        Ok::<(), Infallible>(())
    });
    let failed = tokio::select! {
        () = has_ended.cancelled() => None,
        failed = root.failed() => Some(failed),
        failed = node_scope.failed() => Some(failed),
    };
    let stopped = root.stop(STOP_GRACE).await;
    match failed {
        Some(failed) => Err(anyhow::anyhow!("{failed}")),
        None => stopped.map_err(|failed| anyhow::anyhow!("{failed}")),
    }
}

/// A worker's socket: users' commands are for managers.
pub fn worker_socket(scope: &Scope, socket: &Path, routes: Routes) -> anyhow::Result<()> {
    Ok(local::serve(scope, socket, routes, tower::layer::util::Identity::new())?)
}
