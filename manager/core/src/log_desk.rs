//! Which nodes are asked for which logs, for whom. A reader that follows gets the tasks that are
//! made later, and goes on with those of a node that was away.

use crate::lookup;
use crate::state::State;
use common::calendar::parse_rfc3339;
use common::service::ServicePhase;
use common::task::{Task, TaskState};
use common::{NodeId, ServiceId, TaskId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReaderId(pub u64);

/// One node's part in what a reader wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskId(pub u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    pub follow: bool,
    /// None: from the beginning.
    pub tail: Option<u32>,
    /// Seconds since 1970; 0: no limit.
    pub since_seconds: i64,
    pub until_seconds: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Service(ServiceId),
    Task(TaskId),
}

#[derive(Debug, Clone)]
pub struct Wish {
    pub targets: Vec<Target>,
    pub query: Query,
    /// When the last line of a task was written that the reader has already, as its engine says.
    pub seen: BTreeMap<TaskId, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    Ask {
        ask: AskId,
        node: NodeId,
        tasks: Vec<TaskId>,
        query: Query,
    },
    Cancel {
        ask: AskId,
        node: NodeId,
    },
    /// Their logs cannot be had: the node is away.
    Away {
        reader: ReaderId,
        node: NodeId,
        tasks: Vec<TaskId>,
    },
    /// There is no more to come.
    End {
        reader: ReaderId,
    },
}

/// Where a line belongs.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    For {
        reader: ReaderId,
        task_name: &'a str,
        node_name: &'a str,
    },
    /// It was shown before, or nobody asked this node for it.
    Skip,
    /// Nobody reads any more.
    Unread,
}

#[derive(Debug, Default)]
pub struct LogDesk {
    connected: BTreeSet<NodeId>,
    readers: BTreeMap<ReaderId, Reader>,
    asks: BTreeMap<AskId, Ask>,
    last_number: u64,
}

#[derive(Debug)]
struct Reader {
    targets: Vec<Target>,
    query: Query,
    seen: BTreeMap<TaskId, String>,
    courses: BTreeMap<TaskId, Course>,
    /// Whether all tasks of the first moment have been looked for.
    has_begun: bool,
}

/// Where a task's log is to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Begin {
    AsWished,
    /// It was made while somebody followed: no line of it is old.
    Beginning,
    /// What came before it was shown.
    Second(i64),
}

impl Reader {
    fn begin(&self, task: TaskId) -> Begin {
        match self.seen.get(&task).and_then(|it| parse_rfc3339(it)) {
            Some(second) => Begin::Second(second),
            None if self.has_begun && !self.courses.contains_key(&task) => Begin::Beginning,
            None => Begin::AsWished,
        }
    }

    /// Somebody may follow a service for weeks whose tasks end every few seconds.
    fn forget_all_but(&mut self, tasks: usize, state: &State) {
        if self.courses.len() > tasks {
            self.courses.retain(|task, _| state.task(*task).is_some());
            self.seen.retain(|task, _| state.task(*task).is_some());
        }
    }
}

/// How far a reader is with a task; none where it was not looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    Asked,
    /// And the reader was told so.
    Away,
    /// The line broke in the middle.
    Broken,
    Read,
}

#[derive(Debug)]
struct Ask {
    reader: ReaderId,
    node: NodeId,
    node_name: String,
    tasks: BTreeMap<TaskId, AskedTask>,
    patience: Patience,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    Fresh,
    Waiting,
    Begun,
}

#[derive(Debug)]
struct AskedTask {
    name: String,
    /// Lines up to here are skipped.
    seen: Option<String>,
}

impl LogDesk {
    pub fn is_idle(&self) -> bool {
        self.readers.is_empty()
    }

    pub fn read(&mut self, wish: Wish, state: &State) -> (ReaderId, Vec<Output>) {
        let id = ReaderId(self.next_number());
        let Wish { targets, query, seen } = wish;
        let (courses, has_begun) = (BTreeMap::new(), false);
        self.readers.insert(id, Reader { targets, query, seen, courses, has_begun });
        let mut out = Vec::new();
        self.look_for(id, state, &mut out);
        self.end_if_over(id, state, &mut out);
        (id, out)
    }

    /// To be called every few seconds while somebody reads: what a node did not begin to send
    /// between two calls does not come.
    pub fn look_for_overdue(&mut self, reader: ReaderId, state: &State) -> Vec<Output> {
        let mut out = Vec::new();
        let mut overdue = Vec::new();
        for (id, ask) in self.asks.iter_mut().filter(|(_, it)| it.reader == reader) {
            match ask.patience {
                Patience::Begun => {}
                Patience::Fresh => ask.patience = Patience::Waiting,
                Patience::Waiting => overdue.push(*id),
            }
        }
        if self.follows(reader) {
            self.look_for(reader, state, &mut out);
        }
        for id in overdue {
            let Some(ask) = self.asks.remove(&id) else { continue };
            out.push(Output::Cancel { ask: id, node: ask.node });
            self.lost(ask, &mut out);
        }
        self.end_if_over(reader, state, &mut out);
        out
    }

