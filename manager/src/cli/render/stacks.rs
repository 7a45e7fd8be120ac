//! `stack ls`, and what a deployment would do: per service and field, old and new.

use super::{json_lines, one_line, table};
use crate::cli::args::format::Format;
use common::NodeId;
use common::constraint::Constraint;
use common::network::NetworkSpec;
use common::stack::{NetworkPlan, PlannedAction, PlannedNetwork, ReplacedTask, ServicePlan};
use common::units::display_duration;
use proto::v1;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

pub(in crate::cli) fn list(stacks: &[v1::StackView], format: Format) -> String {
    match format {
        Format::Table => {
            let row = |it: &v1::StackView| [it.name.clone(), it.services.to_string()];
            table(["NAME", "SERVICES"], &stacks.iter().map(row).collect::<Vec<_>>())
        }
        Format::Json => json_lines(stacks.iter().map(|it| {
            // Docker writes the number as text.
            json!({ "Name": it.name, "Services": it.services.to_string() })
        })),
    }
}

/// What is deployed beside services.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Around<'a> {
    pub(in crate::cli) new_files: &'a [String],
    pub(in crate::cli) networks: &'a [NetworkPlan],
    /// The node on which the command was typed.
    pub(in crate::cli) here: Option<NodeId>,
}

pub(in crate::cli) fn plan(
    services: &[ServicePlan],
    around: &Around<'_>,
    format: Format,
) -> String {
    match format {
        Format::Table => for_people(services, around),
        Format::Json => {
            let networks = around.networks.iter().map(network_as_json);
            json_lines(services.iter().map(as_json).chain(networks))
        }
    }
}

fn for_people(services: &[ServicePlan], around: &Around<'_>) -> String {
    let mut text = String::new();
    let mut say = |line: String| writeln!(text, "{line}").expect("a string takes everything");
    for file in around.new_files {
        say(format!("  + {file}: new content"));
    }
    for NetworkPlan { name, action } in around.networks {
        let (old, new) = match action {
            PlannedNetwork::Create { .. } => {
                say(format!("  + {name}: network"));
                continue;
            }
            PlannedNetwork::Keep => continue,
            PlannedNetwork::Update { old, new } => {
                say(format!("  ~ {name}: network"));
                (old, new)
            }
            PlannedNetwork::Replace { old, new } => {
                say(format!("  ~ {name}: another network, to which tasks move by being replaced"));
                (old, new)
            }
        };
        for it in differences(&**old, &**new) {
            say(it.for_people());
        }
    }
    for plan in services {
        let name = &plan.name;
        match &plan.action {
            PlannedAction::Create { spec } => {
                say(format!("  + {name}: {}", spec.task.container.image.as_given()));
                // Relative paths hold a service to where they lie.
                let here = around.here.map(Constraint::of_node);
                for constraint in &spec.task.constraints {
                    let note = if here.as_ref() == Some(constraint) { " (this node)" } else { "" };
                    say(format!("      only where {constraint}{note}"));
                }
            }
            PlannedAction::Update { old, new, replaced } => {
                say(format!("  ~ {name}"));
                differences(&**old, &**new).iter().for_each(|it| say(it.for_people()));
                replaced.iter().for_each(|it| say(format!("      replaces {}", told(it))));
            }
            PlannedAction::Keep => say(format!("  = {name}")),
            PlannedAction::Remove { tasks } => {
                say(format!("  - {name}"));
                tasks.iter().for_each(|it| say(format!("      ends {}", told(it))));
            }
            PlannedAction::Orphan => {
                say(format!("  ? {name}: not in these files, and left alone (--prune removes it)"));
            }
        }
    }
    say(summary(services));
    text
}

fn told(task: &ReplacedTask) -> String {
    let on = if task.node_name.is_empty() { "" } else { " on " };
    format!("{}{on}{}", task.name, task.node_name)
}

