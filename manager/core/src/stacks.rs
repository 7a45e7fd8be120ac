//! What users ask of stacks: one deployment is one change, checked whole before anything moves.

use crate::change::{Batch, Change, FileChange, Unity};
use crate::file_requests;
use crate::lookup::{self, NotFound};
use crate::network_requests;
use crate::orchestrator::slot::crowded;
use crate::requests::{self, Refused};
use crate::state::State;
use common::file::{File, NewFile};
use common::service::{Service, ServiceSpec};
use common::stack::{
    NetworkPlan, PlannedAction, PlannedNetwork, ReplacedTask, ServicePlan, StackSpec,
};
use common::task::Task;
use common::{FileId, IdGen, Name, Version};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

type Answer<T> = Result<T, Refused>;

#[derive(Debug, PartialEq, Eq)]
pub struct Deployment {
    pub changes: Vec<Change>,
    /// By name.
    pub services: Vec<ServicePlan>,
    pub new_files: Vec<Name>,
    pub networks: Vec<NetworkPlan>,
    pub warnings: Vec<String>,
}

/// What `stack ls` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackView {
    pub name: Name,
    pub services: u32,
}

pub fn list(state: &State) -> Vec<StackView> {
    let mut services: BTreeMap<&Name, u32> = BTreeMap::new();
    for stack in state.active_services().filter_map(|it| it.spec.stack.as_ref()) {
        *services.entry(stack).or_default() += 1;
    }
    let view = |(name, services): (&Name, u32)| StackView { name: name.clone(), services };
    services.into_iter().map(view).collect()
}

/// The services of a stack, in the order of their names.
pub fn services<'a>(state: &'a State, stack: &Name) -> Vec<&'a Arc<Service>> {
    let mut services: Vec<&Arc<Service>> =
        state.active_services().filter(|it| it.spec.stack.as_ref() == Some(stack)).collect();
    services.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
    services
}

pub fn deploy(state: &State, wish: StackSpec, ids: &mut IdGen) -> Answer<Deployment> {
    let mut deployment = Deployment {
        changes: Vec::new(),
        services: Vec::new(),
        new_files: Vec::new(),
        networks: Vec::new(),
        warnings: Vec::new(),
    };
    let StackSpec { name: stack, services: wished, files, networks, prune, is_partial } = wish;
    // Services are checked against the state as it will be with these files and networks.
    let mut after = state.clone();
    for (id, file) in files {
        let change = new_file(&after, &stack, (id, file))?;
        deployment.new_files.push(change.name.clone());
        let change = Change::File(FileChange::Create(Box::new(change)));
        deployment.go_ahead(&mut after, change)?;
    }
    for spec in networks {
        let name = spec.name.clone();
        let (action, change) = network_requests::deploy(&after, &stack, spec, ids)?;
        if let Some(change) = change {
            deployment.go_ahead(&mut after, change)?;
        }
        deployment.networks.push(NetworkPlan { name, action });
    }
    let mut named = BTreeSet::new();
    for spec in wished {
        if spec.stack.as_ref() != Some(&stack) {
            let name = &spec.name;
            return Err(Refused::Invalid(format!("{name} is not of the stack {stack}")));
        }
        if !named.insert(spec.name.clone()) {
            return Err(Refused::Invalid(format!("{} is named twice", spec.name)));
        }
        plan_service(&after, &stack, spec, ids, &mut deployment)?;
    }
    let orphans = services(state, &stack).into_iter().filter(|it| !named.contains(&it.spec.name));
    for orphan in orphans.filter(|_| !is_partial) {
        plan_orphan(state, orphan, prune, &mut deployment);
    }
    deployment.services.sort_by(|a, b| a.name.cmp(&b.name));
    check_together(state, &deployment.changes)?;
    deployment.warnings.extend(left_behind(state, &deployment.networks, &named));
    Ok(deployment)
}

