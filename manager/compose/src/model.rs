//! What a compose file means, with all defaults that the files decide filled in.
//!
//! Paths are absolute. An option is none where the files say nothing and the cluster or the image
//! decides.

mod deploy;
mod mount;
mod service;

pub use deploy::*;
pub use mount::*;
pub use service::*;

pub use common::network::Subnet;
use common::secret::Secret;
use common::volume::VolumePolicy;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

/// Names of the file, each to what it was declared as.
pub type Named<T> = BTreeMap<String, T>;
/// Labels, options, variables.
pub type Pairs = BTreeMap<String, String>;

#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    pub name: String,
    pub services: Named<Service>,
    /// Those that services name, `default` among them where a service names none.
    pub networks: Named<Network>,
    pub volumes: Named<Volume>,
    pub configs: Named<File>,
    pub secrets: Named<File>,
}

/// Who makes a thing, and what it is called in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Made and removed with the stack.
    Stack { name: String },
    /// There already.
    External { name: String },
}

impl Owner {
    pub fn name(&self) -> &str {
        match self {
            Owner::Stack { name } | Owner::External { name } => name,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    pub owner: Owner,
    pub driver: Option<String>,
    pub driver_options: Pairs,
    pub labels: Pairs,
    pub internal: bool,
    pub attachable: bool,
    pub ipv4: Option<bool>,
    pub ipv6: Option<bool>,
    pub ipam_driver: Option<String>,
    pub ipam_options: Pairs,
    pub pools: Vec<AddressPool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AddressPool {
    pub subnet: Option<Subnet>,
    pub range: Option<Subnet>,
    pub gateway: Option<IpAddr>,
    pub taken: BTreeMap<String, IpAddr>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    pub owner: Owner,
    pub driver: Option<String>,
    pub driver_options: Pairs,
    pub labels: Pairs,
    pub policy: Option<VolumePolicy>,
}

/// A secret or a config.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    pub owner: Owner,
    pub labels: Pairs,
    /// None where it is external.
    pub content: Option<Content>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    File(PathBuf),
    /// The variable's value, which no output shows.
    Environment {
        variable: String,
        value: Secret,
    },
    Inline(Secret),
}
