//! How far a service is from what was asked of it, and how that is told.

use super::one_line;
use crate::cli::seen::SeenTask;
use common::Stamp;
use common::service::{RestartCondition, RestartPolicy};
use common::task::{DesiredState, Failure, Slot, TaskState};
use common::update::{Update, UpdateState};
use std::collections::BTreeMap;
use std::time::Duration;

/// More slots than this are told of by their number alone.
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
    for task in tasks.iter().filter(|it| it.desired == DesiredState::Running) {
        let known = newest.entry(task.slot).or_insert(task);
        if (task.created.at, task.id) > (known.created.at, known.id) {
            *known = task;
        }
    }
    let stopping = tasks.iter().filter(|it| is_stopping(it)).count();
    let (mut well, mut given_up, mut lines) = (0, Vec::new(), Vec::new());
    for task in newest.values() {
        let standing = standing(task, goal, now);
        let is_well = matches!(standing, Standing::Well);
        lines.push(SlotLine { is_well, ..slot_line(task) });
        match standing {
            Standing::Well => well += 1,
            Standing::GivenUp => given_up.push(*task),
            Standing::OnItsWay => {}
        }
    }
    let desired = goal.desired as usize;
    let is_settled = stopping == 0 && newest.len() == desired && well + given_up.len() == desired;
    let verdict = verdict(goal, is_settled, given_up.first().copied());
    let slots = if lines.len() > LINES_MAX { Vec::new() } else { lines };
    Progress { summary: summary(well, desired, stopping), slots, verdict }
}

