//! The stream to the leader: finds it, stays with it while it answers, and finds the next one.

mod stream;

use crate::agent::{GoodbyeReason, Membership};
use crate::engine::Portrait;
use crate::health::EngineHealth;
use crate::route::Route;
use agent_core::lease::BootTime;
use agent_core::reports::Batch;
use common::assignment::AssignmentSet;
use common::file::FileSet;
use common::node::NodeKind;
use common::{IdGen, NodeId, backoff};
use proto::v1;
use shell::tls::{Credentials, Expect};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;
use stream::{Ended, Stream};
use tokio::sync::{mpsc, oneshot, watch};

const CONNECT_LIMIT: Duration = Duration::from_secs(2);
const OPEN_LIMIT: Duration = Duration::from_secs(5);
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_MOST: Duration = Duration::from_millis(500);
const ASSIGNMENTS_BYTES_MAX: usize = 64 << 20;

/// What the leader says, as far as the agent's loop is concerned.
#[derive(Debug)]
pub(crate) enum SessionEvent {
    /// A leader listens that may know nothing of this node's tasks.
    Opened,
    /// Before the assignments that need them.
    Files(FileSet),
    Assignments(AssignmentSet),
    /// All that this node is to remove.
    VolumesLeaving(BTreeSet<String>),
    /// What must not run twice may run for a while from the moment that this beat was sent.
    Lease(BootTime),
    /// The message of statuses that has arrived for good.
    Kept(u64),
    Membership(Membership),
    Logs {
        manager: String,
        request: v1::LogRequest,
    },
    LogsCancel(u64),
    /// This node is no member any more.
    Farewell,
    Closed,
}

#[derive(Debug)]
pub(crate) struct Goodbye {
    pub(crate) reason: GoodbyeReason,
    /// Dropped when it was said, or when nobody was there to hear it.
    pub(crate) said: oneshot::Sender<Infallible>,
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) node: NodeId,
    pub(crate) kind: NodeKind,
    pub(crate) address: SocketAddr,
    pub(crate) credentials: Credentials,
    pub(crate) route: Route,
    pub(crate) membership: Membership,
    pub(crate) events: mpsc::Sender<SessionEvent>,
    pub(crate) statuses: mpsc::Receiver<Batch>,
    pub(crate) portrait: watch::Receiver<Option<Portrait>>,
    /// What the leader has been told of it.
    pub(crate) told: Option<Portrait>,
    pub(crate) health: watch::Receiver<EngineHealth>,
    pub(crate) dice: IdGen,
}

/// Why a manager did not let us in.
#[derive(Debug)]
enum Refusal {
    /// It knows who leads.
    Leader(String),
    Failed(String),
}

impl Session {
    /// Until the node is no member any more, or says goodbye.
    pub(crate) async fn run(mut self, mut goodbyes: mpsc::Receiver<Goodbye>) {
        loop {
            let stream = tokio::select! {
                stream = self.open() => stream,
                // Nobody is there to hear it.
                goodbye = goodbyes.recv() => return drop(goodbye),
            };
            let Some(stream) = stream else { return };
            let manager = stream.address().to_owned();
            tracing::info!(%manager, "connected to the leader");
            match self.converse(stream, &mut goodbyes).await {
                Ended::Farewell | Ended::Goodbye | Ended::NobodyListens => return,
                Ended::Refused(Refusal::Leader(leader)) => self.route.redirected(leader),
                Ended::Refused(Refusal::Failed(reason)) => {
                    tracing::warn!(%manager, %reason, "the leader is lost; looking for the next");
                    self.route.failed();
                }
            }
            if self.events.send(SessionEvent::Closed).await.is_err() {
                return;
            }
        }
    }

    /// Goes round the managers until one lets us in; none where nobody wants it any more.
    async fn open(&mut self) -> Option<Stream> {
        // The first message describes the node.
        self.portrait.wait_for(Option::is_some).await.ok()?;
        loop {
            if let Some(rounds) = self.route.rounds_failed() {
                let wait = backoff::delay(RETRY_FIRST, RETRY_MOST, rounds, self.dice.next_u64());
                tokio::time::sleep(wait).await;
            }
            let Some(manager) = self.route.address().map(str::to_owned) else {
                self.route.failed();
                continue;
            };
            match self.try_open(&manager).await {
                Ok(stream) => {
                    self.route.opened(&manager);
                    return Some(stream);
                }
                Err(Refusal::Leader(leader)) => self.route.redirected(leader),
                Err(Refusal::Failed(reason)) => {
                    tracing::debug!(%manager, %reason, "no session");
                    self.route.failed();
                }
            }
        }
    }

    async fn try_open(&mut self, manager: &str) -> Result<Stream, Refusal> {
        let connect =
            shell::net::connect(manager, Expect::Manager, Some(&self.credentials), CONNECT_LIMIT);
        let channel = connect.await.map_err(|error| Refusal::Failed(error.to_string()))?;
        let hello = self.hello();
        let open = Stream::open(manager, channel, hello);
        let no_answer = |_| Refusal::Failed(format!("no answer within {} s", OPEN_LIMIT.as_secs()));
        tokio::time::timeout(OPEN_LIMIT, open).await.map_err(no_answer)?
    }

    fn hello(&mut self) -> v1::Hello {
        self.told.clone_from(&self.portrait.borrow_and_update());
        let portrait = self.told.as_ref();
        v1::Hello {
            description: portrait.map(|it| v1::NodeDescription::from(&it.description)),
            images: portrait.map(stream::images),
            volumes: portrait.and_then(stream::volumes),
            kind: v1::NodeKind::from(self.kind).into(),
            address: self.address.to_string(),
        }
    }
}
