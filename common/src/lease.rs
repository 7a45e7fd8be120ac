//! For how long a node may run what must not run twice, without hearing from its managers.
//!
//! A leader grants a lease with its answer to a beat; it counts from the moment the beat was sent.
//! Nothing that was granted lasts longer than [`LEASE`] after the leader granted it, so whoever
//! waits for [`OVER_AFTER`] from then on may start a successor elsewhere.

use std::time::Duration;

pub const LEASE: Duration = Duration::from_secs(10);
/// Processes do not die at once, and a leader that has been replaced may grant for a moment more.
pub const MARGIN: Duration = Duration::from_secs(2);
pub const OVER_AFTER: Duration = LEASE.saturating_add(MARGIN);
/// A leader has a quorum behind it for sure as long as one answered beats sent so lately.
pub const QUORUM_PROOF: Duration = Duration::from_secs(1);
