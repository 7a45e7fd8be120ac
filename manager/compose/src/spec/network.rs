//! What a service reaches, and by which names.

use super::{NETWORKS_OF_NODES, Source};
use crate::model::{Attachment, Link, Mode, Named, Port, Service, ServiceNetwork};
use common::Name;
use common::container::ContainerNetwork;
use std::collections::BTreeMap;

impl Source<'_> {
    pub(super) fn container_network(&self) -> ContainerNetwork {
        match &self.service.network {
            ServiceNetwork::Host => ContainerNetwork::Host,
            ServiceNetwork::None => ContainerNetwork::None,
            ServiceNetwork::Attached { networks, .. } => {
                let names: Vec<&str> = networks.keys().map(|key| self.network_name(key)).collect();
                let own = names.iter().find(|it| NETWORKS_OF_NODES.contains(*it));
                if own.is_some() && names.len() > 1 {
                    let text = "a network of the node itself goes together with no other";
                    self.error(&["networks"], text);
                }
                match own {
                    Some(&"host") => ContainerNetwork::Host,
                    Some(_) => ContainerNetwork::None,
                    None => ContainerNetwork::Engine,
                }
            }
        }
    }

    /// Where the network is the node's own, an engine publishes none.
    pub(super) fn ports(&self) -> Vec<Port> {
        let why = match self.container_network() {
            ContainerNetwork::Engine => return self.service.ports.clone(),
            ContainerNetwork::Host => {
                "on the host's network, the ports are those that the program opens on its node"
            }
            ContainerNetwork::None => "without a network, nothing reaches the service",
        };
        if !self.service.ports.is_empty() {
            let fault = self.fault(&["ports"], format!("`ports` is ignored: {why}"));
            let hint = "leave it out, or let the service join the stack's networks";
            self.report.borrow_mut().warn(fault.hint(hint));
        }
        Vec::new()
    }

    fn network_name(&self, key: &str) -> &str {
        self.loaded.project.networks[key].owner.name()
    }

    /// By their full names.
    pub(super) fn networks(&self) -> BTreeMap<String, Attachment> {
        let full = |(key, given): (&String, &Attachment)| {
            (self.network_name(key).to_owned(), self.attachment(key, given))
        };
        let all = attachments(self.service).into_iter().flatten().map(full);
        all.filter(|(name, _)| !NETWORKS_OF_NODES.contains(&name.as_str())).collect()
    }

    fn attachment(&self, network: &str, given: &Attachment) -> Attachment {
        self.refuse_shared_address(network, given);
        let own = [Some(self.key), self.service.container_name.as_deref()];
        let mut aliases = given.aliases.clone();
        for alias in own.into_iter().flatten() {
            if aliases.iter().all(|it| it != alias) {
                aliases.push(alias.to_owned());
            }
        }
        let links = self.links().iter().filter_map(|link| self.linked(network, link)).collect();
        Attachment { aliases, links, ..given.clone() }
    }

    /// Two tasks cannot have one address.
    fn refuse_shared_address(&self, network: &str, given: &Attachment) {
        let tasks = match self.service.deploy.mode {
            Mode::Replicated { replicas: 0 | 1 } | Mode::ReplicatedJob { replicas: 0 | 1 } => {
                return;
            }
            Mode::Replicated { replicas } | Mode::ReplicatedJob { replicas } => {
                format!("{replicas} tasks")
            }
            Mode::Global | Mode::GlobalJob => "a task on every node".to_owned(),
        };
        let keys = [("ipv4_address", given.ipv4_address), ("ipv6_address", given.ipv6_address)];
        for (key, _) in keys.iter().filter(|(_, address)| address.is_some()) {
            let text = format!("`{key}` is one task's, and this service has {tasks}");
            let fault = self.fault(&["networks", network, key], text);
            let hint = "leave it out: the service is found by its name; or have one replica";
            self.report.borrow_mut().error(fault.hint(hint));
        }
    }

    /// A link leads through the networks that both are on.
    fn linked(&self, network: &str, link: &Link) -> Option<(String, Name)> {
        let target = self.loaded.project.services.get(&link.service)?;
        let is_there = attachments(target).is_some_and(|it| it.contains_key(network));
        let name = self.full_name(&link.service).ok()?;
        is_there.then(|| (link.alias.clone(), name))
    }

    pub(super) fn links(&self) -> &[Link] {
        match &self.service.network {
            ServiceNetwork::Host | ServiceNetwork::None => &[],
            ServiceNetwork::Attached { links, .. } => links,
        }
    }
}

fn attachments(service: &Service) -> Option<&Named<Attachment>> {
    match &service.network {
        ServiceNetwork::Host | ServiceNetwork::None => None,
        ServiceNetwork::Attached { networks, .. } => Some(networks),
    }
}
