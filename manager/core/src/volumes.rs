//! Named volumes in the state: which nodes have them, and what that means for who mounts them.

use crate::change::{Change, Conflict, Event, VolumeChange};
use crate::draft::Draft;
use crate::state::State;
use common::container::{MountSource, VolumeMount};
use common::service::{Mode, Service, TaskSpec};
use common::task::Task;
use common::volume::{Holder, HolderPhase, Volume, VolumePolicy};
use common::{NodeId, Stamp};
use std::collections::BTreeSet;
use std::sync::Arc;

type Outcome = Result<Event, Conflict>;

/// Those of its mounts whose data is on one node.
pub(crate) fn local_volumes(spec: &TaskSpec) -> impl Iterator<Item = (&str, &VolumeMount)> {
    spec.container.mounts.iter().filter_map(|it| match &it.source {
        MountSource::Volume(volume) => Some((volume.local_name()?, volume)),
        MountSource::Bind(_) | MountSource::Tmpfs(_) => None,
    })
}

/// What is said of the volume, or else what a service of this kind needs: a single task has its
/// data in one place, of several each has its own.
pub(crate) fn policy(service: &Service, spec: &TaskSpec, volume: &str) -> VolumePolicy {
    let is_single = match service.spec.mode {
        // Every node has a task, and the task has nowhere else to go.
        Mode::Global | Mode::GlobalJob => return VolumePolicy::None,
        Mode::Replicated { replicas: wanted } => wanted <= 1,
        Mode::ReplicatedJob { completions: wanted, .. } => wanted <= 1,
    };
    let given = spec.volume_policies.get(volume).copied();
    given.unwrap_or(if is_single { VolumePolicy::Strict } else { VolumePolicy::None })
}

/// Where the data lies that its tasks mount.
pub(crate) fn homes(state: &State, spec: &TaskSpec) -> BTreeSet<NodeId> {
    local_volumes(spec).filter_map(|(name, _)| state.volume(name)?.home).collect()
}

/// The volume for which a task can be on this node and on no other.
pub fn held_by<'a>(state: &'a State, task: &Task, node: NodeId) -> Option<&'a str> {
    let (service, spec) = (state.service(task.service)?, state.task_spec(task)?);
    let mut names = local_volumes(spec).map(|(name, _)| name);
    names.find(|name| {
        policy(service, spec, name) == VolumePolicy::Strict
            && state.volume(name).is_some_and(|it| it.home == Some(node))
    })
}

/// The services whose tasks are held to a volume's data, those that are being removed too.
pub(crate) fn held_services<'a>(
    draft: &'a Draft<'_>,
    volume: &'a str,
) -> impl Iterator<Item = &'a Service> {
    let is_held = move |service: &Service| {
        let spec = &service.spec.task;
        local_volumes(spec).any(|(name, _)| name == volume)
            && policy(service, spec, volume) == VolumePolicy::Strict
    };
    draft.state.services().map(|it| &**it).filter(move |it| is_held(it))
}

/// The nodes with a live task that is held to a volume's data.
pub(crate) fn live_at(draft: &Draft<'_>, volume: &str) -> BTreeSet<NodeId> {
    let tasks = held_services(draft, volume).flat_map(|it| draft.tasks_of(it.id));
    tasks.filter(|it| it.is_live()).filter_map(|it| it.placement.node()).collect()
}

/// One that was scaled down to a single task has its data where that runs. While several are
/// held to one volume, the first of them says where that is.
fn moves_home(draft: &Draft<'_>, task: &Task, node: NodeId) -> Vec<String> {
    let (Some(service), Some(spec)) = (draft.service(task.service), draft.spec(task)) else {
        return Vec::new();
    };
    if !task.is_live() || task.ran.is_none() {
        return Vec::new();
    }
    let is_strict = |name: &str| policy(service, spec, name) == VolumePolicy::Strict;
    let is_elsewhere = |name: &str| {
        draft.state.volume(name).is_some_and(|it| {
            let home = it.home.filter(|home| live_at(draft, name).contains(home));
            it.holders.contains_key(&node) && it.home != Some(node) && home.is_none()
        })
    };
    let names = local_volumes(spec).map(|(name, _)| name);
    names.filter(|it| is_strict(it) && is_elsewhere(it)).map(str::to_owned).collect()
}