/// What only shows once everything is there, such as a port that moves from one to another.
fn check_together(state: &State, changes: &[Change]) -> Answer<()> {
    let (stamp, changes) = (state.clock(), changes.to_vec());
    let version = Version(state.version().0 + 1);
    let applied =
        state.clone().apply(version, &Batch { stamp, unity: Unity::AllOrNothing, changes });
    match applied.refused.into_iter().next() {
        Some((_, conflict)) => Err(Refused::Conflict(conflict.to_string())),
        None => Ok(()),
    }
}

/// Services on a network that another one takes over from, but for those that move along.
fn left_behind(state: &State, networks: &[NetworkPlan], moving: &BTreeSet<Name>) -> Vec<String> {
    let mut warnings = Vec::new();
    for NetworkPlan { name, action } in networks {
        let old = match action {
            PlannedNetwork::Replace { .. } => state.network_named(name.as_str()),
            PlannedNetwork::Create { .. }
            | PlannedNetwork::Update { .. }
            | PlannedNetwork::Keep => None,
        };
        let Some(old) = old else { continue };
        let staying = state.services_on(old.id).filter(|it| !moving.contains(&it.spec.name));
        let staying: Vec<&str> = staying.map(|it| it.spec.name.as_str()).collect();
        if !staying.is_empty() {
            warnings.push(format!(
                "network {name} becomes another one, and {} stay on the old one until they are \
                 deployed or updated as well",
                staying.join(", ")
            ));
        }
    }
    warnings
}

fn new_file(state: &State, stack: &Name, (id, new): (FileId, NewFile)) -> Answer<File> {
    let kind = new.content.kind();
    let known = state.file_named(kind, new.name.as_str());
    if let Some(known) = known.filter(|it| it.stack.as_ref() != Some(stack)) {
        let (name, whose) = (&known.name, whose(known.stack.as_ref()));
        return Err(Refused::Conflict(format!(
            "a {kind} named {name} exists already and {whose}: give it another name here \
             (`name:`), or say that it is there (`external: true`)"
        )));
    }
    let new = NewFile { stack: Some(stack.clone()), ..new };
    file_requests::checked(state, new, id)
}

fn whose(stack: Option<&Name>) -> String {
    stack.map_or("belongs to no stack".to_owned(), |it| format!("belongs to the stack {it}"))
}

fn plan_service(
    state: &State,
    stack: &Name,
    spec: ServiceSpec,
    ids: &mut IdGen,
    deployment: &mut Deployment,
) -> Answer<()> {
    let name = spec.name.clone();
    let of_service = |refused: Refused| match refused {
        Refused::NotFound(it) => Refused::NotFound(it),
        Refused::Invalid(text) => Refused::Invalid(format!("{name}: {text}")),
        Refused::Conflict(text) => Refused::Conflict(format!("{name}: {text}")),
    };
    let action = match state.service_named(name.as_str()) {
        None => {
            let created = requests::create_service(state, spec.clone(), ids).map_err(of_service)?;
            deployment.changes.extend(created.changes);
            deployment.warn(&name, created.warnings);
            PlannedAction::Create { spec: Box::new(spec) }
        }
        Some(known) if known.spec.stack.as_ref() != Some(stack) => {
            let whose = whose(known.spec.stack.as_ref());
            return Err(Refused::Conflict(format!(
                "a service named {name} exists already and {whose}: choose another name for the \
                 stack, or remove that service with `skep service rm {name}`"
            )));
        }
        Some(known) => {
            // Counted by hand, so that a service that was forced is not so again by each file.
            let spec = with_force_of(known, spec);
            let spec = network_requests::attach(state, Some(&known.spec), spec);
            let spec = spec.map_err(of_service)?;
            if known.spec == spec {
                if known.update.as_ref().is_some_and(|it| it.state.is_paused()) {
                    let (service, base, spec) = (known.id, known.version, Box::new(spec));
                    deployment.changes.push(Change::SetServiceSpec { service, base, spec });
                    deployment.warn(&name, vec!["its paused update goes on".to_owned()]);
                }
                PlannedAction::Keep
            } else {
                let looked_at = (known.id, known.version);
                let updated = requests::update_service(state, looked_at, spec.clone());
                let (changes, warnings) = updated.map_err(of_service)?;
                deployment.changes.extend(changes);
                deployment.warn(&name, warnings);
                let replaced = replaced(state, known, &spec);
                let old = Box::new(known.spec.clone());
                PlannedAction::Update { old, new: Box::new(spec), replaced }
            }
        }
    };
    deployment.services.push(ServicePlan { name, action });
    Ok(())
}

