//! `node ls`, and `node inspect` for people.

use super::{json_lines, table};
use crate::cli::args::filter::{NodeFilter, passes};
use crate::cli::args::format::Format;
use crate::cli::seen::{SeenNode, SeenState, availability_word, manager_word};
use common::Stamp;
use common::calendar::rfc3339;
use common::node::Role;
use common::resources::display_cpus;
use common::units::{display_age, display_bytes, display_duration};
use proto::v1::node_view::ManagerStatus;
use serde_json::json;
use std::collections::BTreeMap;

pub(in crate::cli) fn matches(node: &SeenNode, filters: &[NodeFilter]) -> bool {
    passes(filters, |filter| match filter {
        NodeFilter::Id(id) => node.id.to_string().starts_with(id),
        NodeFilter::Name(name) => node.name.starts_with(name),
        NodeFilter::NodeLabel(label) => label.matches(&node.spec.labels),
        NodeFilter::EngineLabel(label) => label.matches(&node.description.engine.labels),
        NodeFilter::Role(role) => node.spec.role == *role,
    })
}

pub(in crate::cli) fn list(nodes: &[SeenNode], format: Format) -> String {
    match format {
        Format::Table => {
            let rows: Vec<[String; 6]> = nodes.iter().map(row).collect();
            let header =
                ["ID", "HOSTNAME", "STATUS", "AVAILABILITY", "MANAGER STATUS", "ENGINE VERSION"];
            table(header, &rows)
        }
        Format::Json => json_lines(nodes.iter().map(|node| {
            let [_, hostname, status, availability, manager, engine] = row(node);
            json!({
                "ID": node.id.to_string(), "Hostname": hostname, "Status": status,
                "Availability": availability, "ManagerStatus": manager, "EngineVersion": engine,
                "Self": node.is_self,
            })
        })),
    }
}

pub(in crate::cli) fn ids(nodes: &[SeenNode]) -> String {
    nodes.iter().map(|it| format!("{}\n", it.id)).collect()
}

fn row(node: &SeenNode) -> [String; 6] {
    let mark = if node.is_self { " *" } else { "" };
    [
        format!("{}{mark}", node.id),
        node.name.clone(),
        node.state.as_str().to_owned(),
        availability_word(node.spec.availability).to_owned(),
        manager_word(node.manager).to_owned(),
        node.description.engine.version.clone(),
    ]
}

/// `NAME:` and the value in one column, as Docker's; ` NAME:` under a heading.
fn line(name: &str, value: impl std::fmt::Display) -> String {
    format!("{:<24}{value}\n", format!("{name}:"))
}

fn labels(heading: &str, labels: &BTreeMap<String, String>) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let lines = labels.iter().map(|(name, value)| format!(" - {name}={value}\n"));
    format!("{heading}:\n{}", lines.collect::<String>())
}

pub(in crate::cli) fn pretty(node: &SeenNode, now: Stamp) -> String {
    let description = &node.description;
    let mut text = line("ID", node.id);
    text += &line("Name", &node.name);
    text += &line("Hostname", &description.hostname);
    text += &labels("Labels", &node.spec.labels);
    text += &line("Joined at", rfc3339(node.created.wall));
    text += &status(node, now);
    if node.manager != ManagerStatus::None {
        text += "Manager Status:\n";
        text += &line(" Address", &node.address);
        text += &line(" Raft Status", manager_word(node.manager));
    }
    text += "Platform:\n";
    text += &line(" Operating System", &description.platform.os);
    text += &line(" Architecture", architecture(node));
    text += "Resources:\n";
    text += &line(" CPUs", display_cpus(description.resources.cpu_nanos));
    text += &line(" Memory", display_bytes(description.resources.memory_bytes));
    for (kind, amount) in &description.generic {
        text += &line(&format!(" {kind}"), amount);
    }
    text += &line("Engine Version", &description.engine.version);
    text += &labels("Engine Labels", &description.engine.labels);
    for failing in &description.engine.incapable_of {
        text += &line("Warning", failing);
    }
    text += &line("skep Version", &description.program_version);
    if !node.images.is_empty() {
        text += "Images:\n";
        text.extend(node.images.iter().map(|it| format!(" - {it}\n")));
    }
    text
}

fn status(node: &SeenNode, now: Stamp) -> String {
    let mut text = "Status:\n".to_owned();
    let age = display_age(node.since.age(now)).to_lowercase();
    text += &line(" State", format!("{} for {age}", node.state.as_str()));
    match node.state {
        SeenState::Down => text += &line(" Message", &node.reason),
        SeenState::Joining | SeenState::Ready => {}
    }
    text += &line(" Availability", availability_word(node.spec.availability));
    text += &line(" Address", &node.address);
    if let Some(down_after) = node.spec.down_after {
        text += &line(" Down After", display_duration(down_after));
    }
    if let Some(offset) = node.clock_offset_millis {
        text += &line(" Clock", format!("{offset:+} ms against the leader's"));
    }
    text
}

fn architecture(node: &SeenNode) -> String {
    let platform = &node.description.platform;
    match &platform.variant {
        Some(variant) => format!("{}/{variant}", platform.arch),
        None => platform.arch.clone(),
    }
}

/// In Swarm's words.
pub(in crate::cli) fn is_now(node: &str, role: Role) -> String {
    match role {
        Role::Manager => format!("Node {node} promoted to a manager in the cluster."),
        Role::Worker => format!("Manager {node} demoted in the cluster."),
    }
}

/// Where it was that before.
pub(in crate::cli) fn is_already(node: &str, role: Role) -> String {
    match role {
        Role::Manager => format!("Node {node} is already a manager."),
        Role::Worker => format!("Node {node} is already a worker."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render::samples::{NOW, nodes};
    use expect_test::{expect, expect_file};

    #[test]
    fn ls() {
        expect![[r#"
            ID                HOSTNAME   STATUS    AVAILABILITY   MANAGER STATUS   ENGINE VERSION
            0000000000001 *   rasp1      Ready     Active         Leader           20.10.24
            0000000000002     rasp2      Down      Drain                           20.10.24
        "#]]
        .assert_eq(&list(&nodes(), Format::Table));
        expect_file!["expected/node_ls.json"].assert_eq(&list(&nodes(), Format::Json));
        expect![[r#"
            0000000000001
            0000000000002
        "#]]
        .assert_eq(&ids(&nodes()));
    }

    #[test]
    fn inspect_for_people() {
        let texts: Vec<String> = nodes().iter().map(|it| pretty(it, NOW)).collect();
        expect_file!["expected/node_inspect_pretty.txt"].assert_eq(&texts.join("\n"));
    }

    #[test]
    fn filters() {
        for (text, count) in [
            ("role=manager", 1),
            ("name=rasp", 2),
            ("node.label=zone=west", 2),
            ("label=gpu=some", 0),
            ("id=0000000000002", 1),
        ] {
            let filters = [text.parse().expect("a filter")];
            let found = nodes().iter().filter(|it| matches(it, &filters)).count();
            assert_eq!(found, count, "{text}");
        }
    }
}
