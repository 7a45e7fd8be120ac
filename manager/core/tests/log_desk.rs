//! Who is asked for which logs while tasks, nodes and readers come and go.

use common::container::ContainerSpec;
use common::node::{DownReason, Node, NodeKind, NodeSpec, NodeState, Role};
use common::service::{Mode, ServiceSpec, TaskSpec};
use common::task::{DesiredState, Observation, Placement, Slot, Task, TaskState, TaskStatus};
use common::{NodeId, ServiceId, Stamp, TaskId, Timestamp, Version};
use manager_core::change::{Batch, Change, Unity};
use manager_core::log_desk::{AskId, Line, LogDesk, Output, Query, ReaderId, Target, Wish};
use manager_core::state::State;
use std::collections::BTreeMap;
use std::time::Duration;

const SERVICE: ServiceId = ServiceId(7);
const A: NodeId = NodeId(1);
const B: NodeId = NodeId(2);
const ONE: TaskId = TaskId(11);
const TWO: TaskId = TaskId(12);
const EARLY: &str = "2026-03-01T12:00:00.100000000Z";
const LATE: &str = "2026-03-01T12:00:05.200000000Z";
const EARLY_SECONDS: i64 = 1_772_366_400;
const PLAIN: Query = Query { follow: false, tail: Some(5), since_seconds: 0, until_seconds: 0 };
const FOLLOW: Query = Query { follow: true, ..PLAIN };

struct World {
    state: State,
    version: u64,
    desk: LogDesk,
}

impl World {
    /// Two nodes, connected, and a service without tasks.
    fn new() -> World {
        let mut world = World { state: State::default(), version: 0, desk: LogDesk::default() };
        for (id, name) in [(A, "a"), (B, "b")] {
            let seat = (([10, 0, 0, 1], 7373).into(), NodeKind::Full);
            let spec = NodeSpec::of_role(Role::Worker);
            let mut node = Node::joining(id, name.parse().expect("a name"), spec, seat);
            node.status.state = NodeState::Ready;
            world.commit(Change::AddNode(Box::new(node)));
            assert_eq!(world.desk.connected(id, &world.state), []);
        }
        let image = "web:1".parse().expect("an image");
        let name = "web".parse().expect("a name");
        let task = TaskSpec::of_container(ContainerSpec::of_image(image));
        let spec = ServiceSpec::new(name, Mode::Replicated { replicas: 2 }, task);
        world.commit(Change::CreateService { id: SERVICE, spec: Box::new(spec) });
        world
    }

    fn commit(&mut self, change: Change) {
        self.version += 1;
        let stamp = Stamp { at: Timestamp(self.version), ..Stamp::default() };
        let batch = Batch { stamp, unity: Unity::AllOrNothing, changes: vec![change] };
        let applied = self.state.apply(Version(self.version), &batch);
        assert!(applied.refused.is_empty(), "{:?}", applied.refused);
    }

    fn task(&mut self, id: TaskId, slot: u32, node: NodeId) {
        let created = Stamp { at: Timestamp(self.version), ..Stamp::default() };
        self.commit(Change::CreateTask(Box::new(Task {
            id,
            service: SERVICE,
            slot: Slot::Replica(slot),
            template: self.state.service(SERVICE).expect("it is there").template,
            placement: Placement::OnNode(node),
            desired: DesiredState::Running,
            status: TaskStatus { state: TaskState::Assigned, since: created, failure: None },
            created,
            ran: None,
        })));
    }

    fn runs(&mut self, task: TaskId, node: NodeId) {
        let observed = Observation::of(TaskState::Running);
        self.commit(Change::ObserveTask { task, node, observed });
    }

    fn set_state(&mut self, node: NodeId, state: NodeState) {
        let steady_at = Timestamp(0);
        self.commit(Change::SetNodeState { node, state, steady_at, flaps: 0 });
    }

    fn falls(&mut self, node: NodeId) {
        let reason = DownReason::Silent { for_at_least: Duration::from_secs(2) };
        self.set_state(node, NodeState::Down(reason));
    }

    fn read(&mut self, query: Query) -> (ReaderId, Vec<Output>) {
        let targets = vec![Target::Service(SERVICE)];
        self.desk.read(Wish { targets, query, seen: BTreeMap::new() }, &self.state)
    }

    fn look(&mut self) -> Vec<Output> {
        self.desk.look(&self.state)
    }
}

fn asked(output: &Output) -> (AskId, NodeId, Query) {
    match output {
        Output::Ask { ask, node, query, .. } => (*ask, *node, *query),
        Output::Cancel { .. } | Output::Away { .. } | Output::End { .. } => {
            panic!("not asked: {output:?}")
        }
    }
}

