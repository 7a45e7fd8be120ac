//! Whether and when a slot whose task ended gets a new one, from the slot's history alone.

use common::service::{RestartCondition, RestartPolicy, ServiceSpec};
use common::task::{DesiredState, Failure, Task, TaskState};
use common::{Timestamp, Version};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restart {
    Now,
    At(Timestamp),
    Never,
}

/// `history` is the slot's tasks, oldest first; none of them lives.
pub(crate) fn decide(spec: &ServiceSpec, history: &[&Task], now: Timestamp) -> Restart {
    let policy = &spec.task.restart;
    let Some(last) = history.last() else { return Restart::Now };
    // We ended it, because its node went away or was to be emptied: it moves at once.
    if last.desired > DesiredState::Running {
        return Restart::Now;
    }
    match ending(last) {
        Ending::NeverRan => Restart::Now,
        Ending::MachineRestarted => match policy.condition {
            RestartCondition::Never => Restart::Never,
            RestartCondition::OnFailure | RestartCondition::Any => Restart::Now,
        },
        // A job that has done its work is done.
        Ending::Done if spec.mode.is_job() => Restart::Never,
        Ending::Done if policy.condition != RestartCondition::Any => Restart::Never,
        Ending::Failed if policy.condition == RestartCondition::Never => Restart::Never,
        Ending::Done | Ending::Failed => after_delay(policy, history, last, now),
    }
}

fn after_delay(policy: &RestartPolicy, history: &[&Task], last: &Task, now: Timestamp) -> Restart {
    if let Some(attempts_max) = policy.attempts_max
        && endings_in_window(policy, history, last.template, now) > attempts_max as usize
    {
        return Restart::Never;
    }
    let at = last.status.since.at + policy.delay;
    if at <= now { Restart::Now } else { Restart::At(at) }
}

/// What a slot did before an update says nothing of what it does after it.
fn endings_in_window(
    policy: &RestartPolicy,
    history: &[&Task],
    template: Version,
    now: Timestamp,
) -> usize {
    let counts = |task: &&&Task| {
        let own = match ending(task) {
            Ending::Done | Ending::Failed => task.desired <= DesiredState::Running,
            Ending::NeverRan | Ending::MachineRestarted => false,
        };
        own && (policy.window == Duration::ZERO || now.since(task.status.since.at) <= policy.window)
    };
    history.iter().filter(|it| it.template == template).filter(counts).count()
}

/// How a task that we wanted to run came to its end.
enum Ending {
    Done,
    Failed,
    /// For want of its image: another node may have it, and waiting would not help this one.
    NeverRan,
    MachineRestarted,
}

fn ending(task: &Task) -> Ending {
    match (task.status.state, &task.status.failure) {
        (_, Some(failure)) if failure.wants_image() => Ending::NeverRan,
        (_, Some(Failure::MachineRestarted | Failure::NodeLost | Failure::CutOff)) => {
            Ending::MachineRestarted
        }
        (TaskState::Complete, _) => Ending::Done,
        (_, _) => Ending::Failed,
    }
}
