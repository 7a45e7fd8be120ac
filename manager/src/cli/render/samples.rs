//! Values that the tests of this folder render.

use crate::cli::seen::{SeenNode, SeenService, SeenState, SeenTask};
use common::container::{
    Access, BindMount, CgroupNamespace, ContainerNetwork, ContainerSpec, Device, DeviceChoice,
    DeviceRequest, HealthCheck, HostAddress, IpcNamespace, Kernel, Logging, MissingPath, Mount,
    MountSource, PidNamespace, Probe, ProbeCommand, Propagation, PullPolicy, Recursion, Swap,
    TmpfsMount, Ulimit, UserNamespace, UtsNamespace, VolumeMount,
};
use common::network::{Attachment, Endpoint, Port, PortMode, Protocol};
use common::node::{Availability, Engine, Incapability, NodeDescription, NodeSpec, Role};
use common::platform::Platform;
use common::resources::Resources;
use common::service::{Mode, RestartCondition, RestartPolicy, Service, ServiceSpec, TaskSpec};
use common::task::{DesiredState, Slot, TaskState};
use common::update::{Ratio, UpdateOrder};
use common::{NodeId, ServiceId, Stamp, TaskId, Timestamp, Version, WallTime};
use proto::v1::node_view::ManagerStatus;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const START_SECONDS: u64 = 1_700_000_000;
pub(in crate::cli) const NOW: Stamp = at(1_000);

pub(in crate::cli) const fn at(seconds: u64) -> Stamp {
    Stamp { at: Timestamp(seconds * 1000), wall: WallTime((START_SECONDS + seconds) * 1000) }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn labels(name: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), value.to_owned())])
}

fn service(id: u64, name: &str, mode: Mode, task: TaskSpec) -> SeenService {
    let spec = ServiceSpec::new(name.parse().expect("a name"), mode, task);
    let mut service = Service::new(ServiceId(id), spec, Version(12), at(0));
    service.updated = at(60);
    SeenService { service, running: 1, desired: 3, completed: 0, standstill: String::new() }
}

fn port(published: u16, mode: PortMode) -> Port {
    Port { target: 80, published: Some(published), protocol: Protocol::Tcp, mode, host_ip: None }
}

fn networks() -> BTreeMap<String, Attachment> {
    let attachment = Attachment {
        network: None,
        aliases: words("web www"),
        links: [("db".to_owned(), "shop_store".parse().expect("a name"))].into(),
        ipv4_address: Some([10, 0, 0, 2].into()),
        ipv6_address: None,
        priority: 1,
        driver_options: labels("a", "b"),
    };
    [("back".to_owned(), Attachment::default()), ("front".to_owned(), attachment)].into()
}

pub(in crate::cli) fn plain_service() -> SeenService {
    let container = ContainerSpec::of_image("redis".parse().expect("an image"));
    service(1, "monitor", Mode::Global, TaskSpec::of_container(container))
}

pub(in crate::cli) fn full_service() -> SeenService {
    let mount = |target: &str, access, source| Mount { target: target.to_owned(), access, source };
    let mut container = ContainerSpec::of_image("ghcr.io/me/web:1@sha256:00".parse().expect("one"));
    container.entrypoint = Some(words("/bin/sh -c"));
    container.args = Some(vec!["echo hi".to_owned()]);
    container.env = words("A=1 B=2");
    container.labels = labels("c", "d");
    container.hostname = Some("h".to_owned());
    container.workdir = Some("/app".to_owned());
    container.user = Some("1000".to_owned());
    container.stop_signal = Some("SIGINT".to_owned());
    container.stop_grace = Duration::from_secs(3);
    container.init = Some(true);
    let tmpfs = TmpfsMount { size_bytes: Some(9), ..TmpfsMount::default() };
    container.mounts = vec![
        mount("/b", Access::ReadOnly, MountSource::Bind(BindMount::of_path("/srv"))),
        mount(
            "/v",
            Access::ReadWrite,
            MountSource::Volume(VolumeMount {
                name: Some("data".to_owned()),
                driver: Some("local".to_owned()),
                options: labels("type", "nfs"),
                ..VolumeMount::default()
            }),
        ),
        mount("/t", Access::ReadWrite, MountSource::Tmpfs(tmpfs)),
    ];
    let task = TaskSpec {
        limits: Resources { cpu_nanos: 500_000_000, memory_bytes: 64 << 20 },
        reservations: Resources { cpu_nanos: 0, memory_bytes: 32 << 20 },
        generic: [("ssd".to_owned(), 1)].into(),
        restart: RestartPolicy {
            condition: RestartCondition::OnFailure,
            delay: Duration::from_secs(5),
            attempts_max: Some(3),
            window: Duration::from_secs(60),
        },
        constraints: vec!["node.labels.zone==west".parse().expect("a constraint")],
        replicas_max_per_node: Some(2),
        networks: networks(),
        ..TaskSpec::of_container(container)
    };
    let mut seen = service(2, "web", Mode::Replicated { replicas: 3 }, task);
    seen.service.spec.labels = labels("zone", "west");
    seen.service.spec.ports = vec![port(8000, PortMode::Ingress), port(8080, PortMode::Host)];
    seen
}

