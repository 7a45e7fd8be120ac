//! `node inspect` for programs: Docker's shape, and a few keys of our own at its end.

use super::generic_json::SupplyJson;
use super::pretty_json;
use super::service_json::VersionJson;
use crate::cli::seen::{SeenNode, SeenState};
use common::calendar::rfc3339;
use proto::v1::node_view::ManagerStatus;
use serde::Serialize;
use std::collections::BTreeMap;

pub(in crate::cli) fn inspect(nodes: &[SeenNode]) -> String {
    pretty_json(&nodes.iter().map(NodeJson::of).collect::<Vec<_>>())
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NodeJson<'a> {
    #[serde(rename = "ID")]
    id: String,
    version: VersionJson,
    created_at: String,
    updated_at: String,
    spec: SpecJson<'a>,
    description: DescriptionJson<'a>,
    status: StatusJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manager_status: Option<ManagerJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_offset_millis: Option<i64>,
    images: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SpecJson<'a> {
    name: &'a str,
    labels: &'a BTreeMap<String, String>,
    role: &'static str,
    availability: &'static str,
    /// In nanoseconds, as Docker writes durations.
    #[serde(skip_serializing_if = "Option::is_none")]
    down_after: Option<u128>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DescriptionJson<'a> {
    hostname: &'a str,
    platform: PlatformJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<SupplyJson>,
    engine: EngineJson<'a>,
    program_version: &'a str,
}

#[derive(Serialize)]
struct PlatformJson<'a> {
    #[serde(rename = "Architecture")]
    architecture: &'a str,
    #[serde(rename = "Variant", skip_serializing_if = "Option::is_none")]
    variant: Option<&'a str>,
    #[serde(rename = "OS")]
    os: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EngineJson<'a> {
    engine_version: &'a str,
    labels: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    without_effect: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StatusJson<'a> {
    state: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    addr: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ManagerJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    leader: Option<bool>,
    reachability: &'static str,
    addr: &'a str,
}

impl<'a> NodeJson<'a> {
    fn of(node: &'a SeenNode) -> NodeJson<'a> {
        let description = &node.description;
        NodeJson {
            id: node.id.to_string(),
            version: VersionJson { index: node.version },
            created_at: rfc3339(node.created.wall),
            updated_at: rfc3339(node.updated.wall),
            spec: SpecJson {
                name: &node.name,
                labels: &node.spec.labels,
                role: node.spec.role.as_str(),
                availability: node.spec.availability.as_str(),
                down_after: node.spec.down_after.map(|it| it.as_nanos()),
            },
            description: DescriptionJson {
                hostname: &description.hostname,
                platform: PlatformJson {
                    architecture: &description.platform.arch,
                    variant: description.platform.variant.as_deref(),
                    os: &description.platform.os,
                },
                resources: SupplyJson::of(description.resources, &description.generic),
                engine: EngineJson::of(node),
                program_version: &description.program_version,
            },
            status: StatusJson {
                state: state_word(node.state),
                message: &node.reason,
                addr: node.address.rsplit_once(':').map_or("", |(host, _)| host),
            },
            manager_status: ManagerJson::of(node),
            clock_offset_millis: node.clock_offset_millis,
            images: &node.images,
        }
    }
}

impl<'a> EngineJson<'a> {
    fn of(node: &'a SeenNode) -> EngineJson<'a> {
        let engine = &node.description.engine;
        EngineJson {
            engine_version: &engine.version,
            labels: &engine.labels,
            without_effect: engine.incapable_of.iter().map(ToString::to_string).collect(),
        }
    }
}

impl<'a> ManagerJson<'a> {
    fn of(node: &'a SeenNode) -> Option<ManagerJson<'a>> {
        let reachability = match node.manager {
            ManagerStatus::None => return None,
            ManagerStatus::Leader | ManagerStatus::Reachable => "reachable",
            ManagerStatus::Unreachable => "unreachable",
            ManagerStatus::Joining => "unknown",
        };
        let leader = (node.manager == ManagerStatus::Leader).then_some(true);
        Some(ManagerJson { leader, reachability, addr: &node.address })
    }
}

fn state_word(state: SeenState) -> &'static str {
    match state {
        SeenState::Joining => "unknown",
        SeenState::Ready => "ready",
        SeenState::Down => "down",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render::samples::nodes;
    use expect_test::expect_file;

    #[test]
    fn the_shape_is_docker_s() {
        expect_file!["expected/node_inspect.json"].assert_eq(&inspect(&nodes()));
    }
}
