//! From what the files mean to what the cluster is asked for: a specification for each service.
//!
//! What does not fit is told where it stands in the files, and what the cluster does not do yet is
//! never passed over in silence.

mod container;
mod files;
mod mounts;
mod network;
mod networks;
mod task;

pub use files::{DeclaredFile, files};

use crate::load::Loaded;
use crate::model::{Link, Pairs, Service};
use crate::problem::{Fault, Problem, Problems, Report, quote};
use common::file::FileKind;
use common::network::NetworkSpec;
use common::service::{Dependency, DependencyCondition, ServiceSpec};
use common::{FileId, Name, NodeId};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Docker's own, so that people's tools know a stack when they see one.
const STACK_LABEL: &str = "com.docker.stack.namespace";
const IMAGE_LABEL: &str = "com.docker.stack.image";
/// Those that every node has, under the names by which Swarm's files ask for them.
const NETWORKS_OF_NODES: [&str; 2] = ["host", "none"];

/// What only the place where a deployment is typed knows.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// The node on which it is typed, if it is one: relative paths lie there.
    pub node: Option<NodeId>,
    /// Configs and secrets by kind and by the key under which the project knows them.
    pub files: &'a BTreeMap<(FileKind, String), (FileId, Name)>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Specs {
    /// In the order of their names.
    pub services: Vec<ServiceSpec>,
    /// Those that are made with them.
    pub networks: Vec<NetworkSpec>,
    pub warnings: Vec<Problem>,
}

/// All problems come at once.
pub fn services(loaded: &Loaded, around: &Around<'_>) -> Result<Specs, Problems> {
    let report = RefCell::new(Report::default());
    let of = |(key, service): (&String, &Service)| {
        Source { loaded, around, key, service, report: &report }.spec()
    };
    let services: Vec<ServiceSpec> = loaded.project.services.iter().filter_map(of).collect();
    let mut report = report.into_inner();
    let networks = networks::networks(loaded, &mut report);
    if services.iter().any(|it| asks_for_networks(loaded, it)) {
        report.warn(Fault::general("ports and networks are kept, and not served yet"));
    }
    let warnings = loaded.close(report)?;
    Ok(Specs { services, networks, warnings })
}

/// Every service is on its stack's own network, whether or not somebody asked.
fn asks_for_networks(loaded: &Loaded, service: &ServiceSpec) -> bool {
    let own = format!("{}_default", loaded.project.name);
    !service.ports.is_empty() || service.task.networks.keys().any(|it| *it != own)
}

/// One service, and where it stands.
struct Source<'a> {
    loaded: &'a Loaded,
    around: &'a Around<'a>,
    key: &'a str,
    service: &'a Service,
    report: &'a RefCell<Report>,
}

impl Source<'_> {
    fn spec(&self) -> Option<ServiceSpec> {
        let name = self.name();
        let task = self.task();
        let deploy = &self.service.deploy;
        let mut labels = stack_labels(self.loaded, &deploy.labels);
        labels.insert(IMAGE_LABEL.to_owned(), self.service.image.as_given().to_owned());
        Some(ServiceSpec {
            labels,
            stack: Some(stack(self.loaded)),
            update: task::update_policy(deploy.update),
            rollback: task::update_policy(deploy.rollback),
            depends_on: self.depends_on(),
            ports: self.ports(),
            endpoint: deploy.endpoint,
            ..ServiceSpec::new(name?, task::mode(deploy.mode), task)
        })
    }

    fn name(&self) -> Option<Name> {
        let name = self.full_name(self.key);
        name.map_err(|bad| {
            let given = quote(&bad.given);
            self.error(&[], format!("{given} is not a service's name: {}", bad.reason));
        })
        .ok()
    }

    fn full_name(&self, key: &str) -> Result<Name, common::name::BadName> {
        format!("{}_{key}", self.loaded.project.name).parse()
    }

    /// Links count too: compose programs start first what is linked.
    fn depends_on(&self) -> Vec<Dependency> {
        let linked = |link: &Link| {
            let started = (DependencyCondition::Started, true);
            (link.service != self.key).then(|| (link.service.clone(), started))
        };
        let mut all: BTreeMap<String, _> = self.links().iter().filter_map(linked).collect();
        let said = self.service.depends_on.iter();
        all.extend(
            said.map(|(key, it)| (key.clone(), (task::condition(it.condition), it.required))),
        );
        // A name that does not fit is told at the service that has it.
        let dependency = |(key, (condition, required)): (String, _)| {
            Some(Dependency { service: self.full_name(&key).ok()?, condition, required })
        };
        all.into_iter().filter_map(dependency).collect()
    }

    /// At a path below the service.
    fn error(&self, path: &[&str], text: impl Into<String>) {
        self.report.borrow_mut().error(self.fault(path, text));
    }

    fn fault(&self, path: &[&str], text: impl Into<String>) -> Fault {
        let whole: Vec<&str> = ["services", self.key].iter().chain(path).copied().collect();
        Fault::new(self.loaded.position(&whole), text)
    }
}

fn stack(loaded: &Loaded) -> Name {
    loaded.project.name.parse().expect("a project is loaded under a name that fits")
}

/// Of whatever belongs to a stack.
fn stack_labels(loaded: &Loaded, own: &Pairs) -> Pairs {
    let mut labels = own.clone();
    labels.insert(STACK_LABEL.to_owned(), loaded.project.name.clone());
    labels
}
