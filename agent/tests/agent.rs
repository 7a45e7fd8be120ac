//! The whole agent but for its engine: a played manager over real connections on one side, a
//! played engine on the other.

#![expect(clippy::unwrap_used, reason = "the line of the panic says what failed")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a manager that waits for one thing lets all others pass"
)]

#[path = "../../manager/src/ca.rs"]
#[expect(unreachable_pub, dead_code, reason = "it is a module of a library elsewhere")]
mod ca;
mod world;

use agent::agent::GoodbyeReason;
use agent::fake::{Behaviour, Call, Delays, FakeEngine, Power, Registry};
use agent_core::container::{Exit, OperationFailure};
use common::TaskId;
use common::container::{Access, BindMount, Mount, MountSource, VolumeMount};
use common::task::{DesiredState, Failure, TaskState};
use proto::v1;
use proto::v1::manager_message::Of;
use std::time::Duration;
use world::{
    Cluster, Heard, Manners, PlayedManager, all_run, assignment, complete, granted, put,
    sent_secret,
};

const ONE: TaskId = TaskId(1);
const TWO: TaskId = TaskId(2);
const LONG: Duration = Duration::from_secs(3_600);

fn count(engine: &FakeEngine, call: Call) -> usize {
    engine.calls().iter().filter(|(it, _)| *it == call).count()
}

#[tokio::test]
async fn a_task_from_assignment_to_end() {
    let (cluster, engine) = (Cluster::new(), FakeEngine::with_images(&["redis:7"]));
    let mut manager = cluster.manager(1).await;
    let agent = cluster.agent(&engine, &[&manager]);
    let hello = manager.hears_hello().await;
    assert_eq!(hello.address, "127.0.0.1:7373");
    manager.assign(all_run([1], "redis:7")).await;
    for state in [TaskState::Accepted, TaskState::Starting, TaskState::Running] {
        manager.hears_state(ONE, state).await;
    }
    assert_eq!(engine.running().len(), 1);
    manager.assign(put(vec![assignment(1, "redis:7", DesiredState::Shutdown)])).await;
    assert_eq!(manager.hears_state(ONE, TaskState::Shutdown).await.failure, None);
    assert_eq!((engine.running().len(), engine.containers().len()), (0, 1));
    manager.assign(all_run([], "redis:7")).await;
    engine.wait_for(<[_]>::is_empty).await;
    agent.stop().await;
}

#[tokio::test]
async fn what_ends_by_itself_is_reported_and_not_run_again() {
    let (cluster, engine) = (Cluster::new(), FakeEngine::with_images(&["job:1", "web:1"]));
    let after = Duration::from_millis(50);
    engine.set_behaviour("job:1", Behaviour::Ends { after, exit_code: 0 });
    let mut manager = cluster.manager(1).await;
    let agent = cluster.agent(&engine, &[&manager]);
    manager.hears_hello().await;
    manager.assign(all_run([1], "job:1")).await;
    manager.hears_state(ONE, TaskState::Complete).await;
    manager.assign(put(vec![assignment(2, "web:1", DesiredState::Running)])).await;
    manager.hears_state(TWO, TaskState::Running).await;
    engine.crash(TWO, Exit { code: 3, out_of_memory: false });
    let failed = manager.hears_state(TWO, TaskState::Failed).await;
    assert_eq!(failed.failure, Some(Failure::Exited { code: 3, out_of_memory: false }));
    assert_eq!(count(&engine, Call::Create), 2);
    agent.stop().await;
}

#[tokio::test]
async fn a_hanging_registry_delays_nobody_else() {
    let (cluster, engine) = (Cluster::new(), FakeEngine::with_images(&["web:1"]));
    for image in ["far:1", "far:2", "far:3", "far:4"] {
        engine.set_registry(image, Registry::Silent { engine_waits: LONG });
    }
    engine.set_registry("near:1", Registry::Gives { after: Duration::from_millis(20) });
    let mut manager = cluster.manager(1).await;
    let agent = cluster.agent(&engine, &[&manager]);
    manager.hears_hello().await;
    manager.assign(all_run(10..20, "near:1")).await;
    manager.hears_state(TaskId(19), TaskState::Running).await;
    assert_eq!(count(&engine, Call::Pull), 1, "one pull is enough for all");
    let far = (1..=4).map(|it| assignment(it, &format!("far:{it}"), DesiredState::Running));
    manager.assign(put(far.collect())).await;
    manager.hears_state(ONE, TaskState::Preparing).await;
    manager.assign(put(vec![assignment(5, "web:1", DesiredState::Running)])).await;
    manager.hears_state(TaskId(5), TaskState::Running).await;
    // Who is not wanted any more does not wait for the registry either.
    manager.assign(put(vec![assignment(1, "far:1", DesiredState::Shutdown)])).await;
    manager.hears_state(ONE, TaskState::Shutdown).await;
    agent.stop().await;
}

