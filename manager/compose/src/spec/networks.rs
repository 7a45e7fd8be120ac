//! The networks of a stack as whoever makes them needs to know them.

use super::{NETWORKS_OF_NODES, stack, stack_labels};
use crate::load::Loaded;
use crate::model::{self, Owner};
use crate::problem::{Fault, Report, quote};
use common::network::{AddressPool, NetworkDriver, NetworkSpec};

/// Those that services of the project use and nobody else makes.
pub(super) fn networks(loaded: &Loaded, report: &mut Report) -> Vec<NetworkSpec> {
    let networks = loaded.project.networks.iter();
    networks.filter_map(|(key, network)| Source { loaded, key, network }.spec(report)).collect()
}

/// One network, and where it stands.
struct Source<'a> {
    loaded: &'a Loaded,
    key: &'a str,
    network: &'a model::Network,
}

impl Source<'_> {
    fn spec(&self, report: &mut Report) -> Option<NetworkSpec> {
        let network = self.network;
        let name = match &network.owner {
            Owner::External { name } if NETWORKS_OF_NODES.contains(&name.as_str()) => return None,
            Owner::External { name } | Owner::Stack { name } => name.parse(),
        };
        let name = name.map_err(|common::name::BadName { given, reason }| {
            let text = format!("{} is not a network's name: {reason}", quote(&given));
            report.error(self.fault(&["name"], text));
        });
        let name = name.ok().filter(|_| !matches!(network.owner, Owner::External { .. }))?;
        self.warn_of_what_is_ignored(report);
        let mut spec = NetworkSpec {
            labels: stack_labels(self.loaded, &network.labels),
            stack: Some(stack(self.loaded)),
            driver: self.driver(report),
            internal: network.internal,
            attachable: network.attachable,
            ipv6: network.ipv6.unwrap_or(false),
            pools: network.pools.iter().filter_map(|it| self.pool(it, report)).collect(),
            ..NetworkSpec::new(name)
        };
        if let Err(bad) = spec.set_options(network.driver_options.clone()) {
            report.error(self.fault(&["driver_opts", "encrypted"], bad.to_string()));
        }
        Some(spec)
    }

    fn driver(&self, report: &mut Report) -> NetworkDriver {
        let Some(given) = self.network.driver.as_deref() else { return NetworkDriver::default() };
        if let Some((_, driver)) = NetworkDriver::WORDS.iter().find(|(word, _)| *word == given) {
            return *driver;
        }
        if given == "bridge" {
            let text =
                "`driver: bridge` is ignored: the network spans all nodes, as `overlay` says";
            report.warn(self.fault(&["driver"], text));
        } else {
            let text = format!("there is no driver {} for networks", quote(given));
            let fault = self.fault(&["driver"], text);
            report.error(fault.hint("there is `overlay`, which goes without saying"));
        }
        NetworkDriver::default()
    }

    fn pool(&self, pool: &model::AddressPool, report: &mut Report) -> Option<AddressPool> {
        let model::AddressPool { subnet, range, gateway, taken } = pool;
        if subnet.is_none() && (range.is_some() || gateway.is_some() || !taken.is_empty()) {
            let text = "addresses are given here, and no `subnet` in which they lie";
            report.error(self.fault(&["ipam", "config"], text));
        }
        let (range, gateway, taken) = (*range, *gateway, taken.clone());
        Some(AddressPool { subnet: (*subnet)?, range, gateway, taken })
    }

    fn warn_of_what_is_ignored(&self, report: &mut Report) {
        if self.network.ipv4 == Some(false) {
            let text = "`enable_ipv4: false` is ignored: every network has IPv4 addresses";
            report.warn(self.fault(&["enable_ipv4"], text));
        }
        let driver = self.network.ipam_driver.as_deref();
        if driver.is_some_and(|it| !it.is_empty() && it != "default") {
            let text = "`ipam.driver` is ignored: the cluster gives addresses itself";
            report.warn(self.fault(&["ipam", "driver"], text));
        }
        if !self.network.ipam_options.is_empty() {
            let text = "`ipam.options` are ignored: the cluster gives addresses itself";
            report.warn(self.fault(&["ipam", "options"], text));
        }
    }

    fn fault(&self, path: &[&str], text: impl Into<String>) -> Fault {
        let whole: Vec<&str> = ["networks", self.key].iter().chain(path).copied().collect();
        Fault::new(self.loaded.position(&whole), text)
    }
}
