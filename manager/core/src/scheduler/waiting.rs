//! Why a task has no node, for people.

use super::filter::Refusal;
use crate::dependencies::Unmet;
use common::resources::{Resources, Shortage, display_cpus};
use common::units::display_bytes;
use common::{Name, NodeId, Timestamp};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Shared by all tasks that wait for the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// One refusal per node.
    ForNode {
        refusals: Arc<[(NodeId, Refusal)]>,
    },
    ForServices {
        unmet: Arc<[Unmet]>,
        until: Option<Timestamp>,
    },
    /// It must not run beside a task that may still run on that node.
    ForEnd {
        node: Option<Name>,
        until: Option<Timestamp>,
    },
}

impl Waiting {
    pub(crate) fn of(refusals: Vec<(NodeId, Refusal)>) -> Waiting {
        Waiting::ForNode { refusals: refusals.into() }
    }

    pub(crate) fn for_services(unmet: Vec<Unmet>, until: Option<Timestamp>) -> Waiting {
        Waiting::ForServices { unmet: unmet.into(), until }
    }

    /// With how long it takes at most, where that is known.
    pub fn in_words(&self, now: Timestamp) -> String {
        match self {
            Waiting::ForEnd { until: Some(until), .. } => {
                let seconds = until.since(now).as_secs_f64().ceil();
                format!("{self}, in {seconds} s at most")
            }
            Waiting::ForEnd { until: None, .. }
            | Waiting::ForNode { .. }
            | Waiting::ForServices { .. } => self.to_string(),
        }
    }

    /// When it may be over by itself.
    pub fn over_at(&self) -> Option<Timestamp> {
        match self {
            Waiting::ForNode { refusals } => {
                refusals.iter().filter_map(|(_, refusal)| over_at(refusal)).min()
            }
            Waiting::ForServices { until, .. } | Waiting::ForEnd { until, .. } => *until,
        }
    }
}

fn over_at(refusal: &Refusal) -> Option<Timestamp> {
    match refusal {
        Refusal::Unsteady { until } | Refusal::VolumesUnsaid { until } => Some(*until),
        Refusal::ImageMissing { until } => *until,
        Refusal::Joining
        | Refusal::Down
        | Refusal::Paused
        | Refusal::Draining
        | Refusal::Constraint(_)
        | Refusal::Resources { .. }
        | Refusal::Generic { .. }
        | Refusal::MaxPerNode(_)
        | Refusal::VolumeElsewhere { .. }
        | Refusal::VolumeLost { .. }
        | Refusal::VolumeTaken { .. }
        | Refusal::VolumeLeaving { .. }
        | Refusal::ImageOnTrial => None,
    }
}

/// `no suitable node: 2 lack memory (64 MiB short at best), 1 is draining`
impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refusals = match self {
            Waiting::ForNode { refusals } => refusals,
            Waiting::ForServices { unmet, .. } => {
                let unmet: Vec<String> = unmet.iter().map(ToString::to_string).collect();
                return write!(f, "waits for {}", unmet.join(", "));
            }
            Waiting::ForEnd { node, .. } => {
                let on = node.as_ref().map_or(String::new(), |it| format!(" on {it}"));
                return write!(f, "waits until its predecessor{on} is over for sure");
            }
        };
        if refusals.is_empty() {
            return f.write_str("no suitable node: the cluster has none");
        }
        let mut groups: BTreeMap<String, Vec<&Refusal>> = BTreeMap::new();
        for (_, refusal) in refusals.iter() {
            groups.entry(kind(refusal)).or_default().push(refusal);
        }
        let parts: Vec<String> = groups
            .into_iter()
            .map(|(kind, refusals)| format!("{} {kind}{}", refusals.len(), best(&refusals)))
            .collect();
        write!(f, "no suitable node: {}", parts.join(", "))
    }
}

/// Read behind a number of nodes.
fn kind(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Joining => "still joining".to_owned(),
        Refusal::Down => "down".to_owned(),
        Refusal::Unsteady { .. } => "just came back and must stay for a while".to_owned(),
        Refusal::Paused => "paused".to_owned(),
        Refusal::Draining => "draining".to_owned(),
        Refusal::Constraint(constraint) => format!("not matching {constraint}"),
        Refusal::Resources { shortage, .. } => {
            let lacking = match (shortage.cpu_nanos > 0, shortage.memory_bytes > 0) {
                (true, true) => "CPUs and memory",
                (true, false) => "CPUs",
                (false, _) => "memory",
            };
            format!("lacking {lacking}")
        }
        Refusal::Generic { kind, .. } => format!("lacking {kind}"),
        Refusal::MaxPerNode(max) => format!("with {max} of this service already (the maximum)"),
        Refusal::VolumeElsewhere { volume, on } => {
            format!("without the data of volume {volume} (it is on {on})")
        }
        Refusal::VolumeLost { volume } => format!(
            "that had volume {volume} and has it no more (a disk that is not mounted? `skep volume \
             rm {volume} --force` begins anew)"
        ),
        Refusal::VolumeTaken { volume, service } => {
            format!("whose volume {volume} is in use by {service}, which is being removed")
        }
        Refusal::VolumesUnsaid { .. } => {
            "held until all have said which volumes they have".to_owned()
        }
        Refusal::VolumeLeaving { volume } => format!("still removing volume {volume}"),
        Refusal::ImageMissing { .. } => "without the image".to_owned(),
        Refusal::ImageOnTrial => "fetching the image".to_owned(),
    }
}

/// The least that is missing, over all nodes that lack resources.
fn best(refusals: &[&Refusal]) -> String {
    let shortages = refusals.iter().filter_map(|it| {
        let Refusal::Resources { shortage, free } = it else { return None };
        Some((shortage, free))
    });
    if let Some((needed, free)) = refusals.iter().filter_map(|it| generic(it)).max_by_key(|it| it.1)
    {
        return format!(" (need {needed}, best has {free})");
    }
    match shortages.min_by_key(|(shortage, _)| (shortage.memory_bytes, shortage.cpu_nanos)) {
        Some((shortage, free)) => format!(" ({})", shortage_in_words(*shortage, *free)),
        None => String::new(),
    }
}

fn generic(refusal: &Refusal) -> Option<(u64, u64)> {
    let Refusal::Generic { needed, free, .. } = refusal else { return None };
    Some((*needed, *free))
}

fn shortage_in_words(shortage: Shortage, free: Resources) -> String {
    let mut parts = Vec::new();
    if shortage.memory_bytes > 0 {
        let need = display_bytes(free.memory_bytes + shortage.memory_bytes).to_string();
        parts.push(format!("need {need}, best has {}", display_bytes(free.memory_bytes)));
    }
    if shortage.cpu_nanos > 0 {
        let need = display_cpus(free.cpu_nanos + shortage.cpu_nanos).to_string();
        parts.push(format!("need {need} CPUs, best has {}", display_cpus(free.cpu_nanos)));
    }
    parts.join("; ")
}
