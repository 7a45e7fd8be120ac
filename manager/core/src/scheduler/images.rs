//! The tale of the missing image: a node is tried, not guessed; tried once; and not again until
//! it says that it has the image, or somebody asks for an update.

use super::Wish;
use super::filter::{Candidate, Refusal};
use crate::draft::Draft;
use crate::soft::HasImage;
use common::service::Service;
use common::task::{DesiredState, Failure, Task, TaskState};
use common::{NodeId, TaskId, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

const UNREACHABLE_FIRST: Duration = Duration::from_secs(10);
const UNREACHABLE_MOST: Duration = Duration::from_secs(300);
/// A rejection as old as that says nothing of the next.
const UNREACHABLE_COUNTS_FOR: Duration = Duration::from_secs(900);

/// What is known of one node and the image of the service that is being placed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ImageView {
    /// Known to be there, or not known to be missing.
    pub(crate) at_hand: bool,
    /// A task of this image is on its way there and has not found it yet.
    pub(crate) on_trial: bool,
    pub(crate) out: Option<Out>,
    /// Somewhere in the cluster the image was missing: those that report it come first.
    pub(crate) comes_later: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Out {
    UntilReported,
    Until(Timestamp),
}

impl ImageView {
    pub(crate) fn check(&self, now: Timestamp) -> Result<(), Refusal> {
        match self.out {
            Some(Out::UntilReported) => Err(Refusal::ImageMissing { until: None }),
            Some(Out::Until(at)) if now < at => Err(Refusal::ImageMissing { until: Some(at) }),
            Some(Out::Until(_)) | None if self.on_trial => Err(Refusal::ImageOnTrial),
            Some(Out::Until(_)) | None => Ok(()),
        }
    }
}

/// Derived from the service's tasks and the nodes' reports each time; nothing is remembered.
pub(crate) fn know(draft: &Draft<'_>, wish: Wish<'_>, candidates: &mut [Candidate]) {
    let image = &wish.spec.container.image;
    // Tasks of the same template are the many, and need no comparison.
    let is_of_image = |task: &&Task| {
        task.template == wish.template
            || draft.spec(task).is_some_and(|it| it.container.image == *image)
    };
    let mut rejected: BTreeMap<NodeId, Vec<&Task>> = BTreeMap::new();
    let mut on_trial: BTreeMap<NodeId, bool> = BTreeMap::new();
    for task in draft.tasks_of(wish.service.id).filter(is_of_image) {
        let Some(node) = task.placement.node() else { continue };
        if is_image_rejection(task) && !is_old_news(wish.service, task) {
            rejected.entry(node).or_default().push(task);
        }
        // Running shows that the image is there, even before the node's list of images does.
        let running = task.status.state == TaskState::Running;
        let under_way =
            task.status.state < TaskState::Running && task.desired <= DesiredState::Running;
        if running || under_way {
            let trial = on_trial.entry(node).or_insert(true);
            *trial &= !running;
        }
    }
    for candidate in candidates.iter_mut() {
        let reported = draft.soft.has_image(candidate.node, image);
        let trial = on_trial.get(&candidate.node).copied();
        let at_hand = match reported {
            HasImage::Yes | HasImage::Unknown => true,
            HasImage::No => trial == Some(false),
        };
        candidate.image = ImageView {
            at_hand,
            on_trial: !at_hand && trial == Some(true),
            out: match reported {
                HasImage::Yes => None,
                HasImage::No | HasImage::Unknown => {
                    rejected.get(&candidate.node).and_then(|it| out(it))
                }
            },
            comes_later: !rejected.is_empty() && reported != HasImage::Yes,
        };
    }
}

/// Who asks for an update wants it tried: the image may have come to the registry since.
fn is_old_news(service: &Service, rejected: &Task) -> bool {
    service.update.as_ref().is_some_and(|it| rejected.created.at < it.started.at)
}

fn is_image_rejection(task: &Task) -> bool {
    task.status.state == TaskState::Rejected
        && task.status.failure.as_ref().is_some_and(Failure::wants_image)
}

fn out(rejected: &[&Task]) -> Option<Out> {
    let deciding = rejected.iter().max_by_key(|it| weight(it))?;
    match deciding.status.failure {
        Some(Failure::RegistryUnreachable { tries, .. }) => {
            let doublings = tries.saturating_sub(1).min(16);
            let pause = UNREACHABLE_FIRST.saturating_mul(1 << doublings).min(UNREACHABLE_MOST);
            Some(Out::Until(deciding.status.since.at + pause))
        }
        Some(_) | None => Some(Out::UntilReported),
    }
}

/// That nobody has the image weighs more than that nobody answered, and a later word more than an
/// earlier one.
fn weight(rejected: &Task) -> (bool, Timestamp, TaskId) {
    let is_final = matches!(rejected.status.failure, Some(Failure::NoSuchImage { .. }));
    (is_final, rejected.status.since.at, rejected.id)
}

/// An agent's word with what it cannot know: how often in a row its node has said the same.
pub(crate) fn counted(draft: &Draft<'_>, task: &Task, failure: Failure) -> Failure {
    let Failure::RegistryUnreachable { image, detail, .. } = failure else { return failure };
    let last = rejections(draft, task)
        .max_by_key(|it| (it.status.since.at, it.id))
        .filter(|it| draft.now.at.since(it.status.since.at) < UNREACHABLE_COUNTS_FOR);
    let before = match last.and_then(|it| it.status.failure.as_ref()) {
        Some(Failure::RegistryUnreachable { tries, .. }) => *tries,
        Some(_) | None => 0,
    };
    Failure::RegistryUnreachable { image, detail, tries: before.saturating_add(1) }
}

/// Of the same service and image, on the same node.
fn rejections<'a>(draft: &'a Draft<'_>, task: &Task) -> impl Iterator<Item = &'a Task> {
    let image = draft.spec(task).map(|it| &it.container.image);
    let placement = task.placement;
    draft
        .tasks_of(task.service)
        .filter(move |it| it.placement == placement && is_image_rejection(it))
        .filter(move |it| draft.spec(it).map(|it| &it.container.image) == image)
}

/// Whether this rejection still keeps its node out, so that it must not be forgotten.
pub(crate) fn keeps_out(draft: &Draft<'_>, task: &Task) -> bool {
    if !is_image_rejection(task) {
        return false;
    }
    let (Some(node), Some(spec)) = (task.placement.node(), draft.spec(task)) else {
        return false;
    };
    let deciding = rejections(draft, task).max_by_key(|it| weight(it));
    draft.node(node).is_some()
        && deciding.is_some_and(|it| it.id == task.id)
        && draft.soft.has_image(node, &spec.container.image) != HasImage::Yes
}
