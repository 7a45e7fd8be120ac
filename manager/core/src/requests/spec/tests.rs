//! Every reason to turn a specification down, and what is near it and all right.

use super::{check_spec, mounts};
use crate::requests::Refused;
use common::container::{
    Access, BindMount, ContainerNetwork, ContainerSpec, Device, HealthCheck, HostAddress,
    IpcNamespace, Kernel, Logging, Mount, MountSource, Probe, ProbeCommand, Propagation, Recursion,
    Swap, TmpfsMount, Ulimit, UtsNamespace, VolumeMount,
};
use common::network::{Endpoint, Port, PortMode, Protocol};
use common::service::{Mode, ServiceSpec, TaskSpec};
use common::update::{FailureAction, Ratio, UpdateOrder};
use std::sync::Arc;
use std::time::Duration;

fn plain() -> ServiceSpec {
    let container = ContainerSpec::of_image("redis".parse().expect("an image"));
    let name = "web".parse().expect("a name");
    ServiceSpec::new(name, Mode::Replicated { replicas: 1 }, TaskSpec::of_container(container))
}

/// An edit, and a part of the reason for which it is turned down; empty: it is not.
type Case<T> = (fn(&mut T), &'static str);

fn check_all<T>(cases: &[Case<T>], part: impl Fn(&mut ServiceSpec) -> &mut T) {
    for (number, (edit, reason)) in cases.iter().enumerate() {
        let mut spec = plain();
        edit(part(&mut spec));
        match (check_spec(&spec), *reason) {
            (Ok(()), "") => {}
            (Err(Refused::Invalid(told)), reason) if !reason.is_empty() => {
                assert!(told.contains(reason), "case {number}: `{told}` lacks `{reason}`");
            }
            (told, reason) => panic!("case {number}: {told:?} instead of `{reason}`"),
        }
    }
}

fn task(spec: &mut ServiceSpec) -> &mut TaskSpec {
    Arc::make_mut(&mut spec.task)
}

fn port(published: u16, mode: PortMode) -> Port {
    Port { target: 80, published: Some(published), protocol: Protocol::Tcp, mode, host_ip: None }
}

#[test]
fn orders_of_what_must_not_run_twice() {
    let cases: [Case<ServiceSpec>; 4] = [
        (|it| it.update.order = UpdateOrder::StartFirst, ""),
        (|it| task(it).at_most_one = true, ""),
        (
            |it| {
                task(it).at_most_one = true;
                it.update.order = UpdateOrder::StartFirst;
            },
            "cannot be updated start-first",
        ),
        (
            |it| {
                task(it).at_most_one = true;
                it.rollback.order = UpdateOrder::StartFirst;
            },
            "cannot be rolled back start-first",
        ),
    ];
    check_all(&cases, |it| it);
}

#[test]
fn ports() {
    let (ingress, host) = (PortMode::Ingress, PortMode::Host);
    let udp = || Port { protocol: Protocol::Udp, ..port(80, PortMode::Ingress) };
    let any = || Port { published: None, ..port(80, PortMode::Ingress) };
    let here = || Port { host_ip: Some([127, 0, 0, 1].into()), ..port(80, PortMode::Host) };
    let cases = [
        (Endpoint::VirtualIp, vec![port(80, ingress), udp(), any(), any(), here()], ""),
        (Endpoint::VirtualIp, vec![port(80, ingress), port(80, host)], "80/tcp is published twice"),
        (Endpoint::DnsRoundRobin, vec![port(80, host)], ""),
        (Endpoint::DnsRoundRobin, vec![port(80, host), udp()], "publish them in mode host"),
    ];
    for (endpoint, ports, reason) in cases {
        let told = check_spec(&ServiceSpec { endpoint, ports, ..plain() });
        match told {
            Ok(()) => assert_eq!(reason, ""),
            Err(refused) => {
                let told = refused.to_string();
                assert!(!reason.is_empty() && told.contains(reason), "`{told}` lacks `{reason}`");
            }
        }
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn services() {
    let cases: [Case<ServiceSpec>; 6] = [
        (|_| {}, ""),
        (|it| it.mode = Mode::Replicated { replicas: 100_001 }, "100001 replicas are more than"),
        (
            |it| it.mode = Mode::ReplicatedJob { completions: 100_001, concurrent_max: 1 },
            "100001 replicas are more than",
        ),
        (|it| it.update.failure_ratio_max = Ratio(1_500_000), "1.5 is not a share"),
        (|it| it.rollback.on_failure = FailureAction::Rollback, "nothing to go back to"),
        (|it| it.update.on_failure = FailureAction::Rollback, ""),
    ];
    check_all(&cases, |it| it);
}

#[test]
fn tasks() {
    let cases: [Case<TaskSpec>; 10] = [
        (|it| it.limits.memory_bytes = 1 << 20, "1MiB is below 6MiB"),
        (
            |it| (it.limits.memory_bytes, it.reservations.memory_bytes) = (8 << 20, 9 << 20),
            "the memory limit (8MiB) is below the reservation (9MiB)",
        ),
        (
            |it| (it.limits.cpu_nanos, it.reservations.cpu_nanos) = (1_000_000_000, 2_000_000_000),
            "the CPU limit (1) is below the reservation (2)",
        ),
        (|it| it.pids_max = Some(0), "at most 0 processes"),
        (|it| it.pids_max = Some(1), ""),
        (|it| it.replicas_max_per_node = Some(0), "at most 0 replicas per node"),
        (|it| it.spread = words("node.labels.zone engine.labels.a"), ""),
        (|it| it.spread = words("zone"), "`zone` is not a label to spread over"),
        (|it| it.spread = words("node.labels."), "is not a label to spread over"),
        (|it| it.reservations.memory_bytes = 9 << 20, ""),
    ];
    check_all(&cases, task);
}

#[test]
fn containers() {
    let cases: [Case<ContainerSpec>; 18] = [
        (|it| it.stop_signal = Some("SIGRTMIN+3".to_owned()), ""),
        (|it| it.stop_signal = Some("HURRY".to_owned()), "`HURRY` is not a signal"),
        (|it| it.stop_signal = Some("65".to_owned()), "`65` is not a signal"),
        (|it| it.env = words("A=1 =2"), "`=2` is not an environment variable"),
        (|it| it.workdir = Some("app".to_owned()), "`app` is not an absolute path"),
        (|it| it.hostname = Some("a b".to_owned()), "`a b` is not a host name"),
        (|it| it.hostname = Some("x".repeat(65)), "is not a host name"),
        (|it| it.hostname = Some("{{ .Node.Hostname }}".to_owned()), ""),
        (|it| it.groups = vec!["au dio".to_owned()], "`au dio` is not a group"),
        (|it| it.dns.search = vec![String::new()], "`` is not a domain to search"),
        (|it| it.dns.options = vec!["a b".to_owned()], "is not an option of the resolver"),
        (
            |it| drop(it.extra_hosts.insert("a b".to_owned(), vec![HostAddress::HostGateway])),
            "`a b` is not a host",
        ),
        (
            |it| drop(it.extra_hosts.insert("a:b".to_owned(), vec![HostAddress::HostGateway])),
            "there is a colon in it",
        ),
        (|it| drop(it.annotations.insert(String::new(), String::new())), "an annotation has no"),
        (
            |it| it.logging = Some(Logging { driver: Some(String::new()), ..Logging::default() }),
            "the log driver has no name",
        ),
        (|it| it.logging = Some(Logging::default()), ""),
        (|it| it.health = Some(HealthCheck::Disabled), ""),
        (
            |it| {
                it.hostname = Some("a".to_owned());
                it.kernel.uts = Some(UtsNamespace::Host);
            },
            "has none of its own",
        ),
    ];
    check_all(&cases, |it| &mut task(it).container);
}

fn named_volume(name: &str) -> Vec<Mount> {
    vec![at("/data", Access::ReadWrite, volume(Some(name), None))]
}

#[test]
fn placeholders() {
    let cases: [Case<ContainerSpec>; 8] = [
        (|it| it.hostname = Some("{{.Node.Hostname}}-{{.Task.Slot}}".to_owned()), ""),
        (|it| it.hostname = Some("{{.Node.Name}}".to_owned()), "host name: {{.Node.Name}} is not"),
        (|it| it.hostname = Some("{{.Task.Name}}".repeat(4)), "is not a host name"),
        (|it| it.env = vec!["A={{.Service.Labels.a}}".to_owned()], "variable A: the service has"),
        (|it| it.env = vec!["A={{index .Service.Labels \"a\"}}".to_owned()], ""),
        (|it| it.mounts = named_volume("data-{{.Task.Slot}}"), ""),
        (|it| it.mounts = named_volume("/{{.Task.Slot}}"), "`/1` is not the name of a volume"),
        (|it| it.mounts = named_volume("{{.Task.Slot"), "source of mount /data: in `{{.Task.Slot`"),
    ];
    check_all(&cases, |it| &mut task(it).container);
}

#[test]
fn health_checks() {
    fn probe(test: Option<ProbeCommand>, interval: Option<Duration>) -> Option<HealthCheck> {
        Some(HealthCheck::Enabled(Probe { test, interval, ..Probe::default() }))
    }
    let cases: [Case<ContainerSpec>; 5] = [
        (|it| it.health = probe(None, Some(Duration::ZERO)), ""),
        (|it| it.health = probe(None, Some(Duration::from_micros(9))), "interval is below 1ms"),
        (|it| it.health = probe(Some(ProbeCommand::Exec(Vec::new())), None), "has no command"),
        (|it| it.health = probe(Some(ProbeCommand::Shell(" ".to_owned())), None), "no command"),
        (|it| it.health = probe(Some(ProbeCommand::Exec(words("true"))), None), ""),
    ];
    check_all(&cases, |it| &mut task(it).container);
}

fn at(target: &str, access: Access, source: MountSource) -> Mount {
    Mount { target: target.to_owned(), access, source }
}

fn bind(path: &str, recursion: Recursion, propagation: Option<Propagation>) -> MountSource {
    MountSource::Bind(BindMount { recursion, propagation, ..BindMount::of_path(path) })
}

fn volume(name: Option<&str>, subpath: Option<&str>) -> MountSource {
    let [name, subpath] = [name, subpath].map(|it| it.map(str::to_owned));
    MountSource::Volume(VolumeMount { name, subpath, ..VolumeMount::default() })
}

fn tmpfs(mode: u32, options: &str) -> MountSource {
    let options = words(options);
    MountSource::Tmpfs(TmpfsMount { mode: Some(mode), options, ..TmpfsMount::default() })
}

#[test]
fn targets() {
    let cases: [(&[&str], &str); 5] = [
        (&["/a", "/a/b"], ""),
        (&["a"], "mount target `a` is not an absolute path"),
        (&["/a", "/a/"], "two mounts have the target `/a/`"),
        (&["/"], "nothing can be mounted over `/`"),
        (&["//"], "nothing can be mounted over `/`"),
    ];
    for (targets, reason) in cases {
        let mount = |it: &&str| at(it, Access::ReadWrite, volume(None, None));
        let told = mounts::check(&targets.iter().map(mount).collect::<Vec<_>>());
        assert_eq!(told.err().unwrap_or_default(), reason, "{targets:?}");
    }
}

#[test]
fn sources() {
    use Access::{ReadOnly, ReadWrite};
    let rprivate = Some(Propagation::RecursivePrivate);
    let shared = Some(Propagation::Shared);
    let cases = [
        (ReadWrite, bind("srv", Recursion::Enabled, None), "bind source `srv` is not an absolute"),
        (ReadWrite, bind("/srv", Recursion::Disabled, shared), ""),
        (ReadOnly, bind("/srv", Recursion::ReadOnly, rprivate), ""),
        (ReadOnly, bind("/srv", Recursion::ReadOnly, None), ""),
        (ReadOnly, bind("/srv", Recursion::ReadOnly, shared), "rprivate only"),
        (ReadWrite, bind("/srv", Recursion::Writable, None), "bind-recursive=writable is for"),
        (ReadWrite, volume(Some("my_data-1.2"), Some("a/b")), ""),
        (ReadWrite, volume(Some("x"), None), "`x` is not the name of a volume"),
        (ReadWrite, volume(Some("-xy"), None), "is not the name of a volume"),
        (ReadWrite, volume(Some("a b"), None), "is not the name of a volume"),
        (ReadWrite, volume(None, Some("a")), "a new volume has no subpath"),
        (ReadWrite, volume(Some("data"), Some("/a")), "`/a` is not a path within"),
        (ReadWrite, volume(Some("data"), Some("a/../..")), "is not a path within"),
        (ReadWrite, volume(Some("data"), Some("")), "is not a path within"),
        (ReadWrite, tmpfs(0o1777, "noexec uid=7"), ""),
        (ReadWrite, tmpfs(0o17777, ""), "17777 is not a file mode"),
        (ReadWrite, tmpfs(0o1777, "loud"), "`loud` is not an option of a tmpfs"),
        (ReadWrite, tmpfs(0o1777, "uid="), "`uid=` is not an option"),
        (ReadWrite, tmpfs(0o1777, "size=1,noexec"), "is not an option"),
    ];
    for (access, source, reason) in cases {
        let mount = at("/data", access, source);
        let told = mounts::check(std::slice::from_ref(&mount)).err();
        let is_right = match &told {
            Some(told) => !reason.is_empty() && told.contains(reason),
            None => reason.is_empty(),
        };
        assert!(is_right, "{mount:?}: {told:?} instead of `{reason}`");
    }
}

fn device(source: &str, target: &str, permissions: &str) -> Vec<Device> {
    let [source, target, permissions] = [source, target, permissions].map(str::to_owned);
    vec![Device { source, target, permissions }]
}

fn limit(name: &str, soft: i64, hard: i64) -> [(String, Ulimit); 1] {
    [(name.to_owned(), Ulimit { soft, hard })]
}

#[test]
fn what_the_kernel_is_asked() {
    let cases: [Case<Kernel>; 29] = [
        (|it| it.capabilities_added = words("NET_ADMIN cap_chown ALL"), ""),
        (|it| it.capabilities_dropped = words("FLY"), "there is no capability `FLY`"),
        (|it| it.security_options = words("no-new-privileges apparmor=x label:disable"), ""),
        (|it| it.security_options = words("seccomp={} systempaths=unconfined"), ""),
        (|it| it.security_options = words("seccomp=/etc/profile.json"), "is not a security option"),
        (|it| it.security_options = words("no-new-privileges=maybe"), "is not a security option"),
        (|it| it.devices = device("/dev/a", "/dev/b", "rm"), ""),
        (|it| it.devices = device("dev/a", "/dev/b", "r"), "`dev/a:/dev/b:r` is not a device"),
        (|it| it.devices = device("/dev/a", "b", "r"), "is not a device"),
        (|it| it.devices = device("/dev/a", "/dev/b", ""), "is not a device"),
        (|it| it.devices = device("/dev/a", "/dev/b", "rr"), "is not a device"),
        (|it| it.device_cgroup_rules = vec!["c 188:* rwm".to_owned()], ""),
        (|it| it.device_cgroup_rules = vec!["c 188 rwm".to_owned()], "is not a device rule"),
        (|it| it.device_cgroup_rules = vec!["x 1:1 r".to_owned()], "is not a device rule"),
        (|it| it.ulimits = limit("nofile", 1, 2).into(), ""),
        (|it| it.ulimits = limit("nofile", 1, -1).into(), ""),
        (|it| it.ulimits = limit("core", -1, -1).into(), ""),
        (|it| it.ulimits = limit("nofile", 3, 2).into(), "3 to begin with is not within 2"),
        (|it| it.ulimits = limit("nofile", -1, 2).into(), "is not within 2"),
        (|it| it.ulimits = limit("nofile", -2, -2).into(), "is not within -2"),
        (|it| it.ulimits = limit("files", 1, 2).into(), "there is no ulimit `files`"),
        (|it| it.memory_swappiness = Some(101), "from 0 to 100"),
        (|it| it.oom_score_adjustment = Some(1001), "from -1000 to 1000"),
        (|it| it.cpu_set = Some("0-2,4".to_owned()), ""),
        (|it| it.cpu_set = Some("2-0".to_owned()), "`2-0` is not a set of CPUs"),
        (|it| it.cpu_set = Some("0,".to_owned()), "is not a set of CPUs"),
        (|it| it.cpu_period_micros = Some(999), "from 1ms to 1s"),
        (|it| it.cpu_quota_micros = Some(999), "at least 1ms"),
        (
            |it| {
                it.cpu_realtime_period_micros = Some(1);
                it.cpu_realtime_runtime_micros = Some(2);
            },
            "longer than the real-time period",
        ),
    ];
    check_all(&cases, |it| &mut task(it).container.kernel);
}

fn set(container: &mut ContainerSpec, sysctl: &str) {
    container.kernel.sysctls.insert(sysctl.to_owned(), "1".to_owned());
}

#[test]
fn sysctls() {
    let cases: [Case<ContainerSpec>; 9] = [
        (|it| set(it, "net.ipv4.conf.eth0/1.forwarding"), ""),
        (|it| set(it, "kernel.shmmax"), ""),
        (|it| set(it, "fs.mqueue.msg_max"), ""),
        (|it| set(it, "vm.swappiness"), "sysctl `vm.swappiness` cannot be set for one container"),
        (|it| set(it, "net."), "cannot be set for one container"),
        (|it| set(it, "net.a b"), "cannot be set for one container"),
        (|it| set(it, "kernel.panic"), "cannot be set for one container"),
        (
            |it| {
                set(it, "net.core.somaxconn");
                it.network = ContainerNetwork::Host;
            },
            "the node's own network",
        ),
        (
            |it| {
                set(it, "kernel.sem");
                it.kernel.ipc = Some(IpcNamespace::Host);
            },
            "the node's own shared memory",
        ),
    ];
    check_all(&cases, |it| &mut task(it).container);
}

#[test]
fn limits_that_hang_together() {
    fn swap(task: &mut TaskSpec, memory_bytes: u64, swap: Swap) {
        task.limits.memory_bytes = memory_bytes;
        task.container.kernel.memory_swap = Some(swap);
    }
    let cases: [Case<TaskSpec>; 6] = [
        (|it| swap(it, 0, Swap::Unlimited), ""),
        (|it| swap(it, 8 << 20, Swap::Bytes(8 << 20)), ""),
        (|it| swap(it, 0, Swap::Bytes(8 << 20)), "wants a memory limit"),
        (|it| swap(it, 9 << 20, Swap::Bytes(8 << 20)), "(8MiB) are less than memory alone (9MiB)"),
        (
            |it| {
                it.limits.cpu_nanos = 1;
                it.container.kernel.cpu_quota_micros = Some(-1);
            },
            "",
        ),
        (
            |it| {
                it.limits.cpu_nanos = 1;
                it.container.kernel.cpu_quota_micros = Some(5_000);
            },
            "say the same twice",
        ),
    ];
    check_all(&cases, task);
}
