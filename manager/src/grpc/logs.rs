//! Logs on their way from the agents to whoever reads them. Who is asked for what is decided by
//! `manager_core::log_desk`.

use crate::manager::Manager;
use common::{NodeId, TaskId};
use manager_core::leader::SessionId;
use manager_core::log_desk::{AskId, Line, LogDesk, Output, Query, ReaderId, Target, Wish};
use manager_core::lookup;
use manager_core::state::State;
use proto::v1;
use proto::v1::manager_message;
use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_stream::Stream;
use tonic::Status;

/// Lines that wait for one reader; agents wait when it is full.
const LINES_MAX: usize = 256;
const REQUESTS_MAX: usize = 32;
/// A node that has not begun to send after one or two of these does not.
const OVERDUE_LOOK: Duration = Duration::from_secs(5);
const NOT_THE_LEADER: &str = "the manager that leads has changed: ask again";

/// Who reads which logs, and how the agents are asked for them.
#[derive(Debug, Clone, Default)]
pub struct LogBroker {
    /// Looked up and changed by many sessions; held for the look-up only, never across an await.
    book: Arc<Mutex<Book>>,
}

#[derive(Debug, Default)]
struct Book {
    desk: LogDesk,
    agents: BTreeMap<NodeId, (SessionId, mpsc::Sender<v1::ManagerMessage>)>,
    readers: BTreeMap<ReaderId, LineSender>,
}

type LineSender = mpsc::Sender<Result<v1::LogChunk, Status>>;

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
        state: &State,
    ) -> mpsc::Receiver<v1::ManagerMessage> {
        let (requests, asked) = mpsc::channel(REQUESTS_MAX);
        let mut book = self.book();
        if book.agents.get(&node).is_some_and(|(newer, _)| *newer > session) {
            return asked;
        }
        book.agents.insert(node, (session, requests));
        let outputs = book.desk.connected(node, state);
        book.perform(outputs, state);
        asked
    }

    pub(super) fn disconnect(&self, node: NodeId, session: SessionId, state: &State) {
        let mut book = self.book();
        if book.agents.get(&node).is_some_and(|(current, _)| *current == session) {
            book.agents.remove(&node);
            let outputs = book.desk.disconnected(node, state);
            book.perform(outputs, state);
        }
    }

    /// Asks for what has come into being since, and notices which nodes are away.
    pub fn look(&self, state: &State) {
        let mut book = self.book();
        if !book.desk.is_idle() {
            let outputs = book.desk.look(state);
            book.perform(outputs, state);
        }
    }

    /// The agents speak to another manager from now on.
    pub fn close(&self) {
        let mut book = self.book();
        for (_, lines) in std::mem::take(&mut book.readers) {
            // Whoever reads too slowly to hear it notices the end all the same.
            drop(lines.try_send(Err(Status::unavailable(NOT_THE_LEADER))));
        }
        book.agents.clear();
        book.desk.close();
    }

    /// Answers whether anybody still reads.
    pub(super) async fn publish(&self, node: NodeId, published: v1::PublishedLog) -> bool {
        let ask = AskId(published.subscription);
        self.book().desk.begun(ask, node);
        for mut chunk in published.chunks {
            let lines = {
                let mut book = self.book();
                let Book { desk, readers, .. } = &mut *book;
                match desk.line(ask, node, TaskId(chunk.task), &chunk.timestamp) {
                    Line::For { reader, task_name, node_name } => {
                        chunk.task_name = task_name.to_owned();
                        chunk.node_name = node_name.to_owned();
                        readers.get(&reader).cloned()
                    }
                    Line::Skip => continue,
                    Line::Unread => None,
                }
            };
            let Some(lines) = lines else { return false };
            if lines.send(Ok(chunk)).await.is_err() {
                return false;
            }
        }
        true
    }

    /// The agent has sent all there is, or its line broke before.
    pub(super) fn ended(&self, ask: u64, node: NodeId, is_whole: bool, state: &State) {
        let mut book = self.book();
        let ask = AskId(ask);
        let outputs = match is_whole {
            true => book.desk.finished(ask, node, state),
            false => book.desk.broken(ask, node, state),
        };
        book.perform(outputs, state);
    }

    fn look_for_overdue(&self, reader: ReaderId, state: &State) {
        let mut book = self.book();
        let outputs = book.desk.look_for_overdue(reader, state);
        book.perform(outputs, state);
    }

    fn stop(&self, reader: ReaderId) {
        let mut book = self.book();
        book.readers.remove(&reader);
        for output in book.desk.stop(reader) {
            if let Output::Cancel { ask, node } = output {
                // An agent whose queue is full notices at its next line that nobody reads.
                book.tell(node, manager_message::Of::LogsCancel(ask.0));
            }
        }
    }
}

