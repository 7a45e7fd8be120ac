//! Configs and secrets in the state: what may be made, changed and removed.

use crate::change::{Batch, Change, Conflict, Event, FileChange};
use crate::state::State;
use common::file::{File, FileKind};
use common::secret::Secret;
use common::service::{Service, ServiceSpec};
use common::{FileId, Name, Stamp, Version};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Every manager holds all of them in memory, and a node may need all of them at once.
pub const FILES_BYTES_MAX: usize = 32 << 20;

type Outcome = Result<Event, Conflict>;

impl Batch {
    /// How much of it is configs and secrets; all else is small.
    pub fn files_bytes(&self) -> usize {
        let mut bytes = 0;
        for change in &self.changes {
            if let Change::File(FileChange::Create(file)) = change {
                bytes += file.content.blob().bytes().len();
            }
        }
        bytes
    }
}

impl State {
    pub fn file(&self, id: FileId) -> Option<&Arc<File>> {
        self.tables.files.get(&id)
    }

    pub fn files(&self, kind: FileKind) -> impl Iterator<Item = &Arc<File>> {
        self.tables.files.values().filter(move |it| it.kind() == kind)
    }

    pub fn file_named(&self, kind: FileKind, name: &str) -> Option<&Arc<File>> {
        let name: Name = name.parse().ok()?;
        self.file(*self.indexes.file_by_name.get(&(kind, name))?)
    }

    /// The services that stay and give it to their tasks.
    pub fn users_of(&self, file: FileId) -> impl Iterator<Item = &Arc<Service>> {
        self.active_services()
            .filter(move |it| it.spec.task.container.grants.iter().any(|it| it.file == file))
    }

    pub(crate) fn files_bytes(&self) -> usize {
        self.tables.files.values().map(|it| it.content.blob().bytes().len()).sum()
    }

    // --- the tables change only below, and only `apply` calls it

    pub(crate) fn change_file(
        &mut self,
        version: Version,
        stamp: Stamp,
        change: &FileChange,
    ) -> Outcome {
        match change {
            FileChange::MakeKey { key } => self.make_file_key(version, key),
            FileChange::Create(file) => self.create_file(version, stamp, file),
            FileChange::SetLabels { file, base, labels } => {
                self.set_file_labels(version, stamp, (*file, *base), labels)
            }
            FileChange::Remove { file } => self.remove_file(*file),
        }
    }

    /// A second key would void what the first has sealed.
    fn make_file_key(&mut self, version: Version, key: &Secret) -> Outcome {
        let cluster = self.tables.cluster.as_mut().ok_or(Conflict::NoCluster)?;
        if cluster.file_key.is_none() {
            let cluster = Arc::make_mut(cluster);
            (cluster.file_key, cluster.version) = (Some(key.clone()), version);
        }
        Ok(Event::ClusterChanged)
    }

    fn create_file(&mut self, version: Version, stamp: Stamp, file: &File) -> Outcome {
        let kind = file.kind();
        if self.file(file.id).is_some() {
            return Err(Conflict::IdTaken(file.id.to_string()));
        }
        // Another version of the same one takes over its name.
        let is_version = |known: &Arc<File>| known.stack.is_some() && known.stack == file.stack;
        if self.file_named(kind, file.name.as_str()).is_some_and(|it| !is_version(it)) {
            return Err(Conflict::FileNameTaken { kind, name: file.name.clone() });
        }
        if self.files_bytes() + file.content.blob().bytes().len() > FILES_BYTES_MAX {
            return Err(Conflict::TooManyFiles);
        }
        let (created, updated) = (stamp, stamp);
        let (id, file) = (file.id, File { version, created, updated, ..file.clone() });
        self.put_file(Arc::new(file));
        Ok(Event::FileChanged(id))
    }

    fn set_file_labels(
        &mut self,
        version: Version,
        stamp: Stamp,
        (id, base): (FileId, Version),
        labels: &BTreeMap<String, String>,
    ) -> Outcome {
        let file = self.tables.files.get_mut(&id).ok_or(Conflict::NoSuchFile(id))?;
        if file.version != base {
            return Err(Conflict::Outdated);
        }
        let file = Arc::make_mut(file);
        file.labels.clone_from(labels);
        (file.version, file.updated) = (version, stamp);
        Ok(Event::FileChanged(id))
    }

    fn remove_file(&mut self, id: FileId) -> Outcome {
        let file = self.file(id).ok_or(Conflict::NoSuchFile(id))?;
        if let Some(conflict) = self.conflict_of_use(file) {
            return Err(conflict);
        }
        let key = (file.kind(), file.name.clone());
        self.tables.files.remove(&id);
        // An older version may be left, to which something can still go back.
        let left = self.files(key.0).filter(|it| it.name == key.1);
        match left.max_by_key(|it| it.version).map(|it| it.id) {
            Some(older) => self.indexes.file_by_name.insert(key, older),
            None => self.indexes.file_by_name.remove(&key),
        };
        Ok(Event::FileChanged(id))
    }

    pub(crate) fn conflict_of_use(&self, file: &File) -> Option<Conflict> {
        let users: Vec<&str> = self.users_of(file.id).map(|it| it.spec.name.as_str()).collect();
        (!users.is_empty()).then(|| Conflict::FileInUse {
            kind: file.kind(),
            name: file.name.clone(),
            services: users.join(", "),
        })
    }

    /// A file may have gone since it was granted.
    pub(crate) fn check_grants(&self, spec: &ServiceSpec) -> Result<(), Conflict> {
        for grant in &spec.task.container.grants {
            let found = self.file(grant.file);
            if found.is_none_or(|it| it.kind() != grant.kind || it.name != grant.name) {
                let (kind, name) = (grant.kind, grant.name.clone());
                return Err(Conflict::GrantOfNothing { kind, name });
            }
        }
        Ok(())
    }

    pub(crate) fn put_file(&mut self, file: Arc<File>) {
        let key = (file.kind(), file.name.clone());
        let known = self.indexes.file_by_name.get(&key).and_then(|it| self.file(*it));
        if known.is_none_or(|it| it.version <= file.version) {
            self.indexes.file_by_name.insert(key, file.id);
        }
        self.tables.files.insert(file.id, file);
    }

    /// Files of stacks that nothing needs any more: no service, nor anything that one may go
    /// back to.
    pub(crate) fn unused_files(&self) -> Vec<FileId> {
        let mut unused: BTreeSet<FileId> =
            self.tables.files.values().filter(|it| it.stack.is_some()).map(|it| it.id).collect();
        if unused.is_empty() {
            return Vec::new();
        }
        for service in self.services() {
            let former = service.former.iter().map(|it| &*it.spec);
            for spec in former.chain([&service.spec]) {
                spec.task.container.grants.iter().for_each(|it| {
                    unused.remove(&it.file);
                });
            }
        }
        unused.into_iter().collect()
    }
}
