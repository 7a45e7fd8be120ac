//! The real engine, by what the agent asks of it. `SKEP_TEST_DOCKER` names its socket, such as
//! `unix:///var/run/docker.sock`; without one these tests fail.

#![expect(clippy::unwrap_used, reason = "the line of the panic says what failed")]

#[expect(dead_code, reason = "tests of health use the rest of it")]
mod engine;
mod options;

use agent::containers::{Containers, EngineError, EngineNews, LogLine, LogQuery, LogStream};
use agent::docker::Docker;
use agent_core::container::{
    ContainerEventKind, ContainerId, Exit, ImageWish, OperationFailure, Phase, Seen,
};
use agent_core::health::Health;
use common::container::{
    Access, BindMount, ContainerSpec, Mount, MountSource, TmpfsMount, VolumeMount,
};
use common::resources::Resources;
use common::service::TaskSpec;
use engine::{IMAGE, TestEngine};
use std::time::Duration;
use tokio::sync::mpsc;

const LIMIT: Duration = Duration::from_secs(20);

fn exit(code: i64) -> Exit {
    Exit { code, out_of_memory: false }
}

#[tokio::test]
async fn the_engine_and_its_images_are_described() {
    let engine = TestEngine::open().await;
    engine.docker.ping().await.unwrap();
    let description = engine.docker.describe().await.unwrap();
    assert!(!description.engine.version.is_empty());
    assert!(description.resources.memory_bytes > 1 << 20);
    assert!(description.resources.cpu_nanos >= 1_000_000_000);
    assert_eq!(description.platform.os, "linux");
    let images = engine.docker.images().await.unwrap();
    assert!(images.contains(&format!("docker.io/library/{IMAGE}")), "{images:?}");
}

#[tokio::test]
async fn a_container_s_life_is_told() {
    let engine = TestEngine::open().await;
    let (news, mut told) = mpsc::channel(64);
    let owner = engine.owner;
    let watching = engine.docker.watch(owner, news);
    tokio::pin!(watching);
    let story = async {
        let assignment = engine.assignment(engine.script("trap 'exit 3' TERM; sleep 60 & wait"));
        let id = engine.docker.create(owner, &assignment).await.unwrap();
        let seen = |phase| vec![Seen { task: assignment.task, id: id.clone(), phase }];
        assert_eq!(engine.docker.list(owner).await, Ok(seen(Phase::Created)));
        let again = engine.docker.create(owner, &assignment).await;
        assert_eq!(again, Err(OperationFailure::NameTaken));
        engine.docker.start(&id).await.unwrap();
        engine.docker.start(&id).await.unwrap();
        assert_eq!(engine.docker.list(owner).await, Ok(seen(Phase::Running(Health::Unchecked))));
        engine.docker.stop(&id, None).await.unwrap();
        assert_eq!(engine.docker.list(owner).await, Ok(seen(Phase::Exited(exit(3)))));
        engine.docker.remove(&id).await.unwrap();
        assert_eq!(engine.docker.list(owner).await, Ok(Vec::new()));
        assert_eq!(engine.docker.start(&id).await, Err(OperationFailure::NoSuchContainer));
        assert_eq!(engine.docker.stop(&id, None).await, Err(OperationFailure::NoSuchContainer));
        let mut kinds = Vec::new();
        while kinds.last() != Some(&ContainerEventKind::Removed) {
            if let Some(EngineNews::Container(event)) = told.recv().await {
                assert_eq!((event.task, &event.id), (assignment.task, &id));
                kinds.push(event.kind);
            }
        }
        let expected = [
            ContainerEventKind::Started(Health::Unchecked),
            ContainerEventKind::Died(exit(3)),
            ContainerEventKind::Removed,
        ];
        assert_eq!(kinds, expected);
    };
    tokio::select! {
        lost = &mut watching => panic!("{lost}"),
        done = tokio::time::timeout(LIMIT, story) => done.unwrap(),
    }
}