/// What a container may be told beyond the everyday.
pub(in crate::cli) fn odd_service() -> SeenService {
    let mut seen = full_service();
    let spec = &mut seen.service.spec;
    spec.update.failure_ratio_max = Ratio(250_000);
    spec.rollback.order = UpdateOrder::StartFirst;
    spec.endpoint = Endpoint::DnsRoundRobin;
    let here = Some([127, 0, 0, 1].into());
    spec.ports = vec![Port { host_ip: here, published: None, ..port(53, PortMode::Host) }];
    let task = Arc::make_mut(&mut spec.task);
    task.spread = words("node.labels.zone engine.labels.rack");
    task.pids_max = Some(50);
    task.at_most_one = true;
    task.force = 2;
    let container = &mut task.container;
    container.entrypoint = Some(Vec::new());
    container.platform = Some(Platform::from_machine("linux", "armv7l"));
    container.pull_policy = PullPolicy::Always;
    container.domain_name = Some("example.org".to_owned());
    container.groups = words("audio 7");
    container.stdin_open = true;
    container.annotations = labels("e", "f");
    container.network = ContainerNetwork::Host;
    container.logging =
        Some(Logging { driver: Some("local".to_owned()), options: labels("max-size", "1m") });
    container.dns.servers = vec![[10, 0, 0, 1].into()];
    container.dns.search = words("example.org");
    container.dns.options = words("ndots:2");
    let addresses = vec![HostAddress::Ip([10, 0, 0, 2].into()), HostAddress::HostGateway];
    container.extra_hosts = [("db".to_owned(), addresses)].into();
    container.health = Some(HealthCheck::Enabled(Probe {
        test: Some(ProbeCommand::Exec(words("true --fast"))),
        interval: Some(Duration::from_secs(1)),
        retries: Some(3),
        ..Probe::default()
    }));
    let bind = BindMount {
        missing: MissingPath::Create,
        propagation: Some(Propagation::RecursivePrivate),
        recursion: Recursion::Disabled,
        ..BindMount::of_path("/srv")
    };
    let volume = VolumeMount {
        name: Some("data".to_owned()),
        nocopy: true,
        labels: labels("kept", "yes"),
        subpath: Some("a/b".to_owned()),
        ..VolumeMount::default()
    };
    let tmpfs = TmpfsMount { options: words("noexec uid=7"), ..TmpfsMount::default() };
    let mount = |target: &str, source| Mount {
        target: target.to_owned(),
        access: Access::ReadWrite,
        source,
    };
    container.mounts = vec![
        mount("/b", MountSource::Bind(bind)),
        mount("/v", MountSource::Volume(volume)),
        mount("/t", MountSource::Tmpfs(tmpfs)),
    ];
    container.kernel = odd_kernel();
    seen
}

fn odd_kernel() -> Kernel {
    Kernel {
        privileged: true,
        capabilities_added: words("CAP_NET_ADMIN"),
        capabilities_dropped: words("ALL"),
        security_options: words("no-new-privileges"),
        devices: vec![Device {
            source: "/dev/a".to_owned(),
            target: "/dev/b".to_owned(),
            permissions: "r".to_owned(),
        }],
        device_requests: vec![DeviceRequest {
            capabilities: words("gpu"),
            driver: None,
            choice: DeviceChoice::All,
            options: BTreeMap::new(),
        }],
        device_cgroup_rules: vec!["c 1:3 mr".to_owned()],
        pid: Some(PidNamespace::Host),
        ipc: Some(IpcNamespace::Shareable),
        uts: Some(UtsNamespace::Host),
        user_namespace: Some(UserNamespace::Host),
        cgroup: Some(CgroupNamespace::Private),
        cgroup_parent: Some("/parent".to_owned()),
        runtime: Some("runc".to_owned()),
        storage_options: labels("size", "1G"),
        sysctls: labels("net.core.somaxconn", "1024"),
        ulimits: [("nofile".to_owned(), Ulimit { soft: 1, hard: -1 })].into(),
        shm_bytes: Some(1 << 20),
        oom_kill_disable: true,
        oom_score_adjustment: Some(-1),
        memory_swap: Some(Swap::Unlimited),
        memory_swappiness: Some(0),
        cpu_shares: Some(3),
        cpu_period_micros: Some(4),
        cpu_quota_micros: Some(-1),
        cpu_realtime_period_micros: Some(5),
        cpu_realtime_runtime_micros: Some(6),
        cpu_set: Some("0-1".to_owned()),
    }
}