/// An update under way is waited for, and one that failed is a failure.
fn verdict(goal: &Goal, is_settled: bool, given_up: Option<&SeenTask>) -> Verdict {
    let update = goal.update.as_ref();
    let trouble = update.and_then(|it| it.trouble.as_ref());
    match (update.map(|it| it.state), trouble) {
        (Some(UpdateState::Updating | UpdateState::RollingBack), _) => Verdict::Waiting,
        (Some(UpdateState::Paused), Some(trouble)) => {
            Verdict::failed(format!("update paused: {trouble}"))
        }
        (Some(UpdateState::RollbackPaused), Some(trouble)) => {
            Verdict::failed(format!("rollback paused: {trouble}"))
        }
        (Some(UpdateState::RolledBack), Some(trouble)) => {
            Verdict::failed(format!("update rolled back: {trouble}"))
        }
        (_, _) if !is_settled => Verdict::Waiting,
        (_, _) => match given_up {
            None => Verdict::Converged,
            Some(task) => Verdict::Failed {
                reason: last_words(task),
                exit_code: own_exit_code(task).filter(|_| goal.is_job),
            },
        },
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

/// It is not wanted any more, and still there. One on a node that is down is not waited for.
fn is_stopping(task: &SeenTask) -> bool {
    task.desired > DesiredState::Running && !task.state.is_terminal() && !task.node_is_down
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
mod tests {
    use super::*;
    use crate::cli::render::samples::{NOW, history, task};
    use expect_test::{Expect, expect};

    fn goal(desired: u32, condition: RestartCondition) -> Goal {
        let restart = RestartPolicy { condition, ..RestartPolicy::default() };
        Goal { desired, restart, is_job: false, update: None }
    }

    fn check(goal: &Goal, tasks: &[SeenTask], expected: Expect) {
        let progress = survey(goal, tasks, NOW);
        let mut lines = vec![progress.summary];
        lines.extend(progress.slots.into_iter().map(|it| it.text));
        lines.push(format!("{:?}", progress.verdict));
        expected.assert_eq(&lines.join("\n"));
    }

    fn ended(slot: u32, state: TaskState, failure: Option<Failure>) -> SeenTask {
        let remark = failure.as_ref().map(ToString::to_string).unwrap_or_default();
        SeenTask { failure, remark, ..task(100 + u64::from(slot), slot, state, 999) }
    }

    #[test]
    fn on_the_way() {
        check(
            &goal(3, RestartCondition::Any),
            &history(),
            expect![[r#"
                overall progress: 1 out of 3 tasks
                web.1: running on rasp11
                web.2: preparing on rasp12: pulling redis (1 of 30 MiB)
                web.10: pending: no suitable node: 2 lack memory (need 512MiB, best has 300MiB)
                Waiting"#]],
        );
        check(
            &goal(2, RestartCondition::Any),
            &[],
            expect![[r#"
            overall progress: 0 out of 2 tasks
            Waiting"#]],
        );
        let mut leaving = task(2, 2, TaskState::Running, 900);
        leaving.desired = DesiredState::Remove;
        let stays = task(1, 1, TaskState::Running, 900);
        check(
            &goal(1, RestartCondition::Any),
            &[stays.clone(), leaving],
            expect![[r#"
                overall progress: 1 out of 1 tasks, 1 stopping
                web.1: running on rasp11
                Waiting"#]],
        );
        let mut unreachable = stays;
        unreachable.node_is_down = true;
        unreachable.remark = "its node is down".to_owned();
        check(
            &goal(1, RestartCondition::Any),
            &[unreachable],
            expect![[r#"
                overall progress: 0 out of 1 tasks
                web.1: running on rasp11: its node is down
                Waiting"#]],
        );
    }

    #[test]
    fn the_ends() {
        let running = task(1, 1, TaskState::Running, 900);
        check(
            &goal(1, RestartCondition::Any),
            std::slice::from_ref(&running),
            expect![[r#"
                overall progress: 1 out of 1 tasks
                web.1: running on rasp11
                Converged"#]],
        );
        check(
            &goal(0, RestartCondition::Any),
            &[],
            expect![[r#"
            overall progress: 0 out of 0 tasks
            Converged"#]],
        );
        let complete = ended(2, TaskState::Complete, None);
        check(
            &goal(2, RestartCondition::OnFailure),
            &[running.clone(), complete.clone()],
            expect![[r#"
                overall progress: 2 out of 2 tasks
                web.1: running on rasp11
                web.2: complete on rasp11
                Converged"#]],
        );
        check(
            &goal(2, RestartCondition::Any),
            &[running.clone(), complete],
            expect![[r#"
                overall progress: 1 out of 2 tasks
                web.1: running on rasp11
                web.2: complete on rasp11
                Waiting"#]],
        );
        let exited = Failure::Exited { code: 1, out_of_memory: false };
        let failed = ended(2, TaskState::Failed, Some(exited));
        check(
            &goal(2, RestartCondition::Never),
            &[running.clone(), failed],
            expect![[r#"
                overall progress: 1 out of 2 tasks
                web.1: running on rasp11
                web.2: failed on rasp11: task: non-zero exit (1)
                Failed { reason: "web.2 failed and is not restarted: task: non-zero exit (1)", exit_code: None }"#]],
        );
        let image = Failure::NoSuchImage { image: "x".to_owned(), detail: String::new() };
        let rejected = ended(2, TaskState::Rejected, Some(image));
        check(
            &goal(2, RestartCondition::Never),
            &[running, rejected],
            expect![[r#"
                overall progress: 1 out of 2 tasks
                web.1: running on rasp11
                web.2: rejected on rasp11: No such image: x
                Waiting"#]],
        );
    }

    #[test]
    fn many_slots_are_told_of_by_their_number() {
        let tasks: Vec<SeenTask> =
            (1..=21).map(|slot| task(slot.into(), slot, TaskState::Running, 900)).collect();
        check(
            &goal(21, RestartCondition::Any),
            &tasks,
            expect![[r#"
            overall progress: 21 out of 21 tasks
            Converged"#]],
        );
    }

    #[test]
    fn a_pull_s_progress_is_no_news_where_lines_stay() {
        let at = |remark: &str| {
            let mut task = task(1, 1, TaskState::Preparing, 900);
            task.remark = remark.to_owned();
            slot_line(&task)
        };
        let (first, second) = (at("1 of 30 MiB"), at("2 of 30 MiB"));
        assert_ne!(first.text, second.text);
        assert_eq!(first.essence, second.essence);
    }
}
