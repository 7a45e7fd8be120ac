//! Tasks that cannot stay where they are.

use crate::draft::Draft;
use crate::volumes;
use common::node::{Availability, Node, NodeState};
use common::service::Service;
use common::task::{DesiredState, Task};
use common::{TaskId, Timestamp};
use std::time::Duration;

/// After this nobody waits any more for what a lost node says of its tasks.
pub(crate) const ORPHANED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Answers when the next task of a lost node is given up.
pub(crate) fn evict(draft: &mut Draft<'_>, service: &Service) -> Option<Timestamp> {
    let (mut moving, mut lost) = (Vec::new(), Vec::new());
    let mut orphans_at = None;
    for task in draft.tasks_of(service.id) {
        let Some(node_id) = task.placement.node() else { continue };
        match draft.node(node_id) {
            None => lost.push(task.id),
            Some(node) => {
                if task.is_live() && must_leave(draft, service, task, node) {
                    moving.push(task.id);
                }
                if let Some(at) = orphaned_at(task, node) {
                    if at <= draft.now.at {
                        lost.push(task.id);
                    } else {
                        orphans_at = Some(orphans_at.map_or(at, |it: Timestamp| it.min(at)));
                    }
                }
            }
        }
    }
    for task in moving {
        draft.raise_desired(task, DesiredState::Shutdown);
    }
    give_up(draft, lost);
    orphans_at
}

fn must_leave(draft: &Draft<'_>, service: &Service, task: &Task, node: &Node) -> bool {
    let is_away = match node.status.state {
        NodeState::Joining | NodeState::Ready => false,
        // What has nowhere else to go is still right when its node returns: a global service's
        // task, and one whose data is there.
        NodeState::Down(_) => {
            let is_held = || {
                task.desired == DesiredState::Running
                    && volumes::held_by(draft.state, task, node.id).is_some()
            };
            !service.spec.mode.is_per_node() && !is_held()
        }
    };
    // By what it was made from: a change of the service's own wishes is an update's business.
    let constraints = &service.task_spec(task.template).constraints;
    let no_longer_fits = !constraints.iter().all(|it| it.matches(&node.traits()));
    is_away || node.spec.availability == Availability::Drain || no_longer_fits
}

/// When a task that its lost node should have ended counts as gone.
fn orphaned_at(task: &Task, node: &Node) -> Option<Timestamp> {
    let waits = task.desired > DesiredState::Running && !task.status.state.is_terminal();
    (waits && node.status.state.is_down()).then(|| node.status.since.at + ORPHANED_AFTER)
}

/// Their node is no member any more, or might as well not be.
fn give_up(draft: &mut Draft<'_>, tasks: Vec<TaskId>) {
    for task in tasks {
        draft.raise_desired(task, DesiredState::Shutdown);
        draft.orphan(task);
    }
}
