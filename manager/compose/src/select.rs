//! Which services are meant: by profile, by name, and by what others depend on.
//!
//! What is not meant is taken out of the tree, and with it what nothing uses any more.

use crate::node::{Entry, Map, Node, Position, Value};
use crate::problem::{Fault, Report, quote};
use crate::schema::probable;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
pub(crate) struct Selection<'a> {
    pub(crate) services: &'a [String],
    pub(crate) profiles: &'a [String],
}

pub(crate) fn select(tree: &mut Node, selection: &Selection<'_>, report: &mut Report) {
    let Some(services) = tree.get("services").and_then(Node::as_map) else { return };
    let chosen = chosen(services, selection, report);
    let mut at = None;
    if let Some(map) = tree.as_map_mut()
        && let Some(entry) = map.get_mut("services")
        && let Some(services) = entry.node.as_map_mut()
    {
        at = Some(entry.at);
        services.retain(|name, _| chosen.contains(name));
        for entry in services.values_mut() {
            drop_absent_dependencies(&mut entry.node, &chosen);
        }
    }
    if let Some(services) = tree.get("services").and_then(Node::as_map) {
        if services.is_empty()
            && !report.has_errors()
            && let Some(at) = at
        {
            report.error(
                Fault::new(at, "no service is left to deploy")
                    .hint("declare one, or choose a profile that has one"),
            );
        }
        find_circle(services, report);
    }
}

fn chosen(services: &Map, selection: &Selection<'_>, report: &mut Report) -> BTreeSet<String> {
    let mut profiles: BTreeSet<&str> = selection.profiles.iter().map(String::as_str).collect();
    let mut wanted: Vec<(String, Option<Position>)> = Vec::new();
    for name in selection.services {
        match services.get(name) {
            Some(entry) => {
                profiles.extend(profiles_of(&entry.node));
                wanted.push((name.clone(), None));
            }
            None => report.error(no_service(name, None, services)),
        }
    }
    let enabled = |node: &Node| {
        let own = profiles_of(node);
        own.is_empty() || profiles.contains("*") || own.iter().any(|it| profiles.contains(it))
    };
    if selection.services.is_empty() {
        let all = services.iter().filter(|(_, entry)| enabled(&entry.node));
        wanted.extend(all.map(|(name, _)| (name.clone(), None)));
    }
    let mut chosen = BTreeSet::new();
    while let Some((name, named_at)) = wanted.pop() {
        let Some(entry) = services.get(&name) else {
            if !report.is_full() {
                report.error(no_service(&name, named_at, services));
            }
            continue;
        };
        if let Some(at) = named_at.filter(|_| !enabled(&entry.node)) {
            let text = format!("service {} is needed here, but its profile is off", quote(&name));
            let hint = format!("choose one of: {}", profiles_of(&entry.node).join(", "));
            report.error(Fault::new(at, text).hint(hint));
            continue;
        }
        if chosen.insert(name) {
            let needs = needs(&entry.node).into_iter().filter(|need| {
                need.required || services.get(&need.name).is_some_and(|it| enabled(&it.node))
            });
            wanted.extend(needs.map(|need| (need.name, Some(need.at))));
        }
    }
    chosen
}

fn no_service(name: &str, at: Option<Position>, services: &Map) -> Fault {
    let text = format!("there is no service {}", quote(name));
    let fault = match at {
        Some(at) => Fault::new(at, text),
        None => Fault::general(text),
    };
    match probable(name, services.keys().map(String::as_str)) {
        Some(meant) => fault.hint(format!("did you mean `{meant}`?")),
        None => fault,
    }
}

fn profiles_of(service: &Node) -> Vec<&str> {
    let list = service.get("profiles").and_then(Node::as_list).unwrap_or_default();
    list.iter().filter_map(Node::as_text).collect()
}

struct Need {
    name: String,
    at: Position,
    required: bool,
}

/// What a service cannot be without: dependencies and links.
fn needs(service: &Node) -> Vec<Need> {
    dependencies(service).chain(links(service)).collect()
}

fn dependencies(service: &Node) -> impl Iterator<Item = Need> {
    service.map_at("depends_on").map(|(name, entry)| {
        let required = entry.node.get("required").and_then(Node::as_text);
        let required = !matches!(required, Some("false" | "no" | "off"));
        Need { name: name.clone(), at: entry.at, required }
    })
}

