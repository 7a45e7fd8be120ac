//! From one specification to the next, slot by slot.
//!
//! Nothing is remembered but how the update stands: what to do next follows from the tasks. A
//! slot's successor is made ready while its predecessor runs. When its turn comes, either the
//! predecessor is stopped and the successor started, or the other way round.

mod verdict;

pub(crate) use verdict::{failure, last_moved, nobody_has_image};

use crate::draft::Draft;
use crate::fence;
use crate::orchestrator::Outcome;
use crate::orchestrator::slot::{self, LiveTask, SlotView};
use crate::restart::Restart;
use common::service::Service;
use common::task::{DesiredState, Slot, TaskState};
use common::update::{UpdateOrder, UpdatePolicy};
use common::{TaskId, Timestamp};
use std::collections::BTreeMap;
use verdict::Verdict;

/// How things stand in one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// What is there is as it should be.
    Settled,
    /// It came to run a moment ago; its turn is not over before then.
    Cooling(Timestamp),
    /// Its successor is on its way to running, and nothing else is there.
    Switching,
    /// Its successor failed: it had its turn.
    Tried,
    Preparing,
    /// Its node, the only one that will do, does not take the successor.
    Waiting,
    Prepared {
        successor: TaskId,
    },
    /// What runs there was made from another specification.
    Outdated,
    /// The same, but it does not run.
    Idle {
        old: TaskId,
    },
    /// Nothing is there, and what was there was made from another specification.
    Vacant,
}

pub(crate) fn policy(service: &Service) -> &UpdatePolicy {
    let is_rollback = service.update.as_ref().is_some_and(|it| it.state.is_rollback());
    if is_rollback { &service.spec.rollback } else { &service.spec.update }
}

pub(crate) fn order(service: &Service) -> UpdateOrder {
    policy(service).order
}

/// Looks after the slots of a service: ends what is too much, replaces what ended, and takes
/// outdated ones a step further. `missing` slots were created a moment ago.
pub(crate) fn advance(
    draft: &mut Draft<'_>,
    service: &Service,
    (slots, missing): (&BTreeMap<Slot, SlotView>, usize),
    room: usize,
) -> Outcome {
    let verdict = verdict::on_failures(draft, service, slots, missing);
    let mut walk = Walk { draft, service, verdict, room, outcome: Outcome::Done };
    let stages: Vec<(Slot, Stage)> =
        slots.iter().map(|(slot, view)| (*slot, walk.settle(*slot, view))).collect();
    if walk.verdict == Verdict::GoOn {
        walk.take_turns(slots, &stages, missing);
    } else {
        walk.replace_vacant(slots, &stages, 0);
    }
    let Walk { outcome, verdict, .. } = walk;
    // What has failed in this very plan has not come through in it as well.
    if verdict == Verdict::Stay {
        return outcome;
    }
    match verdict::on_progress(draft, service, (slots, missing), &stages) {
        Some(at) => outcome.also_at(at),
        None => outcome,
    }
}

struct Walk<'a, 'b> {
    draft: &'a mut Draft<'b>,
    service: &'a Service,
    verdict: Verdict,
    room: usize,
    outcome: Outcome,
}

