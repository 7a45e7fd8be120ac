//! The one door for cases of the planner: a story in, what was decided out.
//!
//! A story is a line per happening:
//!
//! ```text
//! node a memory=1g cpus=2 generic=gpu:2 label=zone=west role=manager
//! service web replicas=3 image=web:1 reserve=300m generic=gpu:1 constraint=node.labels.zone==west
//!             restart=any delay=5s attempts=2 window=10s max-per-node=1 | global
//!             parallelism=1 order=start-first action=rollback monitor=5s ratio=0.3
//!             deadline=10m update-delay=1s needs=db:healthy,migrate:complete,cache? once=true
//! job once completions=3 at-a-time=2 | global
//! update web image=web:2 reserve=1m constraint=…   rollback web 1   back web
//! scale web 5 | remove web | down a | up a | drain a | active a | forget a
//!             volume=data:strict
//! volumes a data           what a node reports of volumes
//! unwanted data | forgotten data on all nodes
//! has a web:1              what a node reports of images; `has a` reports none
//! web.1 running            also: ready, complete, shutdown, failed, no-image, no-registry, rebooted
//! settle                   every agent does what it is told, as long as there is something
//! advance 5s
//! plan
//! why web                  what is told of an update that does not move
//! ```

mod settings;

use common::container::{ContainerSpec, MountSource};
use common::node::{Availability, DownReason, Node, NodeKind, NodeSpec, NodeState, Role};
use common::resources::Resources;
use common::service::{Mode, ServiceSpec, TaskSpec};
use common::task::{DesiredState, Failure, Observation, Slot, Task, TaskState};
use common::units::{parse_bytes, parse_cpus, parse_duration};
use common::update::UpdateTrouble;
use common::{IdGen, NodeId, ServiceId, Stamp, TaskId, Timestamp, Version, WallTime};
use manager_core::change::{Batch, Change, Event, Unity, VolumeChange};
use manager_core::draft::Draft;
use manager_core::invariants;
use manager_core::planner::Planner;
use manager_core::requests;
use manager_core::scheduler::Waiting;
use manager_core::soft::Soft;
use manager_core::standstill;
use manager_core::state::State;
use manager_core::volume_requests::{self, Removal};
use settings::{configure, generic, pairs};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

struct World {
    state: State,
    soft: Soft,
    planner: Planner,
    waiting: BTreeMap<TaskId, Waiting>,
    ids: IdGen,
    now: Timestamp,
    version: u64,
    nodes: u64,
    out: String,
}

pub(super) fn play(story: &str) -> String {
    let mut world = World {
        state: State::default(),
        soft: Soft::default(),
        planner: Planner::new(1_000),
        waiting: BTreeMap::new(),
        ids: IdGen::from_seed(1),
        now: Timestamp(1_000_000),
        version: 0,
        nodes: 0,
        out: String::new(),
    };
    for line in story.lines().map(str::trim).filter(|it| !it.is_empty()) {
        world.step(line);
        assert_eq!(invariants::violations(&world.state), Vec::<String>::new(), "after `{line}`");
    }
    world.out
}

