//! Logs on their way from the agents to whoever reads them.

use crate::manager::Manager;
use common::task::Task;
use common::{NodeId, TaskId};
use manager_core::leader::SessionId;
use manager_core::lookup;
use manager_core::state::State;
use proto::v1;
use proto::v1::manager_message;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tonic::Status;

/// Lines that wait for one reader; agents wait when it is full.
const LINES_MAX: usize = 256;
const REQUESTS_MAX: usize = 32;

/// Who reads which logs, and how the agents are asked for them.
#[derive(Debug, Clone, Default)]
pub struct LogBroker {
    /// Looked up and changed by many sessions; held for the look-up only, never across an await.
    book: Arc<Mutex<Book>>,
}

#[derive(Debug, Default)]
struct Book {
    agents: BTreeMap<NodeId, (SessionId, mpsc::Sender<v1::ManagerMessage>)>,
    readers: BTreeMap<u64, Reader>,
    next: u64,
}

#[derive(Debug)]
struct Reader {
    lines: mpsc::Sender<Result<v1::LogChunk, Status>>,
    /// Nodes that have not sent all they have yet.
    nodes: BTreeSet<NodeId>,
    names: BTreeMap<TaskId, (String, String)>,
}

impl LogBroker {
    fn book(&self) -> MutexGuard<'_, Book> {
        // Every change leaves the book whole, so a panic elsewhere says nothing about it.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers with the requests that the agent of this session is to get.
    pub(super) fn connect(
        &self,
        node: NodeId,
        session: SessionId,
    ) -> mpsc::Receiver<v1::ManagerMessage> {
        let (requests, asked) = mpsc::channel(REQUESTS_MAX);
        self.book().agents.insert(node, (session, requests));
        asked
    }

    pub(super) fn disconnect(&self, node: NodeId, session: SessionId) {
        let mut book = self.book();
        if book.agents.get(&node).is_some_and(|(current, _)| *current == session) {
            book.agents.remove(&node);
            // What this node still had to send will not come.
            for reader in book.readers.values_mut() {
                reader.nodes.remove(&node);
            }
            book.readers.retain(|_, it| !it.nodes.is_empty());
        }
    }

    /// Answers whether anybody still reads.
    pub(super) async fn publish(&self, published: v1::PublishedLog) -> bool {
        let (lines, names) = match self.book().readers.get(&published.subscription) {
            Some(reader) => (reader.lines.clone(), reader.names.clone()),
            None => return false,
        };
        for mut chunk in published.chunks {
            if let Some((task, node)) = names.get(&TaskId(chunk.task)) {
                (chunk.task_name, chunk.node_name) = (task.clone(), node.clone());
            }
            if lines.send(Ok(chunk)).await.is_err() {
                return false;
            }
        }
        true
    }

    /// The agent has sent all there is.
    pub(super) fn finished(&self, subscription: u64, node: NodeId) {
        let mut book = self.book();
        if let Some(reader) = book.readers.get_mut(&subscription) {
            reader.nodes.remove(&node);
            if reader.nodes.is_empty() {
                book.readers.remove(&subscription);
            }
        }
    }

    fn cancel(&self, subscription: u64) {
        let mut book = self.book();
        let Some(reader) = book.readers.remove(&subscription) else { return };
        for node in reader.nodes {
            if let Some((_, requests)) = book.agents.get(&node) {
                // An agent whose queue is full notices at its next line that nobody reads.
                let of = Some(manager_message::Of::LogsCancel(subscription));
                drop(requests.try_send(v1::ManagerMessage { of }));
            }
        }
    }
}

/// The lines of one reader; agents are told to stop when it is dropped.
#[derive(Debug)]
pub(super) struct Lines {
    lines: mpsc::Receiver<Result<v1::LogChunk, Status>>,
    subscription: u64,
    broker: LogBroker,
}

impl Stream for Lines {
    type Item = Result<v1::LogChunk, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.lines.poll_recv(context)
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.broker.cancel(self.subscription);
    }
}

/// Asks every node that runs, or ran, one of the tasks. A node that is away delays nobody: a
/// line says that its logs are missing.
pub(super) fn subscribe(
    manager: &Manager,
    request: v1::ServiceLogsRequest,
) -> Result<Lines, Status> {
    let state = manager.state();
    let mut by_node: BTreeMap<NodeId, Vec<Arc<Task>>> = BTreeMap::new();
    for target in &request.targets {
        for task in tasks(&state, target)? {
            if let Some(node) = task.placement.node() {
                by_node.entry(node).or_default().push(task);
            }
        }
    }
    let broker = manager.logs().clone();
    let (lines, reader) = mpsc::channel(LINES_MAX);
    let mut book = broker.book();
    book.next += 1;
    let subscription = book.next;
    let mut nodes = BTreeSet::new();
    let mut names = BTreeMap::new();
    for (node, tasks) in by_node {
        for task in &tasks {
            names.insert(task.id, (slot_name(&state, task), node_name(&state, node)));
        }
        let of = Some(manager_message::Of::Logs(v1::LogRequest {
            subscription,
            tasks: tasks.iter().map(|it| it.id.0).collect(),
            follow: request.follow,
            tail: request.tail,
            since_seconds: request.since_seconds,
            until_seconds: request.until_seconds,
        }));
        let asked = book
            .agents
            .get(&node)
            .is_some_and(|(_, agent)| agent.try_send(v1::ManagerMessage { of }).is_ok());
        if asked {
            nodes.insert(node);
        } else {
            // The queue of a new reader has room for a line per node.
            drop(lines.try_send(Ok(missing(&node_name(&state, node), &tasks))));
        }
    }
    if !nodes.is_empty() {
        book.readers.insert(subscription, Reader { lines, nodes, names });
    }
    drop(book);
    Ok(Lines { lines: reader, subscription, broker })
}

fn tasks(state: &State, target: &str) -> Result<Vec<Arc<Task>>, Status> {
    let not_found = |error: lookup::NotFound| Status::not_found(error.to_string());
    if let Some(task) = target.parse().ok().and_then(|it| state.task(it)) {
        return Ok(vec![Arc::clone(task)]);
    }
    let service = lookup::service(state, target).map_err(not_found)?;
    Ok(state.tasks_of(service.id).cloned().collect())
}

fn slot_name(state: &State, task: &Task) -> String {
    let service = state.service(task.service);
    let name = service.map_or_else(|| task.service.to_string(), |it| it.spec.name.to_string());
    format!("{name}.{}", task.slot)
}

fn node_name(state: &State, node: NodeId) -> String {
    state.node(node).map_or_else(|| node.to_string(), |it| it.name.to_string())
}

fn missing(node: &str, tasks: &[Arc<Task>]) -> v1::LogChunk {
    let text = format!("the logs of {} tasks on {node} are missing: the node is away", tasks.len());
    v1::LogChunk {
        task: tasks.first().map_or(0, |it| it.id.0),
        task_name: String::new(),
        node_name: node.to_owned(),
        stream: v1::log_chunk::Stream::Notice.into(),
        line: text.into_bytes(),
        timestamp: String::new(),
    }
}