#[test]
fn whoever_does_not_follow_gets_what_there_is() {
    let mut world = World::new();
    world.task(ONE, 1, A);
    world.task(TWO, 2, B);
    world.runs(ONE, A);
    let (reader, out) = world.read(PLAIN);
    let [first, second] = &out[..] else { panic!("two nodes are asked: {out:?}") };
    let ((first, at_a, query), (second, at_b, _)) = (asked(first), asked(second));
    assert_eq!((at_a, at_b, query), (A, B, PLAIN));
    let line = world.desk.line(first, A, ONE, EARLY);
    assert_eq!(line, Line::For { reader, task_name: "web.1", node_name: "a" });
    assert_eq!(world.desk.line(first, B, ONE, EARLY), Line::Unread, "another node's part");
    assert_eq!(world.desk.line(first, A, TWO, EARLY), Line::Skip, "another node's task");
    assert_eq!(world.desk.finished(second, A, &world.state), [], "another node's part");
    assert_eq!(world.desk.finished(first, A, &world.state), []);
    assert_eq!(world.desk.finished(second, B, &world.state), [Output::End { reader }]);
    assert!(world.desk.is_idle());
}

#[test]
fn a_node_that_is_away_delays_nobody() {
    let mut world = World::new();
    world.task(ONE, 1, A);
    world.task(TWO, 2, B);
    let (reader, out) = world.read(PLAIN);
    let at_a = asked(&out[0]).0;
    assert_eq!(world.desk.finished(at_a, A, &world.state), []);
    world.falls(B);
    let away = Output::Away { reader, node: B, tasks: vec![TWO] };
    assert_eq!(world.look(), [away, Output::End { reader }]);
    let (reader, out) = world.read(PLAIN);
    assert_eq!(out[0], Output::Away { reader, node: B, tasks: vec![TWO] });
    assert_eq!((asked(&out[1]).1, out.len()), (A, 2));
}

#[test]
fn whoever_follows_gets_the_tasks_that_come() {
    let mut world = World::new();
    let (reader, out) = world.read(FOLLOW);
    assert_eq!(out, []);
    world.task(ONE, 1, A);
    assert_eq!(world.look(), [], "there may be no container yet");
    world.runs(ONE, A);
    let out = world.look();
    let (ask, node, query) = asked(&out[0]);
    assert_eq!((node, query), (A, Query { tail: None, ..FOLLOW }), "no line of it is old");
    assert_eq!(world.look(), [], "once is enough");
    world.task(TWO, 2, B);
    world.runs(TWO, B);
    let out = world.look();
    let (other, node, _) = asked(&out[0]);
    assert_eq!(node, B);
    assert_eq!(world.desk.finished(ask, A, &world.state), []);
    assert_eq!(world.look(), [], "it was read to its end");
    let base = world.state.service(SERVICE).expect("it is there").version;
    world.commit(Change::RemoveService { service: SERVICE, base });
    assert_eq!(world.look(), [], "the last words are yet to come");
    assert_eq!(world.desk.finished(other, B, &world.state), [Output::End { reader }]);
}

#[test]
fn whoever_follows_goes_on_where_a_node_was_lost() {
    let mut world = World::new();
    world.task(ONE, 1, A);
    world.runs(ONE, A);
    let (reader, out) = world.read(FOLLOW);
    let ask = asked(&out[0]).0;
    assert!(matches!(world.desk.line(ask, A, ONE, EARLY), Line::For { .. }));
    world.falls(A);
    assert_eq!(world.look(), [Output::Away { reader, node: A, tasks: vec![ONE] }]);
    assert_eq!(world.look(), [], "once is enough");
    world.set_state(A, NodeState::Ready);
    let out = world.desk.connected(A, &world.state);
    let (again, _, query) = asked(&out[0]);
    assert_eq!((query.tail, query.since_seconds), (None, EARLY_SECONDS));
    assert_eq!(world.desk.line(ask, A, ONE, LATE), Line::Unread, "the former part is over");
    assert_eq!(world.desk.line(again, A, ONE, EARLY), Line::Skip, "that was shown");
    assert!(matches!(world.desk.line(again, A, ONE, LATE), Line::For { .. }));
    let out = world.desk.broken(again, A, &world.state);
    assert_eq!(asked(&out[0]).2.since_seconds, EARLY_SECONDS + 5);
}

#[test]
fn a_node_that_does_not_begin_is_waited_for_twice_and_asked_again() {
    let mut world = World::new();
    world.task(ONE, 1, A);
    world.task(TWO, 2, B);
    world.runs(ONE, A);
    world.runs(TWO, B);
    let (reader, out) = world.read(FOLLOW);
    let (begins, silent) = (asked(&out[0]).0, asked(&out[1]).0);
    world.desk.begun(begins, A);
    world.desk.begun(silent, A);
    assert_eq!(world.desk.look_for_overdue(reader, &world.state), []);
    let away = Output::Away { reader, node: B, tasks: vec![TWO] };
    let cancel = Output::Cancel { ask: silent, node: B };
    assert_eq!(world.desk.look_for_overdue(reader, &world.state), [cancel, away]);
    let out = world.desk.look_for_overdue(reader, &world.state);
    assert_eq!((asked(&out[0]).1, out.len()), (B, 1));
}

#[test]
fn a_reader_that_goes_is_told_to_the_nodes() {
    let mut world = World::new();
    world.task(ONE, 1, A);
    world.runs(ONE, A);
    let (reader, out) = world.read(FOLLOW);
    let ask = asked(&out[0]).0;
    assert_eq!(world.desk.stop(reader), [Output::Cancel { ask, node: A }]);
    assert!(world.desk.is_idle());
}
