//! The control plane's decisions: state in, changes out.
//!
//! Contract: no IO, no clock, no chance, no async. Time and identities are arguments, order is
//! part of every result, and nothing changes [`state::State`] but [`state::State::apply`].

// In the crates that name only our own enums; elsewhere foreign ones would be in the way.
#![deny(clippy::wildcard_enum_match_arm)]

pub mod change;
pub mod state;
mod apply;
pub mod invariants;
pub mod soft;
pub mod draft;
pub mod planner;
mod orchestrator;
mod restart;
mod eviction;
mod reaper;
pub mod scheduler;
pub mod liveness;
pub mod assignments;
pub mod requests;
pub mod lookup;
pub mod membership;
pub mod leader;
