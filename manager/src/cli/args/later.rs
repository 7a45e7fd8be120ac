//! Flags of Docker's that a later version serves. They are known by name, so that a script of
//! Swarm days is told what is missing instead of being obeyed by half.

use clap::Args;

/// A value that is never accepted.
#[derive(Debug, Clone)]
pub(in crate::cli) enum Never {}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} with a later version")]
struct Later(&'static str);

macro_rules! later {
    ($($what:literal: $($flag:ident $(-$short:literal)?)*;)*) => {
        #[derive(Debug, Args)]
        pub(in crate::cli) struct LaterFlags {
            $($(
                #[arg(
                    long,
                    $(short = $short,)?
                    hide = true,
                    value_parser = |_: &str| Err::<Never, Later>(Later($what))
                )]
                $flag: Option<Never>,
            )*)*
        }
    };
}

later! {
    "networks come": network endpoint_mode dns dns_option dns_search;
    "published ports come": publish -'p';
    "rolling updates come": update_delay update_failure_action update_max_failure_ratio
        update_monitor update_order update_parallelism rollback_delay rollback_failure_action
        rollback_max_failure_ratio rollback_monitor rollback_order rollback_parallelism;
    "health checks come": health_cmd health_interval health_retries health_start_period
        health_timeout;
    "placement preferences come": placement_pref;
    "generic resources come": generic_resource;
    "limits on processes come": limit_pids ulimit;
    "capabilities and sysctls come": cap_add cap_drop sysctl;
    "log drivers come": log_driver log_opt;
    "additional groups come": group;
}
