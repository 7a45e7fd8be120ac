//! What a wish becomes in Docker's words.

use super::body::labels;
use super::mount::mounts;
use super::*;
use agent_core::container::Exit;
use agent_core::health::Health;
use bollard::models::ContainerSummary;
use common::assignment::Assignment;
use common::container::{
    Access, BindMount, CgroupNamespace, ContainerNetwork, ContainerSpec, Device, DeviceChoice,
    DeviceRequest, Dns, HostAddress, IpcNamespace, Kernel, Logging, MissingPath, Mount,
    MountSource, PidNamespace, Propagation, Recursion, Swap, TmpfsMount, Ulimit, UserNamespace,
    UtsNamespace, VolumeMount,
};
use common::resources::Resources;
use common::service::TaskSpec;
use common::task::{DesiredState, Slot};
use common::{ClusterId, NodeId, ServiceId};
use expect_test::{Expect, expect};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const OWNER: Owner = Owner { node: NodeId(2), cluster: ClusterId(3) };

fn assignment(container: ContainerSpec) -> Assignment {
    Assignment {
        task: TaskId(1),
        service: ServiceId(4),
        service_name: "shop_web".to_owned(),
        service_labels: BTreeMap::from([(STACK_LABEL.to_owned(), "shop".to_owned())]),
        slot: Slot::Replica(2),
        node: NodeId(2),
        desired: DesiredState::Running,
        spec: Arc::new(TaskSpec {
            pids_max: Some(50),
            limits: Resources { cpu_nanos: 500_000_000, memory_bytes: 64 << 20 },
            reservations: Resources { cpu_nanos: 0, memory_bytes: 32 << 20 },
            generic: [("gpu".to_owned(), 2)].into(),
            ..TaskSpec::of_container(container)
        }),
    }
}

