//! What is said while a command waits, moment by moment.

use super::*;
use crate::cli::render::samples::{NOW, at, history, task};
use common::TaskId;
use common::update::UpdateTrouble;
use expect_test::{Expect, expect};

fn goal(desired: u32, condition: RestartCondition) -> Goal {
    let restart = RestartPolicy { condition, ..RestartPolicy::default() };
    Goal { desired, restart, is_job: false, update: None, number: 1, reached: None }
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
    let mut unborn = task(3, 1, TaskState::New, 900);
    (unborn.node, unborn.desired) = (None, DesiredState::Shutdown);
    let seen = survey(&goal(1, RestartCondition::Any), &[stays.clone(), unborn], at(1_000));
    assert_eq!(seen.verdict, Verdict::Converged, "what never had a node is not waited for");
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

fn update(state: UpdateState, is_troubled: bool) -> Option<Update> {
    let trouble = is_troubled.then_some(UpdateTrouble::TasksFailed {
        slots: 1,
        of: 1,
        task: TaskId(7),
        failure: None,
    });
    Some(Update { state, started: at(1), since: at(2), base: Some(1), trouble })
}

/// Of a service that runs as it should, but for its update.
fn outcome(number: u32, update: Option<Update>, reached: Option<Reached>) -> String {
    let goal = Goal { number, update, reached, ..goal(1, RestartCondition::Any) };
    match survey(&goal, &[task(1, 1, TaskState::Running, 900)], NOW).verdict {
        Verdict::Waiting => "waiting".to_owned(),
        Verdict::Converged => "converged".to_owned(),
        Verdict::Failed { reason, .. } => reason,
    }
}

#[test]
fn a_command_is_judged_by_its_own_update() {
    use UpdateState::{Completed, Paused, RollbackPaused, RolledBack, RollingBack, Updating};
    let reached = |number, is_under_way| Some(Reached { number, is_under_way });
    let (moving, still) = (reached(2, true), reached(2, false));
    let failed = "1 of 1 tasks failed, such as 0000000000007";
    let superseded = |by: u32| {
        format!(
            "version 2 of the service, which this command asked for, was superseded by another \
             command: version {by} took over (`skep service history` shows them)"
        )
    };
    let cases = [
        (2, update(Updating, false), moving, "waiting".to_owned()),
        (2, update(Completed, false), moving, "converged".to_owned()),
        (2, update(Paused, true), moving, format!("update paused: {failed}")),
        (2, update(RollbackPaused, true), moving, format!("rollback paused: {failed}")),
        // It goes back by itself.
        (3, update(RollingBack, true), moving, "waiting".to_owned()),
        (3, update(RolledBack, true), moving, format!("update rolled back: {failed}")),
        (3, update(RollbackPaused, true), moving, format!("rollback paused: {failed}")),
        // What had failed before, and was not asked for now.
        (2, update(RolledBack, true), still, "converged".to_owned()),
        (2, update(Paused, true), still, "converged".to_owned()),
        (2, update(RolledBack, true), None, "converged".to_owned()),
        (3, update(RolledBack, true), None, "converged".to_owned()),
        (2, update(RollingBack, true), None, "waiting".to_owned()),
        // Redeployed while it goes back to just that.
        (2, update(RolledBack, true), moving, "converged".to_owned()),
        // Somebody else's command.
        (3, update(Updating, false), moving, superseded(3)),
        (3, update(Completed, false), moving, superseded(3)),
        (3, update(Paused, true), moving, superseded(3)),
        (3, update(RollingBack, false), moving, superseded(3)),
        (4, update(RolledBack, true), moving, superseded(4)),
        (3, None, still, superseded(3)),
    ];
    for (number, update, reached, expected) in cases {
        let shown = format!("{number} {update:?} {reached:?}");
        assert_eq!(outcome(number, update, reached), expected, "{shown}");
    }
}

#[test]
fn a_successor_says_what_it_waits_for() {
    let successor = |slot: u32| SeenTask {
        node: None,
        node_name: String::new(),
        desired: DesiredState::Ready,
        remark: "no suitable node: 3 not matching node.labels.x==y".to_owned(),
        ..task(100 + u64::from(slot), slot, TaskState::Pending, 950)
    };
    let running = |slot: u32| task(slot.into(), slot, TaskState::Running, 900);
    let updating = |desired| Goal {
        update: update(UpdateState::Updating, false),
        ..goal(desired, RestartCondition::Any)
    };
    check(
        &updating(2),
        &[running(1), running(2), successor(1)],
        expect![[r#"
        overall progress: 2 out of 2 tasks
        web.1: pending: no suitable node: 3 not matching node.labels.x==y
        web.2: running on rasp11
        Waiting"#]],
    );
    let many: Vec<SeenTask> = (1..=30).map(running).chain([successor(9)]).collect();
    check(
        &updating(30),
        &many,
        expect![[r#"
        overall progress: 30 out of 30 tasks
        web.9: pending: no suitable node: 3 not matching node.labels.x==y
        Waiting"#]],
    );
    let of_stack = of_stack(vec![("web".to_owned(), survey(&updating(30), &many, NOW))]);
    expect![
        "web: 30 out of 30 tasks; web.9: pending: no suitable node: 3 not matching node.labels.x==y"
    ]
    .assert_eq(&of_stack.slots[0].text);
}
