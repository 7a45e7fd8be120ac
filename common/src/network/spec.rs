//! Networks that the cluster makes for its services.

use super::Subnet;
use crate::id::{NetworkId, Version};
use crate::name::Name;
use crate::named::named;
use crate::time::Stamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Docker's name for the one option that is more than an engine's affair.
const ENCRYPTED: &str = "encrypted";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    pub id: NetworkId,
    pub version: Version,
    pub created: Stamp,
    pub updated: Stamp,
    pub spec: NetworkSpec,
}

/// A network as its maker describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkSpec {
    /// Belongs to it alone, or to it and those of the same stack that were there before.
    pub name: Name,
    pub labels: BTreeMap<String, String>,
    pub stack: Option<Name>,
    pub driver: NetworkDriver,
    pub driver_options: BTreeMap<String, String>,
    pub encrypted: bool,
    /// Leads nowhere but to its own containers.
    pub internal: bool,
    /// Containers that are no tasks may join it.
    pub attachable: bool,
    pub ipv6: bool,
    /// Empty: the cluster chooses.
    pub pools: Vec<AddressPool>,
}

named! {
    #[derive(Default)]
    NetworkDriver {
        /// Over all nodes.
        #[default]
        Overlay "overlay",
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressPool {
    pub subnet: Subnet,
    /// The part of it from which tasks get theirs; none: all of it.
    pub range: Option<Subnet>,
    pub gateway: Option<IpAddr>,
    /// Addresses that are taken otherwise, by what takes them.
    pub taken: BTreeMap<String, IpAddr>,
}

impl NetworkSpec {
    pub fn new(name: Name) -> NetworkSpec {
        NetworkSpec {
            name,
            labels: BTreeMap::new(),
            stack: None,
            driver: NetworkDriver::default(),
            driver_options: BTreeMap::new(),
            encrypted: false,
            internal: false,
            attachable: false,
            ipv6: false,
            pools: Vec::new(),
        }
    }

    /// Whether a task may stay on a network of the other kind: what differs, if anything, is for
    /// people and for those who have not joined yet.
    pub fn is_same_for_tasks(&self, other: &NetworkSpec) -> bool {
        let (labels, attachable) = (other.labels.clone(), other.attachable);
        NetworkSpec { labels, attachable, ..self.clone() } == *other
    }

    pub fn subnets(&self) -> impl Iterator<Item = Subnet> {
        self.pools.iter().map(|it| it.subnet)
    }

    /// Docker's options, of which one is a setting of its own here.
    pub fn set_options(&mut self, mut options: BTreeMap<String, String>) -> Result<(), BadOption> {
        if let Some(value) = options.remove(ENCRYPTED) {
            self.encrypted = match value.to_ascii_lowercase().as_str() {
                // To Docker, to be named is enough.
                "" | "true" | "1" | "yes" => true,
                "false" | "0" | "no" => false,
                _ => return Err(BadOption(value)),
            };
        }
        self.driver_options = options;
        Ok(())
    }

    /// All of them, as Docker writes them.
    pub fn options(&self) -> BTreeMap<String, String> {
        let mut options = self.driver_options.clone();
        if self.encrypted {
            options.insert(ENCRYPTED.to_owned(), String::new());
        }
        options
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the option `encrypted` is true or false, not `{0}`")]
pub struct BadOption(String);

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> NetworkSpec {
        NetworkSpec::new("back".parse().expect("a name"))
    }

    fn options(value: &str) -> BTreeMap<String, String> {
        [(ENCRYPTED.to_owned(), value.to_owned()), ("mtu".to_owned(), "1400".to_owned())].into()
    }

    #[test]
    fn what_is_encrypted() {
        for (value, expected) in
            [("", Some(true)), ("true", Some(true)), ("False", Some(false)), ("maybe", None)]
        {
            let mut spec = plain();
            let is_good = spec.set_options(options(value)).is_ok();
            assert_eq!(is_good.then_some(spec.encrypted), expected, "{value}");
            if is_good {
                assert_eq!(spec.driver_options.len(), 1, "{value}");
                assert_eq!(spec.options().contains_key(ENCRYPTED), spec.encrypted, "{value}");
            }
        }
    }

    #[test]
    fn what_tasks_care_for() {
        /// An edit, and whether it is all the same to them.
        type Case = (fn(&mut NetworkSpec), bool);
        let cases: [Case; 5] = [
            (|_| {}, true),
            (|it| it.attachable = true, true),
            (|it| it.labels = options(""), true),
            (|it| it.encrypted = true, false),
            (|it| it.ipv6 = true, false),
        ];
        for (number, (edit, expected)) in cases.into_iter().enumerate() {
            let mut edited = plain();
            edit(&mut edited);
            assert_eq!(plain().is_same_for_tasks(&edited), expected, "case {number}");
        }
    }
}
