//! What users ask of networks, checked against the state and turned into changes.

use crate::change::{Change, NetworkChange};
use crate::lookup;
use crate::requests::Refused;
use crate::state::State;
use common::container::ContainerNetwork;
use common::network::{AddressPool, NetworkSpec};
use common::service::ServiceSpec;
use common::stack::PlannedNetwork;
use common::{IdGen, Name, NetworkId};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

/// Every engine has these of its own, and a service may ask for the first two by these names.
const OF_ENGINES: [&str; 4] = ["host", "none", "bridge", "default"];
/// The network itself, its gateway, a task and the broadcast.
const HOST_BITS_LEAST: u8 = 2;

type Answer<T> = Result<T, Refused>;

pub fn create(
    state: &State,
    spec: NetworkSpec,
    ids: &mut IdGen,
) -> Answer<(NetworkId, Vec<Change>)> {
    let name = &spec.name;
    if state.network_named(name.as_str()).is_some() {
        return Err(Refused::Conflict(format!(
            "a network named {name} exists already: choose another name, or remove that one with \
             `skep network rm {name}`"
        )));
    }
    check(state, &spec)?;
    let id = ids.network();
    Ok((id, vec![creation(id, spec)]))
}

fn creation(id: NetworkId, spec: NetworkSpec) -> Change {
    Change::Network(NetworkChange::Create { id, spec: Box::new(spec) })
}

/// All of them or none; what is in use stays.
pub fn remove(state: &State, given: &[String]) -> Answer<Vec<Change>> {
    let mut seen = BTreeSet::new();
    for given in given {
        let network = lookup::network(state, given)?;
        if let Some(conflict) = state.conflict_of_network_use(network) {
            return Err(Refused::Conflict(conflict.to_string()));
        }
        seen.insert(network.id);
    }
    Ok(seen.into_iter().map(removal).collect())
}

fn removal(network: NetworkId) -> Change {
    Change::Network(NetworkChange::Remove { network })
}

/// Those that no service uses, with their names.
pub fn prune(state: &State) -> (Vec<Name>, Vec<Change>) {
    let is_unused = |id| state.services_on(id).next().is_none();
    let unused = state.networks().filter(|it| is_unused(it.id));
    unused.map(|it| (it.spec.name.clone(), removal(it.id))).unzip()
}

/// What makes the network of a stack what its files say.
pub(crate) fn deploy(
    state: &State,
    stack: &Name,
    spec: NetworkSpec,
    ids: &mut IdGen,
) -> Answer<(PlannedNetwork, Option<Change>)> {
    let name = &spec.name;
    if spec.stack.as_ref() != Some(stack) {
        return Err(Refused::Invalid(format!("network {name} is not of the stack {stack}")));
    }
    check(state, &spec)?;
    let wished = Box::new(spec.clone());
    let Some(known) = state.network_named(name.as_str()) else {
        let change = creation(ids.network(), spec);
        return Ok((PlannedNetwork::Create { spec: wished }, Some(change)));
    };
    if known.spec.stack.as_ref() != Some(stack) {
        let whose = known.spec.stack.as_ref();
        let whose = whose
            .map_or("belongs to no stack".to_owned(), |it| format!("belongs to the stack {it}"));
        return Err(Refused::Conflict(format!(
            "a network named {name} exists already and {whose}: give it another name here \
             (`name:`), or say that it is there (`external: true`)"
        )));
    }
    if known.spec == spec {
        return Ok((PlannedNetwork::Keep, None));
    }
    let old = Box::new(known.spec.clone());
    if !known.spec.is_same_for_tasks(&spec) {
        let change = creation(ids.network(), spec);
        return Ok((PlannedNetwork::Replace { old, new: wished }, Some(change)));
    }
    let (network, base, spec) = (known.id, known.version, Box::new(spec));
    let change = Change::Network(NetworkChange::Set { network, base, spec });
    Ok((PlannedNetwork::Update { old, new: wished }, Some(change)))
}

