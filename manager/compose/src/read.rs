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
        references(&top, &project, &reader);
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

/// Names that services use and nobody declares.
fn references(top: &Fields<'_>, project: &Project, reader: &Reader<'_>) {
    let Some(services) = top.node("services") else { return };
    for (_, entry) in services.as_map().into_iter().flatten() {
        let service = &entry.node;
        for (name, attachment) in service.map_at("networks") {
            if !project.networks.contains_key(name) {
                let known = project.networks.keys();
                reader.undeclared("network", "networks", name, attachment.at, known);
            }
        }
        let kinds = [
            ("volume", "volumes", project.volumes.keys().collect::<Vec<_>>()),
            ("config", "configs", project.configs.keys().collect()),
            ("secret", "secrets", project.secrets.keys().collect()),
        ];
        for (one, kind, known) in kinds {
            let items = service.get(kind).and_then(Node::as_list).unwrap_or_default();
            for item in items {
                let is_named =
                    kind != "volumes" || item.get("type").and_then(Node::as_text) == Some("volume");
                let Some(source) = item.get("source").filter(|_| is_named) else { continue };
                let Some(name) = source.as_text() else { continue };
                let declared = top.node(kind).and_then(|it| it.get(name).map(|_| ())).is_some();
                if !declared && !known.iter().any(|it| *it == name) {
                    reader.undeclared(one, kind, name, source.at, known.iter().copied());
                }
            }
        }
    }
}