fn links(service: &Node) -> impl Iterator<Item = Need> {
    let links = service.get("links").and_then(Node::as_list).unwrap_or_default();
    links.iter().filter_map(|link| {
        let name = link.as_text()?.split(':').next().unwrap_or_default().to_owned();
        Some(Need { name, at: link.at, required: true })
    })
}

fn drop_absent_dependencies(service: &mut Node, chosen: &BTreeSet<String>) {
    let Some(service) = service.as_map_mut() else { return };
    let dependencies = service.get_mut("depends_on");
    if let Some(map) = dependencies.and_then(|entry| entry.node.as_map_mut()) {
        map.retain(|name, _| chosen.contains(name));
        if map.is_empty() {
            service.remove("depends_on");
        }
    }
}

/// Services that wait for each other would wait for ever.
fn find_circle(services: &Map, report: &mut Report) {
    let mut waiting: BTreeMap<&str, usize> = BTreeMap::new();
    let mut waiters: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, entry) in services {
        let awaited = awaited(services, name, &entry.node);
        waiting.insert(name, awaited.len());
        for dependency in awaited.into_keys() {
            waiters.entry(dependency).or_default().push(name);
        }
    }
    let mut free: Vec<&str> =
        waiting.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    while let Some(name) = free.pop() {
        waiting.remove(name);
        for waiter in waiters.get(name).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(waiter) {
                *count -= 1;
                if *count == 0 {
                    free.push(waiter);
                }
            }
        }
    }
    if let Some((at, circle)) = circle_among(services, &waiting) {
        let names = circle.join(" → ");
        let text = format!("services wait for each other in a circle: {}", quote(&names));
        report.error(Fault::new(at, text));
    }
}

/// What a service starts after, and where that is said. A link to itself is no more than a name.
fn awaited<'a>(services: &'a Map, name: &str, service: &Node) -> BTreeMap<&'a str, Position> {
    let known = |need: Need| Some((services.get_key_value(&need.name)?.0.as_str(), need.at));
    let mut awaited: BTreeMap<&str, Position> = links(service).filter_map(known).collect();
    awaited.remove(name);
    awaited.extend(dependencies(service).filter_map(known));
    awaited
}

/// Whoever still waits does so for somebody who still waits: the way ends where it has been.
fn circle_among<'a>(
    services: &'a Map,
    waiting: &BTreeMap<&'a str, usize>,
) -> Option<(Position, Vec<&'a str>)> {
    let mut name = *waiting.keys().next()?;
    let mut way: Vec<&str> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut at = services.get(name)?.at;
    while seen.insert(name) {
        way.push(name);
        let service = &services.get(name)?.node;
        let mut awaited = awaited(services, name, service).into_iter();
        (name, at) = awaited.find(|(it, _)| waiting.contains_key(it))?;
    }
    let begin = way.iter().position(|it| *it == name)?;
    way.push(name);
    Some((at, way.split_off(begin)))
}

/// Networks, volumes, configs and secrets that no service names.
pub(crate) fn drop_unused(tree: &mut Node) {
    let mut used: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (_, entry) in tree.map_at("services") {
        let service = &entry.node;
        let networks = used.entry("networks").or_default();
        networks.extend(service.map_at("networks").map(|(name, _)| name.clone()));
        let mode = service.get("network_mode").and_then(Node::as_text);
        if service.get("networks").is_none_or(Node::is_null)
            && !matches!(mode, Some("host" | "none"))
        {
            networks.insert("default".to_owned());
        }
        for kind in ["volumes", "configs", "secrets"] {
            let items = service.get(kind).and_then(Node::as_list).unwrap_or_default();
            let sources = items.iter().filter_map(|it| it.get("source").and_then(Node::as_text));
            used.entry(kind).or_default().extend(sources.map(str::to_owned));
        }
    }
    let Some(top) = tree.as_map_mut() else { return };
    for (kind, names) in used {
        if let Some(Entry { node: Node { value: Value::Map(map), .. }, .. }) = top.get_mut(kind) {
            map.retain(|name, _| names.contains(name));
        }
    }
}
