//! The cluster's state: ordered tables of shared values, and indexes over them.

use common::cluster::Cluster;
use common::file::{File, FileKind};
use common::network::Network;
use common::node::Node;
use common::resources::Resources;
use common::service::{Service, ServicePhase, TaskSpec};
use common::task::Task;
use common::volume::Volume;
use common::{FileId, Name, NetworkId, NodeId, ServiceId, Stamp, TaskId, Version};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A clone is a snapshot: the tables hold shared values, so it copies pointers only.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    pub(crate) tables: Tables,
    pub(crate) indexes: Indexes,
}

/// What is written into snapshots.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tables {
    /// The log's index of the last change.
    pub(crate) version: Version,
    /// The last stamp: cluster time is never before it.
    pub(crate) clock: Stamp,
    pub(crate) cluster: Option<Arc<Cluster>>,
    pub(crate) nodes: BTreeMap<NodeId, Arc<Node>>,
    pub(crate) services: BTreeMap<ServiceId, Arc<Service>>,
    pub(crate) tasks: BTreeMap<TaskId, Arc<Task>>,
    /// Their certificates are good for a while yet, and are refused.
    #[serde(default)]
    pub(crate) removed_nodes: BTreeSet<NodeId>,
    #[serde(default)]
    pub(crate) files: BTreeMap<FileId, Arc<File>>,
    #[serde(default)]
    pub(crate) volumes: BTreeMap<String, Arc<Volume>>,
    #[serde(default)]
    pub(crate) networks: BTreeMap<NetworkId, Arc<Network>>,
}

/// What follows from the tables, kept along so that nobody searches.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Indexes {
    pub(crate) tasks_by_service: BTreeMap<ServiceId, Arc<BTreeSet<TaskId>>>,
    pub(crate) tasks_by_node: BTreeMap<NodeId, Arc<BTreeSet<TaskId>>>,
    pub(crate) unplaced: BTreeSet<TaskId>,
    pub(crate) load: BTreeMap<NodeId, Load>,
    pub(crate) service_by_name: BTreeMap<String, ServiceId>,
    pub(crate) node_by_name: BTreeMap<String, NodeId>,
    pub(crate) file_by_name: BTreeMap<(FileKind, Name), FileId>,
    pub(crate) network_by_name: BTreeMap<Name, NetworkId>,
}

/// What a node's live tasks take of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    pub reserved: Resources,
    pub tasks: u32,
}

impl State {
    pub fn version(&self) -> Version {
        self.tables.version
    }

    pub fn clock(&self) -> Stamp {
        self.tables.clock
    }

    pub fn cluster(&self) -> Option<&Arc<Cluster>> {
        self.tables.cluster.as_ref()
    }

