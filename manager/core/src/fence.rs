//! When the next task of a slot may begin that must not run twice.
//!
//! What was started under a lease ends with it, whether or not its node can say so. So a successor
//! waits for its node's word, or, where the node is not there to give it, until no lease holds any
//! more.

use crate::draft::Draft;
use crate::scheduler::Waiting;
use common::lease::OVER_AFTER;
use common::service::{Service, ServicePhase};
use common::task::{DesiredState, Slot, Task, TaskState};
use common::{Name, TaskId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What a task must wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hold {
    /// Where its predecessor may still run.
    node: Option<Name>,
    /// None: until its node says so.
    until: Option<Timestamp>,
}

impl Hold {
    pub(crate) fn until(&self) -> Option<Timestamp> {
        self.until
    }

    pub(crate) fn into_waiting(self) -> Waiting {
        let Hold { node, until } = self;
        Waiting::ForEnd { node, until }
    }
}

/// Until when a task that has ended must be remembered, so that others know to wait for it.
pub(crate) fn remembered_until(draft: &Draft<'_>, task: &Task) -> Option<Timestamp> {
    let is_fenced = draft.spec(task).is_some_and(|it| it.at_most_one);
    match end(draft, task) {
        End::At(at) if is_fenced && at > draft.now.at => Some(at),
        End::At(_) | End::Over | End::WhenSaid => None,
    }
}

enum End {
    Over,
    At(Timestamp),
    /// Its node is there to say so, or it never ran by leases.
    WhenSaid,
}

/// Takes those tasks out that would begin beside a predecessor.
pub(crate) fn hold_back(
    draft: &mut Draft<'_>,
    service: &Service,
    tasks: Vec<TaskId>,
    waiting: &mut BTreeMap<TaskId, Waiting>,
) -> Vec<TaskId> {
    let (mut free, mut begun) = (Vec::new(), BTreeSet::<Slot>::new());
    for id in tasks {
        let Some(task) = draft.task(id) else { continue };
        // What is only made ready starts nothing.
        if task.desired == DesiredState::Ready {
            free.push(id);
            continue;
        }
        let slot = task.slot;
        match hold(draft, service, task) {
            Some(hold) => {
                if let Some(until) = hold.until() {
                    draft.wake_at(until);
                }
                waiting.insert(id, hold.into_waiting());
            }
            None if begun.insert(slot) => free.push(id),
            // Its twin begins in this very plan.
            None => {}
        }
    }
    free
}

/// What keeps a task from beginning: the earlier task of its slot that takes longest.
pub(crate) fn hold(draft: &Draft<'_>, service: &Service, task: &Task) -> Option<Hold> {
    if !service.task_spec(task.template).at_most_one {
        return None;
    }
    let own = draft.tasks_of(service.id).filter(|it| it.slot == task.slot && it.id != task.id);
    // One that was removed and made anew is the same service to people.
    let is_namesake = |it: &&std::sync::Arc<Service>| {
        it.phase == ServicePhase::Removing
            && it.spec.task.at_most_one
            && it.id != service.id
            && it.spec.name == service.spec.name
    };
    let removed = draft.state.services().filter(is_namesake);
    let others = own.chain(removed.flat_map(|it| draft.tasks_of(it.id)));
    let holds = others.filter_map(|it| {
        let until = match end(draft, it) {
            End::Over => return None,
            End::At(at) if at <= draft.now.at => return None,
            End::At(at) => Some(at),
            End::WhenSaid => None,
        };
        let node = it.placement.node().and_then(|id| draft.node(id));
        Some(Hold { node: node.map(|it| it.name.clone()), until })
    });
    holds.max_by_key(|it| (it.until.is_none(), it.until))
}

fn end(draft: &Draft<'_>, task: &Task) -> End {
    let Some(node) = task.placement.node() else { return End::Over };
    let leases_over = draft.soft.leases_over_at(node);
    if task.status.state == TaskState::Orphaned {
        return End::At(leases_over.max(task.status.since.at + OVER_AFTER));
    }
    if task.status.state.is_terminal() {
        return End::Over;
    }
    // Down for everybody: while that is being proposed, it may turn out to be up after all, and
    // to have a lease before others learn of its fall.
    let (kept, planned) = (draft.state.node(node), draft.node(node));
    let is_down = |it: Option<&common::node::Node>| it.is_some_and(|it| it.status.state.is_down());
    let has_lease_alone = draft.spec(task).is_some_and(|it| it.at_most_one);
    if is_down(kept.map(|it| &**it)) && is_down(planned) && has_lease_alone {
        return End::At(leases_over);
    }
    End::WhenSaid
}
