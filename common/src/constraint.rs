//! Placement constraints: parsed once, typed ever after.

use crate::id::NodeId;
use crate::platform::Platform;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// `node.labels.zone==west`
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Constraint {
    key: Key,
    operator: Operator,
    value: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    NodeId,
    NodeHostname,
    NodeRole,
    NodeIp,
    PlatformOs,
    PlatformArch,
    NodeLabel(String),
    EngineLabel(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Operator {
    Is,
    IsNot,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadConstraint {
    #[error("constraint `{0}` has no `==` or `!=`, as in `node.labels.zone==west`")]
    NoOperator(String),
    #[error(
        "constraint key `{0}` is not known; there are node.id, node.hostname, node.role, node.ip, \
         node.platform.os, node.platform.arch, node.labels.NAME and engine.labels.NAME"
    )]
    UnknownKey(String),
    #[error("constraint `{0}` has nothing to compare with")]
    NoValue(String),
    #[error("`{0}` is not a role: `manager` or `worker`")]
    NotARole(String),
    #[error("`{0}` is not an address or a network such as 192.168.1.0/24")]
    NotAnAddress(String),
}

/// What of a node a constraint may ask for.
#[derive(Debug, Clone, Copy)]
pub struct Traits<'a> {
    pub id: NodeId,
    pub hostname: &'a str,
    pub role: &'static str,
    pub address: Option<IpAddr>,
    pub platform: &'a Platform,
    pub labels: &'a BTreeMap<String, String>,
    pub engine_labels: &'a BTreeMap<String, String>,
}

impl Constraint {
    /// Only this node will do.
    pub fn of_node(node: NodeId) -> Constraint {
        Constraint { key: Key::NodeId, operator: Operator::Is, value: node.to_string() }
    }

    pub fn matches(&self, node: &Traits<'_>) -> bool {
        let same = match &self.key {
            Key::NodeId => node.id.to_string() == self.value,
            Key::NodeHostname => node.hostname == self.value,
            Key::NodeRole => node.role == self.value,
            Key::NodeIp => node.address.is_some_and(|it| lies_in(it, &self.value)),
            Key::PlatformOs => node.platform.os == self.value,
            Key::PlatformArch => {
                let asked = Platform::from_machine("", &self.value);
                node.platform.arch == asked.arch
            }
            Key::NodeLabel(label) => node.labels.get(label) == Some(&self.value),
            Key::EngineLabel(label) => node.engine_labels.get(label) == Some(&self.value),
        };
        match self.operator {
            Operator::Is => same,
            Operator::IsNot => !same,
        }
    }
}

/// `network` is an address or an address with a prefix length.
fn lies_in(address: IpAddr, network: &str) -> bool {
    let (base, prefix) = match network.split_once('/') {
        Some((base, prefix)) => (base.parse(), prefix.parse::<u32>().ok()),
        None => (network.parse(), None),
    };
    match (address, base) {
        (IpAddr::V4(address), Ok(IpAddr::V4(base))) => {
            let shift = 32_u32.saturating_sub(prefix.unwrap_or(32));
            u32::from(address).checked_shr(shift) == u32::from(base).checked_shr(shift)
        }
        (IpAddr::V6(address), Ok(IpAddr::V6(base))) => {
            let shift = 128_u32.saturating_sub(prefix.unwrap_or(128));
            u128::from(address).checked_shr(shift) == u128::from(base).checked_shr(shift)
        }
        (IpAddr::V4(_), Ok(IpAddr::V6(_)) | Err(_))
        | (IpAddr::V6(_), Ok(IpAddr::V4(_)) | Err(_)) => false,
    }
}

impl FromStr for Constraint {
    type Err = BadConstraint;
    fn from_str(text: &str) -> Result<Self, BadConstraint> {
        let (key, operator, value) = split(text)?;
        if value.is_empty() {
            return Err(BadConstraint::NoValue(text.to_owned()));
        }
        let key = parse_key(key)?;
        match &key {
            Key::NodeRole if !matches!(value, "manager" | "worker") => {
                return Err(BadConstraint::NotARole(value.to_owned()));
            }
            Key::NodeIp if !is_network(value) => {
                return Err(BadConstraint::NotAnAddress(value.to_owned()));
            }
            Key::NodeId
            | Key::NodeHostname
            | Key::NodeRole
            | Key::NodeIp
            | Key::PlatformOs
            | Key::PlatformArch
            | Key::NodeLabel(_)
            | Key::EngineLabel(_) => {}
        }
        Ok(Constraint { key, operator, value: value.to_owned() })
    }
}

