//! Several files as one: what a later one says, said over what an earlier one did.
//!
//! Both trees have their short forms written out. Mappings merge key by key, lists grow, and the
//! places where it is otherwise stand in one table.

use crate::node::{Entry, Map, Node, Order, Value};

/// How the lists under one key are merged.
#[derive(Debug, Clone, Copy)]
enum Lists {
    /// The later one alone.
    Replace,
    /// Equal texts once.
    Unite,
    /// Items are the same thing where this makes the same of them, and are merged then.
    Key(fn(&Node) -> Option<String>),
}

/// Keys of services; all others grow.
const SERVICE_LISTS: &[(&[&str], Lists)] = &[
    (&["command"], Lists::Replace),
    (&["entrypoint"], Lists::Replace),
    (&["healthcheck", "test"], Lists::Replace),
    (&["ports"], Lists::Key(port_key)),
    (&["volumes"], Lists::Key(|node| text_at(node, "target"))),
    (&["devices"], Lists::Key(|node| text_at(node, "target"))),
    (&["env_file"], Lists::Key(|node| text_at(node, "path"))),
    (&["secrets"], Lists::Key(|node| text_at(node, "target").or(text_at(node, "source")))),
    (&["configs"], Lists::Key(config_key)),
    (&["expose"], Lists::Unite),
    (&["links"], Lists::Unite),
    (&["dns"], Lists::Unite),
    (&["dns_search"], Lists::Unite),
    (&["dns_opt"], Lists::Unite),
    (&["cap_add"], Lists::Unite),
    (&["cap_drop"], Lists::Unite),
    (&["security_opt"], Lists::Unite),
    (&["group_add"], Lists::Unite),
    (&["profiles"], Lists::Unite),
    (&["tmpfs"], Lists::Unite),
    (&["label_file"], Lists::Unite),
    (&["extra_hosts", "*"], Lists::Unite),
    (&["networks", "*", "aliases"], Lists::Unite),
    (&["deploy", "placement", "constraints"], Lists::Unite),
    (&["deploy", "placement", "preferences"], Lists::Key(|node| text_at(node, "spread"))),
];

const NETWORK_LISTS: &[(&[&str], Lists)] =
    &[(&["ipam", "config"], Lists::Key(|node| text_at(node, "subnet")))];

/// Files as wholes.
pub(crate) fn merge_files(base: Node, over: Node) -> Node {
    merge(base, over, &mut Vec::new())
}

/// Two services, or what one extends and itself.
pub(crate) fn merge_services(base: Node, over: Node) -> Node {
    merge(base, over, &mut vec!["services".to_owned(), String::new()])
}

/// Takes out what was to be removed, once nothing earlier is left that it could remove.
pub(crate) fn settle(node: &mut Node) {
    node.order = Order::Merge;
    match &mut node.value {
        Value::Null | Value::Text(_) => {}
        Value::List(list) => {
            list.retain(|item| item.order != Order::Remove);
            list.iter_mut().for_each(settle);
        }
        Value::Map(map) => {
            map.retain(|_, entry| entry.node.order != Order::Remove);
            map.values_mut().for_each(|entry| settle(&mut entry.node));
        }
    }
}

fn merge(base: Node, over: Node, path: &mut Vec<String>) -> Node {
    if over.order != Order::Merge || base.order == Order::Remove {
        return over;
    }
    let Node { at, order, value } = base;
    match (value, over.value) {
        // A key without a value says nothing about what the earlier file said.
        (value, Value::Null) if !matches!(value, Value::Text(_)) => Node { at, order, value },
        (Value::Map(base), Value::Map(over_map)) => {
            let value = Value::Map(merge_maps(base, over_map, path));
            Node { at: over.at, order, value }
        }
        (Value::List(base), Value::List(over_list)) => {
            let value = Value::List(merge_lists(base, over_list, path));
            Node { at: over.at, order, value }
        }
        (_, value) => Node { at: over.at, order, value },
    }
}

fn merge_maps(mut base: Map, over: Map, path: &mut Vec<String>) -> Map {
    if is_service_key(path, &["logging"]) && changes(&base, &over, "driver") {
        // Options of one driver mean nothing to another.
        base.remove("options");
    }
    if is_service_key(path, &["build"]) {
        return over;
    }
    for (key, entry) in over {
        let merged = match base.remove(&key) {
            Some(earlier) => {
                path.push(key.clone());
                let node = merge(earlier.node, entry.node, path);
                path.pop();
                Entry { at: entry.at, node }
            }
            None => entry,
        };
        base.insert(key, merged);
    }
    base
}

fn changes(base: &Map, over: &Map, key: &str) -> bool {
    let text = |map: &Map| {
        let text = map.get(key).and_then(|entry| entry.node.as_text());
        text.map(str::to_owned)
    };
    matches!((text(base), text(over)), (Some(before), Some(after)) if before != after)
}

fn merge_lists(mut base: Vec<Node>, over: Vec<Node>, path: &mut Vec<String>) -> Vec<Node> {
    let rule = rule_for(path);
    let key_of = match rule {
        Some(Lists::Replace) => return over,
        Some(Lists::Unite) => |node: &Node| node.as_text().map(str::to_owned),
        Some(Lists::Key(key)) => key,
        None => {
            base.extend(over);
            return base;
        }
    };
    let mut places = std::collections::BTreeMap::new();
    for (place, node) in base.iter().enumerate() {
        if let Some(key) = key_of(node) {
            places.entry(key).or_insert(place);
        }
    }
    path.push("[]".to_owned());
    for item in over {
        match key_of(&item).and_then(|key| places.get(&key)) {
            Some(place) => {
                let earlier = std::mem::replace(&mut base[*place], Node::null(item.at));
                base[*place] = merge_item(earlier, item, path);
            }
            None => base.push(item),
        }
    }
    path.pop();
    base
}

/// A mount or a grant of another kind leaves nothing of the earlier one.
fn merge_item(base: Node, over: Node, path: &mut Vec<String>) -> Node {
    match (base.as_map(), over.as_map()) {
        (Some(before), Some(after)) if changes(before, after, "type") => over,
        _ => merge(base, over, path),
    }
}

fn rule_for(path: &[String]) -> Option<Lists> {
    let (table, rest) = match path {
        [top, _, rest @ ..] if top == "services" => (SERVICE_LISTS, rest),
        [top, _, rest @ ..] if top == "networks" => (NETWORK_LISTS, rest),
        _ => return None,
    };
    let same = |keys: &[&str]| {
        keys.len() == rest.len() && keys.iter().zip(rest).all(|(key, it)| *key == "*" || key == it)
    };
    table.iter().find(|(keys, _)| same(keys)).map(|(_, rule)| *rule)
}

fn is_service_key(path: &[String], keys: &[&str]) -> bool {
    matches!(path, [top, _, rest @ ..] if top == "services" && rest == keys)
}

fn text_at(node: &Node, key: &str) -> Option<String> {
    node.get(key).and_then(Node::as_text).map(str::to_owned)
}

fn port_key(node: &Node) -> Option<String> {
    let part = |key| text_at(node, key).unwrap_or_default();
    let protocol = text_at(node, "protocol").unwrap_or_else(|| "tcp".to_owned());
    let target = text_at(node, "target")?;
    Some(format!("{} {target} {} {protocol}", part("host_ip"), part("published")))
}

fn config_key(node: &Node) -> Option<String> {
    text_at(node, "target").or_else(|| Some(format!("/{}", text_at(node, "source")?)))
}
