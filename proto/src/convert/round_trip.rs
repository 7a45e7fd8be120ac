//! What goes out comes back as it was, through bytes; and what makes no sense is refused.

mod container;

use super::{Malformed, read_assignments};
use crate::v1;
use common::assignment::{Assignment, AssignmentSet};
use common::container::ContainerSpec;
use common::network::{Attachment, Endpoint, Port, PortMode, Protocol};
use common::node::{
    Availability, DownReason, Engine, Incapability, NodeDescription, NodeKind, NodeSpec, NodeState,
    NodeStatus, Role,
};
use common::platform::Platform;
use common::resources::Resources;
use common::service::{
    Dependency, DependencyCondition, Former, Mode, RestartCondition, RestartPolicy, Service,
    ServicePhase, ServiceSpec, TaskSpec,
};
use common::task::{
    DesiredState, Failure, Observation, Placement, Slot, Task, TaskState, TaskStatus,
};
use common::update::{
    FailureAction, Ratio, Update, UpdateOrder, UpdatePolicy, UpdateState, UpdateTrouble,
};
use common::volume::VolumePolicy;
use common::{NetworkId, NodeId, ServiceId, Stamp, TaskId, Timestamp, Version, WallTime};
use container::full_container;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

fn comes_back<W, T>(value: &T)
where
    W: prost::Message + Default + for<'a> From<&'a T>,
    T: TryFrom<W> + PartialEq + Debug,
    T::Error: Debug,
{
    let bytes = W::from(value).encode_to_vec();
    let wire = W::decode(bytes.as_slice()).expect("what was encoded is decoded");
    assert_eq!(&T::try_from(wire).expect("what was ours is ours"), value);
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

const STAMP: Stamp = Stamp { at: Timestamp(7), wall: WallTime(1_700_000_000_123) };

fn plain_task_spec() -> TaskSpec {
    TaskSpec::of_container(ContainerSpec::of_image("redis:7".parse().expect("an image")))
}

fn full_task_spec() -> TaskSpec {
    TaskSpec {
        container: full_container(),
        limits: Resources { cpu_nanos: 1, memory_bytes: 2 },
        reservations: Resources { cpu_nanos: 3, memory_bytes: 4 },
        restart: RestartPolicy {
            condition: RestartCondition::OnFailure,
            delay: Duration::from_secs(1),
            attempts_max: Some(0),
            window: Duration::from_secs(2),
        },
        constraints: vec!["node.labels.zone!=west".parse().expect("a constraint")],
        replicas_max_per_node: Some(2),
        spread: words("node.labels.zone node.labels.rack"),
        pids_max: Some(100),
        at_most_one: true,
        networks: full_networks(),
        volume_policies: [
            ("data".to_owned(), VolumePolicy::Strict),
            ("cache".to_owned(), VolumePolicy::Preferred),
            ("scratch".to_owned(), VolumePolicy::None),
        ]
        .into(),
        generic: [("gpu".to_owned(), 2)].into(),
        force: 7,
    }
}

fn full_networks() -> BTreeMap<String, Attachment> {
    let attachment = Attachment {
        network: Some(NetworkId(5)),
        aliases: words("web www"),
        links: [("db".to_owned(), "shop_store".parse().expect("a name"))].into(),
        ipv4_address: Some([10, 0, 0, 2].into()),
        ipv6_address: Some("fd00::2".parse().expect("an address")),
        priority: -5,
        driver_options: labels(&[("a", "b")]),
    };
    let plain = ("shop_default".to_owned(), Attachment::default());
    [("front".to_owned(), attachment), plain].into()
}

fn ports() -> Vec<Port> {
    let port = |protocol, mode| Port {
        target: 80,
        published: Some(u16::MAX),
        protocol,
        mode,
        host_ip: Some([127, 0, 0, 1].into()),
    };
    let any = Port { published: None, host_ip: None, ..port(Protocol::Sctp, PortMode::Ingress) };
    vec![port(Protocol::Tcp, PortMode::Ingress), port(Protocol::Udp, PortMode::Host), any]
}

fn service_spec(mode: Mode, task: TaskSpec) -> ServiceSpec {
    ServiceSpec {
        name: "web".parse().expect("a name"),
        labels: labels(&[("l", "")]),
        mode,
        task: Arc::new(task),
        stack: Some("shop".parse().expect("a name")),
        update: UpdatePolicy {
            parallelism: 2,
            delay: Duration::from_millis(1),
            on_failure: FailureAction::Rollback,
            monitor: Duration::from_millis(2),
            failure_ratio_max: Ratio(300_000),
            order: UpdateOrder::StartFirst,
            progress_deadline: Duration::from_millis(3),
        },
        rollback: UpdatePolicy::default(),
        depends_on: vec![Dependency {
            service: "db".parse().expect("a name"),
            condition: DependencyCondition::Healthy,
            required: true,
        }],
        ports: ports(),
        endpoint: Endpoint::DnsRoundRobin,
    }
}

#[test]
fn troubles_of_updates() {
    let failure = Some(Failure::MachineRestarted);
    for trouble in [
        UpdateTrouble::TasksFailed { slots: 1, of: 2, task: TaskId(3), failure },
        UpdateTrouble::NobodyHasImage { image: "web:2".to_owned() },
        UpdateTrouble::NoProgress { for_at_least: Duration::from_millis(1) },
    ] {
        comes_back::<v1::UpdateTrouble, UpdateTrouble>(&trouble);
    }
}

#[test]
fn services() {
    for (mode, task) in [
        (Mode::Replicated { replicas: 0 }, plain_task_spec()),
        (Mode::Replicated { replicas: 3 }, full_task_spec()),
        (Mode::Global, full_task_spec()),
        (Mode::ReplicatedJob { completions: 5, concurrent_max: 2 }, plain_task_spec()),
        (Mode::GlobalJob, plain_task_spec()),
    ] {
        comes_back::<v1::Service, Service>(&Service {
            id: ServiceId(u64::MAX),
            version: Version(3),
            created: STAMP,
            updated: Stamp::default(),
            spec: service_spec(mode, task.clone()),
            template: Version(2),
            number: 2,
            renewed: STAMP,
            former: vec![Former {
                number: 1,
                template: Version(1),
                since: STAMP,
                spec: Arc::new(service_spec(mode, task)),
            }],
            update: Some(Update {
                state: UpdateState::RollingBack,
                started: STAMP,
                since: STAMP,
                base: Some(1),
                trouble: None,
            }),
            phase: ServicePhase::Active,
        });
    }
}

#[test]
fn nodes() {
    let spec = |role, availability, down_after| NodeSpec {
        role,
        availability,
        labels: labels(&[("zone", "west")]),
        down_after,
    };
    for spec in [
        spec(Role::Worker, Availability::Active, None),
        spec(Role::Manager, Availability::Pause, Some(Duration::from_secs(9))),
        spec(Role::Worker, Availability::Drain, Some(Duration::ZERO)),
    ] {
        comes_back::<v1::NodeSpec, NodeSpec>(&spec);
    }
    comes_back::<v1::NodeDescription, NodeDescription>(&NodeDescription::default());
    comes_back::<v1::NodeDescription, NodeDescription>(&NodeDescription {
        hostname: "rasp11".to_owned(),
        addresses: vec![[10, 0, 0, 1].into(), "fe80::1".parse().expect("an address")],
        platform: Platform::from_machine("linux", "armv7l"),
        resources: Resources { cpu_nanos: 4_000_000_000, memory_bytes: 1 << 30 },
        generic: [("gpu".to_owned(), 2)].into(),
        engine: Engine {
            version: "20.10.24".to_owned(),
            api_version: "1.41".to_owned(),
            labels: labels(&[("gpu", "no")]),
            incapable_of: vec![Incapability::MemoryLimit, Incapability::CpuLimit],
        },
        program_version: "0.1.0".to_owned(),
    });
    for kind in [NodeKind::Full, NodeKind::AgentOnly] {
        assert_eq!(NodeKind::try_from(v1::NodeKind::from(kind)), Ok(kind));
    }
}

#[test]
fn a_node_that_is_down_says_why() {
    let status = NodeStatus {
        state: NodeState::Down(DownReason::ShutDown),
        since: STAMP,
        steady_at: Timestamp(9),
        flaps: 1,
    };
    let wire = v1::NodeStatus::from(&status);
    assert_eq!(wire.state(), v1::node_status::State::Down);
    assert_eq!(wire.reason, "its machine was shut down");
}

fn failures() -> Vec<Failure> {
    let text = || "x".to_owned();
    vec![
        Failure::Exited { code: -1, out_of_memory: false },
        Failure::Exited { code: 137, out_of_memory: true },
        Failure::MachineRestarted,
        Failure::ContainerGone,
        Failure::NoSuchImage { image: text(), detail: String::new() },
        Failure::RegistryUnreachable { image: text(), detail: text(), tries: 3 },
        Failure::BindSourceMissing { path: text() },
        Failure::EngineRefused { detail: text() },
        Failure::NodeLost,
        Failure::CutOff,
        Failure::Unhealthy { detail: "connection refused".to_owned() },
    ]
}

const STATES: [TaskState; 13] = [
    TaskState::New,
    TaskState::Pending,
    TaskState::Assigned,
    TaskState::Accepted,
    TaskState::Preparing,
    TaskState::Ready,
    TaskState::Starting,
    TaskState::Running,
    TaskState::Complete,
    TaskState::Shutdown,
    TaskState::Failed,
    TaskState::Rejected,
    TaskState::Orphaned,
];

#[test]
fn tasks() {
    let task = |slot, placement, desired, status: TaskStatus| Task {
        id: TaskId(1),
        service: ServiceId(2),
        slot,
        template: Version(3),
        placement,
        desired,
        status,
        created: STAMP,
        ran: Some(Timestamp(6)),
    };
    for failure in failures() {
        let failed = TaskStatus { state: TaskState::Failed, since: STAMP, failure: Some(failure) };
        let (slot, placement) = (Slot::Replica(4), Placement::OnNode(NodeId(5)));
        comes_back::<v1::Task, Task>(&task(slot, placement, DesiredState::Ready, failed));
    }
    for state in STATES {
        let status = TaskStatus { state, since: Stamp::default(), failure: None };
        let (slot, placement) = (Slot::Node(NodeId(6)), Placement::Unplaced);
        comes_back::<v1::Task, Task>(&task(slot, placement, DesiredState::Running, status));
        let message = "pulling".to_owned();
        comes_back::<v1::Observation, Observation>(&Observation { state, failure: None, message });
    }
}

#[test]
fn assignments() {
    let node = NodeId(9);
    let assignment = |desired, slot| Assignment {
        task: TaskId(1),
        service: ServiceId(2),
        service_name: "web".to_owned(),
        service_labels: labels(&[("a", "b")]),
        slot,
        node,
        desired,
        spec: Arc::new(full_task_spec()),
    };
    let put = vec![
        assignment(DesiredState::Running, Slot::Replica(1)),
        assignment(DesiredState::Remove, Slot::Node(node)),
    ];
    for set in [
        AssignmentSet::Complete(Vec::new()),
        AssignmentSet::Complete(put.clone()),
        AssignmentSet::Changes { put, remove: vec![TaskId(8)] },
    ] {
        assert_eq!(read_assignments(v1::Assignments::from(&set), node), Ok(set));
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let good = || v1::ServiceSpec::from(&service_spec(Mode::Global, full_task_spec()));
    let edit = |change: &dyn Fn(&mut v1::TaskSpec, &mut v1::ContainerSpec)| {
        let mut wire = good();
        let task = wire.task.as_mut().expect("a task");
        let mut container = task.container.take().expect("a container");
        change(task, &mut container);
        task.container = Some(container);
        wire
    };
    let cases = [
        (v1::ServiceSpec { name: "a b".to_owned(), ..good() }, "service.name"),
        (v1::ServiceSpec { mode: None, ..good() }, "service.mode"),
        (v1::ServiceSpec { task: None, ..good() }, "service.task"),
        (edit(&|_, container| container.image = "A".to_owned()), "container.image"),
        (v1::ServiceSpec { ports: vec![v1::Port::default()], ..good() }, "port.target"),
        (v1::ServiceSpec { endpoint: Some(9), ..good() }, "service.endpoint"),
        (edit(&|_, container| container.mounts[0].source = None), "mount.source"),
        (edit(&|task, _| task.constraints[0] = "zone".to_owned()), "task.constraints"),
        (edit(&|task, _| task.restart.as_mut().expect("one").condition = 0), "restart.condition"),
        (edit(&|task, _| task.restart.as_mut().expect("one").condition = 9), "restart.condition"),
    ];
    for (wire, field) in cases {
        let refused = ServiceSpec::try_from(wire).map_err(|it: Malformed| it.field);
        assert_eq!(refused.map(|_| ()), Err(field));
    }
    assert!(Observation::try_from(v1::Observation::default()).is_err());
    assert!(Slot::try_from(v1::Slot { of: None }).is_err());
    assert!(Role::try_from(v1::Role::Unspecified).is_err());
    assert!(NodeDescription::try_from(v1::NodeDescription::default()).is_err());
}

#[test]
fn an_agent_with_failings_unheard_of_is_not_turned_away() {
    let wire = v1::Engine { incapable_of: vec![99, 1], ..v1::Engine::default() };
    assert_eq!(Engine::from(wire).incapable_of, vec![Incapability::MemoryLimit]);
}
