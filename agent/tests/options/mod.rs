//! What a specification says of one container, as the container sees it.

use crate::engine::{IMAGE, IMAGE_WITH_ENTRY, TestEngine};
use agent::containers::{Containers, LogQuery};
use agent_core::container::OperationFailure;
use common::container::{
    Access, BindMount, ContainerNetwork, ContainerSpec, Dns, HealthCheck, HostAddress, Kernel,
    MissingPath, Mount, MountSource, PidNamespace, Probe, ProbeCommand, TmpfsMount, Ulimit,
    VolumeMount,
};
use common::service::TaskSpec;
use std::sync::Arc;
use std::time::Duration;

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// What a container of this kind writes until it ends.
async fn told(engine: &TestEngine, spec: ContainerSpec) -> Vec<String> {
    let id = engine.create(spec).await;
    engine.docker.start(&id).await.unwrap();
    engine.wait_for_exit(&id).await;
    let lines = engine.log(&id, LogQuery::default()).await;
    engine.docker.remove(&id).await.unwrap();
    lines.into_iter().map(|it| String::from_utf8(it.line).unwrap()).collect()
}

fn bind(target: &str, path: &str, missing: MissingPath) -> Mount {
    let source = MountSource::Bind(BindMount { missing, ..BindMount::of_path(path) });
    Mount { target: target.to_owned(), access: Access::ReadWrite, source }
}

#[tokio::test]
async fn folders_that_are_missing_are_made_where_that_is_wished() {
    let engine = TestEngine::open().await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mounts = vec![
        bind("/host", &path("new/plain"), MissingPath::Create),
        bind("/kept", &path("a:ro"), MissingPath::Create),
    ];
    let spec = ContainerSpec { mounts, ..engine.script("touch /host/x /kept/y && echo made") };
    assert_eq!(told(&engine, spec).await, ["made"]);
    assert!(folder.path().join("new/plain/x").exists());
    assert!(folder.path().join("a:ro/y").exists());
    let mounts = vec![bind("/host", &path("other"), MissingPath::Reject)];
    let spec = ContainerSpec { mounts, ..engine.script("true") };
    let created = engine.docker.create(engine.owner, &engine.assignment(spec)).await;
    assert_eq!(created, Err(OperationFailure::BindSourceMissing { path: path("other") }));
}

#[tokio::test]
async fn mounts_with_options() {
    let engine = TestEngine::open().await;
    let mount = |target: &str, access, source| Mount { target: target.to_owned(), access, source };
    let volume = VolumeMount {
        labels: [("skep.test".to_owned(), "yes".to_owned())].into(),
        nocopy: true,
        ..VolumeMount::default()
    };
    let tmpfs = TmpfsMount { mode: Some(0o700), options: words("exec"), ..TmpfsMount::default() };
    let spec = ContainerSpec {
        mounts: vec![
            // The image's own `/bin` is full of programs, and a new volume usually gets a copy.
            mount("/kept", Access::ReadWrite, MountSource::Volume(volume)),
            mount("/tmp", Access::ReadOnly, MountSource::Tmpfs(tmpfs)),
        ],
        ..engine.script(
            "touch /tmp/x || echo read-only; while read a b c rest; do \
                         test \"$b\" = /tmp && echo $rest; done </proc/mounts; echo /kept/*",
        )
    };
    let lines = told(&engine, spec).await;
    let options = lines.iter().find(|it| it.contains("mode=700")).expect("a tmpfs");
    assert!(options.starts_with("ro,") && !options.contains("noexec"), "{options}");
    assert!(lines.contains(&"read-only".to_owned()), "{lines:?}");
    assert_eq!(lines.last().map(String::as_str), Some("/kept/*"), "nothing is copied");
}

#[tokio::test]
async fn names_and_addresses() {
    let engine = TestEngine::open().await;
    let script = "cat /etc/hosts /etc/resolv.conf; hostname; while read a b; do \
                  test \"$a\" = Groups: && echo groups $b; done </proc/self/status";
    let spec = ContainerSpec {
        network: ContainerNetwork::None,
        hostname: Some("box".to_owned()),
        groups: words("4711"),
        dns: Dns {
            servers: vec![[10, 9, 8, 7].into()],
            search: words("example.org"),
            options: words("ndots:2"),
        },
        extra_hosts: [("db".to_owned(), vec![HostAddress::Ip([10, 0, 0, 9].into())])].into(),
        ..engine.script(script)
    };
    let lines = told(&engine, spec).await;
    let has = |expected: &str| {
        let squeezed = |it: &String| words(it).join(" ");
        assert!(lines.iter().map(squeezed).any(|it| it == expected), "{expected}: {lines:?}");
    };
    has("10.0.0.9 db");
    has("nameserver 10.9.8.7");
    has("search example.org");
    has("options ndots:2");
    has("box");
    has("groups 0 4711");
}