impl Walk<'_, '_> {
    /// Does what is right whether or not slots are being moved, and says how things stand.
    fn settle(&mut self, slot: Slot, view: &SlotView) -> Stage {
        let (current, outdated): (Vec<&LiveTask>, Vec<&LiveTask>) =
            view.live.iter().partition(|it| it.is_current);
        let new = self.keep_one(&current);
        // What was to take over from it, and now is not to, has never run.
        for task in outdated.iter().filter(|it| it.desired == DesiredState::Ready) {
            self.draft.raise_desired(task.id, DesiredState::Remove);
        }
        let outdated: Vec<&LiveTask> =
            outdated.into_iter().filter(|it| it.desired != DesiredState::Ready).collect();
        let old = self.keep_one(&outdated);
        match (new, old) {
            (Some(new), old) if new.desired == DesiredState::Running => {
                self.settle_started(view, new, old)
            }
            (Some(new), None) => {
                // Its predecessor is gone, or going.
                if !view.is_stopping {
                    self.start(new.id);
                }
                Stage::Switching
            }
            (Some(new), Some(_)) => self.settle_prepared(new),
            (None, Some(_)) if view.failed.is_some() => Stage::Tried,
            // It does not run, so nothing is lost by taking its place at once.
            (None, Some(old)) if old.state < TaskState::Running => Stage::Idle { old: old.id },
            (None, Some(_)) => Stage::Outdated,
            (None, None) if !view.last.is_current && self.waits_for_end(view) => Stage::Switching,
            (None, None) if !view.last.is_current => Stage::Vacant,
            (None, None) => {
                self.restart(slot, view);
                match (view.failed, view.restart) {
                    (_, Restart::Never) => Stage::Settled,
                    (Some(_), Restart::Now | Restart::At(_)) => Stage::Tried,
                    (None, Restart::Now | Restart::At(_)) => Stage::Switching,
                }
            }
        }
    }

    /// Of what was made ready, unless it might run beside its predecessor and must not.
    fn start(&mut self, successor: TaskId) {
        let task = self.draft.task(successor);
        match task.and_then(|it| fence::hold(self.draft, self.service, it)) {
            None => self.draft.raise_desired(successor, DesiredState::Running),
            Some(hold) => {
                if let Some(at) = hold.until() {
                    self.outcome = self.outcome.also_at(at);
                }
                self.draft.hold(successor, hold.into_waiting());
            }
        }
    }

    fn waits_for_end(&self, view: &SlotView) -> bool {
        self.verdict == Verdict::GoOn
            && view.is_stopping
            && order(self.service) == UpdateOrder::StopFirst
    }

