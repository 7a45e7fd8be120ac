//! What the daemon around it asks of the agent and learns from it.

use crate::health::EngineHealth;
use crate::session::Goodbye;
use common::node::Role;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// What the cluster says of this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Empty until a manager has told it.
    pub node_name: String,
    pub managers: Vec<String>,
    /// What it should be; its certificate may say otherwise for a moment.
    pub role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoodbyeReason {
    /// The machine shuts down: its tasks move at once.
    ShutDown,
    /// The node leaves the cluster.
    Leave,
    /// The program is restarted: nothing moves, it will be back.
    Restart,
}

#[derive(Debug)]
pub(super) enum Command {
    /// `done` is dropped when nothing is left.
    StopAll { done: oneshot::Sender<Infallible> },
}

#[derive(Debug)]
pub struct AgentHandle {
    pub membership: watch::Receiver<Membership>,
    pub engine: watch::Receiver<EngineHealth>,
    /// True once this node is no member any more; its containers are being stopped then.
    pub farewell: watch::Receiver<bool>,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) goodbyes: mpsc::Sender<Goodbye>,
}

impl AgentHandle {
    /// Says it and waits until it was heard; at once where no manager is connected.
    pub async fn goodbye(&self, reason: GoodbyeReason, limit: Duration) {
        let (said, was_said) = oneshot::channel();
        let say = async {
            if self.goodbyes.send(Goodbye { reason, said }).await.is_ok() {
                drop(was_said.await);
            }
        };
        if tokio::time::timeout(limit, say).await.is_err() {
            tracing::warn!("the leader did not hear our goodbye in time");
        }
    }

    /// Stops and removes all containers of ours, and takes no more. Gives up at once where the
    /// engine does not answer.
    pub async fn stop_all(&self, limit: Duration) {
        let (done, is_done) = oneshot::channel();
        let mut engine = self.engine.clone();
        let stop = async {
            if self.commands.send(Command::StopAll { done }).await.is_ok() {
                drop(is_done.await);
            }
        };
        let given_up = tokio::select! {
            stopped = tokio::time::timeout(limit, stop) => stopped.is_err(),
            Ok(_) = engine.wait_for(|it| *it != EngineHealth::Well) => true,
        };
        if given_up {
            tracing::warn!(
                "some containers of the cluster may be left on this machine; \
                 look with: docker ps -a --filter label=skep.task.id"
            );
        }
    }
}