/// What a node has said of its volumes, as far as it is to be remembered.
pub(crate) fn take_notice(draft: &mut Draft<'_>, node: NodeId) {
    if draft.node(node).is_none() {
        return;
    }
    // This plan may forget some.
    let tasks: Vec<&Task> = draft.state.tasks_on(node).filter_map(|it| draft.task(it.id)).collect();
    let moved: BTreeSet<String> = tasks.iter().flat_map(|it| moves_home(draft, it, node)).collect();
    let mut changes: Vec<VolumeChange> =
        moved.into_iter().map(|volume| VolumeChange::MoveHome { volume, node }).collect();
    if let Some(names) = draft.soft.volumes_of(node) {
        let specs = tasks.iter().filter_map(|it| draft.state.task_spec(it));
        let is_news = |name: &str| names.contains(name) && !draft.state.holds(node, name);
        let found: BTreeSet<&str> = specs
            .flat_map(|it| local_volumes(it))
            .map(|(name, _)| name)
            .filter(|it| is_news(it))
            .collect();
        let leaving = draft.state.volumes().filter(|it| it.is_leaving(node));
        let gone = leaving.filter(|it| !names.contains(&it.name)).map(|it| it.name.clone());
        let found = found.into_iter().map(|it| VolumeChange::Found { volume: it.to_owned(), node });
        changes.extend(found);
        changes.extend(gone.map(|volume| VolumeChange::Gone { volume, node }));
    }
    changes.into_iter().for_each(|it| draft.push(Change::Volume(it)));
}

/// What a node is to remove.
pub fn leaving(state: &State, node: NodeId) -> BTreeSet<String> {
    state.volumes().filter(|it| it.is_leaving(node)).map(|it| it.name.clone()).collect()
}

impl State {
    pub fn volume(&self, name: &str) -> Option<&Arc<Volume>> {
        self.tables.volumes.get(name)
    }

    pub fn volumes(&self) -> impl Iterator<Item = &Arc<Volume>> {
        self.tables.volumes.values()
    }

    pub(crate) fn holds(&self, node: NodeId, volume: &str) -> bool {
        self.volume(volume).is_some_and(|it| it.holders.contains_key(&node))
    }

