//! Which configs and secrets one node is given: those that its tasks need, each once, and for no
//! longer than they may need them.

use crate::state::State;
use common::file::{Delivery, Extent, FileKind, FileSet};
use common::task::{DesiredState, Task};
use common::{FileId, NodeId};
use std::collections::BTreeSet;

/// The files that a node was given and not told to forget.
pub type FilesTold = BTreeSet<FileId>;

/// Everything, for a node that knows nothing yet.
pub fn complete(state: &State, node: NodeId) -> (FileSet, FilesTold) {
    let needed = needed(state, node);
    let set = set(state, Extent::Complete, needed.iter().copied());
    (set, needed)
}

/// What has changed for a node since it was `told`; none where nothing has.
pub fn difference(state: &State, node: NodeId, told: &mut FilesTold) -> Option<FileSet> {
    let needed = needed(state, node);
    if needed == *told {
        return None;
    }
    let before = std::mem::replace(told, needed);
    let remove = before.difference(told).copied().collect();
    Some(set(state, Extent::Changes { remove }, told.difference(&before).copied()))
}

fn set(state: &State, extent: Extent, files: impl Iterator<Item = FileId>) -> FileSet {
    let files = files.filter_map(|it| state.file(it));
    let put: Vec<Delivery> = files.map(|it| Delivery::from(&**it)).collect();
    let is_sealed = put.iter().any(|it| it.content.kind() == FileKind::Secret);
    let key = state.cluster().and_then(|it| it.file_key.clone());
    FileSet { extent, key: key.filter(|_| is_sealed), put }
}

fn needed(state: &State, node: NodeId) -> BTreeSet<FileId> {
    let tasks = state.tasks_on(node).filter(|it| may_begin(it));
    let specs = tasks.filter_map(|it| state.task_spec(it));
    let grants = specs.flat_map(|it| it.container.grants.iter());
    grants.map(|it| it.file).filter(|it| state.file(*it).is_some()).collect()
}

/// One that runs has its files, but its node may have lost it before it told us so.
fn may_begin(task: &Task) -> bool {
    task.desired <= DesiredState::Running && !task.status.state.is_terminal()
}
