//! Hard conditions, each with its refusal. Reads a node and a wish and changes neither.

use super::generic;
use super::homes::HomeView;
use super::images::ImageView;
use crate::draft::Draft;
use crate::state::Load;
use common::constraint::Constraint;
use common::node::{Availability, Node, NodeState};
use common::resources::{GenericResources, Resources, Shortage};
use common::service::TaskSpec;
use common::{NodeId, Timestamp};
use std::collections::BTreeMap;

/// Why a node does not get a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    Joining,
    Down,
    /// It came back a moment ago and has to stay for a while first.
    Unsteady {
        until: Timestamp,
    },
    Paused,
    Draining,
    Constraint(Constraint),
    Resources {
        shortage: Shortage,
        free: Resources,
    },
    /// Of what only people know the meaning of.
    Generic {
        kind: String,
        needed: u64,
        free: u64,
    },
    MaxPerNode(u32),
    /// The data is on other nodes, named in words.
    VolumeElsewhere {
        volume: String,
        on: String,
    },
    /// The data should be there, and is not.
    VolumeLost {
        volume: String,
    },
    /// A service that is being removed still uses it there.
    VolumeTaken {
        volume: String,
        service: String,
    },
    /// Some node has not said yet which volumes it has.
    VolumesUnsaid {
        until: Timestamp,
    },
    /// Somebody has asked for its removal there.
    VolumeLeaving {
        volume: String,
    },
    /// It has said that it cannot get the image.
    ImageMissing {
        until: Option<Timestamp>,
    },
    /// Another task is finding out whether it can get the image.
    ImageOnTrial,
}

/// A node as a plan sees it, while the plan grows.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub node: NodeId,
    pub total: Resources,
    pub load: Load,
    /// Live tasks of the service that is being placed.
    pub of_service: u32,
    pub recent_failures: u32,
    pub(crate) image: ImageView,
    pub(crate) home: HomeView,
    /// Of what only people know the meaning of; nothing where nobody asks for it.
    pub(crate) generic_free: GenericResources,
}

impl Candidate {
    pub(crate) fn new(node: &Node, loads: &BTreeMap<NodeId, Load>) -> Candidate {
        Candidate {
            node: node.id,
            total: node.description.resources,
            load: loads.get(&node.id).copied().unwrap_or_default(),
            of_service: 0,
            recent_failures: 0,
            image: ImageView::default(),
            home: HomeView::default(),
            generic_free: GenericResources::new(),
        }
    }

    pub(crate) fn free(&self) -> Resources {
        self.total.saturating_sub(self.load.reserved)
    }

    /// One more task of the service is on it now.
    pub(crate) fn take(&mut self, spec: &TaskSpec) {
        self.load.reserved = self.load.reserved.saturating_add(spec.reservations);
        self.load.tasks += 1;
        generic::take(&mut self.generic_free, &spec.generic);
        self.of_service += 1;
        self.image.on_trial = !self.image.at_hand;
    }
}

/// Cheap conditions first; the first that does not hold is the one people are told.
pub(crate) fn check(
    draft: &Draft<'_>,
    spec: &TaskSpec,
    candidate: &Candidate,
) -> Result<(), Refusal> {
    let Some(node) = draft.node(candidate.node) else { return Err(Refusal::Down) };
    check_ready(node, draft.now.at)?;
    if let Some(refusal) = &candidate.home.refusal {
        return Err(refusal.clone());
    }
    check_constraints(node, spec)?;
    if let Some(shortage) = candidate.free().shortage_for(spec.reservations) {
        return Err(Refusal::Resources { shortage, free: candidate.free() });
    }
    generic::check(&candidate.generic_free, spec)?;
    match spec.replicas_max_per_node {
        Some(max) if candidate.of_service >= max => return Err(Refusal::MaxPerNode(max)),
        Some(_) | None => {}
    }
    candidate.image.check(draft.now.at)
}

fn check_ready(node: &Node, now: Timestamp) -> Result<(), Refusal> {
    match node.status.state {
        NodeState::Joining => return Err(Refusal::Joining),
        NodeState::Down(_) => return Err(Refusal::Down),
        NodeState::Ready => {}
    }
    match node.spec.availability {
        Availability::Active => {}
        Availability::Pause => return Err(Refusal::Paused),
        Availability::Drain => return Err(Refusal::Draining),
    }
    if now < node.status.steady_at {
        return Err(Refusal::Unsteady { until: node.status.steady_at });
    }
    Ok(())
}

fn check_constraints(node: &Node, spec: &TaskSpec) -> Result<(), Refusal> {
    match spec.constraints.iter().find(|it| !it.matches(&node.traits())) {
        Some(constraint) => Err(Refusal::Constraint(constraint.clone())),
        None => Ok(()),
    }
}

/// Whether a global service wants a task there. A node that is away or paused keeps what it has.
pub(crate) fn may_have_global(node: &Node, spec: &TaskSpec) -> bool {
    node.spec.availability != Availability::Drain && check_constraints(node, spec).is_ok()
}
