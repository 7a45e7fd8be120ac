//! What a node has and a task reserves, in Docker's shape.

use super::service_json::ResourcesJson;
use common::resources::{GenericResources, Resources};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct SupplyJson {
    #[serde(flatten)]
    resources: Option<ResourcesJson>,
    #[serde(rename = "GenericResources", skip_serializing_if = "Vec::is_empty")]
    generic: Vec<GenericJson>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GenericJson {
    discrete_resource_spec: DiscreteJson,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DiscreteJson {
    kind: String,
    value: u64,
}

impl SupplyJson {
    pub(super) fn of(resources: Resources, generic: &GenericResources) -> Option<SupplyJson> {
        let resources = ResourcesJson::of(resources);
        let is_said = resources.is_some() || !generic.is_empty();
        let json = |(kind, value): (&String, &u64)| GenericJson {
            discrete_resource_spec: DiscreteJson { kind: kind.clone(), value: *value },
        };
        is_said.then(|| SupplyJson { resources, generic: generic.iter().map(json).collect() })
    }
}