#[tokio::test]
async fn what_cannot_be_created_or_started() {
    let engine = TestEngine::open().await;
    let nowhere = Mount {
        target: "/data".to_owned(),
        access: Access::ReadWrite,
        source: MountSource::Bind(BindMount::of_path("/skep/nowhere")),
    };
    let cases = [
        (
            ContainerSpec::of_image("skep-test-nope:1".parse().unwrap()),
            OperationFailure::ImageMissing,
        ),
        (
            ContainerSpec { mounts: vec![nowhere], ..engine.script("true") },
            OperationFailure::BindSourceMissing { path: "/skep/nowhere".to_owned() },
        ),
    ];
    for (spec, expected) in cases {
        let created = engine.docker.create(engine.owner, &engine.assignment(spec)).await;
        assert_eq!(created, Err(expected));
    }
    let nothing =
        ContainerSpec { entrypoint: Some(vec!["/nothing".to_owned()]), ..engine.script("") };
    let id = engine.create(nothing).await;
    match engine.docker.start(&id).await {
        Err(OperationFailure::Refused { detail }) => {
            assert!(detail.contains("/nothing"), "{detail}");
        }
        other => panic!("{other:?}"),
    }
    engine.docker.remove(&id).await.unwrap();
}

#[tokio::test]
async fn a_registry_that_is_not_there() {
    let engine = TestEngine::open().await;
    let (progress, _words) = mpsc::channel(8);
    let image = "127.0.0.1:1/skep/nope:1".parse().unwrap();
    let wish = ImageWish { image, platform: None };
    match engine.docker.pull(&wish, progress).await {
        Err(OperationFailure::RegistryUnreachable { detail }) => {
            assert!(detail.contains("127.0.0.1:1"), "{detail}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_registry_that_says_nothing() {
    let engine = TestEngine::open().await;
    // It takes connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let image = format!("{}/skep/silent:1", silent.local_addr().unwrap()).parse().unwrap();
    let wish = ImageWish { image, platform: "linux/arm64".parse().ok() };
    let (progress, _words) = mpsc::channel(8);
    let begin = tokio::time::Instant::now();
    let pulled = engine.docker.pull(&wish, progress).await;
    let silence =
        OperationFailure::RegistryUnreachable { detail: "no progress for 5 s".to_owned() };
    assert_eq!(pulled, Err(silence));
    assert!(begin.elapsed() < Duration::from_secs(8));
}

#[tokio::test]
async fn what_a_container_is_given() {
    let engine = TestEngine::open().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hello"), "from the host\n").unwrap();
    let mount = |target: &str, access, source| Mount { target: target.to_owned(), access, source };
    let bind = MountSource::Bind(BindMount::of_path(folder.path().to_str().unwrap()));
    let anonymous = MountSource::Volume(VolumeMount::default());
    let script = "cat /host/hello; touch /host/x || echo read-only; touch /root-is || echo no-root; \
                  touch /kept/x && echo volume; touch /tmp/x && echo tmpfs; echo $NAME $(hostname); \
                  echo oops >&2; exit 4";
    let spec = ContainerSpec {
        env: vec!["NAME=skep".to_owned()],
        hostname: Some("box".to_owned()),
        read_only: true,
        init: Some(true),
        mounts: vec![
            mount("/host", Access::ReadOnly, bind),
            mount("/kept", Access::ReadWrite, anonymous),
            mount(
                "/tmp",
                Access::ReadWrite,
                MountSource::Tmpfs(TmpfsMount {
                    size_bytes: Some(1 << 20),
                    mode: Some(0o1777),
                    options: Vec::new(),
                }),
            ),
        ],
        ..engine.script(script)
    };
    let mut assignment = engine.assignment(spec.clone());
    assignment.spec = std::sync::Arc::new(TaskSpec {
        limits: Resources { cpu_nanos: 500_000_000, memory_bytes: 64 << 20 },
        ..TaskSpec::of_container(spec)
    });
    let id = engine.docker.create(engine.owner, &assignment).await.unwrap();
    let volumes = engine.volumes_of(&id).await;
    assert_eq!(volumes.len(), 1);
    engine.docker.start(&id).await.unwrap();
    assert_eq!(engine.wait_for_exit(&id).await, exit(4));
    let lines = engine.log(&id, LogQuery::default()).await;
    let of = |stream| {
        let lines = lines.iter().filter(move |it| it.stream == stream);
        lines.map(|it| String::from_utf8(it.line.clone()).unwrap()).collect::<Vec<_>>()
    };
    let said = ["from the host", "read-only", "no-root", "volume", "tmpfs", "skep box"];
    assert_eq!(of(LogStream::Stdout), said);
    assert!(of(LogStream::Stderr).contains(&"oops".to_owned()));
    assert!(lines.iter().all(|it| it.timestamp.ends_with('Z')), "{lines:?}");
    let last = engine.log(&id, LogQuery { tail: Some(1), ..LogQuery::default() }).await;
    assert_eq!(last.len(), 1);
    engine.docker.remove(&id).await.unwrap();
    assert!(!engine.volume_exists(&volumes[0]).await, "its anonymous volume goes with it");
}

#[tokio::test]
async fn logs_are_followed_to_their_end() {
    let engine = TestEngine::open().await;
    for tty in [false, true] {
        let script = "echo one; sleep 1; echo two; seq 1 3 | tr -d '\\n'; echo";
        let id = engine.create(ContainerSpec { tty, ..engine.script(script) }).await;
        engine.docker.start(&id).await.unwrap();
        let query = LogQuery { follow: true, ..LogQuery::default() };
        let lines: Vec<LogLine> = engine.log(&id, query).await;
        let lines: Vec<_> = lines.iter().map(|it| String::from_utf8_lossy(&it.line)).collect();
        assert_eq!(lines, ["one", "two", "123"], "tty: {tty}");
        engine.docker.remove(&id).await.unwrap();
    }
}

#[tokio::test]
async fn who_takes_too_much_memory_is_known() {
    let engine = TestEngine::open().await;
    let spec = engine.script("x=x; while true; do x=$x$x; done");
    let mut assignment = engine.assignment(spec.clone());
    assignment.spec = std::sync::Arc::new(TaskSpec {
        limits: Resources { cpu_nanos: 0, memory_bytes: 8 << 20 },
        ..TaskSpec::of_container(spec)
    });
    let id = engine.docker.create(engine.owner, &assignment).await.unwrap();
    engine.docker.start(&id).await.unwrap();
    assert_eq!(engine.wait_for_exit(&id).await, Exit { code: 137, out_of_memory: true });
    engine.docker.remove(&id).await.unwrap();
}

#[tokio::test]
async fn strangers_are_not_seen() {
    let engine = TestEngine::open().await;
    let other = TestEngine::open().await;
    let id: ContainerId = engine.create(engine.script("sleep 60")).await;
    assert_eq!(other.docker.list(other.owner).await, Ok(Vec::new()));
    assert_eq!(engine.docker.list(engine.owner).await.map(|it| it.len()), Ok(1));
    engine.docker.remove(&id).await.unwrap();
}

#[tokio::test]
async fn an_engine_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let address = format!("unix://{}", socket.display());
    let absent = EngineError::Absent { address: address.clone() };
    assert_eq!(Docker::new(&address).ping().await, Err(absent));
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let not_running = EngineError::NotRunning { address: address.clone() };
    assert_eq!(Docker::new(&address).ping().await, Err(not_running));
    let address = "tcp://127.0.0.1:2375".to_owned();
    let bad = EngineError::BadAddress { address: address.clone() };
    assert_eq!(Docker::new(&address).ping().await, Err(bad));
}
