//! Health checks on the real engine; see `docker.rs` for what that needs.

#![expect(clippy::unwrap_used, reason = "the line of the panic says what failed")]

#[path = "../../manager/src/ca.rs"]
#[expect(unreachable_pub, dead_code, reason = "it is a module of a library elsewhere")]
mod ca;
#[expect(dead_code, reason = "other tests of the engine use the rest of it")]
mod engine;
#[expect(dead_code, reason = "other tests of the agent use the rest of it")]
mod world;

use agent::containers::{Containers, EngineNews};
use agent::docker::Docker;
use agent_core::container::{ContainerEventKind, ContainerId, Phase};
use agent_core::health::{EarlyChecks, Health, Trial};
use common::TaskId;
use common::assignment::{Assignment, AssignmentSet};
use common::container::{
    Access, BindMount, ContainerSpec, HealthCheck, Mount, MountSource, Probe, ProbeCommand,
};
use common::service::TaskSpec;
use common::task::{DesiredState, Failure, TaskState};
use engine::{SICK_IMAGE, TestEngine};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use world::{Cluster, PlayedManager, assignment};

const LIMIT: Duration = Duration::from_secs(20);
const SECOND: Duration = Duration::from_secs(1);
/// Longer than any of these tests.
const SELDOM: Duration = Duration::from_secs(300);

fn command(line: &str) -> Probe {
    Probe { test: Some(ProbeCommand::Shell(line.to_owned())), ..Probe::default() }
}

/// A folder that tests and checks share, so that a check finds what the test wants it to.
struct Shared(tempfile::TempDir);

impl Shared {
    fn new() -> Shared {
        Shared(tempfile::tempdir().unwrap())
    }

    fn touch(&self, name: &str) {
        std::fs::write(self.0.path().join(name), "").unwrap();
    }

    fn given_to(&self, spec: ContainerSpec) -> ContainerSpec {
        let source = MountSource::Bind(BindMount::of_path(self.0.path().to_str().unwrap()));
        let target = "/host".to_owned();
        ContainerSpec { mounts: vec![Mount { target, access: Access::ReadOnly, source }], ..spec }
    }
}

fn checked(spec: ContainerSpec, probe: Probe) -> ContainerSpec {
    ContainerSpec { health: Some(HealthCheck::Enabled(probe)), ..spec }
}

/// Runs for longer than any of these tests, and ends when it is told to.
fn long(engine: &TestEngine) -> ContainerSpec {
    ContainerSpec { stop_signal: Some("SIGKILL".to_owned()), ..engine.script("sleep 60") }
}

fn trial(health: Health) -> Trial {
    match health {
        Health::Starting(trial) => trial,
        other => panic!("{other:?}"),
    }
}

async fn health_in_list(engine: &TestEngine, id: &ContainerId) -> Health {
    let seen = engine.docker.list(engine.owner).await.unwrap();
    match seen.into_iter().find(|it| it.id == *id).unwrap().phase {
        Phase::Running(health) => health,
        other => panic!("{other:?}"),
    }
}

async fn end(engine: &TestEngine, id: &ContainerId) {
    engine.docker.stop(id, None).await.unwrap();
    engine.docker.remove(id).await.unwrap();
}

