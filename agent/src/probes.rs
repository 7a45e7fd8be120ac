//! Looks at containers that start, each after its wait. Nothing else waits for that.

use crate::containers::Containers;
use agent_core::health::Probe;
use agent_core::worker::Input;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use std::sync::Arc;

/// One at most of each task, because the worker begins no more.
pub(crate) struct Probes<C> {
    containers: Arc<C>,
    running: FuturesUnordered<BoxFuture<'static, Input>>,
}

impl<C: Containers> Probes<C> {
    pub(crate) fn new(containers: Arc<C>) -> Probes<C> {
        Probes { containers, running: FuturesUnordered::new() }
    }

    pub(crate) fn begin(&mut self, probe: Probe) {
        let containers = Arc::clone(&self.containers);
        self.running.push(Box::pin(async move {
            let Probe { task, id, number, after } = probe;
            tokio::time::sleep(after).await;
            Input::Probed { task, number, found: containers.probe(&id).await }
        }));
    }

    /// What the next one found; for ever where there is none.
    pub(crate) async fn finished(&mut self) -> Input {
        match self.running.next().await {
            Some(found) => found,
            None => std::future::pending().await,
        }
    }
}
