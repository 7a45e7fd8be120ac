//! Where a task's data lies: a volume belongs to the node that made it, and who mounts it is held
//! there, or drawn there, as its policy says.

use super::Wish;
use super::filter::{Candidate, Refusal};
use crate::draft::Draft;
use crate::volumes;
use common::NodeId;
use common::node::{Node, NodeState};
use common::service::ServicePhase;
use common::task::Task;
use common::volume::VolumePolicy;
use std::collections::BTreeSet;
use std::time::Duration;

/// A node that has just connected, or a leader that leads since a moment ago, will hear soon which
/// node has a volume from before. For no longer than this a new task waits for that.
const REPORTS_WAIT: Duration = Duration::from_secs(5);

/// What is known of one node and the volumes of the service that is being placed.
#[derive(Debug, Clone, Default)]
pub(crate) struct HomeView {
    pub(crate) refusal: Option<Refusal>,
    /// It would do, but another node has the data.
    pub(crate) strays: bool,
}

/// Whether its tasks are held to where some data lies, so that where one goes binds the next.
pub(crate) fn holds(wish: Wish<'_>) -> bool {
    let mut names = volumes::local_volumes(wish.spec).map(|(name, _)| name);
    names.any(|it| volumes::policy(wish.service, wish.spec, it) == VolumePolicy::Strict)
}

/// A task whose data nobody has yet goes nowhere before all nodes have said what they have.
pub(crate) fn await_reports(
    draft: &Draft<'_>,
    wish: Wish<'_>,
    task: &Task,
    candidates: &mut [Candidate],
) {
    let until = task.created.at + REPORTS_WAIT;
    let is_new = |name: &str| matches!(place(draft, name), Place::Anywhere);
    let mut names = volumes::local_volumes(wish.spec).map(|(name, _)| name);
    let is_silent = |node: &Node| {
        node.status.state == NodeState::Ready && draft.soft.volumes_of(node.id).is_none()
    };
    if draft.now.at < until && names.any(is_new) && draft.nodes().any(is_silent) {
        for candidate in candidates.iter_mut() {
            let refusal = Refusal::VolumesUnsaid { until };
            candidate.home.refusal = candidate.home.refusal.take().or(Some(refusal));
        }
    }
}

pub(crate) fn know(draft: &Draft<'_>, wish: Wish<'_>, candidates: &mut [Candidate]) {
    for candidate in candidates.iter_mut() {
        candidate.home = HomeView::default();
    }
    for (name, _) in volumes::local_volumes(wish.spec) {
        for candidate in candidates.iter_mut().filter(|it| it.home.refusal.is_none()) {
            candidate.home.refusal = leaves(draft, name, candidate.node);
        }
        let (place, is_strict) = match volumes::policy(wish.service, wish.spec, name) {
            VolumePolicy::Strict => (place(draft, name), true),
            VolumePolicy::Preferred => (home(draft, name), false),
            VolumePolicy::None => continue,
        };
        for candidate in candidates.iter_mut().filter(|it| it.home.refusal.is_none()) {
            let is_there = place.includes(candidate.node);
            candidate.home.strays |= !is_there;
            if is_strict {
                candidate.home.refusal = match is_there {
                    true => lost(draft, name, candidate.node)
                        .or_else(|| taken(draft, wish, name, candidate.node)),
                    false => Some(elsewhere(draft, name, &place)),
                };
            }
        }
    }
}

/// Where a volume's data is or will be.
enum Place {
    /// Nobody has it yet.
    Anywhere,
    On(BTreeSet<NodeId>),
}

impl Place {
    fn of(nodes: BTreeSet<NodeId>) -> Place {
        if nodes.is_empty() { Place::Anywhere } else { Place::On(nodes) }
    }

    fn includes(&self, node: NodeId) -> bool {
        match self {
            Place::Anywhere => true,
            Place::On(nodes) => nodes.contains(&node),
        }
    }
}

fn home(draft: &Draft<'_>, name: &str) -> Place {
    Place::of(draft.state.volume(name).and_then(|it| it.home).into_iter().collect())
}

/// Before anybody has said so, it is where a task is about to make it, or else where some copy
/// lies from before.
fn place(draft: &Draft<'_>, name: &str) -> Place {
    if let Place::On(nodes) = home(draft, name) {
        return Place::On(nodes);
    }
    let makers = volumes::live_at(draft, name);
    if !makers.is_empty() {
        return Place::On(makers);
    }
    let has_copy = |node: &Node| {
        let volume = draft.state.volume(name);
        let is_held = volume.is_some_and(|it| it.holders.contains_key(&node.id));
        let is_leaving = volume.is_some_and(|it| it.is_leaving(node.id));
        let is_reported = draft.soft.volumes_of(node.id).is_some_and(|it| it.contains(name));
        (is_held || is_reported) && !is_leaving && !node.status.state.is_down()
    };
    Place::of(draft.nodes().filter(|it| has_copy(it)).map(|it| it.id).collect())
}

/// What is being removed and still has the data: two databases must not write to one folder.
fn taken(draft: &Draft<'_>, wish: Wish<'_>, name: &str, node: NodeId) -> Option<Refusal> {
    let going = volumes::held_services(draft, name)
        .filter(|it| it.id != wish.service.id && it.phase == ServicePhase::Removing);
    let has_it = |it: &Task| it.placement.node() == Some(node) && !it.status.state.is_terminal();
    let user = going.into_iter().find(|it| draft.tasks_of(it.id).any(&has_it))?;
    let (volume, service) = (name.to_owned(), user.spec.name.to_string());
    Some(Refusal::VolumeTaken { volume, service })
}

fn leaves(draft: &Draft<'_>, name: &str, node: NodeId) -> Option<Refusal> {
    let is_leaving = draft.state.volume(name).is_some_and(|it| it.is_leaving(node));
    is_leaving.then(|| Refusal::VolumeLeaving { volume: name.to_owned() })
}

/// Its node is there and says that it has no such volume: a disk that was not mounted, or
/// somebody who removed it by hand. An empty one in its place would look like lost data.
fn lost(draft: &Draft<'_>, name: &str, node: NodeId) -> Option<Refusal> {
    let is_recorded = draft.state.holds(node, name);
    let is_missing = draft.soft.volumes_of(node).is_some_and(|it| !it.contains(name));
    (is_recorded && is_missing).then(|| Refusal::VolumeLost { volume: name.to_owned() })
}

fn elsewhere(draft: &Draft<'_>, name: &str, place: &Place) -> Refusal {
    let on = match place {
        Place::Anywhere => String::new(),
        Place::On(nodes) => {
            let names = nodes.iter().filter_map(|it| draft.node(*it));
            names.map(|it| it.name.as_str()).collect::<Vec<_>>().join(", ")
        }
    };
    Refusal::VolumeElsewhere { volume: name.to_owned(), on }
}
