//! Short forms, written out: behind this pass every list of things is a list of mappings.
//!
//! It runs on each file before files are merged, so that merging sees what is meant and never how
//! it was written. Relative paths stay as they are: their position says what they are relative to.

mod paths;
mod ports;

use crate::node::{Entry, Map, Node, Order, Position, Value};
use crate::problem::{Fault, Report, quote};

/// What one key's value is written out by.
type Rule = fn(&mut Node, &mut Report);

const TOP: &[(&str, Rule)] = &[
    ("services", |node, report| each(node, report, SERVICE)),
    ("networks", |node, report| each(node, report, LABELLED)),
    ("volumes", |node, report| each(node, report, LABELLED)),
    ("configs", |node, report| each(node, report, LABELLED)),
    ("secrets", |node, report| each(node, report, LABELLED)),
    ("include", |node, report| {
        listed(node);
        items(node, report, |text, at, _| Some(Node::map_of(at.at, vec![("path", text)])));
    }),
];

const LABELLED: &[(&str, Rule)] = &[("labels", pairs), ("driver_opts", pairs)];

const SERVICE: &[(&str, Rule)] = &[
    ("environment", pairs),
    ("labels", pairs),
    ("annotations", pairs),
    ("sysctls", pairs),
    ("storage_opt", pairs),
    ("extra_hosts", extra_hosts),
    ("networks", |node, report| names(node, report, &[])),
    ("depends_on", |node, report| names(node, report, &[("condition", "service_started")])),
    ("dns", |node, _| listed(node)),
    ("dns_search", |node, _| listed(node)),
    ("tmpfs", |node, _| listed(node)),
    ("label_file", |node, _| listed(node)),
    ("env_file", |node, report| {
        listed(node);
        items(node, report, |text, at, _| Some(Node::map_of(at.at, vec![("path", text)])));
    }),
    ("secrets", sources),
    ("configs", sources),
    ("ports", ports::write_out),
    ("volumes", |node, report| items(node, report, paths::volume)),
    ("devices", |node, report| items(node, report, paths::device)),
    ("extends", |node, _| {
        if node.as_text().is_some() {
            wrap(node, "service");
        }
    }),
    ("deploy", |node, report| apply(node, report, &[("labels", pairs)])),
    ("ulimits", ulimits),
    ("gpus", gpus),
];

/// Writes out the short forms of one file.
pub(crate) fn write_out(file: &mut Node, report: &mut Report) {
    apply(file, report, TOP);
}

fn apply(node: &mut Node, report: &mut Report, rules: &[(&str, Rule)]) {
    if let Some(map) = node.as_map_mut() {
        for (key, rule) in rules {
            if let Some(entry) = map.get_mut(*key) {
                rule(&mut entry.node, report);
            }
        }
    }
}

fn each(node: &mut Node, report: &mut Report, rules: &[(&str, Rule)]) {
    if let Some(map) = node.as_map_mut() {
        for entry in map.values_mut() {
            apply(&mut entry.node, report, rules);
        }
    }
}

/// `KEY=value` in a list, as a mapping; an item without `=` has no value.
fn pairs(node: &mut Node, report: &mut Report) {
    to_map(node, report, |item, report| {
        let Some(text) = item.as_text() else {
            report.error(
                Fault::new(item.at, format!("this is {}", item.kind()))
                    .hint("in a list, NAME=value is expected"),
            );
            return None;
        };
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key.to_owned(), Node::quoted(item.at, value)),
            None => (text.to_owned(), Node::null(item.at)),
        };
        Some((key, Node { order: item.order, ..value }))
    });
}

