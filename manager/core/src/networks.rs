//! Networks in the state: what may be made, changed and removed.
//!
//! A network keeps for good what its tasks depend on. Where a stack wants that to be different,
//! another one takes over the name, and the old one goes with the last task on it.

use crate::change::{Conflict, Event, NetworkChange};
use crate::state::State;
use common::container::ContainerNetwork;
use common::network::{Network, NetworkSpec};
use common::service::{Service, ServiceSpec, TaskSpec};
use common::{Name, NetworkId, Stamp, Version};
use std::collections::BTreeSet;
use std::sync::Arc;

type Outcome = Result<Event, Conflict>;

impl State {
    pub fn network(&self, id: NetworkId) -> Option<&Arc<Network>> {
        self.tables.networks.get(&id)
    }

    pub fn networks(&self) -> impl Iterator<Item = &Arc<Network>> {
        self.tables.networks.values()
    }

    /// The newest that has the name.
    pub fn network_named(&self, name: &str) -> Option<&Arc<Network>> {
        let name: Name = name.parse().ok()?;
        self.network(*self.indexes.network_by_name.get(&name)?)
    }

    /// Services whose tasks are on it, or will be.
    pub fn services_on(&self, network: NetworkId) -> impl Iterator<Item = &Arc<Service>> {
        self.services().filter(move |service| {
            let mut live = self.tasks_of(service.id).filter(|it| it.is_live());
            is_on(&service.spec.task, network)
                || live.any(|it| is_on(service.task_spec(it.template), network))
        })
    }

    /// Those of stacks that nothing needs any more: no service, nor anything that one may go back
    /// to.
    pub(crate) fn unused_networks(&self) -> Vec<NetworkId> {
        let of_stacks = self.networks().filter(|it| it.spec.stack.is_some());
        let mut unused: BTreeSet<NetworkId> = of_stacks.map(|it| it.id).collect();
        if unused.is_empty() {
            return Vec::new();
        }
        for service in self.services() {
            let former = service.former.iter().map(|it| &*it.spec);
            for spec in former.chain([&service.spec]) {
                ids(&spec.task).for_each(|it| {
                    unused.remove(&it);
                });
            }
        }
        unused.into_iter().collect()
    }

    /// A network may have gone since it was named.
    pub(crate) fn check_networks(&self, spec: &ServiceSpec) -> Result<(), Conflict> {
        match ids(&spec.task).find(|it| self.network(*it).is_none()) {
            Some(id) => Err(Conflict::NoSuchNetwork(id)),
            None => Ok(()),
        }
    }

    /// Whose addresses it would share.
    pub(crate) fn conflict_of_subnets(&self, spec: &NetworkSpec) -> Option<Conflict> {
        let others = self.networks().filter(|it| !is_version(&it.spec, spec));
        let mut taken = others.flat_map(|it| it.spec.subnets().map(move |subnet| (subnet, it)));
        let (subnet, owner) =
            taken.find(|(subnet, _)| spec.subnets().any(|wished| wished.overlaps(*subnet)))?;
        let (name, owner) = (spec.name.clone(), owner.spec.name.clone());
        Some(Conflict::SubnetTaken { name, subnet, owner })
    }

    pub(crate) fn conflict_of_network_use(&self, network: &Network) -> Option<Conflict> {
        let users: Vec<&str> =
            self.services_on(network.id).map(|it| it.spec.name.as_str()).collect();
        (!users.is_empty()).then(|| Conflict::NetworkInUse {
            name: network.spec.name.clone(),
            services: users.join(", "),
        })
    }

    // --- the tables change only below, and only `apply` calls it

    pub(crate) fn change_network(
        &mut self,
        version: Version,
        stamp: Stamp,
        change: &NetworkChange,
    ) -> Outcome {
        match change {
            NetworkChange::Create { id, spec } => self.create_network(version, stamp, *id, spec),
            NetworkChange::Set { network, base, spec } => {
                self.set_network(version, stamp, (*network, *base), spec)
            }
            NetworkChange::Remove { network } => self.remove_network(*network),
        }
    }

    fn create_network(
        &mut self,
        version: Version,
        stamp: Stamp,
        id: NetworkId,
        spec: &NetworkSpec,
    ) -> Outcome {
        if self.network(id).is_some() {
            return Err(Conflict::IdTaken(id.to_string()));
        }
        if self.network_named(spec.name.as_str()).is_some_and(|it| !is_version(&it.spec, spec)) {
            return Err(Conflict::NetworkNameTaken(spec.name.clone()));
        }
        if let Some(conflict) = self.conflict_of_subnets(spec) {
            return Err(conflict);
        }
        let (created, updated, spec) = (stamp, stamp, spec.clone());
        self.put_network(Arc::new(Network { id, version, created, updated, spec }));
        Ok(Event::NetworkChanged(id))
    }

    fn set_network(
        &mut self,
        version: Version,
        stamp: Stamp,
        (id, base): (NetworkId, Version),
        spec: &NetworkSpec,
    ) -> Outcome {
        let network = self.tables.networks.get_mut(&id).ok_or(Conflict::NoSuchNetwork(id))?;
        if network.version != base || !network.spec.is_same_for_tasks(spec) {
            return Err(Conflict::Outdated);
        }
        let network = Arc::make_mut(network);
        network.spec = spec.clone();
        (network.version, network.updated) = (version, stamp);
        Ok(Event::NetworkChanged(id))
    }

    fn remove_network(&mut self, id: NetworkId) -> Outcome {
        let network = self.network(id).ok_or(Conflict::NoSuchNetwork(id))?;
        if let Some(conflict) = self.conflict_of_network_use(network) {
            return Err(conflict);
        }
        let name = network.spec.name.clone();
        self.tables.networks.remove(&id);
        // One that was there before may be left, on which something can still go back.
        let left = self.networks().filter(|it| it.spec.name == name);
        match left.max_by_key(|it| it.version).map(|it| it.id) {
            Some(older) => self.indexes.network_by_name.insert(name, older),
            None => self.indexes.network_by_name.remove(&name),
        };
        Ok(Event::NetworkChanged(id))
    }

    pub(crate) fn put_network(&mut self, network: Arc<Network>) {
        let name = &network.spec.name;
        let known = self.indexes.network_by_name.get(name).and_then(|it| self.network(*it));
        if known.is_none_or(|it| it.version <= network.version) {
            self.indexes.network_by_name.insert(name.clone(), network.id);
        }
        self.tables.networks.insert(network.id, network);
    }
}

/// Whether both are what one stack means by one name, at different times.
fn is_version(known: &NetworkSpec, spec: &NetworkSpec) -> bool {
    known.name == spec.name && known.stack == spec.stack && spec.stack.is_some()
}

fn is_on(task: &TaskSpec, network: NetworkId) -> bool {
    ids(task).any(|it| it == network)
}

/// The networks on which tasks are that are made from it.
fn ids(task: &TaskSpec) -> impl Iterator<Item = NetworkId> {
    let is_attached = match task.container.network {
        ContainerNetwork::Engine => true,
        ContainerNetwork::Host | ContainerNetwork::None => false,
    };
    task.networks.values().filter_map(|it| it.network).filter(move |_| is_attached)
}