    pub fn node(&self, id: NodeId) -> Option<&Arc<Node>> {
        self.tables.nodes.get(&id)
    }

    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.tables.nodes.values()
    }

    /// Whether it was a member once and is not to come back under this identity.
    pub fn was_removed(&self, id: NodeId) -> bool {
        self.tables.removed_nodes.contains(&id)
    }

    pub fn node_named(&self, name: &str) -> Option<&Arc<Node>> {
        self.node(*self.indexes.node_by_name.get(name)?)
    }

    pub fn service(&self, id: ServiceId) -> Option<&Arc<Service>> {
        self.tables.services.get(&id)
    }

    /// All services, those that are being removed too.
    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.tables.services.values()
    }

    pub fn active_services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services().filter(|it| it.phase == ServicePhase::Active)
    }

    /// Of the services that are not being removed.
    pub fn service_named(&self, name: &str) -> Option<&Arc<Service>> {
        self.service(*self.indexes.service_by_name.get(name)?)
    }

    pub fn task(&self, id: TaskId) -> Option<&Arc<Task>> {
        self.tables.tasks.get(&id)
    }

    pub fn tasks(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.tables.tasks.values()
    }

    pub fn task_count(&self) -> usize {
        self.tables.tasks.len()
    }

    pub fn tasks_of(&self, service: ServiceId) -> impl Iterator<Item = &Arc<Task>> {
        self.named(self.indexes.tasks_by_service.get(&service))
    }

    pub fn tasks_on(&self, node: NodeId) -> impl Iterator<Item = &Arc<Task>> {
        self.named(self.indexes.tasks_by_node.get(&node))
    }

    pub fn unplaced(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.indexes.unplaced.iter().map(|id| self.indexed(id))
    }

    pub fn load(&self, node: NodeId) -> Load {
        self.indexes.load.get(&node).copied().unwrap_or_default()
    }

    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    fn named<'a>(
        &'a self,
        ids: Option<&'a Arc<BTreeSet<TaskId>>>,
    ) -> impl Iterator<Item = &'a Arc<Task>> {
        ids.into_iter().flat_map(|ids| ids.iter()).map(|id| self.indexed(id))
    }

    fn indexed(&self, id: &TaskId) -> &Arc<Task> {
        self.tables.tasks.get(id).expect("the indexes name only tasks that exist")
    }

    /// What a task was made from.
    pub fn task_spec(&self, task: &Task) -> Option<&Arc<TaskSpec>> {
        self.service(task.service).map(|it| it.task_spec(task.template))
    }

    /// What a task takes of its node while it lives.
    pub(crate) fn reservation(&self, task: &Task) -> Resources {
        self.task_spec(task).map_or(Resources::NONE, |it| it.reservations)
    }

    // --- the tables change only below, and only `apply` calls it

    pub(crate) fn put_task(&mut self, task: Arc<Task>) {
        self.forget_task(task.id);
        let (service, id) = (task.service, task.id);
        let ids = self.indexes.tasks_by_service.entry(service).or_default();
        Arc::make_mut(ids).insert(id);
        match task.placement.node() {
            Some(node) => {
                let ids = self.indexes.tasks_by_node.entry(node).or_default();
                Arc::make_mut(ids).insert(id);
                if task.is_live() {
                    let reserved = self.reservation(&task);
                    let load = self.indexes.load.entry(node).or_default();
                    load.reserved = load.reserved.saturating_add(reserved);
                    load.tasks += 1;
                }
            }
            None if task.is_live() => {
                self.indexes.unplaced.insert(id);
            }
            None => {}
        }
        self.tables.tasks.insert(id, task);
    }

    pub(crate) fn forget_task(&mut self, id: TaskId) {
        let Some(task) = self.tables.tasks.remove(&id) else { return };
        self.indexes.unplaced.remove(&id);
        unlist(&mut self.indexes.tasks_by_service, task.service, id);
        let Some(node) = task.placement.node() else { return };
        unlist(&mut self.indexes.tasks_by_node, node, id);
        if task.is_live() {
            let reserved = self.reservation(&task);
            let load = self.indexes.load.entry(node).or_default();
            load.reserved = load.reserved.saturating_sub(reserved);
            load.tasks = load.tasks.saturating_sub(1);
            if load.tasks == 0 {
                self.indexes.load.remove(&node);
            }
        }
    }

    pub(crate) fn put_service(&mut self, service: Arc<Service>) {
        let name = service.spec.name.as_str().to_owned();
        match service.phase {
            ServicePhase::Active => {
                self.indexes.service_by_name.insert(name, service.id);
            }
            ServicePhase::Removing => {
                // Its name may belong to a new service by now.
                if self.indexes.service_by_name.get(&name) == Some(&service.id) {
                    self.indexes.service_by_name.remove(&name);
                }
            }
        }
        self.tables.services.insert(service.id, service);
    }

    /// What its tasks take of their nodes may be another sum afterwards.
    pub(crate) fn replace_service(&mut self, service: Service) {
        let tasks: Vec<Arc<Task>> = self.tasks_of(service.id).cloned().collect();
        for task in &tasks {
            self.forget_task(task.id);
        }
        self.put_service(Arc::new(service));
        for task in tasks {
            self.put_task(task);
        }
    }

    pub(crate) fn put_node(&mut self, node: Arc<Node>) {
        self.indexes.node_by_name.insert(node.name.as_str().to_owned(), node.id);
        self.tables.nodes.insert(node.id, node);
    }

    pub(crate) fn forget_node(&mut self, id: NodeId) {
        if let Some(node) = self.tables.nodes.remove(&id) {
            self.indexes.node_by_name.remove(node.name.as_str());
            self.tables.removed_nodes.insert(id);
            self.forget_holder(id);
        }
    }
}

fn unlist<K: Ord>(lists: &mut BTreeMap<K, Arc<BTreeSet<TaskId>>>, key: K, id: TaskId) {
    if let Some(ids) = lists.get_mut(&key) {
        Arc::make_mut(ids).remove(&id);
        if ids.is_empty() {
            lists.remove(&key);
        }
    }
}

impl From<Tables> for State {
    /// Indexes are never stored: they are made anew, so that they cannot disagree.
    fn from(mut tables: Tables) -> State {
        let tasks = std::mem::take(&mut tables.tasks);
        let mut state = State { tables, indexes: Indexes::default() };
        for service in state.tables.services.clone().into_values() {
            state.put_service(service);
        }
        for node in state.tables.nodes.clone().into_values() {
            state.put_node(node);
        }
        for file in state.tables.files.clone().into_values() {
            state.put_file(file);
        }
        for network in state.tables.networks.clone().into_values() {
            state.put_network(network);
        }
        for task in tasks.into_values() {
            state.put_task(task);
        }
        state
    }
}
