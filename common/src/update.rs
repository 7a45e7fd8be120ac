//! How a service's tasks are replaced when what they are made from changes.

use crate::id::TaskId;
use crate::task::Failure;
use crate::time::Stamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

pub const UPDATE_MONITOR_DEFAULT: Duration = Duration::from_secs(5);
pub const PROGRESS_DEADLINE_DEFAULT: Duration = Duration::from_secs(600);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UpdatePolicy {
    /// So many slots at a time; zero: all.
    pub parallelism: u32,
    /// Between one slot and the next.
    pub delay: Duration,
    pub on_failure: FailureAction,
    /// A task that fails within this stretch counts against the update.
    pub monitor: Duration,
    /// Of the slots; more failing than these is a failed update.
    pub failure_ratio_max: Ratio,
    pub order: UpdateOrder,
    /// After so long without a slot that comes further, it has failed.
    pub progress_deadline: Duration,
}

impl Default for UpdatePolicy {
    fn default() -> Self {
        Self {
            parallelism: 1,
            delay: Duration::ZERO,
            on_failure: FailureAction::Pause,
            monitor: UPDATE_MONITOR_DEFAULT,
            failure_ratio_max: Ratio::ZERO,
            order: UpdateOrder::StopFirst,
            progress_deadline: PROGRESS_DEADLINE_DEFAULT,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureAction {
    Pause,
    Continue,
    Rollback,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateOrder {
    StopFirst,
    StartFirst,
}

/// A share from 0 to 1, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ratio(pub u32);

impl Ratio {
    pub const ZERO: Ratio = Ratio(0);
    pub const ONE: Ratio = Ratio(1_000_000);

    /// None where it is not between 0 and 1.
    pub fn from_share(share: f64) -> Option<Ratio> {
        let is_share = (0.0..=1.0).contains(&share);
        is_share.then(|| Ratio((share * 1e6).round() as u32))
    }

    pub fn share(self) -> f64 {
        f64::from(self.0) / 1e6
    }

    pub fn is_exceeded_by(self, part: usize, whole: usize) -> bool {
        part as u128 * 1_000_000 > u128::from(self.0) * whole as u128
    }
}

/// A change of what tasks are made from, on its way through the slots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    pub state: UpdateState,
    pub started: Stamp,
    /// When it came into this state.
    pub since: Stamp,
    /// The number of the specification to go back to should it fail; none where nothing is known
    /// to have worked.
    pub base: Option<u32>,
    /// Why it stopped or went back; none where all went well.
    #[serde(default)]
    pub trouble: Option<UpdateTrouble>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateState {
    Updating,
    Paused,
    Completed,
    RollingBack,
    RollbackPaused,
    RolledBack,
}

impl UpdateState {
    /// Whether slots are being moved to the new specification.
    pub fn is_under_way(self) -> bool {
        match self {
            UpdateState::Updating | UpdateState::RollingBack => true,
            UpdateState::Paused
            | UpdateState::Completed
            | UpdateState::RollbackPaused
            | UpdateState::RolledBack => false,
        }
    }

    /// Whether it stopped halfway and waits for somebody to say what now.
    pub fn is_paused(self) -> bool {
        match self {
            UpdateState::Paused | UpdateState::RollbackPaused => true,
            UpdateState::Updating
            | UpdateState::Completed
            | UpdateState::RollingBack
            | UpdateState::RolledBack => false,
        }
    }

    pub fn is_rollback(self) -> bool {
        match self {
            UpdateState::RollingBack | UpdateState::RollbackPaused | UpdateState::RolledBack => {
                true
            }
            UpdateState::Updating | UpdateState::Paused | UpdateState::Completed => false,
        }
    }

    pub fn paused(self) -> UpdateState {
        if self.is_rollback() { UpdateState::RollbackPaused } else { UpdateState::Paused }
    }

    pub fn resumed(self) -> UpdateState {
        if self.is_rollback() { UpdateState::RollingBack } else { UpdateState::Updating }
    }

    pub fn completed(self) -> UpdateState {
        if self.is_rollback() { UpdateState::RolledBack } else { UpdateState::Completed }
    }

    /// In Docker's words.
    pub fn as_str(self) -> &'static str {
        match self {
            UpdateState::Updating => "updating",
            UpdateState::Paused => "paused",
            UpdateState::Completed => "completed",
            UpdateState::RollingBack => "rollback_started",
            UpdateState::RollbackPaused => "rollback_paused",
            UpdateState::RolledBack => "rollback_completed",
        }
    }
}

/// Why an update did not go through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateTrouble {
    /// In so many slots, of which `task` is one.
    TasksFailed { slots: u32, of: u32, task: TaskId, failure: Option<Failure> },
    /// No node has the image or can get it.
    NobodyHasImage { image: String },
    /// For so long no slot has come any further.
    NoProgress { for_at_least: Duration },
}

impl fmt::Display for UpdateTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UpdateTrouble::TasksFailed { slots, of, task, failure } => {
                write!(f, "{slots} of {of} tasks failed, such as {task}")?;
                failure.as_ref().map_or(Ok(()), |it| write!(f, ": {it}"))
            }
            UpdateTrouble::NobodyHasImage { image } => {
                write!(f, "no node has the image {image}, and no registry gave it")
            }
            UpdateTrouble::NoProgress { for_at_least } => {
                write!(f, "no progress for {} s", for_at_least.as_secs())
            }
        }
    }
}
