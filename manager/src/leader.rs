//! Runs the leader while this manager leads: feeds it what happens and does what it says. The
//! decisions are `manager_core::leader`'s.

use crate::raft::{Committed, ProposeError, Replica};
use common::{IdGen, NodeId};
use manager_core::change::{Batch, Event};
use manager_core::leader::{Input, Leader, Output, SessionId, Telling};
use shell::supervisor::{OnFailure, Scope};
use shell::threads::at_length;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::Instant;

const INBOX_MAX: usize = 1_024;
/// Messages that wait for one agent; one that is further behind is cut off and comes back.
const OUTBOX_MAX: usize = 64;
const STOP_GRACE: Duration = Duration::from_secs(1);
/// A plan for as many may take long.
const MANY_TASKS: usize = 5_000;

/// A question about the leader's memory, asked in its own loop.
type Question = Box<dyn FnOnce(&Leader) + Send>;

enum Message {
    Input(Input),
    Open { input: Input, session: SessionId, outbox: mpsc::Sender<Telling> },
    Ask(Question),
}

/// The way to the leader that runs in this process.
#[derive(Clone)]
pub struct LeaderHandle {
    inbox: mpsc::Sender<Message>,
    term: u64,
}

impl fmt::Debug for LeaderHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaderHandle").field("term", &self.term).finish_non_exhaustive()
    }
}

/// This manager does not lead any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this manager does not lead any more; try again")]
pub struct Deposed;

impl LeaderHandle {
    pub async fn tell(&self, input: Input) -> Result<(), Deposed> {
        self.inbox.send(Message::Input(input)).await.map_err(|_| Deposed)
    }

    /// Answers with the receiving end of what the agent of this session is to be told.
    pub async fn open(
        &self,
        session: SessionId,
        input: Input,
    ) -> Result<mpsc::Receiver<Telling>, Deposed> {
        let (outbox, messages) = mpsc::channel(OUTBOX_MAX);
        let open = Message::Open { input, session, outbox };
        self.inbox.send(open).await.map_err(|_| Deposed)?;
        Ok(messages)
    }

    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Leader) -> T + Send + 'static,
    ) -> Result<T, Deposed> {
        let (answer, answered) = oneshot::channel();
        let ask = Message::Ask(Box::new(move |leader| {
            // Whoever asked may have gone.
            drop(answer.send(question(leader)));
        }));
        self.inbox.send(ask).await.map_err(|_| Deposed)?;
        answered.await.map_err(|_| Deposed)
    }
}

/// The leader of this process, while it is one.
pub type LeaderSeat = watch::Receiver<Option<LeaderHandle>>;

/// Waits for the leadership, leads, and waits again.
pub fn start(scope: &Scope, replica: Replica, me: NodeId, ids: IdGen) -> LeaderSeat {
    let (seat, seats) = watch::channel(None);
    let (parent, token) = (scope.clone(), scope.token());
    scope.spawn("leadership", OnFailure::StopScope, async move {
        tokio::select! {
            () = lead_again_and_again(&parent, &replica, me, ids, &seat) => {}
            () = token.cancelled() => {}
        }
        seat.send_replace(None);
        Ok::<(), Infallible>(())
    });
    seats
}

async fn lead_again_and_again(
    parent: &Scope,
    replica: &Replica,
    me: NodeId,
    mut ids: IdGen,
    seat: &watch::Sender<Option<LeaderHandle>>,
) {
    while let Some(term) = replica.leads().await {
        tracing::info!(term, "this manager leads now");
        let scope = parent.child("leader");
        let (inbox, messages) = mpsc::channel(INBOX_MAX);
        let events = replica.feed().events();
        // Never before the last stamp: what was committed while this one waited counts.
        replica.clock().heard(replica.feed().state().clock().at);
        let now = replica.clock().now();
        let predecessor = replica.predecessor(me, term);
        let seed = IdGen::from_seed(ids.next_u64());
        let core = Leader::new(me, replica.feed().state(), seed, predecessor, now);
        let running = Running {
            core,
            replica: replica.clone(),
            scope: scope.clone(),
            messages,
            events,
            outboxes: BTreeMap::new(),
            proposed: None,
            wake: None,
        };
        let token = scope.token();
        scope.spawn("leader loop", OnFailure::Log, async move {
            tokio::select! {
                () = running.run() => {}
                () = token.cancelled() => {}
            }
            Ok::<(), Infallible>(())
        });
        seat.send_replace(Some(LeaderHandle { inbox, term }));
        replica.lost(term).await;
        tracing::info!(term, "this manager does not lead any more");
        seat.send_replace(None);
        if let Err(failed) = scope.stop(STOP_GRACE).await {
            tracing::error!(%failed, "the leader loop failed");
        }
    }
}