#[tokio::test]
async fn what_a_check_says_is_told_and_listed() {
    let (engine, shared) = (TestEngine::open().await, Shared::new());
    let (news, mut told) = mpsc::channel(64);
    let watching = engine.docker.watch(engine.owner, news);
    tokio::pin!(watching);
    let story = async {
        let probe = Probe {
            interval: Some(SECOND / 5),
            retries: Some(2),
            ..command("[ ! -e /host/sick ] || { echo trying; echo connection refused; exit 1; }")
        };
        let id = engine.create(shared.given_to(checked(long(&engine), probe))).await;
        let first = trial(engine.docker.start(&id).await.unwrap());
        assert_eq!((first.failures, first.failures_max), (0, 2));
        let mut kinds = Vec::new();
        let unhealthy = Health::Unhealthy { detail: "connection refused".to_owned() };
        while kinds.last() != Some(&ContainerEventKind::Checked(unhealthy.clone())) {
            if let Some(EngineNews::Container(event)) = told.recv().await {
                if event.kind == ContainerEventKind::Checked(Health::Healthy) {
                    assert_eq!(health_in_list(&engine, &id).await, Health::Healthy);
                    shared.touch("sick");
                }
                kinds.push(event.kind);
            }
        }
        assert_eq!(kinds.len(), 3, "{kinds:?}");
        assert_eq!(kinds[1], ContainerEventKind::Checked(Health::Healthy));
        assert_eq!(health_in_list(&engine, &id).await, unhealthy);
        end(&engine, &id).await;
    };
    tokio::select! {
        lost = &mut watching => panic!("{lost}"),
        done = tokio::time::timeout(LIMIT, story) => done.unwrap(),
    }
}

/// The engine calls it unhealthy as soon as it is paused, without having looked.
#[tokio::test]
async fn who_is_paused_is_not_given_up() {
    let engine = TestEngine::open().await;
    let often = Probe { interval: Some(SECOND / 5), ..command("true") };
    let id = engine.create(checked(long(&engine), often)).await;
    engine.docker.start(&id).await.unwrap();
    let until_well = async { while health_in_list(&engine, &id).await != Health::Healthy {} };
    tokio::time::timeout(LIMIT, until_well).await.unwrap();
    engine.do_by_hand(&id, "pause").await;
    assert_eq!(health_in_list(&engine, &id).await, Health::Healthy);
    engine.do_by_hand(&id, "unpause").await;
    assert_eq!(health_in_list(&engine, &id).await, Health::Healthy);
    end(&engine, &id).await;
    // Before the first success, and where there is no check.
    let seldom = Probe { interval: Some(SELDOM), ..command("true") };
    let id = engine.create(checked(long(&engine), seldom)).await;
    engine.docker.start(&id).await.unwrap();
    engine.do_by_hand(&id, "pause").await;
    trial(health_in_list(&engine, &id).await);
    trial(engine.docker.probe(&id).await.unwrap());
    engine.do_by_hand(&id, "unpause").await;
    end(&engine, &id).await;
    let id = engine.create(long(&engine)).await;
    engine.docker.start(&id).await.unwrap();
    engine.do_by_hand(&id, "pause").await;
    assert_eq!(health_in_list(&engine, &id).await, Health::Unchecked);
    engine.do_by_hand(&id, "unpause").await;
    end(&engine, &id).await;
}

#[tokio::test]
async fn a_look_of_our_own_finds_what_the_check_would() {
    let (engine, shared) = (TestEngine::open().await, Shared::new());
    let probe = Probe { interval: Some(SELDOM), ..command("cat /host/well") };
    let id = engine.create(shared.given_to(checked(long(&engine), probe))).await;
    let first = trial(engine.docker.start(&id).await.unwrap());
    assert_eq!(first.early_checks, EarlyChecks::Agent { interval: SELDOM });
    assert_eq!(health_in_list(&engine, &id).await, Health::Starting(first));
    let second = trial(engine.docker.probe(&id).await.unwrap());
    assert_eq!(second.words, "cat: can't open '/host/well': No such file or directory");
    shared.touch("well");
    assert_eq!(engine.docker.probe(&id).await, Ok(Health::Healthy));
    engine.docker.stop(&id, None).await.unwrap();
    // The engine calls it unhealthy once it has stopped.
    let third = trial(engine.docker.probe(&id).await.unwrap());
    assert_eq!(third.failures, 0);
    engine.docker.remove(&id).await.unwrap();
}

