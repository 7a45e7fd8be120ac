//! Containers with everything that can be said of them.

use super::{comes_back, labels, words};
use crate::v1;
use common::container::{
    Access, BindMount, CgroupNamespace, ContainerNetwork, ContainerSpec, Device, DeviceChoice,
    DeviceRequest, Dns, HealthCheck, HostAddress, IpcNamespace, Kernel, Logging, MissingPath,
    Mount, MountSource, PidNamespace, Probe, ProbeCommand, Propagation, PullPolicy, Recursion,
    Swap, TmpfsMount, Ulimit, UserNamespace, UtsNamespace, VolumeMount,
};
use common::platform::Platform;
use std::time::Duration;

fn mounts() -> Vec<Mount> {
    let mount = |target: &str, access, source| Mount { target: target.to_owned(), access, source };
    let bind = BindMount {
        path: "/srv".to_owned(),
        missing: MissingPath::Create,
        propagation: Some(Propagation::RecursiveShared),
        recursion: Recursion::ReadOnly,
    };
    let volume = VolumeMount {
        name: Some("v".to_owned()),
        driver: Some("local".to_owned()),
        options: labels(&[("type", "nfs")]),
        labels: labels(&[("a", "b")]),
        nocopy: true,
        subpath: Some("x/y".to_owned()),
    };
    let tmpfs = TmpfsMount {
        size_bytes: Some(1 << 20),
        mode: Some(0o1777),
        options: words("noexec uid=1"),
    };
    vec![
        mount("/data", Access::ReadOnly, MountSource::Bind(bind)),
        mount("/plain", Access::ReadWrite, MountSource::Bind(BindMount::of_path("/srv"))),
        mount("/var", Access::ReadWrite, MountSource::Volume(volume)),
        mount("/anonymous", Access::ReadWrite, MountSource::Volume(VolumeMount::default())),
        mount("/tmp", Access::ReadWrite, MountSource::Tmpfs(tmpfs)),
    ]
}

fn device_requests() -> Vec<DeviceRequest> {
    let choices = [
        DeviceChoice::All,
        DeviceChoice::Count(2),
        DeviceChoice::Ids(words("0 3")),
        DeviceChoice::Ids(Vec::new()),
    ];
    let request = |choice| DeviceRequest {
        capabilities: words("gpu compute"),
        driver: Some("nvidia".to_owned()),
        choice,
        options: labels(&[("a", "b")]),
    };
    choices.into_iter().map(request).collect()
}

fn kernel() -> Kernel {
    Kernel {
        privileged: true,
        capabilities_added: words("NET_ADMIN"),
        capabilities_dropped: words("ALL"),
        security_options: words("no-new-privileges"),
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
        storage_options: labels(&[("size", "1G")]),
        sysctls: labels(&[("net.core.somaxconn", "1024")]),
        ulimits: [("nofile".to_owned(), Ulimit { soft: 1, hard: -1 })].into(),
        shm_bytes: Some(1),
        oom_kill_disable: true,
        oom_score_adjustment: Some(-1),
        memory_swap: Some(Swap::Bytes(2)),
        memory_swappiness: Some(0),
        cpu_shares: Some(3),
        cpu_period_micros: Some(4),
        cpu_quota_micros: Some(-1),
        cpu_realtime_period_micros: Some(5),
        cpu_realtime_runtime_micros: Some(6),
        cpu_set: Some("0-1".to_owned()),
    }
}

