//! Nodes, and what they say of themselves.

use super::{Malformed, enums, parsed, required, specified};
use crate::v1;
use common::node::{
    Availability, Engine, Incapability, Node, NodeDescription, NodeKind, NodeSpec, NodeState,
    NodeStatus, Role,
};
use common::platform::Platform;
use common::time::millis;
use std::time::Duration;

enums! {
    "role": v1::Role = Role { Worker Manager }
    "availability": v1::Availability = Availability { Active Pause Drain }
    "kind": v1::NodeKind = NodeKind { Full AgentOnly }
    "incapable_of": v1::engine::Incapability = Incapability { MemoryLimit CpuLimit PidsLimit }
}

impl TryFrom<v1::NodeSpec> for NodeSpec {
    type Error = Malformed;
    fn try_from(wire: v1::NodeSpec) -> Result<NodeSpec, Malformed> {
        Ok(NodeSpec {
            role: specified::<v1::Role, _>(wire.role, "role")?,
            availability: specified::<v1::Availability, _>(wire.availability, "availability")?,
            labels: wire.labels,
            down_after: wire.down_after_millis.map(Duration::from_millis),
        })
    }
}

impl From<&NodeSpec> for v1::NodeSpec {
    fn from(spec: &NodeSpec) -> v1::NodeSpec {
        v1::NodeSpec {
            role: v1::Role::from(spec.role).into(),
            availability: v1::Availability::from(spec.availability).into(),
            labels: spec.labels.clone(),
            down_after_millis: spec.down_after.map(millis),
        }
    }
}

impl TryFrom<v1::NodeDescription> for NodeDescription {
    type Error = Malformed;
    fn try_from(wire: v1::NodeDescription) -> Result<NodeDescription, Malformed> {
        let addresses = wire.addresses.iter().map(|it| parsed(it, "description.addresses"));
        Ok(NodeDescription {
            hostname: wire.hostname,
            addresses: addresses.collect::<Result<_, _>>()?,
            platform: required(wire.platform, "description.platform")?,
            resources: required(wire.resources, "description.resources")?,
            generic: wire.generic,
            engine: required(wire.engine, "description.engine")?,
            program_version: wire.program_version,
        })
    }
}

impl From<&NodeDescription> for v1::NodeDescription {
    fn from(description: &NodeDescription) -> v1::NodeDescription {
        v1::NodeDescription {
            hostname: description.hostname.clone(),
            addresses: description.addresses.iter().map(ToString::to_string).collect(),
            platform: Some((&description.platform).into()),
            resources: Some((&description.resources).into()),
            generic: description.generic.clone(),
            engine: Some((&description.engine).into()),
            program_version: description.program_version.clone(),
        }
    }
}

impl From<v1::Platform> for Platform {
    fn from(wire: v1::Platform) -> Platform {
        Platform { os: wire.os, arch: wire.arch, variant: wire.variant }
    }
}

impl From<&Platform> for v1::Platform {
    fn from(platform: &Platform) -> v1::Platform {
        let Platform { os, arch, variant } = platform.clone();
        v1::Platform { os, arch, variant }
    }
}

impl From<v1::Engine> for Engine {
    fn from(wire: v1::Engine) -> Engine {
        // A newer agent may know of failings that this version never warns of; it is no reason to
        // turn the agent away.
        let known = wire.incapable_of.into_iter().filter_map(|number| {
            specified::<v1::engine::Incapability, _>(number, "incapable_of").ok()
        });
        Engine {
            version: wire.version,
            api_version: wire.api_version,
            labels: wire.labels,
            incapable_of: known.collect(),
        }
    }
}

impl From<&Engine> for v1::Engine {
    fn from(engine: &Engine) -> v1::Engine {
        let incapable_of = engine.incapable_of.iter();
        v1::Engine {
            version: engine.version.clone(),
            api_version: engine.api_version.clone(),
            labels: engine.labels.clone(),
            incapable_of: incapable_of
                .map(|it| v1::engine::Incapability::from(*it).into())
                .collect(),
        }
    }
}

impl From<&NodeStatus> for v1::NodeStatus {
    fn from(status: &NodeStatus) -> v1::NodeStatus {
        use v1::node_status::State;
        let (state, reason) = match &status.state {
            NodeState::Joining => (State::Joining, String::new()),
            NodeState::Ready => (State::Ready, String::new()),
            NodeState::Down(reason) => (State::Down, reason.to_string()),
        };
        v1::NodeStatus { state: state.into(), reason, since: Some((&status.since).into()) }
    }
}

impl From<&Node> for v1::Node {
    fn from(node: &Node) -> v1::Node {
        v1::Node {
            id: node.id.0,
            version: node.version.0,
            created: Some((&node.created).into()),
            updated: Some((&node.updated).into()),
            name: node.name.to_string(),
            spec: Some((&node.spec).into()),
            address: node.address.to_string(),
            kind: v1::NodeKind::from(node.kind).into(),
            description: Some((&node.description).into()),
            status: Some((&node.status).into()),
        }
    }
}
