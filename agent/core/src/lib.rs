//! What an agent decides: which containers to create, start, stop and remove, and what to report.
//!
//! Contract: no IO, no clock, no chance, no async. The shell in the crate `agent` says what
//! happened, carries out the actions and brings back their outcome.

// In the crates that name only our own enums; elsewhere foreign ones would be in the way.
#![deny(clippy::wildcard_enum_match_arm)]

pub mod container;
pub mod health;
pub mod lease;
pub mod reports;
pub mod standing;
pub mod task_machine;
pub mod worker;