    /// The services that mount it or will, those too whose last tasks are still going.
    pub fn services_with_volume<'a>(
        &'a self,
        volume: &'a str,
    ) -> impl Iterator<Item = &'a Arc<Service>> {
        let mounts = move |spec: &TaskSpec| local_volumes(spec).any(|(name, _)| name == volume);
        self.services().filter(move |service| {
            let templates = self.tasks_of(service.id).filter_map(|it| self.task_spec(it));
            mounts(&service.spec.task) || templates.into_iter().any(|it| mounts(it))
        })
    }

    // --- the tables change only below, and only `apply` calls it

    pub(crate) fn change_volume(&mut self, stamp: Stamp, change: &VolumeChange) -> Outcome {
        match change {
            VolumeChange::Found { volume, node } => {
                self.node(*node).ok_or(Conflict::NoSuchNode(*node))?;
                let tasks: Vec<Arc<Task>> = self.tasks_on(*node).cloned().collect();
                let mut is_mounted = false;
                for task in &tasks {
                    is_mounted |= self.keep_volume(task, volume, *node, stamp);
                }
                if !is_mounted {
                    return Err(Conflict::VolumeOfNobody { volume: volume.clone(), node: *node });
                }
            }
            VolumeChange::Remove { volume, nodes } => {
                self.check_volume_free(volume)?;
                let known = self.tables.volumes.get_mut(volume);
                let known = known.ok_or_else(|| Conflict::NoSuchVolume(volume.clone()))?;
                let known = Arc::make_mut(known);
                known.home = known.home.filter(|it| !nodes.contains(it));
                for (id, holder) in &mut known.holders {
                    if nodes.contains(id) {
                        holder.phase = HolderPhase::Leaving;
                    }
                }
            }
            VolumeChange::MoveHome { volume, node } => {
                let known = self.tables.volumes.get_mut(volume);
                let known = known.ok_or_else(|| Conflict::NoSuchVolume(volume.clone()))?;
                Arc::make_mut(known).home = Some(*node);
            }
            VolumeChange::Gone { volume, node } => {
                if self.volume(volume).is_some_and(|it| it.is_leaving(*node)) {
                    self.drop_holders(volume, |it| it == *node);
                }
            }
            VolumeChange::Forget { volume, nodes } => {
                self.drop_holders(volume, |it| nodes.contains(&it));
            }
        }
        Ok(Event::VolumesChanged)
    }

    pub(crate) fn check_volume_free(&self, volume: &str) -> Result<(), Conflict> {
        let users = self.services_with_volume(volume).map(|it| it.spec.name.as_str());
        let users: Vec<&str> = users.collect();
        if users.is_empty() {
            return Ok(());
        }
        Err(Conflict::VolumeInUse { volume: volume.to_owned(), services: users.join(", ") })
    }

    /// Whoever runs has its volumes.
    pub(crate) fn keep_volumes_of(&mut self, task: &Task, node: NodeId, stamp: Stamp) {
        let Some(spec) = self.task_spec(task).cloned() else { return };
        for (name, _) in local_volumes(&spec) {
            self.keep_volume(task, name, node, stamp);
        }
    }

    /// A task's node has it, if the task mounts it; and whoever is held to its data says where
    /// that is. Answers whether it is mounted.
    fn keep_volume(&mut self, task: &Task, name: &str, node: NodeId, stamp: Stamp) -> bool {
        let Some(spec) = self.task_spec(task).cloned() else { return false };
        let Some((_, mount)) = local_volumes(&spec).find(|(it, _)| *it == name) else {
            return false;
        };
        let of_service = self.service(task.service).map(|it| policy(it, &spec, name));
        let is_drawn = of_service.is_some_and(|it| it != VolumePolicy::None) && task.is_live();
        if self.node(node).is_some() && !self.holds(node, name) {
            self.add_holder(Volume::of_mount(name, mount, stamp), node, stamp);
        }
        if let Some(volume) = self.tables.volumes.get_mut(name)
            && volume.home.is_none()
            && volume.holders.contains_key(&node)
            && is_drawn
        {
            Arc::make_mut(volume).home = Some(node);
        }
        true
    }

    fn add_holder(&mut self, found: Volume, node: NodeId, since: Stamp) {
        let name = found.name.clone();
        let volume = self.tables.volumes.entry(name).or_insert_with(|| Arc::new(found));
        let kept = Holder { since, phase: HolderPhase::Kept };
        Arc::make_mut(volume).holders.entry(node).or_insert(kept);
    }

    /// Its disks have left with it.
    pub(crate) fn forget_holder(&mut self, node: NodeId) {
        let names: Vec<String> = self
            .volumes()
            .filter(|it| it.holders.contains_key(&node))
            .map(|it| it.name.clone())
            .collect();
        for name in names {
            self.drop_holders(&name, |it| it == node);
        }
    }

    fn drop_holders(&mut self, name: &str, which: impl Fn(NodeId) -> bool) {
        let Some(volume) = self.tables.volumes.get_mut(name) else { return };
        let volume = Arc::make_mut(volume);
        volume.holders.retain(|id, _| !which(*id));
        volume.home = volume.home.filter(|it| !which(*it));
        if volume.holders.is_empty() {
            self.tables.volumes.remove(name);
        }
    }
}