fn with_force_of(known: &Service, mut spec: ServiceSpec) -> ServiceSpec {
    Arc::make_mut(&mut spec.task).force = known.spec.task.force;
    spec
}

impl Deployment {
    /// What is changed before the services are looked at.
    fn go_ahead(&mut self, after: &mut State, change: Change) -> Answer<()> {
        let (stamp, changes) = (after.clock(), vec![change.clone()]);
        let version = Version(after.version().0 + 1);
        let applied = after.apply(version, &Batch { stamp, unity: Unity::EachAlone, changes });
        if let Some((_, conflict)) = applied.refused.into_iter().next() {
            return Err(Refused::Conflict(conflict.to_string()));
        }
        self.changes.push(change);
        Ok(())
    }

    fn warn(&mut self, service: &Name, warnings: Vec<String>) {
        self.warnings.extend(warnings.into_iter().map(|it| format!("{service}: {it}")));
    }
}

fn plan_orphan(state: &State, service: &Service, prune: bool, deployment: &mut Deployment) {
    let name = service.spec.name.clone();
    let action = if prune {
        let change = Change::RemoveService { service: service.id, base: service.version };
        deployment.changes.push(change);
        let live = state.tasks_of(service.id).filter(|it| it.is_live());
        PlannedAction::Remove { tasks: live.map(|it| replaced_task(state, it)).collect() }
    } else {
        PlannedAction::Orphan
    };
    deployment.services.push(ServicePlan { name, action });
}

/// The tasks that were made from what the new specification is not content with.
fn replaced(state: &State, service: &Service, spec: &ServiceSpec) -> Vec<ReplacedTask> {
    // None of them is of the template that is to come.
    let tasks = || state.tasks_of(service.id);
    let crowded = crowded(&spec.task, Version::default(), tasks().map(|it| &**it));
    let stays = |task: &&Arc<Task>| {
        let node = task.placement.node().and_then(|it| state.node(it));
        let fits = |it: &common::node::Node| {
            spec.task.constraints.iter().all(|constraint| constraint.matches(&it.traits()))
        };
        spec.task.is_satisfied_by(service.task_spec(task.template))
            && node.is_none_or(|it| fits(it))
            && !crowded.contains(&task.id)
    };
    let live = tasks().filter(|it| it.is_live());
    live.filter(|it| !stays(it)).map(|it| replaced_task(state, it)).collect()
}

fn replaced_task(state: &State, task: &Task) -> ReplacedTask {
    let node = task.placement.node();
    ReplacedTask {
        id: task.id,
        name: lookup::slot_name(state, task),
        node_name: node.map_or_else(String::new, |it| lookup::node_name(state, it)),
    }
}

/// All its services at once; its configs and secrets go when nothing needs them any more.
pub fn remove(state: &State, given: &[String]) -> Answer<Vec<Change>> {
    let mut changes = Vec::new();
    let mut seen = BTreeSet::new();
    for given in given.iter().filter(|it| seen.insert(it.as_str())) {
        let name: Option<Name> = given.parse().ok();
        let found = name.map(|it| services(state, &it)).unwrap_or_default();
        if found.is_empty() {
            return Err(Refused::NotFound(NotFound::Nothing {
                kind: "stack",
                given: given.clone(),
            }));
        }
        changes.extend(
            found.into_iter().map(|it| Change::RemoveService { service: it.id, base: it.version }),
        );
    }
    Ok(changes)
}