fn spec() -> ContainerSpec {
    ContainerSpec::of_image("redis:7".parse().unwrap())
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// What goes over the wire, in the order of its keys.
fn check(container: ContainerSpec, what: &str, expected: Expect) {
    let body = super::container(OWNER, &assignment(container));
    let body = serde_json::to_value(body).unwrap();
    let found = body.pointer(what).cloned().unwrap_or_default();
    expected.assert_eq(&found.to_string());
}

#[test]
fn labels_are_ours_and_swarms() {
    let own = BTreeMap::from([
        ("mine".to_owned(), "yes".to_owned()),
        // Nobody takes another task's place.
        (TASK_LABEL.to_owned(), "forged".to_owned()),
    ]);
    let assignment = assignment(ContainerSpec { labels: own, ..spec() });
    let labels: BTreeMap<_, _> = labels(OWNER, &assignment).into_iter().collect();
    let text: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    expect![[r#"
        com.docker.stack.namespace=shop
        com.docker.swarm.node.id=0000000000002
        com.docker.swarm.service.id=0000000000004
        com.docker.swarm.service.name=shop_web
        com.docker.swarm.task=
        com.docker.swarm.task.id=0000000000001
        com.docker.swarm.task.name=shop_web.2.0000000000001
        mine=yes
        skep.cluster.id=0000000000003
        skep.node.id=0000000000002
        skep.service.id=0000000000004
        skep.service.name=shop_web
        skep.stack=shop
        skep.task.id=0000000000001
        skep.task.name=shop_web.2.0000000000001
        skep.task.slot=2"#]]
    .assert_eq(&text.join("\n"));
}

#[test]
fn a_wish_in_dockers_words() {
    let wish = ContainerSpec {
        args: Some(words("--port 1")),
        init: Some(true),
        stop_grace: Duration::from_millis(1_500),
        stop_signal: Some("SIGINT".to_owned()),
        ..spec()
    };
    check(wish.clone(), "/Cmd", expect![[r#"["--port","1"]"#]]);
    check(wish.clone(), "/Entrypoint", expect!["null"]);
    check(wish.clone(), "/StopTimeout", expect!["2"]);
    check(wish.clone(), "/StopSignal", expect![[r#""SIGINT""#]]);
    check(wish.clone(), "/HostConfig/NanoCpus", expect!["500000000"]);
    check(wish.clone(), "/HostConfig/Memory", expect!["67108864"]);
    check(wish.clone(), "/HostConfig/MemoryReservation", expect!["33554432"]);
    check(wish.clone(), "/HostConfig/PidsLimit", expect!["50"]);
    check(wish.clone(), "/HostConfig/RestartPolicy", expect![[r#"{"Name":"no"}"#]]);
    check(wish, "/HostConfig/Init", expect!["true"]);
}

/// A wish for a mount as one of the three ways to say it.
fn check_mount(access: Access, source: MountSource, expected: Expect) {
    let mount = Mount { target: "/data".to_owned(), access, source };
    let said = mounts(&[mount]);
    let mounts = said.mounts.iter().map(|it| serde_json::to_string(it).unwrap());
    let binds = said.binds.iter().map(|it| format!("bind {it}"));
    let tmpfs = said.tmpfs.iter().map(|(target, options)| format!("tmpfs {target} {options}"));
    let lines: Vec<String> = mounts.chain(binds).chain(tmpfs).collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn folders_of_the_node() {
    let bind = |path: &str, missing, recursion, propagation| {
        MountSource::Bind(BindMount { path: path.to_owned(), missing, propagation, recursion })
    };
    use MissingPath::{Create, Reject};
    let shared = Some(Propagation::RecursiveShared);
    let cases = [
        (
            Access::ReadOnly,
            bind("/srv", Reject, Recursion::Enabled, None),
            expect![[r#"{"Target":"/data","Source":"/srv","Type":"bind","ReadOnly":true}"#]],
        ),
        (
            Access::ReadWrite,
            bind("/srv", Reject, Recursion::Disabled, shared),
            expect![[
                r#"{"Target":"/data","Source":"/srv","Type":"bind","ReadOnly":false,"BindOptions":{"Propagation":"rshared","NonRecursive":true}}"#
            ]],
        ),
        (
            Access::ReadOnly,
            bind("/srv", Reject, Recursion::ReadOnly, None),
            expect![[
                r#"{"Target":"/data","Source":"/srv","Type":"bind","ReadOnly":true,"BindOptions":{"Propagation":"rprivate","ReadOnlyForceRecursive":true}}"#
            ]],
        ),
        (
            Access::ReadOnly,
            bind("/srv", Create, Recursion::Enabled, None),
            expect!["bind /srv:/data:ro"],
        ),
        (
            Access::ReadWrite,
            bind("/srv", Create, Recursion::Enabled, shared),
            expect!["bind /srv:/data:rw,rshared"],
        ),
        // As text it would be another folder, with another target.
        (
            Access::ReadWrite,
            bind("/srv/a:b", Create, Recursion::Enabled, None),
            expect![[r#"{"Target":"/data","Source":"/srv/a:b","Type":"bind","ReadOnly":false}"#]],
        ),
        (
            Access::ReadOnly,
            bind("/srv", Create, Recursion::Writable, None),
            expect![[
                r#"{"Target":"/data","Source":"/srv","Type":"bind","ReadOnly":true,"BindOptions":{"ReadOnlyNonRecursive":true}}"#
            ]],
        ),
    ];
    for (access, source, expected) in cases {
        check_mount(access, source, expected);
    }
}

#[test]
fn volumes_and_memory() {
    let pairs = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
    let named = VolumeMount { name: Some("db".to_owned()), ..VolumeMount::default() };
    let nfs = VolumeMount { options: pairs("type", "nfs"), ..VolumeMount::default() };
    let part = VolumeMount {
        nocopy: true,
        subpath: Some("a/b".to_owned()),
        labels: pairs("kept", "yes"),
        ..named.clone()
    };
    let tmpfs = TmpfsMount { size_bytes: Some(4096), mode: Some(0o1777), options: Vec::new() };
    let odd = TmpfsMount { options: words("exec uid=7"), ..tmpfs.clone() };
    let cases = [
        (
            Access::ReadWrite,
            MountSource::Volume(named),
            expect![[r#"{"Target":"/data","Source":"db","Type":"volume","ReadOnly":false}"#]],
        ),
        (
            Access::ReadWrite,
            MountSource::Volume(nfs),
            expect![[
                r#"{"Target":"/data","Type":"volume","ReadOnly":false,"VolumeOptions":{"DriverConfig":{"Name":"local","Options":{"type":"nfs"}}}}"#
            ]],
        ),
        (
            Access::ReadOnly,
            MountSource::Volume(part),
            expect![[
                r#"{"Target":"/data","Source":"db","Type":"volume","ReadOnly":true,"VolumeOptions":{"NoCopy":true,"Labels":{"kept":"yes"},"Subpath":"a/b"}}"#
            ]],
        ),
        (
            Access::ReadWrite,
            MountSource::Volume(VolumeMount::default()),
            expect![[r#"{"Target":"/data","Type":"volume","ReadOnly":false}"#]],
        ),
        (
            Access::ReadWrite,
            MountSource::Tmpfs(tmpfs),
            expect![[
                r#"{"Target":"/data","Type":"tmpfs","ReadOnly":false,"TmpfsOptions":{"SizeBytes":4096,"Mode":1023}}"#
            ]],
        ),
        (
            Access::ReadOnly,
            MountSource::Tmpfs(odd),
            expect!["tmpfs /data exec,uid=7,size=4096,mode=1777,ro"],
        ),
    ];
    for (access, source, expected) in cases {
        check_mount(access, source, expected);
    }
}

#[test]
fn which_folders_have_to_be_made_first() {
    let bind = |path: &str, missing| Mount {
        target: "/data".to_owned(),
        access: Access::ReadWrite,
        source: MountSource::Bind(BindMount { missing, ..BindMount::of_path(path) }),
    };
    let mounts = vec![
        bind("/a", MissingPath::Create),
        bind("/a:b", MissingPath::Create),
        bind("/c:d", MissingPath::Reject),
    ];
    assert_eq!(folders_to_make(&ContainerSpec { mounts, ..spec() }), ["/a:b"]);
}

#[test]
fn old_engines_leave_out_nothing_in_silence() {
    let with = |source| {
        let mount = Mount { target: "/data".to_owned(), access: Access::ReadOnly, source };
        ContainerSpec { mounts: vec![mount], ..spec() }
    };
    let part = VolumeMount { subpath: Some("a".to_owned()), ..VolumeMount::default() };
    let part = with(MountSource::Volume(part));
    let below = BindMount { recursion: Recursion::ReadOnly, ..BindMount::of_path("/srv") };
    let below = with(MountSource::Bind(below));
    let cases = [
        ("1.41", spec(), true),
        ("1.44", part.clone(), false),
        ("1.45", part, true),
        ("1.43", below.clone(), false),
        ("1.44", below, true),
    ];
    for (version, spec, is_taken) in cases {
        let refusal = unknown_to(api_version(version).unwrap(), &spec);
        assert_eq!(refusal.is_none(), is_taken, "{version} {refusal:?}");
    }
}

#[test]
fn entry_points_and_commands() {
    for (given, expected) in
        [(None, "null"), (Some(Vec::new()), "[]"), (Some(words("sh -c")), r#"["sh","-c"]"#)]
    {
        let spec = ContainerSpec { entrypoint: given.clone(), args: given, ..spec() };
        let body = serde_json::to_value(container(OWNER, &assignment(spec))).unwrap();
        let found = ["Entrypoint", "Cmd"].map(|key| body.get(key).cloned().unwrap_or_default());
        assert_eq!(found.map(|it| it.to_string()), [expected, expected]);
    }
}

/// What goes over the wire for this and would not for the plainest container.
fn check_difference(container: ContainerSpec, expected: Expect) {
    let body = |container| {
        let body = serde_json::to_value(super::container(OWNER, &assignment(container))).unwrap();
        let mut lines = Vec::new();
        for (key, value) in body.as_object().unwrap() {
            match value.as_object().filter(|_| key == "HostConfig") {
                Some(host) => lines.extend(host.iter().map(|(key, it)| format!("{key} {it}"))),
                None => lines.push(format!("{key} {value}")),
            }
        }
        lines.sort();
        lines
    };
    let plain = body(spec());
    let lines: Vec<_> = body(container).into_iter().filter(|it| !plain.contains(it)).collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn names_addresses_and_small_things() {
    let pairs = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
    let addresses = ["10.0.0.9".parse().unwrap(), "fe80::1".parse().unwrap()];
    let addresses = addresses.map(HostAddress::Ip).into_iter().chain([HostAddress::HostGateway]);
    let spec = ContainerSpec {
        domain_name: Some("example.org".to_owned()),
        groups: words("audio 7"),
        stdin_open: true,
        network: ContainerNetwork::None,
        annotations: pairs("a", "b"),
        dns: Dns {
            servers: vec!["10.0.0.1".parse().unwrap()],
            search: words("example.org"),
            options: words("ndots:2"),
        },
        extra_hosts: [("db".to_owned(), addresses.collect())].into(),
        logging: Some(Logging {
            driver: Some("local".to_owned()),
            options: pairs("max-size", "1m"),
        }),
        init: Some(false),
        ..spec()
    };
    check_difference(
        spec,
        expect![[r#"
        Annotations {"a":"b"}
        Dns ["10.0.0.1"]
        DnsOptions ["ndots:2"]
        DnsSearch ["example.org"]
        Domainname "example.org"
        ExtraHosts ["db:10.0.0.9","db:fe80::1","db:host-gateway"]
        GroupAdd ["audio","7"]
        Init false
        LogConfig {"Config":{"max-size":"1m"},"Type":"local"}
        NetworkMode "none"
        OpenStdin true"#]],
    );
}

fn device_requests() -> Vec<DeviceRequest> {
    let choices = [DeviceChoice::All, DeviceChoice::Count(2), DeviceChoice::Ids(words("0 3"))];
    let request = |choice| DeviceRequest {
        capabilities: words("gpu compute"),
        driver: Some("nvidia".to_owned()),
        choice,
        options: [("a".to_owned(), "b".to_owned())].into(),
    };
    choices.into_iter().map(request).collect()
}

#[test]
fn the_kernel_s_part() {
    let pairs = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
    let kernel = Kernel {
        privileged: true,
        capabilities_added: words("NET_ADMIN"),
        capabilities_dropped: words("ALL"),
        security_options: words("no-new-privileges systempaths=unconfined"),
        devices: vec![Device {
            source: "/dev/a".to_owned(),
            target: "/dev/b".to_owned(),
            permissions: "r".to_owned(),
        }],
        device_requests: device_requests(),
        device_cgroup_rules: vec!["c 1:3 mr".to_owned()],
        pid: Some(PidNamespace::Host),
        ipc: Some(IpcNamespace::Shareable),
        uts: Some(UtsNamespace::Host),
        user_namespace: Some(UserNamespace::Host),
        cgroup: Some(CgroupNamespace::Private),
        cgroup_parent: Some("/parent".to_owned()),
        runtime: Some("runc".to_owned()),
        storage_options: pairs("size", "1G"),
        sysctls: pairs("net.core.somaxconn", "1024"),
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
    };
    check_difference(
        ContainerSpec { kernel, ..spec() },
        expect![[r#"
            CapAdd ["NET_ADMIN"]
            CapDrop ["ALL"]
            CgroupParent "/parent"
            CgroupnsMode "private"
            CpuPeriod 4
            CpuQuota -1
            CpuRealtimePeriod 5
            CpuRealtimeRuntime 6
            CpuShares 3
            CpusetCpus "0-1"
            DeviceCgroupRules ["c 1:3 mr"]
            DeviceRequests [{"Capabilities":[["gpu","compute"]],"Count":-1,"Driver":"nvidia","Options":{"a":"b"}},{"Capabilities":[["gpu","compute"]],"Count":2,"Driver":"nvidia","Options":{"a":"b"}},{"Capabilities":[["gpu","compute"]],"DeviceIDs":["0","3"],"Driver":"nvidia","Options":{"a":"b"}}]
            Devices [{"CgroupPermissions":"r","PathInContainer":"/dev/b","PathOnHost":"/dev/a"}]
            IpcMode "shareable"
            MaskedPaths []
            MemorySwap -1
            MemorySwappiness 0
            OomKillDisable true
            OomScoreAdj -1
            PidMode "host"
            Privileged true
            ReadonlyPaths []
            Runtime "runc"
            SecurityOpt ["no-new-privileges"]
            ShmSize 1048576
            StorageOpt {"size":"1G"}
            Sysctls {"net.core.somaxconn":"1024"}
            UTSMode "host"
            Ulimits [{"Hard":-1,"Name":"nofile","Soft":1}]
            UsernsMode "host""#]],
    );
}

#[test]
fn only_our_own_containers_are_seen() {
    let summary = |name: &str, state, status: &str| ContainerSummary {
        id: Some("abc".to_owned()),
        names: Some(vec![format!("/{name}")]),
        labels: Some(HashMap::from([(TASK_LABEL.to_owned(), TaskId(1).to_string())])),
        state: Some(state),
        status: Some(status.to_owned()),
        ..ContainerSummary::default()
    };
    let exited = |code| Some(Phase::Exited(Exit { code, out_of_memory: false }));
    let name = format!("web.1.{}", TaskId(1));
    let cases = [
        (name.as_str(), State::RUNNING, "Up 3 seconds", Some(Phase::Running(Health::Unchecked))),
        (&name, State::PAUSED, "Up 3 seconds (healthy)", Some(Phase::Running(Health::Healthy))),
        (&name, State::CREATED, "Created", Some(Phase::Created)),
        (&name, State::EXITED, "Exited (137) 2 minutes ago", exited(137)),
        (&name, State::REMOVING, "Removal In Progress", None),
        // Made from an image that was made from one of ours.
        ("jolly_turing", State::RUNNING, "Up 3 seconds", None),
    ];
    for (name, state, status, expected) in cases {
        let phase = seen(&summary(name, state, status)).map(|it| it.phase);
        assert_eq!(phase, expected, "{name} {status}");
    }
}

#[test]
fn requests_name_the_version() {
    let request = http::Request::get("unix://2f76/containers/json?all=true");
    let body = bollard::body_full(Vec::new().into());
    let version = api_version("1.41").unwrap();
    let request = with_version(request.body(body).unwrap(), version);
    assert_eq!(request.uri(), "unix://2f76/v1.41/containers/json?all=true");
    assert_eq!(api_version("latest").map(|it| it.to_string()), None);
}
