//! Services: their specifications, the ones before, and the update from one to the next.

use super::Outcome;
use crate::change::{Conflict, Event};
use crate::state::State;
use common::service::{Former, Service, ServicePhase, ServiceSpec};
use common::update::{Update, UpdateState, UpdateTrouble};
use common::{ServiceId, Stamp, Version};
use std::collections::BTreeSet;
use std::sync::Arc;

/// So many former specifications are kept to go back to.
const FORMER_KEPT: usize = 10;

impl State {
    pub(super) fn create_service(
        &mut self,
        version: Version,
        stamp: Stamp,
        id: ServiceId,
        spec: &ServiceSpec,
    ) -> Outcome {
        if self.service(id).is_some() {
            return Err(Conflict::IdTaken(id.to_string()));
        }
        if self.service_named(spec.name.as_str()).is_some() {
            return Err(Conflict::ServiceNameTaken(spec.name.to_string()));
        }
        self.check_grants(spec)?;
        self.check_networks(spec)?;
        self.put_service(Arc::new(Service::new(id, spec.clone(), version, stamp)));
        Ok(Event::ServiceChanged(id))
    }

    fn active_service(&self, id: ServiceId, base: Option<Version>) -> Result<Service, Conflict> {
        match self.service(id) {
            Some(it) if it.phase == ServicePhase::Removing => Err(Conflict::NoSuchService(id)),
            Some(it) if base.is_some_and(|base| base != it.version) => Err(Conflict::Outdated),
            Some(it) => Ok((**it).clone()),
            None => Err(Conflict::NoSuchService(id)),
        }
    }

    pub(super) fn set_service_spec(
        &mut self,
        version: Version,
        stamp: Stamp,
        (id, base): (ServiceId, Version),
        spec: &ServiceSpec,
    ) -> Outcome {
        self.check_grants(spec)?;
        self.check_networks(spec)?;
        let mut service = self.active_service(id, Some(base))?;
        let base = base_of_update(&service);
        // A job has nothing to move from slot to slot: it is begun anew.
        let is_job = spec.mode.is_job();
        let state = if is_job { UpdateState::Completed } else { UpdateState::Updating };
        let update = Update { state, started: stamp, since: stamp, base, trouble: None };
        if spec.mode == service.spec.mode {
            resume(&mut service, stamp);
        }
        self.renew(service, (version, stamp), spec.clone(), update);
        Ok(Event::ServiceChanged(id))
    }

    pub(super) fn roll_back_service(
        &mut self,
        version: Version,
        stamp: Stamp,
        id: ServiceId,
        (from, to): (u32, u32),
        trouble: Option<UpdateTrouble>,
    ) -> Outcome {
        let service = self.active_service(id, None)?;
        if service.number != from {
            return Err(Conflict::Outdated);
        }
        let former = service.former.iter().find(|it| it.number == to);
        let spec = &former.ok_or(Conflict::NoSuchFormer(to))?.spec;
        self.check_grants(spec)?;
        self.check_networks(spec)?;
        let spec = ServiceSpec { mode: service.spec.mode, ..(**spec).clone() };
        let is_job = spec.mode.is_job();
        let state = if is_job { UpdateState::RolledBack } else { UpdateState::RollingBack };
        let update = Update { state, started: stamp, since: stamp, base: None, trouble };
        self.renew(service, (version, stamp), spec, update);
        Ok(Event::ServiceChanged(id))
    }

    fn renew(
        &mut self,
        mut service: Service,
        (version, stamp): (Version, Stamp),
        spec: ServiceSpec,
        update: Update,
    ) {
        let is_scaled_only = ServiceSpec { mode: spec.mode, ..service.spec.clone() } == spec;
        let is_new_template = service.spec.task != spec.task;
        let old = std::mem::replace(&mut service.spec, spec);
        if !is_scaled_only {
            let Service { number, template, renewed: since, .. } = service;
            service.former.push(Former { number, template, since, spec: Arc::new(old) });
            service.number += 1;
            service.renewed = stamp;
        }
        // What goes back because it failed does not go on as it was, though its tasks stay alike.
        if is_new_template || update.trouble.is_some() {
            service.update = Some(update);
        }
        if is_new_template {
            service.template = version;
        }
        self.forget_former(&mut service);
        (service.version, service.updated) = (version, stamp);
        self.replace_service(service);
    }

    /// All but the last ones, and for each template that tasks were made from the last one.
    fn forget_former(&self, service: &mut Service) {
        let surplus = service.former.len().saturating_sub(FORMER_KEPT);
        if surplus == 0 {
            return;
        }
        let mut used: BTreeSet<Version> = self.tasks_of(service.id).map(|it| it.template).collect();
        used.remove(&service.template);
        let last = service.former.split_off(surplus);
        used.retain(|template| last.iter().all(|it| it.template != *template));
        let older = std::mem::take(&mut service.former).into_iter().rev();
        let mut kept: Vec<Former> = older.filter(|it| used.remove(&it.template)).collect();
        kept.reverse();
        kept.extend(last);
        service.former = kept;
    }

    /// The planner's word. Of an update that another has taken over, nothing is said any more.
    pub(super) fn set_update_state(
        &mut self,
        stamp: Stamp,
        (id, number): (ServiceId, u32),
        state: UpdateState,
        trouble: Option<&UpdateTrouble>,
    ) -> Outcome {
        let mut service = self.active_service(id, None)?;
        let update = service.update.as_mut().filter(|_| service.number == number);
        let update = update.ok_or(Conflict::Outdated)?;
        (update.state, update.since) = (state, stamp);
        if trouble.is_some() {
            update.trouble = trouble.cloned();
        }
        self.put_service(Arc::new(service));
        Ok(Event::ServiceChanged(id))
    }

    pub(super) fn remove_service(&mut self, id: ServiceId, base: Version, stamp: Stamp) -> Outcome {
        let mut service = self.active_service(id, Some(base))?;
        (service.phase, service.updated) = (ServicePhase::Removing, stamp);
        self.put_service(Arc::new(service));
        Ok(Event::ServiceChanged(id))
    }

    pub(super) fn drop_service(&mut self, id: ServiceId) -> Outcome {
        match self.service(id) {
            Some(it) if it.phase == ServicePhase::Active => return Err(Conflict::Outdated),
            Some(_) if self.tasks_of(id).next().is_some() => return Err(Conflict::TasksLeft),
            Some(_) => {}
            None => return Err(Conflict::NoSuchService(id)),
        }
        self.tables.services.remove(&id);
        Ok(Event::ServiceChanged(id))
    }
}

/// To be asked again for what it is to be sets a service going that was paused, as in Docker. What
/// failed before then counts no more. To be scaled does not: that says nothing of the update.
fn resume(service: &mut Service, stamp: Stamp) {
    if let Some(Update { state, base, .. }) = service.update
        && state.is_paused()
    {
        let state = state.resumed();
        service.update = Some(Update { state, started: stamp, since: stamp, base, trouble: None });
    }
}

/// Where an update that fails goes back to: what was there before it, unless that had not got
/// through itself.
fn base_of_update(service: &Service) -> Option<u32> {
    match service.update.as_ref().map(|it| (it.state, it.base)) {
        Some((UpdateState::Updating | UpdateState::Paused, base)) => base,
        // Not even the way back led to something that works.
        Some((UpdateState::RollbackPaused, _)) => None,
        Some((UpdateState::Completed | UpdateState::RollingBack | UpdateState::RolledBack, _))
        | None => Some(service.number),
    }
}
