//! The whole agent with tasks that are prepared and tasks whose health is checked.

#![expect(clippy::unwrap_used, reason = "the line of the panic says what failed")]

#[path = "../../manager/src/ca.rs"]
#[expect(unreachable_pub, dead_code, reason = "it is a module of a library elsewhere")]
mod ca;
#[expect(dead_code, reason = "the other tests of the agent use the rest of it")]
mod world;

use agent::fake::{Call, Check, FakeEngine, Power};
use common::TaskId;
use common::assignment::{Assignment, AssignmentSet};
use common::container::{HealthCheck, Probe};
use common::task::{DesiredState, Failure, TaskState};
use std::sync::Arc;
use std::time::Duration;
use world::{Cluster, PlayedManager, all_run, assignment, put};

const ONE: TaskId = TaskId(1);
const IMAGE: &str = "web:1";
const SOON: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(3_600);

fn count(engine: &FakeEngine, call: Call) -> usize {
    engine.calls().iter().filter(|(it, _)| *it == call).count()
}

fn with_check(task: u64, health: HealthCheck) -> Assignment {
    let mut assignment = assignment(task, IMAGE, DesiredState::Running);
    let mut spec = (*assignment.spec).clone();
    spec.container.health = Some(health);
    assignment.spec = Arc::new(spec);
    assignment
}

/// The engine looks seldom, the agent often.
fn agent_looks() -> HealthCheck {
    HealthCheck::Enabled(Probe {
        interval: Some(LONG),
        start_interval: Some(SOON),
        ..Probe::default()
    })
}

fn refused() -> Result<(), String> {
    Err("connection refused".to_owned())
}

async fn prepare(manager: &mut PlayedManager) {
    manager.hears_hello().await;
    manager.assign(all_ready()).await;
    manager.hears_state(ONE, TaskState::Ready).await;
}

fn all_ready() -> AssignmentSet {
    AssignmentSet::Complete(vec![assignment(1, IMAGE, DesiredState::Ready)])
}

#[tokio::test]
async fn what_is_prepared_starts_when_it_is_its_turn() {
    let (cluster, engine) = (Cluster::new(), FakeEngine::with_images(&[IMAGE]));
    let mut manager = cluster.manager(1).await;
    let agent = cluster.agent(&engine, &[&manager]);
    prepare(&mut manager).await;
    // A manager that takes over is told so, and an agent that is restarted says so again.
    manager.hang_up();
    manager.hears_hello().await;
    manager.hears_state(ONE, TaskState::Ready).await;
    agent.stop().await;
    let agent = cluster.agent(&engine, &[&manager]);
    manager.hears_hello().await;
    manager.assign(all_ready()).await;
    manager.hears_state(ONE, TaskState::Ready).await;
    // So does a machine that was restarted.
    agent.stop().await;
    engine.shut_down();
    engine.set_power(Power::On);
    std::fs::remove_dir_all(cluster.run_dir.path()).unwrap();
    let agent = cluster.agent(&engine, &[&manager]);
    manager.hears_hello().await;
    manager.assign(all_ready()).await;
    manager.hears_state(ONE, TaskState::Ready).await;
    assert_eq!((count(&engine, Call::Create), count(&engine, Call::Start)), (1, 0));
    manager.assign(all_run([1], IMAGE)).await;
    manager.hears_state(ONE, TaskState::Starting).await;
    manager.hears_state(ONE, TaskState::Running).await;
    agent.stop().await;
}

#[tokio::test]
async fn what_is_prepared_and_started_by_hand_is_stopped() {
    let (cluster, engine) = (Cluster::new(), FakeEngine::with_images(&[IMAGE]));
    let mut manager = cluster.manager(1).await;
    let agent = cluster.agent(&engine, &[&manager]);
    prepare(&mut manager).await;
    engine.start_from_outside(ONE);
    let failed = manager.hears_state(ONE, TaskState::Failed).await;
    let detail = "its container was started from outside, before its turn".to_owned();
    assert_eq!(failed.failure, Some(Failure::EngineRefused { detail }));
    engine.wait_for(|it| it.iter().all(|it| !it.is_running())).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_task_runs_when_the_engine_says_that_it_is_healthy() {
    let (cluster, engine) = (Cluster::new(), FakeEngine::with_images(&[IMAGE]));
    engine.set_check(IMAGE, Check { interval: SOON, answer: Ok(()) });
    let mut manager = cluster.manager(1).await;
    let agent = cluster.agent(&engine, &[&manager]);
    manager.hears_hello().await;
    manager.assign(all_run([1], IMAGE)).await;
    let starting = manager.hears_state(ONE, TaskState::Starting).await;
    assert_eq!(starting.failure, None);
    manager.hears_state(ONE, TaskState::Running).await;
    engine.set_check(IMAGE, Check { interval: SOON, answer: refused() });
    let failed = manager.hears_state(ONE, TaskState::Failed).await;
    let detail = "connection refused".to_owned();
    assert_eq!(failed.failure, Some(Failure::Unhealthy { detail }));
    engine.wait_for(|it| it.iter().all(|it| !it.is_running())).await;
    assert_eq!((count(&engine, Call::Stop), count(&engine, Call::Probe)), (1, 0));
    agent.stop().await;
}

#[tokio::test]
async fn the_agent_looks_where_the_engine_does_not() {
    let (cluster, engine) = (Cluster::new(), FakeEngine::with_images(&[IMAGE]));
    engine.set_check(IMAGE, Check { interval: LONG, answer: refused() });
    let mut manager = cluster.manager(1).await;
    let agent = cluster.agent(&engine, &[&manager]);
    manager.hears_hello().await;
    let set = || AssignmentSet::Complete(vec![with_check(1, agent_looks())]);
    manager.assign(set()).await;
    let words = "health check: no success yet: connection refused";
    hears_message(&mut manager, words).await;
    // Also after it was restarted.
    agent.stop().await;
    let agent = cluster.agent(&engine, &[&manager]);
    manager.hears_hello().await;
    manager.assign(set()).await;
    hears_message(&mut manager, words).await;
    engine.set_check(IMAGE, Check { interval: LONG, answer: Ok(()) });
    manager.hears_state(ONE, TaskState::Running).await;
    let probes = count(&engine, Call::Probe);
    // Another task's whole start is time enough for one more, which there must not be.
    manager.assign(put(vec![with_check(2, agent_looks())])).await;
    manager.hears_state(TaskId(2), TaskState::Running).await;
    assert_eq!(count(&engine, Call::Probe), probes + 1);
    agent.stop().await;
}

async fn hears_message(manager: &mut PlayedManager, words: &str) {
    loop {
        if manager.hears_state(ONE, TaskState::Starting).await.message == words {
            return;
        }
    }
}

#[tokio::test]
async fn an_image_s_check_is_turned_off() {
    let (cluster, engine) = (Cluster::new(), FakeEngine::with_images(&[IMAGE]));
    engine.set_check(IMAGE, Check { interval: LONG, answer: refused() });
    let mut manager = cluster.manager(1).await;
    let agent = cluster.agent(&engine, &[&manager]);
    manager.hears_hello().await;
    manager.assign(all_run([], IMAGE)).await;
    manager.assign(put(vec![with_check(1, HealthCheck::Disabled)])).await;
    manager.hears_state(ONE, TaskState::Running).await;
    agent.stop().await;
}
