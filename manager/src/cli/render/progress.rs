//! How far a service is from what was asked of it, and how that is told.

use super::one_line;
use crate::cli::seen::SeenTask;
use common::Stamp;
use common::service::{RestartCondition, RestartPolicy};
use common::task::{DesiredState, Failure, Slot, TaskState};
use common::update::{Update, UpdateState};
use proto::v1;
use std::collections::BTreeMap;
use std::time::Duration;

/// More slots than this are told of by their number, and by the first that is not well.
const LINES_MAX: usize = 20;
/// So long after its delay a task that ended was surely not going to be replaced.
const RESTART_MARGIN: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Goal {
    pub(in crate::cli) desired: u32,
    pub(in crate::cli) restart: RestartPolicy,
    /// Its tasks are to come to a good end.
    pub(in crate::cli) is_job: bool,
    pub(in crate::cli) update: Option<Update>,
    /// Of its specification.
    pub(in crate::cli) number: u32,
    /// What the command made of it; none where it asked for another number of tasks alone.
    pub(in crate::cli) reached: Option<Reached>,
}

/// Where a service stood right after a command. What others do later, and what had failed before,
/// is not the command's outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Reached {
    pub(in crate::cli) number: u32,
    /// An update that leads there was under way.
    pub(in crate::cli) is_under_way: bool,
}

impl Reached {
    /// A new service has never been anything else.
    pub(in crate::cli) const CREATED: Reached = Reached { number: 1, is_under_way: false };
}

