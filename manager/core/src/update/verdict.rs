//! Whether an update goes on, has come to its end, or has failed; and what becomes of it then.

use super::{Stage, policy};
use crate::change::Change;
use crate::draft::Draft;
use crate::orchestrator::slot::{Failed, SlotView};
use crate::scheduler::{Refusal, Waiting};
use common::service::{Former, RestartCondition, Service};
use common::task::{DesiredState, Failure, Slot, Task, TaskState};
use common::update::{FailureAction, Update, UpdateState, UpdateTrouble};
use common::{NodeId, TaskId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const IN_TOUCH_LOOK: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Outdated slots are taken further.
    GoOn,
    /// They stay as they are.
    Stay,
}

/// A task that speaks against the update under way: it failed by itself, and soon.
pub(crate) fn failure(service: &Service, task: &Task) -> Option<Failed> {
    let update = service.update.as_ref()?;
    let is_of_update = task.template == service.template && task.created.at >= update.started.at;
    let ended_by_itself = task.desired <= DesiredState::Running && task.status.state.is_terminal();
    if !is_of_update || !ended_by_itself || !is_own_fault(service, task) {
        return None;
    }
    let at = task.status.since.at;
    let is_soon = task.ran.is_none_or(|ran| at.since(ran) <= policy(service).monitor);
    is_soon.then_some(Failed { task: task.id, at })
}

fn is_own_fault(service: &Service, task: &Task) -> bool {
    match &task.status.failure {
        // The image may be elsewhere, and the others are not of its making.
        Some(
            Failure::NoSuchImage { .. }
            | Failure::RegistryUnreachable { .. }
            | Failure::MachineRestarted
            | Failure::ContainerGone
            | Failure::NodeLost
            | Failure::CutOff,
        ) => false,
        Some(
            Failure::Exited { .. }
            | Failure::Unhealthy { .. }
            | Failure::BindSourceMissing { .. }
            | Failure::EngineRefused { .. },
        ) => true,
        // A service that is to run for ever does not end.
        None => {
            task.status.state == TaskState::Complete
                && service.spec.task.restart.condition == RestartCondition::Any
        }
    }
}

/// Stops or reverses an update too much of which has failed.
pub(super) fn on_failures(
    draft: &mut Draft<'_>,
    service: &Service,
    slots: &BTreeMap<Slot, SlotView>,
    missing: usize,
) -> Verdict {
    let Some(update) = &service.update else { return Verdict::GoOn };
    if update.state.is_paused() {
        return Verdict::Stay;
    }
    let failed: Vec<Failed> = slots.values().filter_map(|it| it.failed).collect();
    let of = slots.len() + missing;
    let ratio = policy(service).failure_ratio_max;
    let Some(newest) = failed.iter().max_by_key(|it| it.at) else { return Verdict::GoOn };
    if !update.state.is_under_way() || !ratio.is_exceeded_by(failed.len(), of) {
        return Verdict::GoOn;
    }
    let trouble = UpdateTrouble::TasksFailed {
        slots: u32::try_from(failed.len()).unwrap_or(u32::MAX),
        of: u32::try_from(of).unwrap_or(u32::MAX),
        task: newest.task,
        failure: draft.task(newest.task).and_then(|it| it.status.failure.clone()),
    };
    fail(draft, service, update, trouble)
}

/// What the policy wants of an update that fails.
fn fail(
    draft: &mut Draft<'_>,
    service: &Service,
    update: &Update,
    trouble: UpdateTrouble,
) -> Verdict {
    let number = service.number;
    // What a file was taken from that it needs is no place to go back to.
    let is_whole = |it: &&Former| draft.state.check_grants(&it.spec).is_ok();
    let base = service.former.iter().find(|it| Some(it.number) == update.base).filter(is_whole);
    let (is_stuck, has_failed) = match trouble {
        UpdateTrouble::TasksFailed { .. } => (false, true),
        UpdateTrouble::NobodyHasImage { .. } => (false, false),
        UpdateTrouble::NoProgress { .. } => (true, false),
    };
    match (policy(service).on_failure, base) {
        // There is nowhere else to go, so it waits for what it lacks.
        _ if update.state.is_rollback() && !has_failed => Verdict::GoOn,
        (FailureAction::Continue, _) if !is_stuck => Verdict::GoOn,
        (FailureAction::Rollback, Some(base)) if !update.state.is_rollback() => {
            draft.push(Change::RollBackService {
                service: service.id,
                from: number,
                to: base.number,
                trouble: Some(trouble),
            });
            Verdict::Stay
        }
        // Where nothing moves, there is nothing to continue.
        (FailureAction::Pause | FailureAction::Continue | FailureAction::Rollback, _) => {
            set_state(draft, service, update.state.paused(), Some(trouble));
            Verdict::Stay
        }
    }
}

