//! Published ports that belong to one service at a time.

use crate::change::{Conflict, Event};
use crate::state::State;
use common::network::{Port, PortMode, Protocol};
use common::service::{Service, ServicePhase};
use std::sync::Arc;

/// A port that a batch gives to a service and that another one has when all of it is done. What
/// they shared before stays theirs: it is nothing that the batch did.
pub(crate) fn taken(before: &State, after: &State, events: &[Event]) -> Option<Conflict> {
    let service = |event: &Event| match event {
        Event::ServiceChanged(id) => after.service(*id),
        Event::TaskChanged { .. }
        | Event::NodeChanged(_)
        | Event::ClusterChanged
        | Event::FileChanged(_)
        | Event::NetworkChanged(_)
        | Event::VolumesChanged
        | Event::Resync => None,
    };
    let changed = events.iter().filter_map(service);
    changed
        .filter(|it| it.phase == ServicePhase::Active && !it.spec.ports.is_empty())
        .find_map(|it| taken_by_others(before, after, it))
}

fn taken_by_others(before: &State, after: &State, service: &Arc<Service>) -> Option<Conflict> {
    let had: Vec<_> =
        before.service(service.id).into_iter().flat_map(|it| on_all_nodes(it)).collect();
    let others = || after.active_services().filter(|it| it.id != service.id);
    on_all_nodes(service).filter(|it| !had.contains(it)).find_map(|(port, protocol)| {
        let owner = others().find(|it| on_all_nodes(it).any(|it| it == (port, protocol)))?;
        let (name, owner) = (service.spec.name.clone(), owner.spec.name.clone());
        Some(Conflict::PortTaken { name, port, protocol, owner })
    })
}

fn on_all_nodes(service: &Service) -> impl Iterator<Item = (u16, Protocol)> {
    let ports = service.spec.ports.iter().filter(|it| it.mode == PortMode::Ingress);
    ports.filter_map(|it: &Port| Some((it.published?, it.protocol)))
}