#[tokio::test]
async fn the_node_s_own_network_and_processes() {
    let engine = TestEngine::open().await;
    let namespaces = |of: &str| {
        let link = |it| std::fs::read_link(format!("/proc/{of}/ns/{it}")).unwrap();
        ["net", "pid"].map(|it| link(it).to_str().unwrap().to_owned())
    };
    let spec = ContainerSpec {
        network: ContainerNetwork::Host,
        kernel: Kernel { pid: Some(PidNamespace::Host), ..Kernel::default() },
        ..engine.script("cd /proc/self/ns; readlink net; readlink pid")
    };
    assert_eq!(told(&engine, spec).await, namespaces("self"));
}

#[tokio::test]
async fn the_kernel_s_part() {
    let engine = TestEngine::open().await;
    let script = "ulimit -n; ulimit -Hn; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; \
                  cat /proc/self/oom_score_adj; while read a b c; do case $a in CapEff:) echo $b;; \
                  NoNewPrivs:) echo nnp $b;; esac; done </proc/self/status";
    let kernel = Kernel {
        capabilities_dropped: words("ALL"),
        capabilities_added: words("NET_ADMIN"),
        security_options: words("no-new-privileges"),
        ulimits: [("nofile".to_owned(), Ulimit { soft: 100, hard: 200 })].into(),
        sysctls: [("net.ipv4.ip_unprivileged_port_start".to_owned(), "7".to_owned())].into(),
        oom_score_adjustment: Some(500),
        shm_bytes: Some(1 << 20),
        ..Kernel::default()
    };
    let spec = ContainerSpec { kernel, ..engine.script(script) };
    let expected = ["100", "200", "7", "500", "0000000000001000", "nnp 1"];
    assert_eq!(told(&engine, spec).await, expected);
}

#[tokio::test]
async fn no_more_processes_than_allowed() {
    let engine = TestEngine::open().await;
    let spec = engine.script("for i in 1 2 3 4 5 6 7 8; do sleep 60 & done; echo all");
    let mut assignment = engine.assignment(spec.clone());
    assignment.spec = Arc::new(TaskSpec { pids_max: Some(4), ..TaskSpec::of_container(spec) });
    let id = engine.docker.create(engine.owner, &assignment).await.unwrap();
    let limit = engine.inspect(&id).await["HostConfig"]["PidsLimit"].clone();
    assert_eq!(limit, 4);
    engine.docker.start(&id).await.unwrap();
    engine.wait_for_exit(&id).await;
    let lines = engine.log(&id, LogQuery::default()).await;
    let lines: Vec<_> = lines.iter().map(|it| String::from_utf8_lossy(&it.line)).collect();
    assert!(lines.iter().any(|it| it.contains("can't fork")), "{lines:?}");
    engine.docker.remove(&id).await.unwrap();
}

#[tokio::test]
async fn a_health_check_is_the_engine_s_to_run() {
    let engine = TestEngine::open().await;
    let probe = Probe {
        test: Some(ProbeCommand::Shell("true".to_owned())),
        interval: Some(Duration::from_secs(1)),
        retries: Some(7),
        ..Probe::default()
    };
    let spec = ContainerSpec { health: Some(HealthCheck::Enabled(probe)), ..engine.script("true") };
    let id = engine.create(spec).await;
    let seen = engine.inspect(&id).await["Config"]["Healthcheck"].to_string();
    let expected = r#"{"Interval":1000000000,"Retries":7,"Test":["CMD-SHELL","true"]}"#;
    assert_eq!(seen, expected);
    engine.docker.remove(&id).await.unwrap();
}

#[tokio::test]
async fn what_runs_in_place_of_what_the_image_says() {
    let engine = TestEngine::open().await;
    let image = || ContainerSpec::of_image(IMAGE_WITH_ENTRY.parse().unwrap());
    let script = || Some(["/bin/sh", "-c", "echo own $0"].map(str::to_owned).to_vec());
    let none = || Some(Vec::new());
    let cases = [
        (None, None, "entry default"),
        (None, none(), "entry /bin/sh"),
        (None, Some(words("given")), "entry given"),
        (none(), script(), "own /bin/sh"),
        (script(), None, "own /bin/sh"),
        (script(), Some(words("given")), "own given"),
    ];
    for (entrypoint, args, expected) in cases {
        let case = format!("{entrypoint:?} {args:?}");
        let lines = told(&engine, ContainerSpec { entrypoint, args, ..image() }).await;
        assert_eq!(lines, [expected], "{case}");
    }
    let nothing = ContainerSpec { entrypoint: none(), args: none(), ..image() };
    match engine.docker.create(engine.owner, &engine.assignment(nothing)).await {
        Err(OperationFailure::Refused { detail }) => {
            assert!(detail.to_lowercase().contains("no command specified"), "{detail}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_image_of_another_platform_is_not_taken() {
    let engine = TestEngine::open().await;
    let spec = ContainerSpec { platform: "linux/s390x".parse().ok(), ..engine.script("true") };
    assert_eq!(spec.image.as_given(), IMAGE);
    let created = engine.docker.create(engine.owner, &engine.assignment(spec)).await;
    assert_eq!(created, Err(OperationFailure::ImageMissing));
}