fn split(text: &str) -> Result<(&str, Operator, &str), BadConstraint> {
    let found = [("==", Operator::Is), ("!=", Operator::IsNot)]
        .into_iter()
        .filter_map(|(sign, operator)| Some((text.find(sign)?, operator)))
        .min_by_key(|(at, _)| *at);
    match found {
        Some((at, operator)) => Ok((text[..at].trim(), operator, text[at + 2..].trim())),
        None => Err(BadConstraint::NoOperator(text.to_owned())),
    }
}

fn is_network(value: &str) -> bool {
    let (base, prefix) = value.split_once('/').map_or((value, None), |(b, p)| (b, Some(p)));
    let longest = match base.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    prefix.is_none_or(|it| it.parse::<u32>().is_ok_and(|it| it <= longest))
}

fn parse_key(key: &str) -> Result<Key, BadConstraint> {
    let label = |prefix| key.strip_prefix(prefix).filter(|it| !it.is_empty()).map(str::to_owned);
    match key.to_ascii_lowercase().as_str() {
        "node.id" => return Ok(Key::NodeId),
        "node.hostname" => return Ok(Key::NodeHostname),
        "node.role" => return Ok(Key::NodeRole),
        "node.ip" => return Ok(Key::NodeIp),
        "node.platform.os" => return Ok(Key::PlatformOs),
        "node.platform.arch" => return Ok(Key::PlatformArch),
        _ => {}
    }
    if let Some(name) = label("node.labels.") {
        return Ok(Key::NodeLabel(name));
    }
    if let Some(name) = label("engine.labels.") {
        return Ok(Key::EngineLabel(name));
    }
    Err(BadConstraint::UnknownKey(key.to_owned()))
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Key::NodeId => f.write_str("node.id")?,
            Key::NodeHostname => f.write_str("node.hostname")?,
            Key::NodeRole => f.write_str("node.role")?,
            Key::NodeIp => f.write_str("node.ip")?,
            Key::PlatformOs => f.write_str("node.platform.os")?,
            Key::PlatformArch => f.write_str("node.platform.arch")?,
            Key::NodeLabel(name) => write!(f, "node.labels.{name}")?,
            Key::EngineLabel(name) => write!(f, "engine.labels.{name}")?,
        }
        f.write_str(match self.operator {
            Operator::Is => "==",
            Operator::IsNot => "!=",
        })?;
        f.write_str(&self.value)
    }
}

impl TryFrom<String> for Constraint {
    type Error = BadConstraint;
    fn try_from(text: String) -> Result<Self, BadConstraint> {
        text.parse()
    }
}

impl From<Constraint> for String {
    fn from(constraint: Constraint) -> String {
        constraint.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str) -> bool {
        let labels = BTreeMap::from([("zone".to_owned(), "west".to_owned())]);
        let platform = Platform::from_machine("linux", "armv7l");
        let node = Traits {
            id: NodeId(1),
            hostname: "rasp11",
            role: "worker",
            address: Some(IpAddr::from([10, 98, 0, 11])),
            platform: &platform,
            labels: &labels,
            engine_labels: &BTreeMap::new(),
        };
        text.parse::<Constraint>().map(|it| it.matches(&node)).expect(text)
    }

    #[test]
    fn what_holds_and_what_does_not() {
        for text in [
            "node.labels.zone==west",
            "node.labels.zone == west",
            "node.labels.zone!=east",
            "node.labels.none!=x",
            "node.hostname==rasp11",
            "node.role==worker",
            "node.platform.arch==arm",
            "node.platform.arch==armv7l",
            "node.ip==10.98.0.0/24",
            "node.ip==0.0.0.0/0",
        ] {
            assert!(holds(text), "{text}");
        }
        for text in ["node.labels.none==x", "node.role!=worker", "node.ip==10.99.0.0/16"] {
            assert!(!holds(text), "{text}");
        }
    }

    #[test]
    fn it_prints_what_it_reads() {
        for text in ["node.labels.a.b==c=d", "node.id!=x", "engine.labels.gpu==yes"] {
            assert_eq!(text.parse::<Constraint>().map(|it| it.to_string()), Ok(text.to_owned()));
        }
        let here = Constraint::of_node(NodeId(1));
        assert_eq!(here.to_string().parse(), Ok(here));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "zone==west",
            "node.role==boss",
            "node.labels.==x",
            "node.id",
            "node.id==",
            "node.ip==west",
            "node.ip==10.0.0.0/33",
            "",
        ] {
            assert!(text.parse::<Constraint>().is_err(), "{text}");
        }
    }
}