/// Every field differs from what it is where nothing is said.
pub(super) fn full_container() -> ContainerSpec {
    ContainerSpec {
        image: "ghcr.io/a/b@sha256:00ff".parse().expect("an image"),
        pull_policy: PullPolicy::Never,
        platform: Some(Platform::from_machine("linux", "armv7l")),
        entrypoint: Some(words("/bin/sh -c")),
        args: Some(words("echo hi")),
        env: words("A=1 B="),
        labels: labels(&[("a", "b")]),
        annotations: labels(&[("c", "d")]),
        hostname: Some("h".to_owned()),
        domain_name: Some("example.org".to_owned()),
        workdir: Some("/w".to_owned()),
        user: Some("1000:1000".to_owned()),
        groups: words("audio 7"),
        mounts: mounts(),
        stop_signal: Some("SIGINT".to_owned()),
        stop_grace: Duration::from_millis(1_500),
        init: Some(false),
        tty: true,
        stdin_open: true,
        read_only: true,
        health: Some(HealthCheck::Enabled(Probe {
            test: Some(ProbeCommand::Exec(words("true --fast"))),
            interval: Some(Duration::from_millis(1)),
            timeout: Some(Duration::from_millis(2)),
            retries: Some(3),
            start_period: Some(Duration::from_millis(4)),
            start_interval: Some(Duration::from_millis(5)),
        })),
        network: ContainerNetwork::Host,
        dns: Dns {
            servers: vec![[10, 0, 0, 1].into(), "fe80::1".parse().expect("an address")],
            search: words("example.org"),
            options: words("ndots:2"),
        },
        extra_hosts: [
            ("a".to_owned(), vec![HostAddress::Ip([10, 0, 0, 2].into()), HostAddress::HostGateway]),
            ("b".to_owned(), Vec::new()),
        ]
        .into(),
        logging: Some(Logging {
            driver: Some("local".to_owned()),
            options: labels(&[("max-size", "1m")]),
        }),
        kernel: kernel(),
        grants: crate::convert::file_round_trip::grants(),
    }
}

#[test]
fn containers() {
    let plain = ContainerSpec::of_image("redis".parse().expect("an image"));
    let edits: [&dyn Fn(&mut ContainerSpec); 6] = [
        &|_| {},
        &|it| *it = full_container(),
        &|it| (it.entrypoint, it.args) = (Some(Vec::new()), Some(Vec::new())),
        &|it| it.kernel.memory_swap = Some(Swap::Unlimited),
        &|it| (it.network, it.pull_policy) = (ContainerNetwork::None, PullPolicy::Always),
        &|it| (it.init, it.logging) = (Some(true), Some(Logging::default())),
    ];
    for edit in edits {
        let mut spec = plain.clone();
        edit(&mut spec);
        comes_back::<v1::ContainerSpec, ContainerSpec>(&spec);
    }
}

#[test]
fn who_says_nothing_but_the_image_gets_the_plainest() {
    let image = "redis".to_owned();
    let wire = v1::ContainerSpec { image, stop_grace_millis: 10_000, ..Default::default() };
    let plain = ContainerSpec::of_image("redis".parse().expect("an image"));
    assert_eq!(ContainerSpec::try_from(wire), Ok(plain));
    let wire = v1::mount::Bind { path: "/srv".to_owned(), ..Default::default() };
    assert_eq!(BindMount::try_from(wire), Ok(BindMount::of_path("/srv")));
}

#[test]
fn health_checks() {
    let shell = Probe { test: Some(ProbeCommand::Shell("curl -f".to_owned())), ..Probe::default() };
    for health in
        [HealthCheck::Disabled, HealthCheck::Enabled(Probe::default()), HealthCheck::Enabled(shell)]
    {
        comes_back::<v1::HealthCheck, HealthCheck>(&health);
    }
}

#[test]
fn what_makes_no_sense_in_a_container_is_refused() {
    type Edit = fn(&mut v1::ContainerSpec);
    let cases: [(Edit, &str); 7] = [
        (|it| it.image = "A".to_owned(), "container.image"),
        (|it| it.mounts[0].source = None, "mount.source"),
        (|it| it.pull_policy = Some(0), "container.pull_policy"),
        (|it| it.network = Some(9), "container.network"),
        (|it| it.dns.as_mut().expect("one").servers[0].push('x'), "dns.servers"),
        (|it| it.kernel.as_mut().expect("one").ipc = Some(0), "kernel.ipc"),
        (
            |it| it.extra_hosts.get_mut("a").expect("one").addresses[0].of = None,
            "container.extra_hosts",
        ),
    ];
    for (edit, field) in cases {
        let mut wire = v1::ContainerSpec::from(&full_container());
        edit(&mut wire);
        assert_eq!(ContainerSpec::try_from(wire).map_err(|it| it.field).map(|_| ()), Err(field));
    }
}