/// A list of names, as a mapping whose values hold the defaults.
fn names(node: &mut Node, report: &mut Report, defaults: &[(&'static str, &str)]) {
    to_map(node, report, |item, report| match item.as_text() {
        Some(name) => {
            let default =
                |(key, value): &(&'static str, &str)| (*key, Node::quoted(item.at, *value));
            let value = match defaults {
                [] => Node::null(item.at),
                _ => Node::map_of(item.at, defaults.iter().map(default).collect()),
            };
            Some((name.to_owned(), Node { order: item.order, ..value }))
        }
        None => {
            report.error(Fault::new(item.at, format!("a name is expected, not {}", item.kind())));
            None
        }
    });
}

fn to_map(
    node: &mut Node,
    report: &mut Report,
    read: impl Fn(&Node, &mut Report) -> Option<(String, Node)>,
) {
    let Value::List(list) = &node.value else { return };
    let mut map = Map::new();
    for item in list {
        if let Some((key, node)) = read(item, report) {
            // Docker lets the last one win here, and people rely on it for variables.
            map.insert(key, Entry { at: item.at, node });
        }
    }
    node.value = Value::Map(map);
}

/// One value where a list is meant.
fn listed(node: &mut Node) {
    if matches!(node.value, Value::Text(_) | Value::Map(_)) {
        let order = std::mem::replace(&mut node.order, Order::Merge);
        let at = node.at;
        let item = std::mem::replace(node, Node::null(at));
        *node = Node { at, order, value: Value::List(vec![item]) };
    }
}

/// Text where a mapping with this one key is meant.
fn wrap(node: &mut Node, key: &'static str) {
    let at = node.at;
    let order = std::mem::replace(&mut node.order, Order::Merge);
    let inner = std::mem::replace(node, Node::null(at));
    *node = Node { order, ..Node::map_of(at, vec![(key, inner)]) };
}

/// Replaces the items of a list that are text; one that cannot be read is reported and left out.
fn items(
    node: &mut Node,
    report: &mut Report,
    read: impl Fn(Node, &Node, &mut Report) -> Option<Node>,
) {
    if let Value::List(list) = &mut node.value {
        let taken = std::mem::take(list);
        *list = taken
            .into_iter()
            .filter_map(|item| match item.as_text() {
                Some(_) => {
                    let text = Node { order: Order::Merge, ..item.clone() };
                    read(text, &item, report).map(|long| Node { order: item.order, ..long })
                }
                None => Some(item),
            })
            .collect();
    }
}

fn sources(node: &mut Node, report: &mut Report) {
    items(node, report, |text, item, _| Some(Node::map_of(item.at, vec![("source", text)])));
}

/// `HOST:ADDRESS`, `HOST=ADDRESS` or a mapping; a host may have several addresses.
fn extra_hosts(node: &mut Node, report: &mut Report) {
    if let Some(map) = node.as_map_mut() {
        map.values_mut().for_each(|entry| listed(&mut entry.node));
    }
    let Value::List(list) = &node.value else { return };
    let mut map = Map::new();
    for item in list {
        let text = item.as_text().unwrap_or_default();
        let parted = text.split_once('=').or_else(|| text.split_once(':'));
        let Some((host, address)) = parted.filter(|(host, ip)| !host.is_empty() && !ip.is_empty())
        else {
            report.error(
                Fault::new(item.at, format!("{} is not a host with an address", quote(text)))
                    .hint("write HOST:ADDRESS or HOST:host-gateway"),
            );
            continue;
        };
        let address = Node::quoted(item.at, address.trim_matches(['[', ']']));
        let empty = || Entry { at: item.at, node: Node::new(item.at, Value::List(Vec::new())) };
        let entry = map.entry(host.to_owned()).or_insert_with(empty);
        if let Value::List(addresses) = &mut entry.node.value {
            addresses.push(address);
        }
    }
    node.value = Value::Map(map);
}

/// One number is both limits.
fn ulimits(node: &mut Node, report: &mut Report) {
    let Some(map) = node.as_map_mut() else { return };
    map.retain(|name, entry| {
        let Some(text) = entry.node.as_text() else { return true };
        let Node { at, order, .. } = entry.node;
        if text.parse::<i64>().is_err() {
            report.error(not_a_ulimit(name, text, at));
            return false;
        }
        let number = Node { order: Order::Merge, ..entry.node.clone() };
        let both = vec![("soft", number.clone()), ("hard", number)];
        entry.node = Node { order, ..Node::map_of(at, both) };
        true
    });
}

fn not_a_ulimit(name: &str, text: &str, at: Position) -> Fault {
    let wanted = format!(
        "ulimit {} is one number for both limits or a mapping of `soft` and `hard`, not {}",
        quote(name),
        quote(text)
    );
    let numbers = |(soft, hard): (&str, &str)| Some((soft.parse().ok()?, hard.parse().ok()?));
    let (soft, hard): (i64, i64) = text.split_once(':').and_then(numbers).unwrap_or((1024, 2048));
    Fault::new(at, wanted).hint(format!("write {{soft: {soft}, hard: {hard}}}"))
}

/// `gpus: all` is one request for all of them.
fn gpus(node: &mut Node, _: &mut Report) {
    if node.as_text().is_some() {
        wrap(node, "count");
        listed(node);
    }
}