    /// Ends all but one of tasks that are alike.
    fn keep_one<'t>(&mut self, alike: &[&'t LiveTask]) -> Option<&'t LiveTask> {
        let keeper = slot::keeper(alike.iter().copied())?;
        for twin in alike.iter().filter(|it| it.id != keeper.id) {
            self.draft.raise_desired(twin.id, DesiredState::Shutdown);
        }
        Some(keeper)
    }

    fn settle_started(&mut self, view: &SlotView, new: &LiveTask, old: Option<&LiveTask>) -> Stage {
        if new.node.is_none() && self.service.spec.mode.is_per_node() {
            return Stage::Waiting;
        }
        if new.state != TaskState::Running {
            return if view.failed.is_some() { Stage::Tried } else { Stage::Switching };
        }
        if let Some(old) = old {
            self.draft.raise_desired(old.id, DesiredState::Shutdown);
        }
        let began = self.service.update.as_ref().map(|it| it.started.at);
        let cool_at = match (new.ran, began) {
            (Some(ran), Some(began)) if new.created >= began => ran + policy(self.service).delay,
            (_, _) => return Stage::Settled,
        };
        if cool_at > self.draft.now.at { Stage::Cooling(cool_at) } else { Stage::Settled }
    }

    fn settle_prepared(&mut self, new: &LiveTask) -> Stage {
        if self.verdict != Verdict::GoOn {
            self.draft.raise_desired(new.id, DesiredState::Remove);
            return Stage::Outdated;
        }
        if new.node.is_none() && self.service.spec.mode.is_per_node() {
            Stage::Waiting
        } else if new.state >= TaskState::Ready {
            Stage::Prepared { successor: new.id }
        } else {
            Stage::Preparing
        }
    }

    /// By policy, from what it was made from before.
    fn restart(&mut self, slot: Slot, view: &SlotView) {
        match view.restart {
            Restart::Never => {}
            Restart::At(at) => self.outcome = self.outcome.also_at(at),
            Restart::Now => self.create(slot, view.last.template, DesiredState::Running),
        }
    }

    fn create(&mut self, slot: Slot, template: common::Version, desired: DesiredState) {
        if self.room == 0 {
            self.outcome = Outcome::NoRoom;
            return;
        }
        self.room -= 1;
        self.draft.create_task_of(self.service, (slot, template), desired);
    }

    /// So many slots have their turn at the same time; as many again are made ready for theirs.
    fn take_turns(
        &mut self,
        slots: &BTreeMap<Slot, SlotView>,
        stages: &[(Slot, Stage)],
        mut turns: usize,
    ) {
        let policy = policy(self.service);
        let limit = match policy.parallelism {
            0 => usize::MAX,
            some => some as usize,
        };
        for (_, stage) in stages {
            match stage {
                Stage::Cooling(at) => {
                    turns += 1;
                    self.outcome = self.outcome.also_at(*at);
                }
                Stage::Switching => turns += 1,
                Stage::Settled
                | Stage::Tried
                | Stage::Preparing
                | Stage::Waiting
                | Stage::Prepared { .. }
                | Stage::Outdated
                | Stage::Idle { .. }
                | Stage::Vacant => {}
            }
        }
        turns += self.replace_vacant(slots, stages, limit.saturating_sub(turns));
        for (_, stage) in stages {
            if let Stage::Idle { old } = stage
                && turns < limit
            {
                turns += 1;
                self.draft.raise_desired(*old, DesiredState::Shutdown);
            }
        }
        let mut prepared = 0;
        for (slot, stage) in stages {
            match stage {
                Stage::Prepared { successor } if turns < limit => {
                    turns += 1;
                    self.switch(&slots[slot], *successor);
                }
                Stage::Prepared { .. } | Stage::Preparing => prepared += 1,
                Stage::Settled
                | Stage::Cooling(_)
                | Stage::Switching
                | Stage::Tried
                | Stage::Waiting
                | Stage::Outdated
                | Stage::Idle { .. }
                | Stage::Vacant => {}
            }
        }
        for slot in self.next_in_line(slots, stages).into_iter().take(limit - prepared.min(limit)) {
            self.create(slot, self.service.template, DesiredState::Ready);
        }
    }

    /// A slot in which nothing lives gets the new specification at once, as far as there are
    /// turns left, and the one that it had otherwise.
    fn replace_vacant(
        &mut self,
        slots: &BTreeMap<Slot, SlotView>,
        stages: &[(Slot, Stage)],
        turns: usize,
    ) -> usize {
        let mut taken = 0;
        for (slot, _) in stages.iter().filter(|(_, it)| *it == Stage::Vacant) {
            if taken < turns {
                taken += 1;
                self.create(*slot, self.service.template, DesiredState::Running);
            } else {
                self.restart(*slot, &slots[slot]);
            }
        }
        taken
    }

    fn switch(&mut self, view: &SlotView, successor: TaskId) {
        match policy(self.service).order {
            UpdateOrder::StopFirst => {
                for old in view.live.iter().filter(|it| !it.is_current) {
                    self.draft.raise_desired(old.id, DesiredState::Shutdown);
                }
            }
            UpdateOrder::StartFirst => self.start(successor),
        }
    }

    /// What has failed once comes last, and after a pause.
    fn next_in_line(
        &mut self,
        slots: &BTreeMap<Slot, SlotView>,
        stages: &[(Slot, Stage)],
    ) -> Vec<Slot> {
        let (mut running, mut again) = (Vec::new(), Vec::new());
        for (slot, stage) in stages {
            match stage {
                Stage::Outdated => running.push(*slot),
                Stage::Tried => {
                    let view = &slots[slot];
                    let has_predecessor = view.live.iter().any(|it| !it.is_current);
                    let has_successor = view.live.iter().any(|it| it.is_current);
                    let Some(failed) = view.failed else { continue };
                    if has_successor || !has_predecessor {
                        continue;
                    }
                    let at = failed.at + self.service.spec.task.restart.delay;
                    if at <= self.draft.now.at {
                        again.push(*slot);
                    } else {
                        self.outcome = self.outcome.also_at(at);
                    }
                }
                Stage::Settled
                | Stage::Cooling(_)
                | Stage::Switching
                | Stage::Preparing
                | Stage::Waiting
                | Stage::Prepared { .. }
                | Stage::Idle { .. }
                | Stage::Vacant => {}
            }
        }
        running.into_iter().chain(again).collect()
    }
}
