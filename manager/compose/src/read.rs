//! From the resolved tree to the model: every value gets its type, or a problem with a position.

mod deploy;
mod fields;
mod grants;
mod kernel;
mod mounts;
mod network;
mod service;
mod top;

use crate::model::{Network, Owner, Project, ServiceNetwork};
use crate::node::{Node, Sources};
use crate::problem::{Fault, Report};
use crate::schema;
use fields::{Fields, Reader};

/// Something in any case: where a value could not be read, there is a problem in the report.
pub(crate) fn project(tree: &Node, name: &str, sources: &Sources, report: &mut Report) -> Project {
    let reader = Reader::new(sources);
    let mut project = Project {
        name: name.to_owned(),
        services: Default::default(),
        networks: Default::default(),
        volumes: Default::default(),
        configs: Default::default(),
        secrets: Default::default(),
    };
    if let Some(top) = Fields::new(tree, &schema::TOP, &reader) {
        read_into(&mut project, &top, report);
    }
    reader.hand_over(report);
    project
}

fn read_into(project: &mut Project, top: &Fields<'_>, report: &mut Report) {
    let name = project.name.clone();
    project.networks = top.each("networks", |key, it| Some(top::network(&name, key, it)));
    project.volumes = top.each("volumes", |key, it| Some(top::volume(&name, key, it)));
    project.configs = top.each("configs", |key, it| top::file(&name, key, it));
    project.secrets = top.each("secrets", |key, it| top::file(&name, key, it));
    project.services = top.each("services", |key, it| service::service(key, it));
    // Whether there was none to begin with; a selection that leaves none has complained already.
    if top.node("services").is_none() && !report.has_errors() {
        report.error(
            Fault::new(top.at(), "the file declares no services")
                .hint("it begins with `services:`"),
        );
    }
    let wants_default = project.services.values().any(|service| match &service.network {
        ServiceNetwork::Attached { networks, .. } => networks.contains_key("default"),
        ServiceNetwork::Host | ServiceNetwork::None => false,
    });
    if wants_default && !project.networks.contains_key("default") {
        let owner = Owner::Stack { name: format!("{name}_default") };
        project.networks.insert("default".to_owned(), Network::of_owner(owner));
    }
}
