//! Whether a specification makes sense on any node. What an engine would turn down for every task
//! is turned down here, once and with a reason.

mod container;
mod kernel;
mod mounts;
mod placeholders;

use super::Refused;
use crate::file_requests;
use common::network::{Endpoint, Port, PortMode};
use common::resources::display_cpus;
use common::service::{Mode, ServiceSpec, TaskSpec};
use common::units::display_bytes;
use common::update::{FailureAction, Ratio, UpdateOrder, UpdatePolicy};
use std::collections::BTreeSet;

/// Docker's own floor; less than this the engine refuses on every node.
const MEMORY_LIMIT_LEAST: u64 = 6 << 20;
const REPLICAS_MAX: u32 = 100_000;

type Checked = Result<(), String>;

pub(super) fn check_spec(spec: &ServiceSpec) -> Result<(), Refused> {
    let sample = placeholders::sample(spec).map_err(|it| Refused::Invalid(it.to_string()))?;
    let checked = check_mode(spec.mode)
        .and_then(|()| check_updates(&spec.update, &spec.rollback))
        .and_then(|()| check_order(spec))
        .and_then(|()| check_resources(&spec.task))
        .and_then(|()| check_placement(&spec.task))
        .and_then(|()| check_ports(spec))
        .and_then(|()| container::check(&sample.container))
        .and_then(|()| mounts::check(&sample.container.mounts))
        .and_then(|()| kernel::check(&spec.task));
    checked.map_err(Refused::Invalid)?;
    file_requests::check_targets(spec)
}

/// The first that is wrong is told.
fn refuse_if<const N: usize>(wrongs: [(bool, &dyn Fn() -> String); N]) -> Checked {
    match wrongs.iter().find(|(is_wrong, _)| *is_wrong) {
        Some((_, reason)) => Err(reason()),
        None => Ok(()),
    }
}

fn check_mode(mode: Mode) -> Checked {
    match mode {
        Mode::Replicated { replicas: tasks } | Mode::ReplicatedJob { completions: tasks, .. }
            if tasks > REPLICAS_MAX =>
        {
            Err(format!("{tasks} replicas are more than {REPLICAS_MAX}, the maximum"))
        }
        Mode::Replicated { .. } | Mode::ReplicatedJob { .. } | Mode::Global | Mode::GlobalJob => {
            Ok(())
        }
    }
}

fn check_updates(update: &UpdatePolicy, rollback: &UpdatePolicy) -> Checked {
    if let Some(policy) = [update, rollback].iter().find(|it| it.failure_ratio_max > Ratio::ONE) {
        let share = policy.failure_ratio_max.share();
        return Err(format!("{share} is not a share of failures: it goes from 0 to 1"));
    }
    match rollback.on_failure {
        FailureAction::Pause | FailureAction::Continue => Ok(()),
        FailureAction::Rollback => {
            Err("a rollback that fails has nothing to go back to: pause or continue".to_owned())
        }
    }
}

/// Whoever starts first runs twice for a moment.
fn check_order(spec: &ServiceSpec) -> Checked {
    let starts_first = [&spec.update, &spec.rollback].map(|it| it.order == UpdateOrder::StartFirst);
    match (spec.task.at_most_one, starts_first) {
        (true, [true, _]) => Err("a service of at most one task per slot cannot be updated \
             start-first: choose the order stop-first"
            .to_owned()),
        (true, [false, true]) => {
            Err("a service of at most one task per slot cannot be rolled back \
             start-first: choose the order stop-first"
                .to_owned())
        }
        (true, [false, false]) | (false, _) => Ok(()),
    }
}

fn check_resources(task: &TaskSpec) -> Checked {
    let (limit, reserved) = (task.limits, task.reservations);
    refuse_if([
        (limit.memory_bytes != 0 && limit.memory_bytes < MEMORY_LIMIT_LEAST, &|| {
            let limit = display_bytes(limit.memory_bytes);
            format!("a memory limit of {limit} is below 6MiB, the minimum")
        }),
        (limit.memory_bytes != 0 && limit.memory_bytes < reserved.memory_bytes, &|| {
            let [limit, reserved] =
                [limit.memory_bytes, reserved.memory_bytes].map(|it| display_bytes(it).to_string());
            format!("the memory limit ({limit}) is below the reservation ({reserved})")
        }),
        (limit.cpu_nanos != 0 && limit.cpu_nanos < reserved.cpu_nanos, &|| {
            let [limit, reserved] =
                [limit.cpu_nanos, reserved.cpu_nanos].map(|it| display_cpus(it).to_string());
            format!("the CPU limit ({limit}) is below the reservation ({reserved})")
        }),
        (task.generic.iter().any(|(kind, amount)| !is_kind(kind) || *amount == 0), &|| {
            "a generic resource has a kind of one word and a number above 0, as in gpu=2".to_owned()
        }),
        (task.pids_max == Some(0), &|| {
            "a task of at most 0 processes would run nothing: leave it out".to_owned()
        }),
    ])
}

/// It becomes part of a variable's name.
fn is_kind(text: &str) -> bool {
    let is_good = |it: char| it.is_alphanumeric() || matches!(it, '-' | '_' | '.');
    !text.is_empty() && text.chars().all(is_good)
}

fn check_placement(task: &TaskSpec) -> Checked {
    if task.replicas_max_per_node == Some(0) {
        return Err("at most 0 replicas per node would run nothing: leave it out".to_owned());
    }
    let is_label = |label: &str| {
        let name =
            label.strip_prefix("node.labels.").or_else(|| label.strip_prefix("engine.labels."));
        name.is_some_and(|it| !it.is_empty())
    };
    match task.spread.iter().find(|it| !is_label(it)) {
        Some(label) => Err(format!(
            "`{label}` is not a label to spread over: node.labels.NAME or engine.labels.NAME is"
        )),
        None => Ok(()),
    }
}

fn check_ports(spec: &ServiceSpec) -> Checked {
    let is_ingress = |it: &Port| it.mode == PortMode::Ingress;
    if spec.endpoint == Endpoint::DnsRoundRobin && spec.ports.iter().any(is_ingress) {
        let text = "ports of mode ingress lead to the one address that a service with dnsrr lacks";
        return Err(format!("{text}: publish them in mode host, or leave dnsrr out"));
    }
    let mut taken = BTreeSet::new();
    let place = |it: &Port| it.published.map(|port| (port, it.protocol, it.host_ip));
    match spec.ports.iter().filter_map(place).find(|it| !taken.insert(*it)) {
        Some((port, protocol, _)) => {
            Err(format!("port {port}/{} is published twice", protocol.as_str()))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