    /// A node has begun to send.
    pub fn begun(&mut self, ask: AskId, node: NodeId) {
        if let Some(ask) = self.asks.get_mut(&ask).filter(|it| it.node == node) {
            ask.patience = Patience::Begun;
        }
    }

    /// Nobody reads it any more.
    pub fn stop(&mut self, reader: ReaderId) -> Vec<Output> {
        self.readers.remove(&reader);
        let mut out = Vec::new();
        self.asks.retain(|id, ask| {
            let stays = ask.reader != reader;
            if !stays {
                out.push(Output::Cancel { ask: *id, node: ask.node });
            }
            stays
        });
        out
    }

    /// The agents have gone to another manager. Numbers of before are not used again.
    pub fn close(&mut self) {
        *self = LogDesk { last_number: self.last_number, ..LogDesk::default() };
    }

    /// To be called whenever the state has changed.
    pub fn look(&mut self, state: &State) -> Vec<Output> {
        let mut out = Vec::new();
        let away = self.asks.values().map(|it| it.node).filter(|it| !self.is_there(*it, state));
        for node in away.collect::<BTreeSet<NodeId>>() {
            self.node_away(node, &mut out);
        }
        let readers: Vec<ReaderId> = self.readers.keys().copied().collect();
        for id in readers {
            if self.follows(id) {
                self.look_for(id, state, &mut out);
            }
            self.end_if_over(id, state, &mut out);
        }
        out
    }

    pub fn connected(&mut self, node: NodeId, state: &State) -> Vec<Output> {
        let mut out = Vec::new();
        if !self.connected.insert(node) {
            // What its former session was asked for does not come any more.
            self.node_away(node, &mut out);
        }
        out.extend(self.look(state));
        out
    }

    pub fn disconnected(&mut self, node: NodeId, state: &State) -> Vec<Output> {
        self.connected.remove(&node);
        self.look(state)
    }