fn set_state(
    draft: &mut Draft<'_>,
    service: &Service,
    state: UpdateState,
    trouble: Option<UpdateTrouble>,
) {
    let number = service.number;
    draft.push(Change::SetUpdateState { service: service.id, number, state, trouble });
}

/// When it came further, which is more than the pause between two slots.
pub(crate) fn last_moved(service: &Service, update: &Update, ran: Option<Timestamp>) -> Timestamp {
    ran.unwrap_or_default().max(update.since.at) + policy(service).delay
}

/// Notices that an update is through, or does not move any more. Answers when to look again.
pub(super) fn on_progress(
    draft: &mut Draft<'_>,
    service: &Service,
    (slots, missing): (&BTreeMap<Slot, SlotView>, usize),
    stages: &[(Slot, Stage)],
) -> Option<Timestamp> {
    let update = service.update.as_ref().filter(|it| it.state.is_under_way())?;
    let policy = policy(service);
    let is_new = |created: Timestamp| created >= update.started.at;
    let live = slots.values().flat_map(|it| &it.live).filter(|it| it.is_current);
    let ran = live.filter(|it| is_new(it.created)).filter_map(|it| it.ran).max();
    let is_through = |(_, stage): &(Slot, Stage)| match stage {
        Stage::Settled => true,
        Stage::Cooling(_)
        | Stage::Switching
        | Stage::Tried
        | Stage::Preparing
        | Stage::Waiting
        | Stage::Prepared { .. }
        | Stage::Outdated
        | Stage::Idle { .. }
        | Stage::Vacant => false,
    };
    if missing == 0 && stages.iter().all(is_through) {
        let at = ran.map_or(update.started.at, |it| it + policy.monitor);
        if at > draft.now.at {
            return Some(at);
        }
        // One that fails on a node that cannot say so has failed all the same.
        // Nobody waits for one that is down: it may be so for ever.
        let is_down = |it: &NodeId| draft.node(*it).is_none_or(|it| it.status.state.is_down());
        let nodes = slots.values().flat_map(|it| &it.live).filter_map(|it| it.node);
        if !nodes.filter(|it| !is_down(it)).all(|it| draft.soft.is_in_touch(it)) {
            return Some(draft.now.at + IN_TOUCH_LOOK);
        }
        set_state(draft, service, update.state.completed(), None);
        return None;
    }
    let moved = last_moved(service, update, ran);
    let at = moved + policy.progress_deadline;
    if at > draft.now.at {
        return Some(at);
    }
    let trouble = UpdateTrouble::NoProgress { for_at_least: policy.progress_deadline };
    fail(draft, service, update, trouble);
    None
}

/// An update to an image that nobody has fails once all were tried: nothing has stopped for it, and
/// whoever asked is still there to hear of a wrong name, or of a registry that does not answer.
pub(crate) fn nobody_has_image(draft: &mut Draft<'_>, waiting: &BTreeMap<TaskId, Waiting>) {
    let mut asked = BTreeSet::new();
    let state = draft.state;
    for (id, why) in waiting {
        let Some(task) = draft.task(*id) else { continue };
        let Some(service) = state.service(task.service) else { continue };
        // Where every node has a slot of its own, what one of them lacks says nothing of the rest.
        let is_new = task.template == service.template && !service.spec.mode.is_per_node();
        let under_way = service.update.as_ref().filter(|it| it.state.is_under_way());
        let Some(update) = under_way.filter(|_| is_new && is_hopeless(why)) else { continue };
        if asked.insert(service.id) {
            let image = service.spec.task.container.image.as_given().to_owned();
            fail(draft, service, update, UpdateTrouble::NobodyHasImage { image });
        }
    }
}

fn is_hopeless(why: &Waiting) -> bool {
    let lacks_image = |refusal: &Refusal| matches!(refusal, Refusal::ImageMissing { .. });
    let may_pass = |refusal: &Refusal| match refusal {
        Refusal::ImageMissing { .. }
        | Refusal::Constraint(_)
        | Refusal::Paused
        | Refusal::Draining
        | Refusal::MaxPerNode(_)
        | Refusal::VolumeElsewhere { .. }
        | Refusal::VolumeLost { .. } => false,
        // One that is away may have it.
        Refusal::Down
        | Refusal::Joining
        | Refusal::Unsteady { .. }
        | Refusal::Resources { .. }
        | Refusal::VolumeLeaving { .. }
        | Refusal::VolumeTaken { .. }
        | Refusal::VolumesUnsaid { .. }
        | Refusal::Generic { .. }
        | Refusal::ImageOnTrial => true,
    };
    match why {
        Waiting::ForNode { refusals } => {
            refusals.iter().any(|(_, it)| lacks_image(it))
                && !refusals.iter().any(|(_, it)| may_pass(it))
        }
        Waiting::ForServices { .. } | Waiting::ForEnd { .. } => false,
    }
}
