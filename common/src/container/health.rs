//! How it is found out whether a container does what it is for.

use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HealthCheck {
    /// The image's own is turned off.
    Disabled,
    Enabled(Probe),
}

/// What is none is as the image says, or else as the engine would have it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Probe {
    pub test: Option<ProbeCommand>,
    pub interval: Option<Duration>,
    pub timeout: Option<Duration>,
    pub retries: Option<u64>,
    /// Failures this early do not count.
    pub start_period: Option<Duration>,
    /// The interval until the first success, within the start period.
    pub start_interval: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProbeCommand {
    Exec(Vec<String>),
    Shell(String),
}