impl Book {
    fn tell(&self, node: NodeId, of: manager_message::Of) -> bool {
        let message = v1::ManagerMessage { of: Some(of) };
        self.agents.get(&node).is_some_and(|(_, agent)| agent.try_send(message).is_ok())
    }

    fn perform(&mut self, outputs: Vec<Output>, state: &State) {
        let mut waiting = VecDeque::from(outputs);
        while let Some(output) = waiting.pop_front() {
            match output {
                Output::Ask { ask, node, tasks, query } => {
                    if !self.tell(node, manager_message::Of::Logs(request(ask, &tasks, query))) {
                        // A queue as full as that is of an agent that hangs: it is as if away.
                        waiting.extend(self.desk.disconnected(node, state));
                    }
                }
                Output::Cancel { ask, node } => {
                    self.tell(node, manager_message::Of::LogsCancel(ask.0));
                }
                Output::Away { reader, node, tasks } => {
                    if let Some(lines) = self.readers.get(&reader) {
                        // Whoever reads so slowly that there is no room has lines in plenty.
                        drop(lines.try_send(Ok(missing(&lookup::node_name(state, node), &tasks))));
                    }
                }
                Output::End { reader } => {
                    self.readers.remove(&reader);
                }
            }
        }
    }
}

fn request(ask: AskId, tasks: &[TaskId], query: Query) -> v1::LogRequest {
    v1::LogRequest {
        subscription: ask.0,
        tasks: tasks.iter().map(|it| it.0).collect(),
        follow: query.follow,
        tail: query.tail,
        since_seconds: query.since_seconds,
        until_seconds: query.until_seconds,
    }
}

/// The lines of one reader; agents are told to stop when it is dropped.
#[derive(Debug)]
pub(super) struct Lines {
    lines: mpsc::Receiver<Result<v1::LogChunk, Status>>,
    reader: ReaderId,
    manager: Manager,
    look: Interval,
}

impl Stream for Lines {
    type Item = Result<v1::LogChunk, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // Until it is pending, so that the next tick wakes this.
        while self.look.poll_tick(context).is_ready() {
            self.manager.logs().look_for_overdue(self.reader, &self.manager.state());
        }
        self.lines.poll_recv(context)
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.manager.logs().stop(self.reader);
    }
}

/// Asks every node that runs, or ran, one of the tasks. A node that is away delays nobody: a
/// line says that its logs are missing.
pub(super) fn subscribe(
    manager: &Manager,
    request: v1::ServiceLogsRequest,
) -> Result<Lines, Status> {
    let state = manager.state();
    let targets = request.targets.iter().map(|it| target(&state, it));
    let wish = Wish {
        targets: targets.collect::<Result<_, _>>()?,
        query: Query {
            follow: request.follow,
            tail: request.tail,
            since_seconds: request.since_seconds,
            until_seconds: request.until_seconds,
        },
        seen: request.seen.into_iter().map(|it| (TaskId(it.task), it.timestamp)).collect(),
    };
    let (lines, receiver) = mpsc::channel(LINES_MAX);
    let mut book = manager.logs().book();
    let (reader, outputs) = book.desk.read(wish, &state);
    book.readers.insert(reader, lines);
    book.perform(outputs, &state);
    drop(book);
    let mut look = tokio::time::interval_at(Instant::now() + OVERDUE_LOOK, OVERDUE_LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let lines = Lines { lines: receiver, reader, manager: manager.clone(), look };
    // Asked after the reader is in the book: `close` finds it there, or this finds no leader.
    match manager.leader() {
        Some(_) => Ok(lines),
        None => Err(Status::unavailable(NOT_THE_LEADER)),
    }
}

fn target(state: &State, given: &str) -> Result<Target, Status> {
    match (lookup::service(state, given), lookup::task(state, given)) {
        (Ok(service), _) => Ok(Target::Service(service.id)),
        (Err(_), Ok(task)) => Ok(Target::Task(task.id)),
        (Err(error), Err(_)) => Err(Status::not_found(error.to_string())),
    }
}

fn missing(node: &str, tasks: &[TaskId]) -> v1::LogChunk {
    let text = match tasks.len() {
        1 => format!("the log of a task on {node} is missing: the node is away"),
        count => format!("the logs of {count} tasks on {node} are missing: the node is away"),
    };
    v1::LogChunk {
        task: tasks.first().map_or(0, |it| it.0),
        task_name: String::new(),
        node_name: node.to_owned(),
        stream: v1::log_chunk::Stream::Notice.into(),
        line: text.into_bytes(),
        timestamp: String::new(),
    }
}
