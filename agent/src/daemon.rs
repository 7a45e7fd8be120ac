//! The one process of a node: opens it, serves its socket, and stops it in order.

use crate::containers::Containers;
use crate::docker::Docker;
use crate::ending;
use crate::local;
use crate::manager_part::ManagerPart;
use crate::node::{Ending, Node, NodeOptions, World};
use shell::supervisor::{OnFailure, Scope};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

const COMMANDS_MAX: usize = 16;
const STOP_GRACE: Duration = Duration::from_secs(5);

/// The world of a program of its own: Docker Engine, and the signals that end it.
pub fn world(
    docker: String,
    run_dir: PathBuf,
) -> World<impl Fn() -> Docker, impl Future<Output = Ending>> {
    World { engine: move || Docker::new(&docker), ending: ending::wait(run_dir) }
}

/// `socket_server` decides what is served on the socket beside what concerns this machine.
pub async fn run<M, E, C, S>(
    options: NodeOptions,
    world: World<E, S>,
    socket: &Path,
    managers: M,
    socket_server: impl FnOnce(&Scope, &Path, Routes) -> anyhow::Result<()>,
) -> anyhow::Result<()>
where
    M: ManagerPart,
    E: Fn() -> C + Send + Sync + 'static,
    C: Containers,
    S: Future<Output = Ending> + Send + 'static,
{
    let root = Scope::root("daemon");
    for folder in [&options.data_dir, &options.run_dir] {
        std::fs::create_dir_all(folder)
            .map_err(|error| anyhow::anyhow!("{} cannot be made: {error}", folder.display()))?;
    }
    let (commands, asked) = mpsc::channel(COMMANDS_MAX);
    // A second daemon on the same socket must be stopped before it touches anything.
    socket_server(&root, socket, local::routes(commands))?;
    let World { engine, ending } = world;
    let node = Node::open(&root, options, engine, managers).await?;
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
