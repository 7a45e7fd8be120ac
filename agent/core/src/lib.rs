//! What an agent decides: which containers to create, start, stop and remove, and what to report.
//!
//! Contract: no IO, no clock, no chance, no async. The shell in the crate `agent` says what
//! happened, carries out the actions and brings back their outcome.

pub mod container;
pub mod reports;
pub mod task_machine;
pub mod worker;