#[tokio::test]
async fn an_image_that_nobody_has() {
    let (cluster, engine) = (Cluster::new(), FakeEngine::new());
    let mut manager = cluster.manager(1).await;
    let agent = cluster.agent(&engine, &[&manager]);
    manager.hears_hello().await;
    manager.assign(all_run([1], "consumer")).await;
    let rejected = manager.hears_state(ONE, TaskState::Rejected).await;
    let words = rejected.failure.unwrap().to_string();
    assert_eq!(words, "No such image: consumer (manifest unknown)");
    // When it arrives, the managers hear of it.
    engine.add_image("consumer");
    let images = manager.hears("images", |it| match it {
        Heard::Images(images) => Some(images),
        _ => None,
    });
    assert_eq!(images.await, ["docker.io/library/consumer:latest"]);
    agent.stop().await;
}

#[tokio::test]
async fn placeholders_are_filled_in_with_what_the_node_knows() {
    let (cluster, engine) = (Cluster::new(), FakeEngine::with_images(&["web:1"]));
    let mut manager = cluster.manager(1).await;
    let agent = cluster.agent(&engine, &[&manager]);
    manager.hears_hello().await;
    let with_volume = |task, name: &str| {
        let mut assignment = assignment(task, "web:1", DesiredState::Running);
        let volume = VolumeMount { name: Some(name.to_owned()), ..VolumeMount::default() };
        let source = MountSource::Volume(volume);
        let mount = Mount { target: "/data".to_owned(), access: Access::ReadWrite, source };
        std::sync::Arc::make_mut(&mut assignment.spec).container.mounts = vec![mount];
        assignment
    };
    let good = with_volume(1, "{{.Node.Hostname}}-{{.Node.Platform.Architecture}}-{{.Task.Slot}}");
    // No manager of this version would send it.
    let bad = with_volume(2, "{{.Node.Mood}}");
    manager.assign(complete(vec![good, bad])).await;
    let rejected = manager.hears_state(TWO, TaskState::Rejected).await;
    assert!(
        format!("{rejected:?}").contains("{{.Node.Mood}} is not a placeholder"),
        "{rejected:?}"
    );
    manager.hears_state(ONE, TaskState::Running).await;
    let name = match &engine.running()[0].mounts[0].source {
        MountSource::Volume(volume) => volume.name.clone().unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(name, format!("rasp-{}-1", std::env::consts::ARCH));
    agent.stop().await;
}

#[tokio::test]
async fn stopping_does_not_wait_behind_starting() {
    let (cluster, engine) = (Cluster::new(), FakeEngine::with_images(&["web:1"]));
    let mut manager = cluster.manager(1).await;
    let agent = cluster.agent(&engine, &[&manager]);
    manager.hears_hello().await;
    manager.assign(all_run([1], "web:1")).await;
    manager.hears_state(ONE, TaskState::Running).await;
    engine.set_delays(Delays { create: LONG, ..Delays::default() });
    let mut set: Vec<_> =
        (10..30).map(|it| assignment(it, "web:1", DesiredState::Running)).collect();
    set.push(assignment(1, "web:1", DesiredState::Shutdown));
    manager.assign(put(set)).await;
    manager.hears_state(ONE, TaskState::Shutdown).await;
    agent.stop().await;
}

#[tokio::test]
async fn the_leader_is_found_and_found_again() {
    let (cluster, engine) = (Cluster::new(), FakeEngine::with_images(&["web:1"]));
    let (mut first, mut second) = (cluster.manager(1).await, cluster.manager(3).await);
    let leader = Some(second.address.to_string());
    first.behave(Manners { leader, ..Manners::default() });
    // It knows only the one that does not lead.
    let agent = cluster.agent(&engine, &[&first]);
    second.hears_hello().await;
    let managers = vec![first.address.to_string(), second.address.to_string()];
    let role = v1::Role::Worker.into();
    second.say(Of::Membership(v1::Membership { managers: managers.clone(), role })).await;
    let mut membership = agent.handle.membership.clone();
    membership.wait_for(|it| it.managers == managers).await.unwrap();
    assert_eq!(membership.borrow().node_name, "rasp");
    second.assign(all_run([1], "web:1")).await;
    second.hears_state(ONE, TaskState::Running).await;
    // The leader falls silent, and the other one takes over and knows nothing.
    first.behave(Manners::default());
    second.behave(Manners { is_deaf: true, ..Manners::default() });
    first.hears_hello().await;
    first.hears_state(ONE, TaskState::Running).await;
    first.assign(all_run([1], "web:1")).await;
    assert_eq!((count(&engine, Call::Create), count(&engine, Call::Stop)), (1, 0));
    agent.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn what_is_not_kept_is_said_again() {
    let (cluster, engine) = (Cluster::new(), FakeEngine::with_images(&["web:1"]));
    let mut manager = cluster.manager(1).await;
    manager.behave(Manners { forgets: true, ..Manners::default() });
    let agent = cluster.agent(&engine, &[&manager]);
    manager.hears_hello().await;
    manager.assign(all_run([1], "web:1")).await;
    manager.hears_state(ONE, TaskState::Running).await;
    engine.crash(ONE, Exit { code: 1, out_of_memory: false });
    manager.hears_state(ONE, TaskState::Failed).await;
    manager.hang_up();
    manager.hears_hello().await;
    manager.hears_state(ONE, TaskState::Failed).await;
    agent.stop().await;
}

#[tokio::test]
async fn an_agent_that_is_restarted_finds_its_containers() {
    let (cluster, engine) = (Cluster::new(), FakeEngine::with_images(&["web:1"]));
    let mut manager = cluster.manager(1).await;
    let agent = cluster.agent(&engine, &[&manager]);
    manager.hears_hello().await;
    manager.assign(all_run([1, 2, 3], "web:1")).await;
    engine.wait_for(|it| it.iter().filter(|it| it.is_running()).count() == 3).await;
    manager.hears_state(TaskId(3), TaskState::Running).await;
    agent.handle.goodbye(GoodbyeReason::Restart, LONG).await;
    let reason = manager.hears("a goodbye", |it| match it {
        Heard::Goodbye(reason) => Some(reason),
        _ => None,
    });
    assert_eq!(reason.await, v1::goodbye::Reason::Restart);
    agent.stop().await;
    assert_eq!(engine.running().len(), 3);
    engine.crash(TWO, Exit { code: 9, out_of_memory: false });
    let agent = cluster.agent(&engine, &[&manager]);
    manager.hears_hello().await;
    // Task 3 was taken back meanwhile, and task 2 ended.
    manager.assign(all_run([1, 2], "web:1")).await;
    let failed = manager.hears_state(TWO, TaskState::Failed).await;
    assert_eq!(failed.failure, Some(Failure::Exited { code: 9, out_of_memory: false }));
    engine.wait_for(|it| it.iter().all(|it| it.task != TaskId(3))).await;
    assert_eq!(engine.running().iter().map(|it| it.task).collect::<Vec<_>>(), [ONE]);
    assert_eq!(count(&engine, Call::Create), 3);
    agent.stop().await;
}

#[tokio::test]
async fn restarts_of_machine_and_engine_are_known() {
    let (cluster, engine) = (Cluster::new(), FakeEngine::with_images(&["web:1"]));
    let mut manager = cluster.manager(1).await;
    let agent = cluster.agent(&engine, &[&manager]);
    manager.hears_hello().await;
    manager.assign(all_run([1], "web:1")).await;
    manager.hears_state(ONE, TaskState::Running).await;
    engine.shut_down();
    engine.wait_until_unwatched().await;
    engine.set_power(Power::On);
    let failed = manager.hears_state(ONE, TaskState::Failed).await;
    assert_eq!(failed.failure, Some(Failure::MachineRestarted));
    manager.assign(put(vec![assignment(2, "web:1", DesiredState::Running)])).await;
    manager.hears_state(TWO, TaskState::Running).await;
    // The machine: the agent is gone as well, and so is what lay on /run.
    agent.stop().await;
    engine.shut_down();
    engine.set_power(Power::On);
    std::fs::remove_dir_all(cluster.run_dir.path()).unwrap();
    let agent = cluster.agent(&engine, &[&manager]);
    manager.hears_hello().await;
    manager.assign(all_run([2], "web:1")).await;
    let failed = manager.hears_state(TWO, TaskState::Failed).await;
    assert_eq!(failed.failure, Some(Failure::MachineRestarted));
    agent.stop().await;
}

#[tokio::test]
async fn an_engine_that_comes_late() {
    let (cluster, engine) = (Cluster::new(), FakeEngine::with_images(&["web:1"]));
    engine.set_power(Power::Off);
    let mut manager = cluster.manager(1).await;
    let agent = cluster.agent(&engine, &[&manager]);
    let hello = manager.hears_hello().await;
    assert_eq!(hello.description.unwrap().engine.unwrap().version, "");
    let ill = manager.hears("an ill beat", |it| match it {
        Heard::Beat(beat) if !beat.engine_ill.is_empty() => Some(beat.engine_ill),
        _ => None,
    });
    assert!(ill.await.contains("systemctl start docker"));
    manager.assign(all_run([1], "web:1")).await;
    engine.set_power(Power::On);
    let description = manager.hears("a description", |it| match it {
        Heard::Description(description) => Some(description),
        _ => None,
    });
    assert_eq!(description.await.engine.unwrap().version, "20.10.24");
    manager.hears_state(ONE, TaskState::Running).await;
    agent.handle.engine.clone().wait_for(|it| it.to_string().is_empty()).await.unwrap();
    agent.stop().await;
}

#[tokio::test]
async fn an_engine_that_hangs_is_ill_until_it_answers() {
    let (cluster, engine) = (Cluster::new(), FakeEngine::with_images(&["web:1"]));
    let mut manager = cluster.manager(1).await;
    let agent = cluster.agent(&engine, &[&manager]);
    manager.hears_hello().await;
    manager.assign(all_run([1], "web:1")).await;
    manager.hears_state(ONE, TaskState::Running).await;
    engine.set_power(Power::Hanging);
    let mut health = agent.handle.engine.clone();
    let ill = health.wait_for(|it| !it.to_string().is_empty());
    tokio::time::timeout(Duration::from_secs(10), ill).await.unwrap().unwrap();
    manager.assign(put(vec![assignment(2, "web:1", DesiredState::Running)])).await;
    engine.set_power(Power::On);
    manager.hears_state(TWO, TaskState::Running).await;
    health.wait_for(|it| it.to_string().is_empty()).await.unwrap();
    agent.stop().await;
}

#[tokio::test]
async fn who_is_sent_away_leaves_nothing_behind() {
    let (cluster, engine) = (Cluster::new(), FakeEngine::with_images(&["web:1"]));
    let mut manager = cluster.manager(1).await;
    let agent = cluster.agent(&engine, &[&manager]);
    manager.hears_hello().await;
    manager.assign(all_run([1, 2], "web:1")).await;
    engine.wait_for(|it| it.iter().filter(|it| it.is_running()).count() == 2).await;
    manager.say(Of::Farewell(v1::Empty {})).await;
    agent.handle.farewell.clone().wait_for(|it| *it).await.unwrap();
    agent.handle.stop_all(LONG).await;
    assert_eq!(engine.containers(), []);
    agent.stop().await;
}

#[tokio::test]
async fn what_the_engine_refuses_is_said() {
    let (cluster, engine) = (Cluster::new(), FakeEngine::with_images(&["web:1"]));
    let refused = OperationFailure::Refused { detail: "no space left on device".to_owned() };
    engine.set_refusal(Call::Start, Some(refused));
    let mut manager = cluster.manager(1).await;
    let agent = cluster.agent(&engine, &[&manager]);
    manager.hears_hello().await;
    manager.assign(all_run([1], "web:1")).await;
    let failed = manager.hears_state(ONE, TaskState::Failed).await;
    let detail = "no space left on device".to_owned();
    assert_eq!(failed.failure, Some(Failure::EngineRefused { detail }));
    agent.stop().await;
}

#[tokio::test]
async fn logs_reach_who_asked() {
    let (cluster, engine) = (Cluster::new(), FakeEngine::with_images(&["web:1"]));
    let mut manager = cluster.manager(1).await;
    let agent = cluster.agent(&engine, &[&manager]);
    manager.hears_hello().await;
    manager.assign(all_run([1], "web:1")).await;
    manager.hears_state(ONE, TaskState::Running).await;
    engine.write_log(ONE, "hello");
    let request = |subscription, tasks| {
        Of::Logs(v1::LogRequest { subscription, tasks, follow: true, ..v1::LogRequest::default() })
    };
    manager.say(request(5, vec![1])).await;
    for expected in ["hello", "again"] {
        let chunk = manager.hears("a line", |it| match it {
            Heard::Logs(published) => published.chunks.into_iter().next(),
            _ => None,
        });
        let chunk = chunk.await;
        assert_eq!((chunk.task, chunk.line.as_slice()), (1, expected.as_bytes()));
        engine.write_log(ONE, "again");
    }
    let ended = |it| matches!(it, Heard::LogsEnded).then_some(());
    manager.say(Of::LogsCancel(5)).await;
    manager.hears("the end of the log", ended).await;
    // Where there is nothing to read, the reader is not left waiting.
    manager.say(request(6, vec![99])).await;
    let number = manager.hears("whose log it is", |it| match it {
        Heard::Logs(published) => Some(published.subscription),
        _ => None,
    });
    assert_eq!(number.await, 6);
    manager.hears("the end of no log", ended).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_task_finds_its_secret_and_leaves_none_behind() {
    let (cluster, engine) = (Cluster::in_memory(), FakeEngine::with_images(&["web:1"]));
    // One that was laid out for a task which nobody knows any more.
    let left = cluster.run_dir.path().join("files").join(TWO.to_string());
    std::fs::create_dir_all(&left).unwrap();
    let mut manager = cluster.manager(1).await;
    let agent = cluster.agent(&engine, &[&manager]);
    manager.hears_hello().await;
    let clear = shell::clock::random_bytes::<32>();
    let (set, grant) = sent_secret(&clear);
    manager.say(Of::Files(v1::Files::from(&set))).await;
    manager
        .assign(complete(vec![granted(assignment(1, "web:1", DesiredState::Running), &grant)]))
        .await;
    manager.hears_state(ONE, TaskState::Running).await;
    let [container] = &engine.running()[..] else { panic!("one runs") };
    let [mount] = &container.mounts[..] else { panic!("one is mounted: {container:?}") };
    let MountSource::Bind(BindMount { path, .. }) = &mount.source else { panic!("{mount:?}") };
    assert_eq!((mount.target.as_str(), mount.access), ("/run/secrets/password", Access::ReadOnly));
    assert_eq!(std::fs::read(path).unwrap(), clear);
    assert!(!left.exists(), "what is left over goes");

    // An end by itself is for good: what lies there is read by nobody any more.
    engine.crash(ONE, Exit { code: 3, out_of_memory: false });
    manager.hears_state(ONE, TaskState::Failed).await;
    assert!(!std::fs::exists(path).unwrap(), "its files go before its end is told");
    agent.stop().await;
}

#[tokio::test]
async fn a_task_whose_secret_was_not_sent_is_rejected_with_the_reason() {
    let (cluster, engine) = (Cluster::in_memory(), FakeEngine::with_images(&["web:1"]));
    let mut manager = cluster.manager(1).await;
    let agent = cluster.agent(&engine, &[&manager]);
    manager.hears_hello().await;
    let (_, grant) = sent_secret(b"not sent");
    manager
        .assign(complete(vec![granted(assignment(1, "web:1", DesiredState::Running), &grant)]))
        .await;
    let rejected = manager.hears_state(ONE, TaskState::Rejected).await;
    let said = rejected.failure.unwrap().to_string();
    assert!(said.contains("secret password: no manager has sent it"), "{said}");
    assert_eq!(count(&engine, Call::Create), 0);
    agent.stop().await;
}

#[tokio::test]
async fn volumes_are_told_and_those_that_are_to_go_are_removed() {
    let (cluster, engine) = (Cluster::new(), FakeEngine::with_images(&[]));
    let mut manager = cluster.manager(1).await;
    let agent = cluster.agent(&engine, &[&manager]);
    manager.hears_hello().await;
    engine.add_volume("data");
    engine.add_volume("cache");
    hears_volumes(&mut manager, &["cache", "data"]).await;
    let names = vec!["data".to_owned(), "unknown".to_owned()];
    manager.say(Of::VolumesLeaving(v1::Volumes { names })).await;
    hears_volumes(&mut manager, &["cache"]).await;
    agent.stop().await;
}

async fn hears_volumes(manager: &mut PlayedManager, expected: &[&str]) {
    let names = |heard| match heard {
        Heard::Volumes(names) if names == expected => Some(()),
        _ => None,
    };
    manager.hears("its volumes", names).await;
}
