//! Flags that take one of a few words.

use common::container::is_volume_name;
use common::node::{Availability, Role};
use common::service::RestartCondition;
use common::update::{FailureAction, UpdateOrder};
use common::volume::VolumePolicy;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::cli) enum BadChoice {
    #[error("{0} is expected")]
    Expected(&'static str),
}

/// How a service spreads, before the number of its replicas is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum ModeWord {
    Replicated,
    Global,
    ReplicatedJob,
    GlobalJob,
}

impl ModeWord {
    pub(in crate::cli) fn as_str(self) -> &'static str {
        match self {
            ModeWord::Replicated => "replicated",
            ModeWord::Global => "global",
            ModeWord::ReplicatedJob => "replicated-job",
            ModeWord::GlobalJob => "global-job",
        }
    }
}

pub(in crate::cli) fn parse_mode(text: &str) -> Result<ModeWord, BadChoice> {
    match text {
        "replicated" => Ok(ModeWord::Replicated),
        "global" => Ok(ModeWord::Global),
        "replicated-job" => Ok(ModeWord::ReplicatedJob),
        "global-job" => Ok(ModeWord::GlobalJob),
        _ => Err(BadChoice::Expected("replicated, global, replicated-job or global-job")),
    }
}

/// What Docker takes behind `--detach=` and the like.
pub(in crate::cli) fn parse_switch(text: &str) -> Result<bool, BadChoice> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(BadChoice::Expected("true or false")),
    }
}

pub(in crate::cli) fn parse_availability(text: &str) -> Result<Availability, BadChoice> {
    match text {
        "active" => Ok(Availability::Active),
        "pause" => Ok(Availability::Pause),
        "drain" => Ok(Availability::Drain),
        _ => Err(BadChoice::Expected("active, pause or drain")),
    }
}

pub(in crate::cli) fn parse_role(text: &str) -> Result<Role, BadChoice> {
    match text {
        "worker" => Ok(Role::Worker),
        "manager" => Ok(Role::Manager),
        _ => Err(BadChoice::Expected("worker or manager")),
    }
}

pub(in crate::cli) fn parse_restart_condition(text: &str) -> Result<RestartCondition, BadChoice> {
    match text {
        "none" => Ok(RestartCondition::Never),
        "on-failure" => Ok(RestartCondition::OnFailure),
        "any" => Ok(RestartCondition::Any),
        _ => Err(BadChoice::Expected("none, on-failure or any")),
    }
}

pub(in crate::cli) fn parse_failure_action(text: &str) -> Result<FailureAction, BadChoice> {
    match text {
        "rollback" => Ok(FailureAction::Rollback),
        _ => parse_rollback_failure_action(text)
            .map_err(|_| BadChoice::Expected("pause, continue or rollback")),
    }
}

/// A rollback that fails has nothing left to go back to.
pub(in crate::cli) fn parse_rollback_failure_action(
    text: &str,
) -> Result<FailureAction, BadChoice> {
    match text {
        "pause" => Ok(FailureAction::Pause),
        "continue" => Ok(FailureAction::Continue),
        _ => Err(BadChoice::Expected("pause or continue")),
    }
}

pub(in crate::cli) fn parse_update_order(text: &str) -> Result<UpdateOrder, BadChoice> {
    match text {
        "stop-first" => Ok(UpdateOrder::StopFirst),
        "start-first" => Ok(UpdateOrder::StartFirst),
        _ => Err(BadChoice::Expected("stop-first or start-first")),
    }
}

/// `data=strict`
pub(in crate::cli) fn parse_volume_policy(text: &str) -> Result<(String, VolumePolicy), BadChoice> {
    let expected = BadChoice::Expected("VOLUME=strict, VOLUME=preferred or VOLUME=none");
    let (name, word) = text.split_once('=').ok_or(expected.clone())?;
    let policy = VolumePolicy::WORDS.iter().find(|(known, _)| *known == word);
    let policy = policy.filter(|_| is_volume_name(name)).ok_or(expected)?;
    Ok((name.to_owned(), policy.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_and_no_others() {
        assert_eq!(parse_mode("global"), Ok(ModeWord::Global));
        assert_eq!(parse_mode("global-job"), Ok(ModeWord::GlobalJob));
        assert_eq!(parse_switch("true"), Ok(true));
        assert_eq!(parse_switch("0"), Ok(false));
        assert!(parse_switch("yes").is_err());
        assert_eq!(parse_availability("drain"), Ok(Availability::Drain));
        assert_eq!(parse_role("manager"), Ok(Role::Manager));
        assert_eq!(parse_restart_condition("none"), Ok(RestartCondition::Never));
        assert_eq!(parse_failure_action("rollback"), Ok(FailureAction::Rollback));
        assert_eq!(parse_failure_action("pause"), Ok(FailureAction::Pause));
        assert_eq!(parse_update_order("start-first"), Ok(UpdateOrder::StartFirst));
        assert_eq!(
            parse_volume_policy("data=preferred"),
            Ok(("data".to_owned(), VolumePolicy::Preferred))
        );
        assert!(parse_volume_policy("data").is_err());
        assert!(parse_volume_policy("data=maybe").is_err());
        assert!(parse_rollback_failure_action("rollback").is_err());
        assert!(parse_update_order("").is_err());
        assert!(parse_mode("").is_err());
        assert!(parse_availability("Drain").is_err());
        assert!(parse_role("boss").is_err());
        assert!(parse_restart_condition("always").is_err());
    }
}