type Proposed = Pin<Box<dyn Future<Output = Result<Committed, ProposeError>> + Send>>;

struct Running {
    core: Leader,
    replica: Replica,
    scope: Scope,
    messages: mpsc::Receiver<Message>,
    events: broadcast::Receiver<Arc<[Event]>>,
    outboxes: BTreeMap<SessionId, mpsc::Sender<Telling>>,
    proposed: Option<Proposed>,
    wake: Option<Instant>,
}

/// Whatever may happen to a leader.
enum Happening {
    Message(Message),
    Events(Result<Arc<[Event]>, broadcast::error::RecvError>),
    Proposed(Result<Committed, ProposeError>),
    Time,
    Over,
}

impl Running {
    async fn run(mut self) {
        self.settle();
        loop {
            let happening = self.next().await;
            if !self.handle(happening) {
                return;
            }
            // What came together is decided and committed together.
            while let Ok(message) = self.messages.try_recv() {
                self.handle(Happening::Message(message));
            }
            self.settle();
        }
    }

    async fn next(&mut self) -> Happening {
        let wake = self.wake;
        let time = async {
            match wake {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let proposed = async {
            match &mut self.proposed {
                Some(proposed) => proposed.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            message = self.messages.recv() => match message {
                Some(message) => Happening::Message(message),
                None => Happening::Over,
            },
            events = self.events.recv() => Happening::Events(events),
            result = proposed => Happening::Proposed(result),
            () = time => Happening::Time,
        }
    }

    /// Answers whether there is anything left to wait for.
    fn handle(&mut self, happening: Happening) -> bool {
        match happening {
            Happening::Message(Message::Input(input)) => self.input(input),
            Happening::Message(Message::Open { input, session, outbox }) => {
                self.outboxes.insert(session, outbox);
                self.input(input);
            }
            Happening::Message(Message::Ask(question)) => question(&self.core),
            Happening::Events(Ok(events)) => self.published(events.to_vec()),
            Happening::Events(Err(broadcast::error::RecvError::Lagged(_))) => {
                self.published(vec![Event::Resync]);
            }
            Happening::Proposed(result) => {
                self.proposed = None;
                match result {
                    Ok(committed) => self.committed(&committed),
                    Err(error) => {
                        tracing::warn!(%error, "a plan was not committed");
                        self.input(Input::ProposalFailed);
                    }
                }
            }
            Happening::Time => {}
            Happening::Events(Err(broadcast::error::RecvError::Closed)) | Happening::Over => {
                return false;
            }
        }
        true
    }

    fn committed(&mut self, committed: &Committed) {
        for (change, conflict) in &committed.refused {
            tracing::debug!(change, %conflict, "a change was left out");
        }
        self.input(Input::Committed { version: committed.version });
    }

    fn published(&mut self, mut events: Vec<Event>) {
        loop {
            match self.events.try_recv() {
                Ok(more) => events.extend(more.iter().copied()),
                Err(broadcast::error::TryRecvError::Lagged(_)) => events.push(Event::Resync),
                Err(_) => break,
            }
        }
        let state = self.replica.feed().state();
        self.input(Input::Published { state, events });
    }

    fn input(&mut self, input: Input) {
        let now = self.replica.clock().now();
        for output in self.core.handle(input, now) {
            self.perform(output);
        }
    }

    fn settle(&mut self) {
        let now = self.replica.clock().now();
        let (outputs, wake_at) = match self.core.state().task_count() {
            0..MANY_TASKS => self.core.settle(now),
            MANY_TASKS.. => at_length(|| self.core.settle(now)),
        };
        for output in outputs {
            self.perform(output);
        }
        self.wake = wake_at.map(|at| Instant::now() + at.since(now.at));
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Propose(batch) => self.propose(batch),
            Output::Tell { session, message } => {
                let Some(outbox) = self.outboxes.get(&session) else { return };
                if outbox.try_send(message).is_err() {
                    // It is gone, or so far behind that it had better start over.
                    self.outboxes.remove(&session);
                    self.core_closed(session);
                }
            }
            Output::Close { session } => {
                self.outboxes.remove(&session);
            }
        }
    }

    fn core_closed(&mut self, session: SessionId) {
        let now = self.replica.clock().now();
        for output in self.core.handle(Input::Closed { session }, now) {
            self.perform(output);
        }
    }

    fn propose(&mut self, batch: Batch) {
        let (proposer, token) = (self.replica.proposer().clone(), self.scope.token());
        self.proposed = Some(Box::pin(async move {
            tokio::select! {
                result = proposer.propose(batch) => result,
                () = token.cancelled() => Err(ProposeError::NotLeader),
            }
        }));
    }
}