    /// A line that this node has sent.
    pub fn line(&mut self, ask: AskId, node: NodeId, task: TaskId, written: &str) -> Line<'_> {
        let Some(ask) = self.asks.get(&ask).filter(|it| it.node == node) else {
            return Line::Unread;
        };
        let Some(asked) = ask.tasks.get(&task) else { return Line::Skip };
        let is_old =
            asked.seen.as_deref().is_some_and(|seen| !written.is_empty() && written <= seen);
        if is_old {
            return Line::Skip;
        }
        if let Some(reader) = self.readers.get_mut(&ask.reader)
            && reader.query.follow
            && !written.is_empty()
        {
            let seen = reader.seen.entry(task).or_default();
            seen.clear();
            seen.push_str(written);
        }
        Line::For { reader: ask.reader, task_name: &asked.name, node_name: &ask.node_name }
    }

    /// The node has sent all there is.
    pub fn finished(&mut self, ask: AskId, node: NodeId, state: &State) -> Vec<Output> {
        let mut out = Vec::new();
        let Some(ask) = self.take(ask, node) else { return out };
        self.set_courses(&ask, Course::Read);
        self.end_if_over(ask.reader, state, &mut out);
        out
    }

    /// The node has not sent all there is.
    pub fn broken(&mut self, ask: AskId, node: NodeId, state: &State) -> Vec<Output> {
        let mut out = Vec::new();
        let Some(ask) = self.take(ask, node) else { return out };
        let reader = ask.reader;
        if self.follows(reader) {
            self.set_courses(&ask, Course::Broken);
            self.look_for(reader, state, &mut out);
        } else {
            self.lost(ask, &mut out);
        }
        self.end_if_over(reader, state, &mut out);
        out
    }

    /// Nobody ends what was asked of another node.
    fn take(&mut self, ask: AskId, node: NodeId) -> Option<Ask> {
        self.asks.get(&ask).filter(|it| it.node == node)?;
        self.asks.remove(&ask)
    }

    fn set_courses(&mut self, ask: &Ask, course: Course) {
        if let Some(reader) = self.readers.get_mut(&ask.reader) {
            reader.courses.extend(ask.tasks.keys().map(|it| (*it, course)));
        }
    }

    fn node_away(&mut self, node: NodeId, out: &mut Vec<Output>) {
        let gone: Vec<AskId> =
            self.asks.iter().filter(|(_, it)| it.node == node).map(|(id, _)| *id).collect();
        for ask in gone {
            let Some(ask) = self.asks.remove(&ask) else { continue };
            self.lost(ask, out);
        }
    }

    fn lost(&mut self, ask: Ask, out: &mut Vec<Output>) {
        self.set_courses(&ask, Course::Away);
        let tasks = ask.tasks.into_keys().collect();
        out.push(Output::Away { reader: ask.reader, node: ask.node, tasks });
    }

    fn follows(&self, reader: ReaderId) -> bool {
        self.readers.get(&reader).is_some_and(|it| it.query.follow)
    }

    fn is_there(&self, node: NodeId, state: &State) -> bool {
        let is_up = state.node(node).is_some_and(|it| !it.status.state.is_down());
        is_up && self.connected.contains(&node)
    }

    /// Asks for what is not on its way yet.
    fn look_for(&mut self, id: ReaderId, state: &State, out: &mut Vec<Output>) {
        let Some(mut reader) = self.readers.remove(&id) else { return };
        let mut wanted: BTreeMap<(NodeId, Begin), Vec<&Arc<Task>>> = BTreeMap::new();
        let mut away: BTreeMap<NodeId, Vec<TaskId>> = BTreeMap::new();
        let tasks: Vec<&Arc<Task>> =
            reader.targets.iter().flat_map(|it| tasks_of(state, *it)).collect();
        reader.forget_all_but(tasks.len(), state);
        for task in tasks {
            let Some(node) = task.placement.node() else { continue };
            let course = reader.courses.get(&task.id).copied();
            match course {
                Some(Course::Asked | Course::Read) => {}
                Some(Course::Away | Course::Broken) | None if self.is_there(node, state) => {
                    if has_log(task, reader.query.follow) {
                        let begin = reader.begin(task.id);
                        wanted.entry((node, begin)).or_default().push(task);
                    }
                }
                Some(Course::Away) => {}
                Some(Course::Broken) | None => {
                    reader.courses.insert(task.id, Course::Away);
                    away.entry(node).or_default().push(task.id);
                }
            }
        }
        for (node, tasks) in away {
            out.push(Output::Away { reader: id, node, tasks });
        }
        for ((node, begin), tasks) in wanted {
            out.push(self.ask((id, &mut reader), (node, begin), &tasks, state));
        }
        reader.has_begun = true;
        self.readers.insert(id, reader);
    }

    fn ask(
        &mut self,
        (id, reader): (ReaderId, &mut Reader),
        (node, begin): (NodeId, Begin),
        tasks: &[&Arc<Task>],
        state: &State,
    ) -> Output {
        let query = match begin {
            Begin::AsWished => reader.query,
            Begin::Beginning => Query { tail: None, ..reader.query },
            Begin::Second(since_seconds) => Query { tail: None, since_seconds, ..reader.query },
        };
        let asked = |task: &&Arc<Task>| {
            reader.courses.insert(task.id, Course::Asked);
            let seen = reader.seen.get(&task.id).cloned();
            (task.id, AskedTask { name: lookup::slot_name(state, task), seen })
        };
        let tasks: BTreeMap<TaskId, AskedTask> = tasks.iter().map(asked).collect();
        let ask = AskId(self.next_number());
        let named = tasks.keys().copied().collect();
        let node_name = lookup::node_name(state, node);
        let patience = Patience::Fresh;
        self.asks.insert(ask, Ask { reader: id, node, node_name, tasks, patience });
        Output::Ask { ask, node, tasks: named, query }
    }

    fn end_if_over(&mut self, id: ReaderId, state: &State, out: &mut Vec<Output>) {
        let Some(reader) = self.readers.get(&id) else { return };
        let is_over = |target: &Target| match target {
            // What its last tasks say is read to the end; one on a node that is away says nothing.
            Target::Service(service) => {
                state.service(*service).is_none_or(|it| it.phase == ServicePhase::Removing)
            }
            Target::Task(task) => {
                state.task(*task).is_none() || reader.courses.get(task) == Some(&Course::Read)
            }
        };
        let may_come = reader.query.follow && !reader.targets.iter().all(is_over);
        if !may_come && self.asks.values().all(|it| it.reader != id) {
            self.readers.remove(&id);
            out.push(Output::End { reader: id });
        }
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}

fn tasks_of(state: &State, target: Target) -> Vec<&Arc<Task>> {
    match target {
        Target::Service(service) => state.tasks_of(service).collect(),
        Target::Task(task) => state.task(task).into_iter().collect(),
    }
}

/// Whoever follows asks for the log of a container once it runs: before, it may not be there yet.
fn has_log(task: &Task, follow: bool) -> bool {
    !follow || task.status.state >= TaskState::Running
}