fn summary(services: &[ServicePlan]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut replaced = 0;
    for plan in services {
        let word = match &plan.action {
            PlannedAction::Create { .. } => "to create",
            PlannedAction::Update { replaced: tasks, .. } => {
                replaced += tasks.len();
                "to update"
            }
            PlannedAction::Keep => "unchanged",
            PlannedAction::Remove { .. } => "to remove",
            PlannedAction::Orphan => "left alone",
        };
        *counts.entry(word).or_default() += 1;
    }
    let words = ["to create", "to update", "to remove", "unchanged", "left alone"];
    let said = words.iter().filter_map(|it| Some(format!("{} {it}", counts.get(it)?)));
    let mut parts: Vec<String> = said.collect();
    match replaced {
        0 => {}
        1 => parts.push("1 task to replace".to_owned()),
        many => parts.push(format!("{many} tasks to replace")),
    }
    if parts.is_empty() { "no services".to_owned() } else { parts.join(", ") }
}

#[derive(Debug, PartialEq)]
struct Difference {
    field: String,
    old: Option<Value>,
    new: Option<Value>,
}

impl Difference {
    fn for_people(&self) -> String {
        let Difference { field, old, new } = self;
        format!("      {field}: {} -> {}", shown(old), shown(new))
    }
}

fn shown(value: &Option<Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => "(none)".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    one_line(&text)
}

/// A file is known by its id, which changes with its content, so that alone is no news for people.
fn differences<T: Serialize>(old: &T, new: &T) -> Vec<Difference> {
    let (mut before, mut after) = (fields(old), fields(new));
    let names: Vec<String> =
        before.keys().chain(after.keys().filter(|it| !before.contains_key(*it))).cloned().collect();
    let mut found: Vec<Difference> = names
        .into_iter()
        .map(|field| Difference { old: before.remove(&field), new: after.remove(&field), field })
        .filter(|it| it.old != it.new)
        .map(of_file)
        .map(of_network)
        .collect();
    // Docker's copy of the image is no news beside the image.
    if found.iter().any(|it| it.field == "image") {
        found.retain(|it| it.field != "labels.com.docker.stack.image");
    }
    found.sort_by(|a, b| a.field.cmp(&b.field));
    found
}

fn of_file(it: Difference) -> Difference {
    match it.field.strip_suffix(".file").filter(|it| it.starts_with("grants[")) {
        Some(field) if it.old.is_some() && it.new.is_some() => Difference {
            field: field.to_owned(),
            old: Some(Value::String("content".to_owned())),
            new: Some(Value::String("new content".to_owned())),
        },
        Some(_) | None => it,
    }
}

/// Nor is by which id a network is known.
fn of_network(it: Difference) -> Difference {
    match it.field.strip_suffix(".network").filter(|it| it.starts_with("networks.")) {
        Some(field) => {
            let is_changed = it.old.is_some() && it.new.is_some();
            let new = if is_changed { "another network" } else { "network" };
            Difference {
                field: field.to_owned(),
                old: it.old.map(|_| Value::String("network".to_owned())),
                new: it.new.map(|_| Value::String(new.to_owned())),
            }
        }
        None => it,
    }
}

fn fields<T: Serialize>(spec: &T) -> BTreeMap<String, Value> {
    let mut fields = BTreeMap::new();
    let value = serde_json::to_value(spec).expect("our own structs have text as keys");
    flatten("", value, &mut fields);
    fields
}

fn flatten(path: &str, value: Value, fields: &mut BTreeMap<String, Value>) {
    if let Some(duration) = as_duration(&value) {
        fields.insert(for_reading(path), Value::String(display_duration(duration).to_string()));
        return;
    }
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() { key } else { format!("{path}.{key}") };
                flatten(&path, value, fields);
            }
        }
        Value::Array(items) => flatten_list(path, items, fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            fields.insert(for_reading(path), value);
        }
    }
}

