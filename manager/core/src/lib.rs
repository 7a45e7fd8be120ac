//! The control plane's decisions: state in, changes out.
//!
//! Contract: no IO, no clock, no chance, no async. Time and identities are arguments, order is
//! part of every result, and nothing changes [`state::State`] but [`state::State::apply`].

// In the crates that name only our own enums; elsewhere foreign ones would be in the way.
#![deny(clippy::wildcard_enum_match_arm)]

mod apply;
pub mod assignments;
pub mod change;
pub mod deliveries;
pub mod dependencies;
pub mod draft;
mod eviction;
mod fence;
pub mod file_requests;
pub mod files;
pub mod invariants;
pub mod joining;
pub mod leader;
pub mod liveness;
pub mod log_desk;
pub mod lookup;
pub mod membership;
pub mod network_requests;
pub mod networks;
pub mod orchestrator;
pub mod planner;
mod ports;
mod reaper;
pub mod requests;
mod restart;
pub mod scheduler;
pub mod soft;
pub mod stacks;
pub mod standstill;
pub mod state;
mod update;
pub mod volume_requests;
pub mod volumes;