impl World {
    fn step(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["node", name, settings @ ..] => self.add_node(name, settings),
            ["service", name, settings @ ..] => self.add_service(name, settings),
            ["job", name, settings @ ..] => self.add_job(name, settings),
            ["update", name, settings @ ..] => self.update(name, settings),
            ["rollback", name, to] => {
                let service = self.service(name);
                let from = self.state.service(service).expect("a service").number;
                let to = to.parse().expect("a number");
                let change = Change::RollBackService { service, from, to, trouble: None };
                self.commit(vec![change]);
            }
            ["back", name] => {
                let found = requests::roll_back(&self.state, name, None);
                let (_, _, change) = found.expect("there is a way back");
                self.commit(vec![change]);
            }
            ["settle"] => self.settle(),
            ["scale", name, number] => self.scale(name, number.parse().expect("a number")),
            ["remove", name] => {
                let service = self.service(name);
                let base = self.state.service(service).expect("a service").version;
                self.commit(vec![Change::RemoveService { service, base }]);
            }
            ["down", name] => {
                let reason = DownReason::Silent { for_at_least: Duration::from_secs(2) };
                // It was heard until a moment ago.
                self.soft.grant_lease(self.node(name).id, self.now);
                self.set_state(name, NodeState::Down(reason));
            }
            ["up", name] => self.set_state(name, NodeState::Ready),
            ["drain", name] => self.set_spec(name, |it| it.availability = Availability::Drain),
            ["active", name] => self.set_spec(name, |it| it.availability = Availability::Active),
            ["forget", name] => {
                let (node, base) = (self.node(name).id, self.node(name).version);
                self.commit(vec![Change::RemoveNode { node, base }]);
            }
            ["has", name, images @ ..] => {
                let images: BTreeSet<String> = images.iter().map(|it| full(it)).collect();
                let node = self.node(name).id;
                self.soft.set_images(node, images);
            }
            ["volumes", name, volumes @ ..] => {
                let names = volumes.iter().map(|it| (*it).to_owned()).collect();
                let node = self.node(name).id;
                self.soft.set_volumes(node, names);
                self.planner.on_volumes(node);
            }
            [word @ ("unwanted" | "forgotten"), name] => {
                let volumes = vec![(*name).to_owned()];
                let removal = Removal { volumes, nodes: vec![], force: *word == "forgotten" };
                let changes = volume_requests::remove(&self.state, &removal).expect("it may go");
                self.commit(changes);
            }
            ["advance", duration] => {
                self.now = self.now + parse_duration(duration).expect("a duration");
            }
            ["plan"] => self.plan(),
            ["why", name] => {
                let World { state, soft, waiting, now, .. } = &*self;
                let known = standstill::Known { state, soft, waiting, now: *now };
                let service = state.service_named(name).expect("a service");
                let told = standstill::reason(known, service);
                self.show(&[told.unwrap_or_else(|| "all is well".to_owned())]);
            }
            [slot, state] => self.observe(slot, state),
            other => panic!("no such happening: {other:?}"),
        }
    }

    fn stamp(&self) -> Stamp {
        Stamp { at: self.now, wall: WallTime(self.now.0) }
    }

    fn commit(&mut self, changes: Vec<Change>) {
        self.version += 1;
        self.now = self.now + Duration::from_millis(1);
        let batch = Batch { stamp: self.stamp(), unity: Unity::EachAlone, changes };
        let applied = self.state.apply(Version(self.version), &batch);
        assert_eq!(applied.refused, vec![], "every change of a case fits");
        for event in applied.events {
            self.planner.on_event(&self.state, event);
        }
    }

    /// Plans until nothing is left to do, and shows that planning once more changes nothing.
    fn plan(&mut self) {
        let mut lines = Vec::new();
        for _ in 0..20 {
            let stamp = self.stamp();
            let draft = Draft::new(&self.state, &self.soft, stamp, &mut self.ids);
            let plan = self.planner.plan(draft);
            plan.tell_who_waits(&mut self.waiting, &self.state);
            if plan.changes.is_empty() {
                if let Some(at) = plan.wake_at {
                    lines.push(format!("look again in {} ms", at.0.saturating_sub(self.now.0)));
                }
                for (task, why) in plan.waiting {
                    lines.push(format!("{} waits: {why}", self.name_of(task)));
                }
                lines.sort();
                self.show(&lines);
                self.replan_changes_nothing();
                return;
            }
            let before = self.state.clone();
            self.commit(plan.changes.clone());
            lines.extend(plan.changes.iter().map(|it| self.describe(&before, it)));
        }
        panic!("planning does not come to an end: {lines:?}");
    }

    fn replan_changes_nothing(&mut self) {
        let mut fresh = Planner::new(1_000);
        fresh.on_event(&self.state, Event::Resync);
        let stamp = self.stamp();
        let plan = fresh.plan(Draft::new(&self.state, &self.soft, stamp, &mut self.ids));
        assert_eq!(plan.changes, vec![], "a planner without memory decides the same");
    }

    fn show(&mut self, lines: &[String]) {
        if !self.out.is_empty() {
            self.out.push_str("--\n");
        }
        for line in lines {
            writeln!(self.out, "{line}").expect("a string takes everything");
        }
    }

    fn describe(&self, before: &State, change: &Change) -> String {
        let on = |it: &Task| match it.placement.node().and_then(|id| self.state.node(id)) {
            Some(node) => format!(" on {}", node.name),
            None => String::new(),
        };
        match change {
            Change::CreateTask(task) => {
                let image = self.state.task_spec(task).map(|it| it.container.image.as_given());
                let image = image.filter(|it| *it != "web:1").unwrap_or_default();
                let what = if task.desired == DesiredState::Ready { "prepared" } else { "new" };
                format!("{}{} {what} {image}", self.name_of(task.id), on(task))
                    .trim_end()
                    .to_owned()
            }
            Change::PlaceTask { task, .. } => {
                let task = self.state.task(*task).expect("a placed task");
                format!("{}{} placed", self.name_of(task.id), on(task))
            }
            Change::RaiseDesired { task, desired } => {
                let old = before.task(*task).expect("it was there");
                let name = self.name_in(before, *task);
                format!("{name}{} {}", on(old), desired.as_str().to_lowercase())
            }
            Change::OrphanTask { task } => format!("{} orphaned", self.name_in(before, *task)),
            Change::RemoveTask { task } => format!("{} forgotten", self.name_in(before, *task)),
            Change::SetUpdateState { service, state, trouble, .. } => {
                let name = &before.service(*service).expect("it was").spec.name;
                let why =
                    trouble.as_ref().map_or(String::new(), |it| format!(": {}", without_ids(it)));
                format!("{name} {}{why}", state.as_str())
            }
            Change::RollBackService { service, from, to, trouble } => {
                let name = &before.service(*service).expect("it was").spec.name;
                let why =
                    trouble.as_ref().map_or(String::new(), |it| format!(": {}", without_ids(it)));
                format!("{name} back from {from} to {to}{why}")
            }
            Change::Volume(VolumeChange::Found { volume, node }) => {
                format!("{volume} found on {}", self.state.node(*node).expect("a node").name)
            }
            Change::Volume(VolumeChange::MoveHome { volume, node }) => {
                format!("{volume} is at home on {}", self.state.node(*node).expect("a node").name)
            }
            Change::Volume(VolumeChange::Gone { volume, node }) => {
                format!("{volume} gone from {}", self.state.node(*node).expect("a node").name)
            }
            Change::DropService { service } => {
                format!("service {} dropped", before.service(*service).expect("it was").spec.name)
            }
            other => panic!("a planner does not decide {other:?}"),
        }
    }

    fn name_of(&self, task: TaskId) -> String {
        self.name_in(&self.state, task)
    }

    fn name_in(&self, state: &State, task: TaskId) -> String {
        let Some(task) = state.task(task) else { return format!("task {task}") };
        let service = state.service(task.service).map(|it| it.spec.name.to_string());
        let slot = match task.slot {
            Slot::Replica(number) => number.to_string(),
            Slot::Node(node) => state.node(node).map_or("?".to_owned(), |it| it.name.to_string()),
        };
        format!("{}.{slot}", service.unwrap_or_default())
    }

    fn node(&self, name: &str) -> &Arc<Node> {
        self.state.node_named(name).unwrap_or_else(|| panic!("no node {name}"))
    }

    fn service(&self, name: &str) -> ServiceId {
        self.state.service_named(name).unwrap_or_else(|| panic!("no service {name}")).id
    }

    fn add_node(&mut self, name: &str, settings: &[&str]) {
        self.nodes += 1;
        let given = pairs(settings);
        let id = NodeId(self.nodes);
        let get = |key: &str, default: &'static str| given.get(key).map_or(default, |it| it);
        let labels = given.get("label").and_then(|it| it.split_once('='));
        let role = if given.contains_key("role") { Role::Manager } else { Role::Worker };
        let mut spec = NodeSpec::of_role(role);
        spec.labels = labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into_iter().collect();
        let seat = (([10, 0, 0, 1], 7373).into(), NodeKind::Full);
        let mut node = Node::joining(id, name.parse().expect("a name"), spec, seat);
        node.description.resources = Resources {
            cpu_nanos: parse_cpus(get("cpus", "4")).expect("cpus"),
            memory_bytes: parse_bytes(get("memory", "1g")).expect("memory"),
        };
        node.description.generic = generic(given.get("generic").copied());
        node.status.state = NodeState::Ready;
        self.soft.set_in_touch(id, true);
        self.soft.set_volumes(id, BTreeSet::new());
        self.commit(vec![Change::AddNode(Box::new(node))]);
    }

    fn set_state(&mut self, name: &str, state: NodeState) {
        let node = self.node(name).id;
        let steady_at = match state {
            NodeState::Ready => self.now + Duration::from_secs(2),
            NodeState::Joining | NodeState::Down(_) => self.now,
        };
        self.commit(vec![Change::SetNodeState { node, state, steady_at, flaps: 0 }]);
    }

    fn set_spec(&mut self, name: &str, change: impl FnOnce(&mut NodeSpec)) {
        let (node, base) = (self.node(name).id, self.node(name).version);
        let mut spec = self.node(name).spec.clone();
        change(&mut spec);
        self.commit(vec![Change::SetNodeSpec { node, base, spec }]);
    }

    fn add_service(&mut self, name: &str, settings: &[&str]) {
        let mode = match pairs(settings).get("replicas") {
            Some(replicas) => Mode::Replicated { replicas: replicas.parse().expect("a number") },
            None => Mode::Global,
        };
        let image = "web:1".parse().expect("an image");
        let task = TaskSpec::of_container(ContainerSpec::of_image(image));
        let name = name.parse().expect("a name");
        let mut spec = ServiceSpec::new(name, mode, task);
        configure(&mut spec, settings);
        let id = self.ids.service();
        self.commit(vec![Change::CreateService { id, spec: Box::new(spec) }]);
    }

    fn add_job(&mut self, name: &str, settings: &[&str]) {
        let given = pairs(settings);
        let number = |key: &str| given.get(key).map_or(0, |it| it.parse().expect("a number"));
        let mode = match number("completions") {
            0 => Mode::GlobalJob,
            completions => Mode::ReplicatedJob { completions, concurrent_max: number("at-a-time") },
        };
        let image = "web:1".parse().expect("an image");
        let task = TaskSpec::of_container(ContainerSpec::of_image(image));
        let mut spec = ServiceSpec::new(name.parse().expect("a name"), mode, task);
        configure(&mut spec, settings);
        let id = self.ids.service();
        self.commit(vec![Change::CreateService { id, spec: Box::new(spec) }]);
    }

    fn update(&mut self, name: &str, settings: &[&str]) {
        let service = self.service(name);
        let known = self.state.service(service).expect("a service");
        let (base, mut spec) = (known.version, known.spec.clone());
        configure(&mut spec, settings);
        self.commit(vec![Change::SetServiceSpec { service, base, spec: Box::new(spec) }]);
    }

    /// Agents do what they are told and the planner goes on, until both have nothing left to do.
    /// Shows the order in which it happened.
    fn settle(&mut self) {
        for _ in 0..200 {
            self.plan();
            let Some((task, state)) = self.state.tasks().find_map(|it| self.does_next(it)) else {
                return;
            };
            self.say(task, &Observation::of(state));
        }
        panic!("it does not come to rest");
    }

    fn does_next(&self, task: &Task) -> Option<(TaskId, TaskState)> {
        task.placement.node()?;
        let known = self.soft.ahead_of(task.id, task.status.state);
        let state = known.map_or(task.status.state, |(it, _)| it.state);
        let next = match task.desired {
            _ if state.is_terminal() => return None,
            DesiredState::Ready => TaskState::Ready,
            DesiredState::Running => TaskState::Running,
            DesiredState::Shutdown | DesiredState::Remove => TaskState::Shutdown,
        };
        (state < next).then_some((task.id, next))
    }

    fn scale(&mut self, name: &str, replicas: u32) {
        self.update(name, &[&format!("replicas={replicas}")]);
    }

    /// `web.1 failed`: the newest task of the slot that has not ended says so.
    fn observe(&mut self, slot: &str, state: &str) {
        let (service, slot) = slot.rsplit_once('.').expect("SERVICE.SLOT");
        let wanted = slot.parse().map_or_else(|_| Slot::Node(self.node(slot).id), Slot::Replica);
        let named = |it: &&Arc<Task>| {
            self.state.service(it.service).is_some_and(|it| it.spec.name.as_str() == service)
        };
        let is_likely = |it: &Task| match state {
            "ready" => it.desired == DesiredState::Ready,
            "shutdown" => it.desired > DesiredState::Running,
            "no-image" | "no-registry" => it.status.state < TaskState::Running,
            _ => it.desired == DesiredState::Running,
        };
        let task = self
            .state
            .tasks()
            .filter(named)
            .filter(|it| it.slot == wanted && !it.status.state.is_terminal())
            .max_by_key(|it| (is_likely(it), it.created.at))
            .unwrap_or_else(|| panic!("nothing in slot {service}.{slot}"));
        let image = self.state.task_spec(task).expect("a service").container.image.clone();
        let (task, image) = (task.id, image.as_given().to_owned());
        let detail = String::new();
        let observed = match state {
            "ready" => Observation::of(TaskState::Ready),
            "running" => Observation::of(TaskState::Running),
            "complete" => Observation::of(TaskState::Complete),
            "shutdown" => Observation::of(TaskState::Shutdown),
            "failed" => Observation::failed(
                TaskState::Failed,
                Failure::Exited { code: 1, out_of_memory: false },
            ),
            "rebooted" => Observation::failed(TaskState::Failed, Failure::MachineRestarted),
            "no-image" => {
                Observation::failed(TaskState::Rejected, Failure::NoSuchImage { image, detail })
            }
            "no-registry" => Observation::failed(
                TaskState::Rejected,
                Failure::RegistryUnreachable { image, detail, tries: 0 },
            ),
            other => panic!("no such state: {other}"),
        };
        self.say(task, &observed);
    }

    /// Its node reports them.
    fn has_made_volumes(&mut self, task: TaskId, node: NodeId) {
        let task = self.state.task(task).expect("a task");
        let mounts = &self.state.task_spec(task).expect("a service").container.mounts;
        let named = mounts.iter().filter_map(|it| match &it.source {
            MountSource::Volume(volume) => volume.name.clone(),
            MountSource::Bind(_) | MountSource::Tmpfs(_) => None,
        });
        let names: BTreeSet<String> =
            named.chain(self.soft.volumes_of(node).into_iter().flatten().cloned()).collect();
        self.soft.set_volumes(node, names);
    }

    fn say(&mut self, task: TaskId, observed: &Observation) {
        let stamp = self.stamp();
        let known = Arc::clone(self.state.task(task).expect("a task"));
        let node = known.placement.node().expect("it has a node");
        self.soft.observe(task, observed.clone(), stamp);
        if observed.state == TaskState::Running {
            self.has_made_volumes(task, node);
        }
        self.planner.mark(known.service);
        if !observed.state.is_kept() {
            return;
        }
        let mut draft = Draft::new(&self.state, &self.soft, stamp, &mut self.ids);
        draft.observe(task, node, observed);
        let (changes, _) = draft.finish();
        self.commit(changes);
    }
}

/// Tasks are told apart by their slots here.
fn without_ids(trouble: &UpdateTrouble) -> String {
    let words = trouble.to_string();
    match words.split_once(", such as ") {
        Some((before, after)) => format!("{before}{}", &after[13..]),
        None => words,
    }
}

fn full(image: &str) -> String {
    image.parse::<common::image::ImageRef>().expect("an image").full().to_owned()
}