/// Variables by their names, files by theirs, and whatever else by its place.
fn flatten_list(path: &str, items: Vec<Value>, fields: &mut BTreeMap<String, Value>) {
    for (index, item) in items.into_iter().enumerate() {
        let named = match &item {
            Value::String(text) if path.ends_with(".env") => {
                let (name, value) = text.split_once('=').unwrap_or((text, ""));
                Some((name.to_owned(), Value::String(value.to_owned())))
            }
            Value::Object(map) => {
                let key = ["target", "name", "service"].iter().find_map(|it| map.get(*it));
                key.and_then(Value::as_str).map(|it| (it.to_owned(), item.clone()))
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => None,
        };
        let (key, item) = named.unwrap_or((index.to_string(), item));
        flatten(&format!("{path}[{key}]"), item, fields);
    }
}

fn as_duration(value: &Value) -> Option<Duration> {
    let map = value.as_object().filter(|it| it.len() == 2)?;
    let nanos = u32::try_from(map.get("nanos")?.as_u64()?).ok()?;
    Some(Duration::new(map.get("secs")?.as_u64()?, nanos))
}

/// Without the folds of our own structs.
fn for_reading(path: &str) -> String {
    let path = path.strip_prefix("task.").unwrap_or(path);
    let path = path.strip_prefix("container.").unwrap_or(path);
    path.strip_suffix(".given").unwrap_or(path).to_owned()
}

fn as_json(plan: &ServicePlan) -> Value {
    let tasks = |tasks: &[ReplacedTask]| -> Vec<Value> {
        let task = |it: &ReplacedTask| json!({ "ID": it.id.to_string(), "Name": it.name, "Node": it.node_name });
        tasks.iter().map(task).collect()
    };
    let (action, changes, ended) = match &plan.action {
        PlannedAction::Create { .. } => ("create", Vec::new(), Vec::new()),
        PlannedAction::Update { old, new, replaced } => {
            let change =
                |it: Difference| json!({ "Field": it.field, "Old": it.old, "New": it.new });
            let changes = differences(old, new).into_iter().map(change).collect();
            ("update", changes, tasks(replaced))
        }
        PlannedAction::Keep => ("keep", Vec::new(), Vec::new()),
        PlannedAction::Remove { tasks: gone } => ("remove", Vec::new(), tasks(gone)),
        PlannedAction::Orphan => ("leave", Vec::new(), Vec::new()),
    };
    let mut object = json!({
        "Service": plan.name.as_str(), "Action": action, "Changes": changes, "Tasks": ended,
    });
    if let PlannedAction::Create { spec } = &plan.action {
        let constraints = spec.task.constraints.iter().map(ToString::to_string);
        object["Constraints"] = constraints.collect();
    }
    object
}

fn network_as_json(plan: &NetworkPlan) -> Value {
    let changed = |old: &NetworkSpec, new: &NetworkSpec| -> Vec<Value> {
        let change = |it: Difference| json!({ "Field": it.field, "Old": it.old, "New": it.new });
        differences(old, new).into_iter().map(change).collect()
    };
    let (action, changes) = match &plan.action {
        PlannedNetwork::Create { .. } => ("create", Vec::new()),
        PlannedNetwork::Update { old, new } => ("update", changed(old, new)),
        PlannedNetwork::Replace { old, new } => ("replace", changed(old, new)),
        PlannedNetwork::Keep => ("keep", Vec::new()),
    };
    json!({ "Network": plan.name.as_str(), "Action": action, "Changes": changes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render::samples::full_service;
    use common::TaskId;
    use expect_test::expect;
    use std::sync::Arc;

    fn plans() -> Vec<ServicePlan> {
        let old = full_service().service.spec;
        let mut new = old.clone();
        let task = Arc::make_mut(&mut new.task);
        task.container.image = "web:2".parse().expect("an image");
        task.container.env = vec!["A=2".to_owned(), "C=3".to_owned()];
        task.container.stop_grace = Duration::from_millis(1500);
        new.labels.insert("com.docker.stack.image".to_owned(), "web:2".to_owned());
        let mut held = old.clone();
        Arc::make_mut(&mut held.task).constraints.push(Constraint::of_node(NodeId(11)));
        let task = ReplacedTask {
            id: TaskId(1),
            name: "web.1".to_owned(),
            node_name: "rasp11".to_owned(),
        };
        let plan = |name: &str, action| ServicePlan { name: name.parse().expect("a name"), action };
        vec![
            plan("api", PlannedAction::Create { spec: Box::new(held) }),
            plan("db", PlannedAction::Keep),
            plan("old", PlannedAction::Remove { tasks: vec![task.clone()] }),
            plan("odd", PlannedAction::Orphan),
            plan(
                "web",
                PlannedAction::Update {
                    old: Box::new(old),
                    new: Box::new(new),
                    replaced: vec![task],
                },
            ),
        ]
    }

    fn networks() -> Vec<NetworkPlan> {
        let old = NetworkSpec::new("back".parse().expect("a name"));
        let new = NetworkSpec { encrypted: true, attachable: true, ..old.clone() };
        let [old, new] = [old, new].map(Box::new);
        let plan = |name: &str, action| NetworkPlan { name: name.parse().expect("a name"), action };
        vec![
            plan("back", PlannedNetwork::Create { spec: new.clone() }),
            plan("front", PlannedNetwork::Replace { old: old.clone(), new: new.clone() }),
            plan("side", PlannedNetwork::Update { old, new }),
            plan("deep", PlannedNetwork::Keep),
        ]
    }

    #[test]
    fn plans_for_people() {
        let new_files = ["app_conf".to_owned()];
        let here = Some(NodeId(11));
        let around = Around { new_files: &new_files, networks: &networks(), here };
        expect![[r#"
              + app_conf: new content
              + back: network
              ~ front: another network, to which tasks move by being replaced
                  attachable: false -> true
                  encrypted: false -> true
              ~ side: network
                  attachable: false -> true
                  encrypted: false -> true
              + api: ghcr.io/me/web:1@sha256:00
                  only where node.labels.zone==west
                  only where node.id==000000000000b (this node)
              = db
              - old
                  ends web.1 on rasp11
              ? odd: not in these files, and left alone (--prune removes it)
              ~ web
                  env[A]: 1 -> 2
                  env[B]: 2 -> (none)
                  env[C]: (none) -> 3
                  image: ghcr.io/me/web:1@sha256:00 -> web:2
                  stop_grace: 3s -> 1.5s
                  replaces web.1 on rasp11
            1 to create, 1 to update, 1 to remove, 1 unchanged, 1 left alone, 1 task to replace
        "#]]
        .assert_eq(&plan(&plans(), &around, Format::Table));
        let nothing = Around { new_files: &[], networks: &[], here: None };
        assert_eq!(plan(&[], &nothing, Format::Table), "no services\n");
    }

    #[test]
    fn plans_for_programs() {
        let around = Around { new_files: &[], networks: &networks()[..2], here: None };
        expect![[r#"
            {"Action":"leave","Changes":[],"Service":"odd","Tasks":[]}
            {"Action":"update","Changes":[{"Field":"env[A]","New":"2","Old":"1"},{"Field":"env[B]","New":null,"Old":"2"},{"Field":"env[C]","New":"3","Old":null},{"Field":"image","New":"web:2","Old":"ghcr.io/me/web:1@sha256:00"},{"Field":"stop_grace","New":"1.5s","Old":"3s"}],"Service":"web","Tasks":[{"ID":"0000000000001","Name":"web.1","Node":"rasp11"}]}
            {"Action":"create","Changes":[],"Network":"back"}
            {"Action":"replace","Changes":[{"Field":"attachable","New":true,"Old":false},{"Field":"encrypted","New":true,"Old":false}],"Network":"front"}
        "#]].assert_eq(&plan(&plans()[3..], &around, Format::Json));
    }

    #[test]
    fn stacks() {
        let stacks = [v1::StackView { name: "shop".to_owned(), services: 5 }];
        expect![[r#"
            NAME      SERVICES
            shop      5
            {"Name":"shop","Services":"5"}
        "#]]
        .assert_eq(&(list(&stacks, Format::Table) + &list(&stacks, Format::Json)));
    }
}
