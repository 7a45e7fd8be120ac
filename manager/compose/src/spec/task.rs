//! How many tasks, where, with what, and how they are replaced.

use super::Source;
use crate::model::{self, Deploy, MountKind, PathScope};
use common::constraint::Constraint;
use common::resources::Resources;
use common::service::{DependencyCondition, Mode, RestartCondition, RestartPolicy, TaskSpec};
use common::update::{FailureAction, Ratio, UpdateOrder, UpdatePolicy};

impl Source<'_> {
    pub(super) fn task(&self) -> TaskSpec {
        let Deploy { limits, reservations, .. } = &self.service.deploy;
        self.refuse_two_at_once();
        TaskSpec {
            limits: resources(limits.cpu_nanos, limits.memory_bytes),
            reservations: resources(reservations.cpu_nanos, reservations.memory_bytes),
            generic: reservations.generic.clone(),
            restart: restart(&self.service.deploy),
            constraints: self.constraints(),
            replicas_max_per_node: self.service.deploy.replicas_max_per_node,
            spread: self.service.deploy.spread.clone(),
            pids_max: limits.pids,
            at_most_one: self.service.at_most_one,
            networks: self.networks(),
            volume_policies: self.volume_policies(),
            ..TaskSpec::of_container(self.container())
        }
    }

    /// With the one that holds it to this node, where it needs what lies there.
    fn constraints(&self) -> Vec<Constraint> {
        let mut constraints = self.service.deploy.constraints.clone();
        let is_held = self.service.mounts.iter().any(|it| match &it.kind {
            MountKind::Bind { scope, .. } => *scope == PathScope::ThisNode,
            MountKind::Volume { .. } | MountKind::Anonymous { .. } | MountKind::Tmpfs { .. } => {
                false
            }
        });
        // Without a node, each mount has been told about.
        if let Some(node) = self.around.node.filter(|_| is_held) {
            let here = Constraint::of_node(node);
            if !constraints.contains(&here) {
                constraints.push(here);
            }
        }
        constraints
    }

    /// Whoever starts first runs twice for a moment.
    fn refuse_two_at_once(&self) {
        let Deploy { update, rollback, .. } = &self.service.deploy;
        let policies = [("update_config", update), ("rollback_config", rollback)];
        for (key, policy) in policies.into_iter().filter(|_| self.service.at_most_one) {
            let order = policy.as_ref().and_then(|it| it.order);
            if order == Some(model::UpdateOrder::StartFirst) {
                let text = "with `x-at-most-one`, no two tasks of a slot may run at a time";
                let fault = self.fault(&["deploy", key, "order"], text);
                self.report.borrow_mut().error(fault.hint("choose stop-first"));
            }
        }
    }
}

fn resources(cpu_nanos: Option<u64>, memory_bytes: Option<u64>) -> Resources {
    Resources {
        cpu_nanos: cpu_nanos.unwrap_or_default(),
        memory_bytes: memory_bytes.unwrap_or_default(),
    }
}

pub(super) fn mode(mode: model::Mode) -> Mode {
    match mode {
        model::Mode::Replicated { replicas } => Mode::Replicated { replicas },
        model::Mode::Global => Mode::Global,
        model::Mode::ReplicatedJob { replicas } => {
            Mode::ReplicatedJob { completions: replicas, concurrent_max: 0 }
        }
        model::Mode::GlobalJob => Mode::GlobalJob,
    }
}

pub(super) fn condition(condition: model::DependencyCondition) -> DependencyCondition {
    match condition {
        model::DependencyCondition::Started => DependencyCondition::Started,
        model::DependencyCondition::Healthy => DependencyCondition::Healthy,
        model::DependencyCondition::CompletedSuccessfully => {
            DependencyCondition::CompletedSuccessfully
        }
    }
}

fn restart(deploy: &Deploy) -> RestartPolicy {
    let given = deploy.restart.unwrap_or_default();
    let default = RestartPolicy::default();
    let condition = match given.condition {
        Some(model::RestartCondition::Never) => RestartCondition::Never,
        Some(model::RestartCondition::OnFailure) => RestartCondition::OnFailure,
        Some(model::RestartCondition::Any) => RestartCondition::Any,
        // A job that came to a good end is done.
        None if mode(deploy.mode).is_job() => RestartCondition::OnFailure,
        None => default.condition,
    };
    RestartPolicy {
        condition,
        delay: given.delay.unwrap_or(default.delay),
        attempts_max: given.attempts_max,
        window: given.window.unwrap_or(default.window),
    }
}

pub(super) fn update_policy(given: Option<model::UpdatePolicy>) -> UpdatePolicy {
    let given = given.unwrap_or_default();
    let default = UpdatePolicy::default();
    let ratio = |share| Ratio::from_share(share).expect("the reader lets only shares through");
    UpdatePolicy {
        // More slots than can be counted are all of them.
        parallelism: given
            .parallelism
            .map_or(default.parallelism, |it| u32::try_from(it).unwrap_or(u32::MAX)),
        delay: given.delay.unwrap_or(default.delay),
        on_failure: match given.failure_action {
            Some(model::FailureAction::Pause) => FailureAction::Pause,
            Some(model::FailureAction::Continue) => FailureAction::Continue,
            Some(model::FailureAction::Rollback) => FailureAction::Rollback,
            None => default.on_failure,
        },
        monitor: given.monitor.unwrap_or(default.monitor),
        failure_ratio_max: given.failure_ratio_max.map_or(default.failure_ratio_max, ratio),
        order: match given.order {
            Some(model::UpdateOrder::StopFirst) => UpdateOrder::StopFirst,
            Some(model::UpdateOrder::StartFirst) => UpdateOrder::StartFirst,
            None => default.order,
        },
        progress_deadline: default.progress_deadline,
    }
}
