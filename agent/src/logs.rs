//! Sends the logs of containers to whoever reads them at a manager.

use crate::containers::{Containers, LogLine, LogQuery, LogStream};
use agent_core::container::ContainerId;
use common::TaskId;
use futures_util::future::join_all;
use proto::v1;
use proto::v1::dispatcher_client::DispatcherClient;
use proto::v1::log_chunk::Stream as WireStream;
use shell::supervisor::{OnFailure, Scope};
use shell::tls::{Credentials, Expect};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Lines of one container that wait, and that go out as one message.
const LINES_MAX: usize = 32;
const MESSAGES_MAX: usize = 2;
const EARLY_MAX: usize = 32;

/// The subscriptions under way.
#[derive(Debug)]
pub(crate) struct Logs {
    scope: Scope,
    credentials: Credentials,
    running: BTreeMap<u64, CancellationToken>,
    /// Asked by these managers before the containers were known.
    early: Vec<(String, v1::LogRequest)>,
}

/// What one reader asked for.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) number: u64,
    /// The manager that asked.
    pub(crate) manager: String,
    pub(crate) query: LogQuery,
    pub(crate) containers: Vec<(TaskId, ContainerId)>,
}

impl Logs {
    pub(crate) fn new(scope: Scope, credentials: Credentials) -> Logs {
        Logs { scope, credentials, running: BTreeMap::new(), early: Vec::new() }
    }

    pub(crate) fn begin<C: Containers>(&mut self, containers: Arc<C>, subscription: Subscription) {
        self.running.retain(|_, it| !it.is_cancelled());
        let token = self.scope.token().child_token();
        self.running.insert(subscription.number, token.clone());
        let credentials = self.credentials.clone();
        self.scope.spawn("logs", OnFailure::Log, async move {
            // Those that have ended are forgotten when the next begins.
            let _ended = token.clone().drop_guard();
            tokio::select! {
                () = token.cancelled() => {}
                () = publish(containers, credentials, subscription) => {}
            }
            Ok::<(), Infallible>(())
        });
    }

    /// Until the containers are known.
    pub(crate) fn keep(&mut self, manager: String, request: v1::LogRequest) {
        if self.early.len() < EARLY_MAX {
            self.early.push((manager, request));
        }
    }

    pub(crate) fn kept(&mut self) -> Vec<(String, v1::LogRequest)> {
        std::mem::take(&mut self.early)
    }

    pub(crate) fn cancel(&mut self, subscription: u64) {
        self.early.retain(|(_, it)| it.subscription != subscription);
        if let Some(token) = self.running.remove(&subscription) {
            token.cancel();
        }
    }

    pub(crate) fn cancel_all(&mut self) {
        self.early.clear();
        std::mem::take(&mut self.running).into_values().for_each(|it| it.cancel());
    }
}

/// Over a connection of its own: a reader that stops reading must not hold up the session.
async fn publish<C: Containers>(
    containers: Arc<C>,
    credentials: Credentials,
    subscription: Subscription,
) {
    let manager = &subscription.manager;
    let connected =
        shell::net::connect(manager, Expect::Manager, Some(&credentials), CONNECT_LIMIT).await;
    let channel = match connected {
        Ok(channel) => channel,
        Err(error) => return tracing::info!(%error, "logs cannot be sent"),
    };
    let (messages, queue) = mpsc::channel(MESSAGES_MAX);
    let number = subscription.number;
    // An empty message says whose the stream is, also where there are no lines.
    let first = v1::PublishedLog { subscription: number, chunks: Vec::new() };
    messages.send(first).await.expect("the queue's other end is held below");
    let mut client = DispatcherClient::new(channel);
    let published = client.publish_logs(ReceiverStream::new(queue));
    let read = async move {
        let each = subscription.containers.iter().map(|(task, container)| {
            let messages = messages.clone();
            read_one(&*containers, (*task, container), (number, subscription.query), messages)
        });
        join_all(each).await.into_iter().all(|it| it == Read::Whole)
    };
    tokio::pin!(published);
    let answer = tokio::select! {
        // Nobody reads any more, and quiet containers would never tell.
        answer = &mut published => answer,
        is_whole = read => {
            if !is_whole {
                // Dropped in the middle: the manager asks again for what a reader still follows.
                return;
            }
            published.await
        }
    };
    if let Err(status) = answer {
        tracing::debug!(%status, "a reader of logs has gone");
    }
}

/// Whether a log was read to its end, or to where nobody takes its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    Whole,
    /// The engine went away, and may be back.
    Broken,
}

async fn read_one<C: Containers>(
    containers: &C,
    (task, container): (TaskId, &ContainerId),
    (subscription, query): (u64, LogQuery),
    messages: mpsc::Sender<v1::PublishedLog>,
) -> Read {
    let (lines, mut queue) = mpsc::channel(LINES_MAX);
    let forward = async {
        let mut lines = Vec::with_capacity(LINES_MAX);
        while queue.recv_many(&mut lines, LINES_MAX).await > 0 {
            let chunks = lines.drain(..).map(|it| chunk(task, it)).collect();
            if messages.send(v1::PublishedLog { subscription, chunks }).await.is_err() {
                break;
            }
        }
        // The reader of the container stops when nobody takes its lines.
        drop(queue);
    };
    let (read, ()) = tokio::join!(containers.logs(container, query, lines), forward);
    let Err(error) = read else { return Read::Whole };
    if query.follow && error.may_pass() {
        return Read::Broken;
    }
    let line = format!("the log cannot be read: {error}").into_bytes();
    let notice = v1::LogChunk {
        task: task.0,
        stream: WireStream::Notice.into(),
        line,
        ..v1::LogChunk::default()
    };
    // A reader that has gone misses nothing.
    drop(messages.send(v1::PublishedLog { subscription, chunks: vec![notice] }).await);
    Read::Whole
}

fn chunk(task: TaskId, line: LogLine) -> v1::LogChunk {
    let stream = match line.stream {
        LogStream::Stdout => WireStream::Stdout,
        LogStream::Stderr => WireStream::Stderr,
    };
    v1::LogChunk {
        task: task.0,
        stream: stream.into(),
        line: line.line,
        timestamp: line.timestamp,
        // The manager knows them best.
        task_name: String::new(),
        node_name: String::new(),
    }
}
