//! A node's agent: runs what the managers assign, on Docker Engine, and reports what becomes of it.
//!
//! `skep-agent` is this and no more; `skep` runs the same beside its manager.

pub mod address;
pub mod agent;
pub mod containers;
pub mod daemon;
pub mod docker;
pub mod ending;
mod engine;
pub mod fake;
pub mod fence;
mod files;
mod health;
mod host;
pub mod join;
pub mod local;
mod logs;
pub mod manager_part;
pub mod member;
pub mod node;
mod operations;
mod probes;
mod route;
mod session;
pub mod usage;