/// With the networks that are meant by the names. A service of earlier versions may be on one
/// that was never made.
pub(crate) fn attach(
    state: &State,
    known: Option<&ServiceSpec>,
    mut spec: ServiceSpec,
) -> Answer<ServiceSpec> {
    match spec.task.container.network {
        ContainerNetwork::Engine => {}
        ContainerNetwork::Host | ContainerNetwork::None => return Ok(spec),
    }
    for (name, attachment) in &mut Arc::make_mut(&mut spec.task).networks {
        let was_there = known.is_some_and(|it| it.task.networks.contains_key(name));
        attachment.network = match state.network_named(name) {
            Some(network) => Some(network.id),
            None if was_there && attachment.network.is_none() => None,
            None => {
                return Err(Refused::Conflict(format!(
                    "there is no network {name}: make it with `skep network create {name}`, or \
                     look for the right name with `skep network ls`"
                )));
            }
        };
    }
    Ok(spec)
}

fn check(state: &State, spec: &NetworkSpec) -> Answer<()> {
    let name = &spec.name;
    if OF_ENGINES.contains(&name.as_str()) {
        return Err(Refused::Invalid(format!(
            "every engine has a network `{name}` of its own: choose another name"
        )));
    }
    if spec.labels.contains_key("") || spec.driver_options.contains_key("") {
        return Err(Refused::Invalid("a label or an option has no name".to_owned()));
    }
    for (index, pool) in spec.pools.iter().enumerate() {
        check_pool(spec, pool).map_err(Refused::Invalid)?;
        let earlier = &spec.pools[..index];
        if let Some(other) = earlier.iter().find(|it| it.subnet.overlaps(pool.subnet)) {
            let (one, other) = (pool.subnet, other.subnet);
            return Err(Refused::Invalid(format!("{one} and {other} overlap each other")));
        }
    }
    match conflict_with_nodes(state, spec) {
        Some(reason) => Err(Refused::Conflict(reason)),
        None => match state.conflict_of_subnets(spec) {
            Some(conflict) => Err(Refused::Conflict(conflict.to_string())),
            None => Ok(()),
        },
    }
}

fn check_pool(spec: &NetworkSpec, pool: &AddressPool) -> Result<(), String> {
    let AddressPool { subnet, range, gateway, taken } = pool;
    let first = subnet.first();
    if subnet.host_bits() < HOST_BITS_LEAST {
        return Err(format!("{subnet} has no room for tasks: /30 is the smallest of IPv4"));
    }
    if first.is_loopback() || first.is_multicast() || first.is_unspecified() {
        return Err(format!("{subnet} holds no addresses that tasks can have"));
    }
    if first.is_ipv6() && !spec.ipv6 {
        return Err(format!("{subnet} needs IPv6: say --ipv6 (`enable_ipv6: true`)"));
    }
    if let Some(range) = range.filter(|it| !subnet.covers(*it)) {
        return Err(format!("the range {range} is not in {subnet}"));
    }
    let named = taken.iter().map(|(name, it)| (name.as_str(), *it));
    let mut all = gateway.iter().map(|it| ("gateway", *it)).chain(named);
    match all.find(|(_, it)| !subnet.contains(*it)) {
        Some((what, address)) => Err(format!("{what}: {address} is not in {subnet}")),
        None => Ok(()),
    }
}

/// Nodes could not reach each other any more.
fn conflict_with_nodes(state: &State, spec: &NetworkSpec) -> Option<String> {
    let addresses = |it: &common::node::Node| -> Vec<IpAddr> {
        it.description.addresses.iter().copied().chain([it.address.ip()]).collect()
    };
    state.nodes().find_map(|node| {
        let addresses = addresses(node);
        let mut pairs = spec.subnets().flat_map(|it| addresses.iter().map(move |ip| (it, ip)));
        let (subnet, address) = pairs.find(|(subnet, address)| subnet.contains(**address))?;
        Some(format!(
            "{subnet} holds {address}, the address of node {}: choose a subnet in which no node is",
            node.name
        ))
    })
}
