//! The configs and secrets of tasks: kept as the managers sent them, and laid out in memory for
//! as long as a task may read them.

mod folder;

use agent_core::container::{Operation, OperationFailure};
use common::assignment::Assignment;
use common::container::{Access, BindMount, Mount, MountSource};
use common::file::{Content, Delivery, Extent, FileKind, FileSet, Grant};
use common::secret::Secret;
use common::{FileId, TaskId};
use shell::sealing::{FileKey, SealingError};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Owned by the agent's loop.
pub(crate) struct TaskFiles {
    /// A folder for each task.
    root: PathBuf,
    held: BTreeMap<FileId, Delivery>,
    key: Option<Secret>,
    /// Tasks that have a folder, or are about to have one.
    laid_out: BTreeSet<TaskId>,
}

impl TaskFiles {
    /// What an agent before this one has laid out is still in use.
    pub(crate) fn open(run_dir: &Path) -> TaskFiles {
        let root = run_dir.join("files");
        let laid_out = folder::tasks(&root);
        TaskFiles { root, held: BTreeMap::new(), key: None, laid_out }
    }

    pub(crate) fn told(&mut self, set: FileSet) {
        let FileSet { extent, key, put } = set;
        match extent {
            Extent::Complete => {
                self.held.clear();
                self.key = None;
            }
            Extent::Changes { remove } => self.held.retain(|file, _| !remove.contains(file)),
        }
        self.key = key.or(self.key.take());
        self.held.extend(put.into_iter().map(|it| (it.file, it)));
        if self.held.values().all(|it| it.content.kind() == FileKind::Config) {
            self.key = None;
        }
    }

    /// What has to be laid out before an operation.
    pub(crate) fn kit(&mut self, operation: &Operation) -> Option<Kit> {
        let assignment = match operation {
            Operation::Create(assignment) => assignment,
            Operation::Pull(_)
            | Operation::Start(_)
            | Operation::Stop(_)
            | Operation::Cut(_)
            | Operation::Remove(_) => return None,
        };
        let grants = &assignment.spec.container.grants;
        if grants.is_empty() {
            return None;
        }
        self.laid_out.insert(assignment.task);
        let delivery = |it: &Grant| (it.clone(), self.held.get(&it.file).cloned());
        Some(Kit {
            root: self.root.clone(),
            task: assignment.task,
            files: grants.iter().map(delivery).collect(),
            key: self.key.clone(),
        })
    }

    /// What nobody reads any more goes.
    pub(crate) fn clear(&mut self, may_read: impl Fn(TaskId) -> bool) {
        self.laid_out.retain(|task| {
            let stays = may_read(*task);
            if !stays && let Err(error) = folder::remove(&self.root, *task) {
                tracing::warn!(%error, %task, "the configs and secrets of a task are left behind");
            }
            stays
        });
    }
}

/// The files of one task, and where they are to lie.
#[derive(Clone)]
pub(crate) struct Kit {
    root: PathBuf,
    task: TaskId,
    files: Vec<(Grant, Option<Delivery>)>,
    key: Option<Secret>,
}

#[derive(Debug, thiserror::Error)]
enum LayOutError {
    #[error("no manager has sent it: it may have been removed meanwhile")]
    NotSent,
    #[error("no manager has sent the key that unseals it")]
    NoKey,
    #[error(transparent)]
    Sealing(#[from] SealingError),
    #[error(
        "{} is on a disk, where a secret must not lie: start skep with a --run-dir on a tmpfs, \
         such as /run/skep", .0.display()
    )]
    OnDisk(PathBuf),
    #[error("{} cannot be written: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl Kit {
    /// Writes the files, and adds them to what the container mounts.
    pub(crate) fn lay_out(&self, assignment: &Assignment) -> Result<Assignment, OperationFailure> {
        let mut assignment = assignment.clone();
        let mounts = &mut Arc::make_mut(&mut assignment.spec).container.mounts;
        shell::threads::at_length(|| self.write_all(mounts)).map_err(|(grant, error)| {
            let Grant { kind, name, .. } = grant;
            // What is there already is of no use to anyone.
            drop(folder::remove(&self.root, self.task));
            OperationFailure::Refused { detail: format!("{kind} {name}: {error}") }
        })?;
        Ok(assignment)
    }

    fn write_all(&self, mounts: &mut Vec<Mount>) -> Result<(), (&Grant, LayOutError)> {
        for (number, (grant, delivery)) in self.files.iter().enumerate() {
            let path = self.write(number, grant, delivery.as_ref()).map_err(|it| (grant, it))?;
            mounts.push(Mount {
                target: grant.path(),
                access: Access::ReadOnly,
                source: MountSource::Bind(BindMount::of_path(path.display().to_string())),
            });
        }
        Ok(())
    }

    fn write(
        &self,
        number: usize,
        grant: &Grant,
        delivery: Option<&Delivery>,
    ) -> Result<PathBuf, LayOutError> {
        let delivery = delivery.ok_or(LayOutError::NotSent)?;
        let fails = |path: &Path| {
            let path = path.to_owned();
            move |source| LayOutError::Io { path, source }
        };
        if number == 0 {
            // An earlier attempt may have left some.
            folder::remove(&self.root, self.task).map_err(fails(&self.root))?;
        }
        let folder = folder::make(&self.root, self.task).map_err(fails(&self.root))?;
        let content = match &delivery.content {
            Content::Config(blob) => Zeroizing::new(blob.bytes().to_vec()),
            Content::Secret(sealed) => {
                if !folder::is_in_memory(&folder).map_err(fails(&folder))? {
                    return Err(LayOutError::OnDisk(self.root.clone()));
                }
                let key = FileKey::new(self.key.as_ref().ok_or(LayOutError::NoKey)?)?;
                key.unseal(&delivery.name, sealed)?
            }
        };
        let path = folder.join(number.to_string());
        folder::write(&path, &content, grant).map_err(fails(&path))?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests;
