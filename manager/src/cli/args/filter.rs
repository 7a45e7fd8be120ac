//! `--filter key=value`, checked when it is typed.

use super::choices::{ModeWord, parse_mode, parse_role};
use crate::cli::seen::Wanted;
use common::node::Role;
use std::str::FromStr;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::cli) enum BadFilter {
    #[error("a filter is KEY=VALUE, where KEY is {known}")]
    NoValue { known: &'static str },
    #[error("there is no filter `{key}`: there are {known}")]
    UnknownKey { key: String, known: &'static str },
    #[error("`{value}` is nothing that {key} can be: {expected} is expected")]
    BadValue { key: &'static str, value: String, expected: &'static str },
}

/// `label=zone` asks for the label, `label=zone=west` for its value too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct LabelFilter {
    pub(in crate::cli) name: String,
    pub(in crate::cli) value: Option<String>,
}

impl LabelFilter {
    fn parse(text: &str) -> LabelFilter {
        match text.split_once('=') {
            Some((name, value)) => {
                LabelFilter { name: name.to_owned(), value: Some(value.to_owned()) }
            }
            None => LabelFilter { name: text.to_owned(), value: None },
        }
    }

    pub(in crate::cli) fn matches(
        &self,
        labels: &std::collections::BTreeMap<String, String>,
    ) -> bool {
        match (labels.get(&self.name), &self.value) {
            (Some(found), Some(wanted)) => found == wanted,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum ServiceFilter {
    Id(String),
    Name(String),
    Label(LabelFilter),
    Mode(ModeWord),
}

const SERVICE_KEYS: &str = "id, name, label and mode";

impl FromStr for ServiceFilter {
    type Err = BadFilter;
    fn from_str(text: &str) -> Result<Self, BadFilter> {
        let (key, value) = split(text, SERVICE_KEYS)?;
        Ok(match key {
            "id" => Self::Id(value.to_owned()),
            "name" => Self::Name(value.to_owned()),
            "label" => Self::Label(LabelFilter::parse(value)),
            "mode" => Self::Mode(
                parse_mode(value).map_err(|_| bad("mode", value, "replicated or global"))?,
            ),
            _ => return Err(unknown(key, SERVICE_KEYS)),
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum TaskFilter {
    Id(String),
    Name(String),
    Node(String),
    Desired(Wanted),
}

const TASK_KEYS: &str = "id, name, node and desired-state";
const DESIRED_STATES: &str = "running, complete, shutdown or remove";

impl FromStr for TaskFilter {
    type Err = BadFilter;
    fn from_str(text: &str) -> Result<Self, BadFilter> {
        let (key, value) = split(text, TASK_KEYS)?;
        Ok(match key {
            "id" => Self::Id(value.to_owned()),
            "name" => Self::Name(value.to_owned()),
            "node" => Self::Node(value.to_owned()),
            "desired-state" => Self::Desired(match value {
                "running" => Wanted::Running,
                "complete" => Wanted::Complete,
                "shutdown" => Wanted::Shutdown,
                "remove" => Wanted::Remove,
                _ => return Err(bad("desired-state", value, DESIRED_STATES)),
            }),
            _ => return Err(unknown(key, TASK_KEYS)),
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum NodeFilter {
    Id(String),
    Name(String),
    NodeLabel(LabelFilter),
    EngineLabel(LabelFilter),
    Role(Role),
}

const NODE_KEYS: &str = "id, name, node.label, label (of the engine) and role";

impl FromStr for NodeFilter {
    type Err = BadFilter;
    fn from_str(text: &str) -> Result<Self, BadFilter> {
        let (key, value) = split(text, NODE_KEYS)?;
        Ok(match key {
            "id" => Self::Id(value.to_owned()),
            "name" => Self::Name(value.to_owned()),
            "node.label" => Self::NodeLabel(LabelFilter::parse(value)),
            "label" => Self::EngineLabel(LabelFilter::parse(value)),
            "role" => {
                Self::Role(parse_role(value).map_err(|_| bad("role", value, "worker or manager"))?)
            }
            _ => return Err(unknown(key, NODE_KEYS)),
        })
    }
}

/// Of configs and secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum FileFilter {
    Id(String),
    Name(String),
    Label(LabelFilter),
}

const FILE_KEYS: &str = "id, name and label";

impl FromStr for FileFilter {
    type Err = BadFilter;
    fn from_str(text: &str) -> Result<Self, BadFilter> {
        let (key, value) = split(text, FILE_KEYS)?;
        Ok(match key {
            "id" => Self::Id(value.to_owned()),
            "name" => Self::Name(value.to_owned()),
            "label" => Self::Label(LabelFilter::parse(value)),
            _ => return Err(unknown(key, FILE_KEYS)),
        })
    }
}

/// Of volumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum VolumeFilter {
    Name(String),
    Driver(String),
    Label(LabelFilter),
    Node(String),
    Service(String),
}

const VOLUME_KEYS: &str = "name, driver, label, node and service";

impl FromStr for VolumeFilter {
    type Err = BadFilter;
    fn from_str(text: &str) -> Result<Self, BadFilter> {
        let (key, value) = split(text, VOLUME_KEYS)?;
        Ok(match key {
            "name" => Self::Name(value.to_owned()),
            "driver" => Self::Driver(value.to_owned()),
            "label" => Self::Label(LabelFilter::parse(value)),
            "node" => Self::Node(value.to_owned()),
            "service" => Self::Service(value.to_owned()),
            _ => return Err(unknown(key, VOLUME_KEYS)),
        })
    }
}

/// Of networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum NetworkFilter {
    Id(String),
    Name(String),
    Label(LabelFilter),
    Driver(String),
    Scope(String),
}

const NETWORK_KEYS: &str = "id, name, label, driver and scope";

impl FromStr for NetworkFilter {
    type Err = BadFilter;
    fn from_str(text: &str) -> Result<Self, BadFilter> {
        let (key, value) = split(text, NETWORK_KEYS)?;
        Ok(match key {
            "id" => Self::Id(value.to_owned()),
            "name" => Self::Name(value.to_owned()),
            "label" => Self::Label(LabelFilter::parse(value)),
            "driver" => Self::Driver(value.to_owned()),
            "scope" => Self::Scope(value.to_owned()),
            _ => return Err(unknown(key, NETWORK_KEYS)),
        })
    }
}

fn split<'a>(text: &'a str, known: &'static str) -> Result<(&'a str, &'a str), BadFilter> {
    match text.split_once('=') {
        Some((key, value)) if !value.is_empty() => Ok((key, value)),
        Some(_) | None => Err(BadFilter::NoValue { known }),
    }
}

fn unknown(key: &str, known: &'static str) -> BadFilter {
    BadFilter::UnknownKey { key: key.to_owned(), known }
}

fn bad(key: &'static str, value: &str, expected: &'static str) -> BadFilter {
    BadFilter::BadValue { key, value: value.to_owned(), expected }
}

/// As Docker has it: of filters with the same key one must hold, and of every key one.
pub(in crate::cli) fn passes<F>(filters: &[F], holds: impl Fn(&F) -> bool) -> bool {
    let same_key = |a: &F, b: &F| std::mem::discriminant(a) == std::mem::discriminant(b);
    filters.iter().all(|filter| filters.iter().any(|it| same_key(it, filter) && holds(it)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_or_refused_with_the_keys_there_are() {
        assert_eq!("mode=global".parse(), Ok(ServiceFilter::Mode(ModeWord::Global)));
        let label = LabelFilter { name: "a".to_owned(), value: Some("b=c".to_owned()) };
        assert_eq!("label=a=b=c".parse(), Ok(ServiceFilter::Label(label)));
        let running = TaskFilter::Desired(Wanted::Running);
        assert_eq!("desired-state=running".parse(), Ok(running));
        assert_eq!("role=worker".parse(), Ok(NodeFilter::Role(Role::Worker)));
        for text in ["", "name", "name=", "nonsense=1", "desired-state=happy"] {
            assert!(text.parse::<TaskFilter>().is_err(), "{text}");
        }
        let refused = "x=1".parse::<NodeFilter>().map_err(|it| it.to_string());
        let expected = "there is no filter `x`: there are id, name, node.label, label (of the \
                        engine) and role";
        assert_eq!(refused, Err(expected.to_owned()));
    }

    #[test]
    fn one_of_the_same_key_and_one_of_every_key() {
        let filters = |texts: &[&str]| -> Vec<TaskFilter> {
            texts.iter().map(|it| it.parse().expect("a filter")).collect()
        };
        let holds = |it: &TaskFilter| *it == TaskFilter::Id("1".to_owned());
        for (texts, expected) in [
            (&[][..], true),
            (&["id=1"], true),
            (&["id=1", "id=2"], true),
            (&["id=2"], false),
            (&["id=1", "name=x"], false),
        ] {
            assert_eq!(passes(&filters(texts), holds), expected, "{texts:?}");
        }
    }
}
