//! Reads stories of what happens to a worker and prints what it does about them.

#![expect(clippy::unwrap_used, reason = "a story that cannot be read fails its test")]

use agent_core::container::{
    ContainerEvent, ContainerEventKind, ContainerId, Exit, Operation, OperationFailure, Outcome,
    Phase, Seen,
};
use agent_core::health::{EarlyChecks, Health, Probe, Trial};
use agent_core::lease::Room;
use agent_core::reports::TaskReport;
use agent_core::worker::{Action, BootMark, Input, Worker};
use common::assignment::{Assignment, AssignmentSet};
use common::container::{ContainerSpec, PullPolicy};
use common::service::TaskSpec;
use common::task::{DesiredState, Slot};
use common::{NodeId, ServiceId, TaskId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Sentences end with `;`. Those that lead to nothing are left out of the result. Every sentence
/// is said twice, and the second time must change nothing.
pub(crate) fn check(story: &str, expected: expect_test::Expect) {
    let mut worker = Worker::new(BootMark::Again);
    let mut told = Vec::new();
    for sentence in story.split(';').map(str::trim).filter(|it| !it.is_empty()) {
        let words: Vec<&str> = sentence.split_whitespace().collect();
        match words.as_slice() {
            ["first"] => worker = Worker::new(BootMark::FirstRun),
            ["again"] => worker = Worker::new(BootMark::Again),
            ["empty"] => told.push(format!("empty: {}", worker.is_empty())),
            ["standing"] => {
                let standing = worker.standing().map(|it| show(&Action::Report(it)));
                told.push(format!("standing: {}", standing.collect::<Vec<_>>().join(", ")));
            }
            words => {
                let input = read(words);
                let actions = worker.handle(input.clone());
                if !actions.is_empty() {
                    let actions: Vec<String> = actions.iter().map(show).collect();
                    told.push(format!("{sentence}: {}", actions.join(", ")));
                }
                let again = worker.handle(input);
                assert!(again.is_empty(), "`{sentence}` said twice: {again:?}");
            }
        }
    }
    expected.assert_eq(&told.join("\n"));
}

fn read(words: &[&str]) -> Input {
    match words {
        ["all", tasks @ ..] => Input::Assignments(AssignmentSet::Complete(
            tasks.iter().map(|it| assigned(it)).collect(),
        )),
        ["put", tasks @ ..] => Input::Assignments(AssignmentSet::Changes {
            put: tasks.iter().map(|it| assigned(it)).collect(),
            remove: Vec::new(),
        }),
        ["gone", tasks @ ..] => Input::Assignments(AssignmentSet::Changes {
            put: Vec::new(),
            remove: tasks.iter().map(|it| task(it)).collect(),
        }),
        ["room", "none"] => Input::Room(Room::None),
        ["room", "to-run"] => Input::Room(Room::ToRun),
        ["room", "to-start"] => Input::Room(Room::ToStart),
        ["begun"] => Input::ListingBegun,
        ["listed", seen @ ..] => Input::Listed(seen.iter().map(|it| seen_one(it)).collect()),
        ["lost"] => Input::EngineLost,
        ["event", name, kind] => Input::Container(event(task(name), kind)),
        ["progress", name, message] => {
            Input::Progress { task: task(name), message: (*message).to_owned() }
        }
        ["done", name, what] => {
            Input::Finished { task: task(name), outcome: done(task(name), what) }
        }
        ["probed", name, number, found] => {
            let found = match found.strip_prefix("fail:") {
                Some(why) => Err(failure(why)),
                None => Ok(health(found)),
            };
            Input::Probed { task: task(name), number: number.parse().unwrap(), found }
        }
        ["fail", name, what, why] => {
            Input::Finished { task: task(name), outcome: failed(what, failure(why)) }
        }
        other => panic!("no such sentence: {other:?}"),
    }
}

pub(crate) fn task(text: &str) -> TaskId {
    TaskId(text.parse().unwrap())
}

pub(crate) fn container(task: TaskId) -> ContainerId {
    ContainerId(format!("c{}", task.0))
}

fn assigned(text: &str) -> Assignment {
    let (name, desired) = text.split_once('=').unwrap();
    let (desired, at_most_one) =
        desired.strip_suffix("-once").map_or((desired, false), |it| (it, true));
    let (desired, policy) = desired.split_once(':').unwrap_or((desired, "missing"));
    let policy = PullPolicy::WORDS.iter().find(|(word, _)| *word == policy).unwrap().1;
    let desired = match desired {
        "ready" => DesiredState::Ready,
        "run" => DesiredState::Running,
        "stop" => DesiredState::Shutdown,
        "remove" => DesiredState::Remove,
        other => panic!("{other}"),
    };
    let mut assignment = assignment(task(name), desired);
    let spec = Arc::make_mut(&mut assignment.spec);
    (spec.container.pull_policy, spec.at_most_one) = (policy, at_most_one);
    assignment
}

pub(crate) fn assignment(task: TaskId, desired: DesiredState) -> Assignment {
    Assignment {
        task,
        service: ServiceId(1),
        service_name: "web".to_owned(),
        service_labels: BTreeMap::new(),
        slot: Slot::Replica(1),
        node: NodeId(1),
        desired,
        spec: Arc::new(TaskSpec::of_container(ContainerSpec::of_image("redis:7".parse().unwrap()))),
    }
}

fn exit(text: &str) -> Exit {
    let (code, out_of_memory) = text.strip_suffix('!').map_or((text, false), |it| (it, true));
    Exit { code: code.parse().unwrap(), out_of_memory }
}

fn seen_one(text: &str) -> Seen {
    let (name, phase) = text.split_once('=').unwrap();
    let phase = match phase.split_once(':') {
        Some(("exited", code)) => Phase::Exited(exit(code)),
        None if phase == "created" => Phase::Created,
        None if phase == "begun" => Phase::Starting,
        None if phase == "halted" => Phase::Halted,
        Some(_) | None => Phase::Running(health(phase)),
    };
    Seen { task: task(name), id: container(task(name)), phase }
}

/// `starting`, `starting:2:refused`, `engine-starting`, `healthy`, `unhealthy:refused`; and
/// `running` for what has no check.
fn health(text: &str) -> Health {
    match text.split(':').collect::<Vec<_>>().as_slice() {
        ["running"] => Health::Unchecked,
        ["starting"] => Health::Starting(trial(0, "")),
        ["starting", failures, words] => Health::Starting(trial(failures.parse().unwrap(), words)),
        ["engine-starting"] => {
            Health::Starting(Trial { early_checks: EarlyChecks::Engine, ..trial(0, "") })
        }
        ["healthy"] => Health::Healthy,
        ["unhealthy", detail] => Health::Unhealthy { detail: (*detail).to_owned() },
        other => panic!("{other:?}"),
    }
}

/// Of a check that the engine looks at every half minute.
pub(crate) fn trial(failures: u64, words: &str) -> Trial {
    let early_checks = EarlyChecks::Agent { interval: Duration::from_secs(30) };
    Trial { failures, failures_max: 3, words: words.to_owned(), early_checks }
}

fn event(task: TaskId, kind: &str) -> ContainerEvent {
    let kind = match kind.split_once(':') {
        Some(("died", code)) => ContainerEventKind::Died(exit(code)),
        Some(("started", found)) => ContainerEventKind::Started(health(found)),
        Some(("check", found)) => ContainerEventKind::Checked(health(found)),
        None if kind == "started" => ContainerEventKind::Started(Health::Unchecked),
        None if kind == "removed" => ContainerEventKind::Removed,
        None if kind == "halted" => ContainerEventKind::Halted,
        other => panic!("{other:?}"),
    };
    ContainerEvent { task, id: container(task), kind }
}

fn done(task: TaskId, what: &str) -> Outcome {
    match what {
        "pulled" => Outcome::Pulled(Ok(())),
        "created" => Outcome::Created(Ok(container(task))),
        "started" => Outcome::Started(Ok(Health::Unchecked)),
        "stopped" => Outcome::Stopped(Ok(())),
        "removed" => Outcome::Removed(Ok(())),
        other => {
            let found = other.strip_prefix("started:").unwrap_or_else(|| panic!("{other}"));
            Outcome::Started(Ok(health(found)))
        }
    }
}

fn failed(what: &str, failure: OperationFailure) -> Outcome {
    match what {
        "pull" => Outcome::Pulled(Err(failure)),
        "create" => Outcome::Created(Err(failure)),
        "start" => Outcome::Started(Err(failure)),
        "stop" => Outcome::Stopped(Err(failure)),
        "remove" => Outcome::Removed(Err(failure)),
        other => panic!("{other}"),
    }
}

fn failure(why: &str) -> OperationFailure {
    let detail = "why".to_owned();
    match why {
        "away" => OperationFailure::EngineAway { detail },
        "image-missing" => OperationFailure::ImageMissing,
        "no-image" => OperationFailure::NoSuchImage { detail },
        "registry" => OperationFailure::RegistryUnreachable { detail },
        "bind" => OperationFailure::BindSourceMissing { path: "/data".to_owned() },
        "name-taken" => OperationFailure::NameTaken,
        "no-lease" => OperationFailure::NoLease,
        "no-container" => OperationFailure::NoSuchContainer,
        "refused" => OperationFailure::Refused { detail },
        other => panic!("{other}"),
    }
}

fn show(action: &Action) -> String {
    match action {
        Action::Report(TaskReport { task, observation }) => {
            let mut text = format!("report {} {}", task.0, observation.state);
            if !observation.message.is_empty() {
                text.push_str(&format!(" {:?}", observation.message));
            }
            if let Some(failure) = &observation.failure {
                text.push_str(&format!(" ({failure})"));
            }
            text
        }
        Action::Begin { task, operation } => {
            let verb = match operation {
                Operation::Pull(_) => "pull",
                Operation::Create(_) => "create",
                Operation::Start(_) => "start",
                Operation::Stop(_) => "stop",
                Operation::Cut(_) => "cut",
                Operation::Remove(_) => "remove",
            };
            format!("{verb} {}", task.0)
        }
        Action::Probe(Probe { task, number, after, .. }) => {
            format!("probe {} #{number} in {} s", task.0, after.as_secs())
        }
        Action::List => "list".to_owned(),
        Action::ListLater => "list later".to_owned(),
    }
}