pub(in crate::cli) fn task(id: u64, slot: u32, state: TaskState, since: u64) -> SeenTask {
    SeenTask {
        id: TaskId(id),
        service: ServiceId(1),
        service_name: "web".to_owned(),
        slot: Slot::Replica(slot),
        image: "redis".to_owned(),
        host_ports: Vec::new(),
        node_name: "rasp11".to_owned(),
        node: Some(NodeId(11)),
        node_is_down: false,
        desired: DesiredState::Running,
        is_job: false,
        state,
        since: at(since),
        created: at(since),
        failure: None,
        remark: String::new(),
    }
}

/// Three slots, of which the first has been through something and the last waits.
pub(in crate::cli) fn history() -> Vec<SeenTask> {
    let mut failed = task(1, 1, TaskState::Failed, 700);
    failed.desired = DesiredState::Shutdown;
    failed.remark = "task: non-zero exit (1)".to_owned();
    let mut rejected = task(2, 1, TaskState::Rejected, 400);
    rejected.desired = DesiredState::Shutdown;
    rejected.node_name = "rasp12".to_owned();
    rejected.node = Some(NodeId(12));
    rejected.remark = "No such image: consumer:latest (manifest unknown)".to_owned();
    let mut running = task(3, 1, TaskState::Running, 940);
    running.host_ports = vec![port(8080, PortMode::Host)];
    let mut preparing = task(4, 2, TaskState::Preparing, 997);
    preparing.node_name = "rasp12".to_owned();
    preparing.node = Some(NodeId(12));
    preparing.remark = "pulling redis (1 of 30 MiB)".to_owned();
    let mut pending = task(5, 10, TaskState::Pending, 1_000);
    pending.node_name = String::new();
    pending.node = None;
    pending.remark = "no suitable node: 2 lack memory (need 512MiB, best has 300MiB)".to_owned();
    vec![pending, rejected, failed, preparing, running]
}

pub(in crate::cli) fn node(id: u64, name: &str) -> SeenNode {
    SeenNode {
        id: NodeId(id),
        version: 7,
        created: at(0),
        updated: at(30),
        name: name.to_owned(),
        address: format!("10.0.0.{id}:7373"),
        spec: NodeSpec {
            role: Role::Worker,
            availability: Availability::Active,
            labels: labels("zone", "west"),
            down_after: Some(Duration::from_secs(10)),
        },
        description: NodeDescription {
            hostname: name.to_owned(),
            addresses: Vec::new(),
            platform: Platform::from_machine("linux", "armv7l"),
            resources: Resources { cpu_nanos: 4_000_000_000, memory_bytes: 1 << 30 },
            generic: [("gpu".to_owned(), 2)].into(),
            engine: Engine {
                version: "20.10.24".to_owned(),
                api_version: "1.41".to_owned(),
                labels: labels("gpu", "none"),
                incapable_of: vec![Incapability::MemoryLimit],
            },
            program_version: "0.1.0".to_owned(),
        },
        state: SeenState::Ready,
        reason: String::new(),
        since: at(500),
        manager: ManagerStatus::None,
        is_self: false,
        clock_offset_millis: None,
        images: Vec::new(),
    }
}

pub(in crate::cli) fn nodes() -> Vec<SeenNode> {
    let mut leader = node(1, "rasp1");
    leader.manager = ManagerStatus::Leader;
    leader.is_self = true;
    leader.spec.role = Role::Manager;
    leader.clock_offset_millis = Some(-3);
    leader.images = words("docker.io/library/redis:7");
    let mut down = node(2, "rasp2");
    down.state = SeenState::Down;
    down.reason = "nothing heard from it for 2.0 s".to_owned();
    down.spec.availability = Availability::Drain;
    vec![leader, down]
}