impl From<v1::Reached> for Reached {
    fn from(wire: v1::Reached) -> Reached {
        Reached { number: wire.number, is_under_way: wire.is_under_way }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Progress {
    pub(in crate::cli) summary: String,
    pub(in crate::cli) slots: Vec<SlotLine>,
    pub(in crate::cli) verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct SlotLine {
    /// What it is about: a slot of a service, or a service of a stack.
    pub(in crate::cli) key: String,
    pub(in crate::cli) text: String,
    /// What must change for the line to be worth another one where lines cannot be redrawn.
    pub(in crate::cli) essence: String,
    /// Nothing more is waited for here.
    pub(in crate::cli) is_well: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Verdict {
    Waiting,
    /// All that should run runs, and what should end has ended.
    Converged,
    /// Nothing more will happen, and not all of it is well.
    Failed {
        reason: String,
        /// How a job's own program ended.
        exit_code: Option<i64>,
    },
}

impl Verdict {
    fn failed(reason: String) -> Verdict {
        Verdict::Failed { reason, exit_code: None }
    }
}

/// Where one slot stands.
enum Standing {
    /// It runs, or it has done its work and the restart policy leaves it at that.
    Well,
    OnItsWay,
    /// It failed, and the restart policy leaves it at that.
    GivenUp,
}

pub(in crate::cli) fn survey(goal: &Goal, tasks: &[SeenTask], now: Stamp) -> Progress {
    let mut newest: BTreeMap<Slot, &SeenTask> = BTreeMap::new();
    let mut successors: BTreeMap<Slot, &SeenTask> = BTreeMap::new();
    for task in tasks {
        let known = match task.desired {
            DesiredState::Running => &mut newest,
            DesiredState::Ready if !task.state.is_terminal() => &mut successors,
            DesiredState::Ready | DesiredState::Shutdown | DesiredState::Remove => continue,
        };
        let known = known.entry(task.slot).or_insert(task);
        if (task.created.at, task.id) > (known.created.at, known.id) {
            *known = task;
        }
    }
    let stopping = tasks.iter().filter(|it| is_stopping(it)).count();
    let (mut well, mut given_up, mut lines) = (0, Vec::new(), Vec::new());
    for task in newest.values() {
        let standing = standing(task, goal, now);
        let is_well = matches!(standing, Standing::Well);
        match successors.remove(&task.slot) {
            // What runs is not the news where another one is to take over.
            Some(successor) if is_well => lines.push(slot_line(successor)),
            Some(_) | None => lines.push(SlotLine { is_well, ..slot_line(task) }),
        }
        match standing {
            Standing::Well => well += 1,
            Standing::GivenUp => given_up.push(*task),
            Standing::OnItsWay => {}
        }
    }
    lines.extend(successors.into_values().map(slot_line));
    let desired = goal.desired as usize;
    let is_settled = stopping == 0 && newest.len() == desired && well + given_up.len() == desired;
    let verdict = verdict(goal, is_settled, given_up.first().copied());
    if lines.len() > LINES_MAX {
        lines = lines.into_iter().find(|it| !it.is_well).into_iter().collect();
    }
    Progress { summary: summary(well, desired, stopping), slots: lines, verdict }
}

/// An update under way is waited for, and one of the command's own that failed is a failure.
fn verdict(goal: &Goal, is_settled: bool, given_up: Option<&SeenTask>) -> Verdict {
    if let Some(reason) = failed_update(goal) {
        return Verdict::failed(reason);
    }
    let state = goal.update.as_ref().map(|it| it.state);
    if !is_settled || state.is_some_and(UpdateState::is_under_way) {
        return Verdict::Waiting;
    }
    match given_up {
        None => Verdict::Converged,
        Some(task) => Verdict::Failed {
            reason: last_words(task),
            exit_code: own_exit_code(task).filter(|_| goal.is_job),
        },
    }
}

/// Why the service is not going to be what the command asked for.
fn failed_update(goal: &Goal) -> Option<String> {
    let reached = goal.reached?;
    let update = goal.update.as_ref();
    let troubled = update.and_then(|it| Some((it.state, it.trouble.as_ref()?)));
    if goal.number == reached.number {
        return match troubled? {
            (UpdateState::Paused, trouble) if reached.is_under_way => {
                Some(format!("update paused: {trouble}"))
            }
            (UpdateState::RollbackPaused, trouble) if reached.is_under_way => {
                Some(format!("rollback paused: {trouble}"))
            }
            // It is what was asked for, whatever has failed on the way to something else.
            (_, _) => None,
        };
    }
    // Managers go back by themselves, and say why; whoever asks for that gives no reason.
    match troubled.filter(|_| goal.number == reached.number + 1) {
        Some((UpdateState::RollingBack, _)) => None,
        Some((UpdateState::RollbackPaused, trouble)) => Some(format!("rollback paused: {trouble}")),
        Some((UpdateState::RolledBack, trouble)) => Some(format!("update rolled back: {trouble}")),
        Some((UpdateState::Updating | UpdateState::Paused | UpdateState::Completed, _)) | None => {
            Some(format!(
                "version {} of the service, which this command asked for, was superseded by \
                 another command: version {} took over (`skep service history` shows them)",
                reached.number, goal.number
            ))
        }
    }
}

fn standing(task: &SeenTask, goal: &Goal, now: Stamp) -> Standing {
    let restart = &goal.restart;
    let runs = task.state == TaskState::Running && !task.node_is_down && !goal.is_job;
    let may_end = goal.is_job || restart.condition != RestartCondition::Any;
    let is_done = task.state == TaskState::Complete && may_end;
    if runs || is_done {
        Standing::Well
    } else if is_given_up(task, restart, now) {
        Standing::GivenUp
    } else {
        Standing::OnItsWay
    }
}

/// Whether a failed task is the last of its slot.
fn is_given_up(task: &SeenTask, restart: &RestartPolicy, now: Stamp) -> bool {
    let is_failure = task.state.is_terminal() && task.state != TaskState::Complete;
    // Another node may have the image, whatever the policy.
    if !is_failure || task.failure.as_ref().is_some_and(Failure::wants_image) {
        return false;
    }
    let is_overdue = now.at.since(task.since.at) > restart.delay + RESTART_MARGIN;
    restart.condition == RestartCondition::Never || (restart.attempts_max.is_some() && is_overdue)
}

/// It is not wanted any more, and still there. One on a node that is down is not waited for, and
/// one that never had a node was never there.
fn is_stopping(task: &SeenTask) -> bool {
    let may_be_there = task.node.is_some() && !task.node_is_down;
    task.desired > DesiredState::Running && !task.state.is_terminal() && may_be_there
}

fn summary(well: usize, desired: usize, stopping: usize) -> String {
    let mut text = format!("overall progress: {well} out of {desired} tasks");
    if stopping > 0 {
        text += &format!(", {stopping} stopping");
    }
    text
}

fn slot_line(task: &SeenTask) -> SlotLine {
    let state = task.state.as_str().to_lowercase();
    let mut text = format!("{}: {state}", task.name());
    if !task.node_name.is_empty() {
        text += &format!(" on {}", task.node_name);
    }
    // How far a pull has come is worth a new drawing, not a new line.
    let is_busy = task.failure.is_none() && task.node.is_some();
    let essence = if is_busy { text.clone() } else { format!("{text}: {}", task.remark) };
    if !task.remark.is_empty() {
        text += &format!(": {}", one_line(&task.remark));
    }
    SlotLine { key: task.name(), text, essence, is_well: false }
}

fn own_exit_code(task: &SeenTask) -> Option<i64> {
    if let Some(Failure::Exited { code, .. }) = task.failure { Some(code) } else { None }
}

/// All services of a stack in one picture: a line each.
pub(in crate::cli) fn of_stack(services: Vec<(String, Progress)>) -> Progress {
    let is_done = |it: &Progress| it.verdict == Verdict::Converged;
    let done = services.iter().filter(|(_, it)| is_done(it)).count();
    let summary = format!("{done} of {} services converged", services.len());
    let mut failed = services.iter().filter_map(|(name, it)| match &it.verdict {
        Verdict::Failed { reason, exit_code } => Some((name, reason, *exit_code)),
        Verdict::Waiting | Verdict::Converged => None,
    });
    let verdict = match failed.next() {
        Some((name, reason, exit_code)) => {
            Verdict::Failed { reason: format!("{name}: {reason}"), exit_code }
        }
        None if done == services.len() => Verdict::Converged,
        None => Verdict::Waiting,
    };
    let slots = services.into_iter().map(|(name, it)| service_line(name, &it)).collect();
    Progress { summary, slots, verdict }
}

/// How much of it runs, and what the first slot says that does not.
fn service_line(key: String, progress: &Progress) -> SlotLine {
    let count = progress.summary.strip_prefix("overall progress: ").unwrap_or(&progress.summary);
    let waits = progress.slots.iter().find(|it| !it.is_well);
    let (text, essence) = match waits.filter(|_| progress.verdict != Verdict::Converged) {
        Some(slot) => (format!("; {}", slot.text), format!("; {}", slot.essence)),
        None => (String::new(), String::new()),
    };
    SlotLine {
        text: format!("{key}: {count}{text}"),
        essence: format!("{key}: {count}{essence}"),
        is_well: progress.verdict == Verdict::Converged,
        key,
    }
}

fn last_words(task: &SeenTask) -> String {
    let reason = if task.remark.is_empty() { task.state.as_str() } else { &task.remark };
    format!("{} failed and is not restarted: {}", task.name(), one_line(reason))
}

#[cfg(test)]
#[path = "progress_tests.rs"]
mod tests;
