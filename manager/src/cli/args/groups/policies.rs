//! How tasks are replaced: after they ended, by newer ones, and back again.

use super::put;
use crate::cli::args::choices::{
    parse_failure_action, parse_restart_condition, parse_rollback_failure_action,
    parse_update_order,
};
use crate::cli::args::values::parse_ratio;
use clap::Args;
use common::service::{RestartCondition, TaskSpec};
use common::units::parse_duration;
use common::update::{FailureAction, Ratio, UpdateOrder, UpdatePolicy};
use std::time::Duration;

#[derive(Debug, Args)]
pub(in crate::cli) struct RestartFlags {
    /// When a task that ended is replaced: none, on-failure or any [default: any]
    #[arg(long, value_name = "CONDITION", value_parser = parse_restart_condition)]
    restart_condition: Option<RestartCondition>,
    /// How long to wait before that [default: 5s]
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = parse_duration,
        allow_hyphen_values = true
    )]
    restart_delay: Option<Duration>,
    /// How often at most; 0: as often as need be
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    restart_max_attempts: Option<u32>,
    /// Only attempts within this time count
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = parse_duration,
        allow_hyphen_values = true
    )]
    restart_window: Option<Duration>,
    /// Rather none than two in a slot: what its managers do not reach ends within 10 s, and is
    /// replaced after that
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    at_most_one: Option<bool>,
}

impl RestartFlags {
    pub(in crate::cli::args) fn apply(&self, task: &mut TaskSpec) {
        put(&mut task.at_most_one, self.at_most_one.as_ref());
        let policy = &mut task.restart;
        put(&mut policy.condition, self.restart_condition.as_ref());
        put(&mut policy.delay, self.restart_delay.as_ref());
        put(&mut policy.window, self.restart_window.as_ref());
        if let Some(attempts) = self.restart_max_attempts {
            policy.attempts_max = Some(attempts).filter(|it| *it > 0);
        }
    }
}

/// The same flags under two names.
macro_rules! policy_flags {
    (
        $name:ident, $what:literal, $actions:literal, $parse_action:path:
        $parallelism:literal $delay:literal $action:literal $monitor:literal $ratio:literal
        $order:literal
    ) => {
        #[derive(Debug, Args)]
        pub(in crate::cli) struct $name {
            #[arg(
                id = $parallelism,
                long = $parallelism,
                value_name = "NUMBER",
                allow_negative_numbers = true,
                help = concat!("How many tasks ", $what, " at a time; 0: all [default: 1]")
            )]
            parallelism: Option<u32>,
            #[arg(
                id = $delay,
                long = $delay,
                value_name = "DURATION",
                value_parser = parse_duration,
                allow_hyphen_values = true,
                help = concat!("How long to wait between those that ", $what, " [default: 0s]")
            )]
            delay: Option<Duration>,
            #[arg(
                id = $action,
                long = $action,
                value_name = "ACTION",
                value_parser = $parse_action,
                help = concat!("What to do if it fails: ", $actions, " [default: pause]")
            )]
            on_failure: Option<FailureAction>,
            #[arg(
                id = $monitor,
                long = $monitor,
                value_name = "DURATION",
                value_parser = parse_duration,
                allow_hyphen_values = true,
                help = "How long a new task is watched for failure [default: 5s]"
            )]
            monitor: Option<Duration>,
            #[arg(
                id = $ratio,
                long = $ratio,
                value_name = "SHARE",
                value_parser = parse_ratio,
                allow_negative_numbers = true,
                help = "Which share of tasks may fail, from 0 to 1 [default: 0]"
            )]
            failure_ratio_max: Option<Ratio>,
            #[arg(
                id = $order,
                long = $order,
                value_name = "ORDER",
                value_parser = parse_update_order,
                help = "stop-first, or start-first to have both for a while [default: stop-first]"
            )]
            order: Option<UpdateOrder>,
        }

        impl $name {
            pub(in crate::cli::args) fn apply(&self, policy: &mut UpdatePolicy) {
                put(&mut policy.parallelism, self.parallelism.as_ref());
                put(&mut policy.delay, self.delay.as_ref());
                put(&mut policy.on_failure, self.on_failure.as_ref());
                put(&mut policy.monitor, self.monitor.as_ref());
                put(&mut policy.failure_ratio_max, self.failure_ratio_max.as_ref());
                put(&mut policy.order, self.order.as_ref());
            }
        }
    };
}

policy_flags! {
    UpdatePolicyFlags, "are updated", "pause, continue or rollback", parse_failure_action:
    "update-parallelism" "update-delay" "update-failure-action" "update-monitor"
    "update-max-failure-ratio" "update-order"
}

policy_flags! {
    RollbackPolicyFlags, "are rolled back", "pause or continue", parse_rollback_failure_action:
    "rollback-parallelism" "rollback-delay" "rollback-failure-action" "rollback-monitor"
    "rollback-max-failure-ratio" "rollback-order"
}