#[tokio::test]
async fn looks_that_fail_for_other_reasons() {
    let engine = TestEngine::open().await;
    let exec = |words: &[&str]| {
        let words = words.iter().map(|it| (*it).to_owned()).collect();
        let (test, interval) = (Some(ProbeCommand::Exec(words)), Some(SELDOM));
        Probe { test, interval, timeout: Some(SECOND), ..Probe::default() }
    };
    let cases = [
        (exec(&["/nothing"]), "/nothing"),
        (exec(&["sleep", "2"]), "no answer within 1 s"),
        (exec(&["sh", "-c", "exit 7"]), "exit code 7"),
        (exec(&["sh", "-c", "exec >&- 2>&-; sleep 0.5; exit 7"]), "exit code 7"),
    ];
    for (probe, expected) in cases {
        let id = engine.create(checked(long(&engine), probe)).await;
        trial(engine.docker.start(&id).await.unwrap());
        let found = trial(engine.docker.probe(&id).await.unwrap());
        assert!(found.words.contains(expected), "{found:?}");
        end(&engine, &id).await;
    }
}

#[tokio::test]
async fn an_image_s_own_check_counts_unless_it_is_turned_off() {
    let engine = TestEngine::open().await;
    let image = ContainerSpec { image: SICK_IMAGE.parse().unwrap(), ..long(&engine) };
    let off = ContainerSpec { health: Some(HealthCheck::Disabled), ..image.clone() };
    let id = engine.create(off).await;
    assert_eq!(engine.docker.start(&id).await, Ok(Health::Unchecked));
    assert_eq!(health_in_list(&engine, &id).await, Health::Unchecked);
    end(&engine, &id).await;
    let every = |seconds| EarlyChecks::Agent { interval: Duration::from_secs(seconds) };
    let seldom = Probe { interval: Some(SELDOM), ..Probe::default() };
    for (spec, early_checks) in [(image.clone(), every(30)), (checked(image, seldom), every(300))] {
        let id = engine.create(spec).await;
        assert_eq!(trial(engine.docker.start(&id).await.unwrap()).early_checks, early_checks);
        assert_eq!(trial(engine.docker.probe(&id).await.unwrap()).words, "sick");
        end(&engine, &id).await;
    }
}

fn only(task: TaskId, spec: ContainerSpec) -> AssignmentSet {
    let spec = Arc::new(TaskSpec::of_container(spec));
    let assignment = assignment(1, SICK_IMAGE, DesiredState::Running);
    AssignmentSet::Complete(vec![Assignment { task, spec, ..assignment }])
}

/// The agent's owner is the same in every run, so this is the only test of its kind.
#[tokio::test]
async fn a_whole_agent_waits_for_health() {
    let (cluster, engine, shared) = (Cluster::new(), TestEngine::open().await, Shared::new());
    let mut manager: PlayedManager = cluster.manager(1).await;
    let agent = cluster.agent_with(Docker::new(&engine.address), &[&manager]);
    let seed = shell::clock::seed();
    let [slow, sick, off] = [1, 2, 3].map(|number| TaskId(seed.wrapping_add(number)));
    let quickly = Probe {
        interval: Some(SELDOM),
        start_interval: Some(SECOND / 5),
        ..command("[ -e /host/well ] || { echo not yet; exit 1; }")
    };
    let failing = Probe {
        interval: Some(SECOND / 5),
        retries: Some(2),
        ..command("echo connection refused; exit 1")
    };
    manager.hears_hello().await;
    manager.assign(only(slow, shared.given_to(checked(long(&engine), quickly)))).await;
    let mut message = String::new();
    while message != "health check: no success yet: not yet" {
        message = manager.hears_state(slow, TaskState::Starting).await.message;
    }
    shared.touch("well");
    manager.hears_state(slow, TaskState::Running).await;
    manager.assign(only(sick, checked(long(&engine), failing))).await;
    let failed = manager.hears_state(sick, TaskState::Failed).await;
    let detail = "connection refused".to_owned();
    assert_eq!(failed.failure, Some(Failure::Unhealthy { detail }));
    let (image, health) = (SICK_IMAGE.parse().unwrap(), Some(HealthCheck::Disabled));
    let turned_off = ContainerSpec { image, health, ..long(&engine) };
    manager.assign(only(off, turned_off)).await;
    manager.hears_state(off, TaskState::Running).await;
    agent.handle.stop_all(LIMIT).await;
    agent.stop().await;
}
