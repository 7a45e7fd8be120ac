//! The vocabulary of skep: what a service, a task and a node are.
//!
//! Contract: no IO, no clock, no chance, no async. Everything here is a value that every other
//! crate may name. The modules stand in reading order; they are also the glossary.

// In the crates that name only our own enums; elsewhere foreign ones would be in the way.
#![deny(clippy::wildcard_enum_match_arm)]

pub mod id;
pub mod time;
pub mod units;
pub mod name;
pub mod secret;
pub mod resources;
pub mod platform;
pub mod image;
pub mod constraint;
pub mod container;
pub mod service;
pub mod node;
pub mod task;
pub mod assignment;
pub mod cluster;
pub mod token;
pub mod backoff;

pub use id::{ClusterId, IdGen, NodeId, ServiceId, TaskId, Version};
pub use name::Name;
pub use time::{Stamp, Timestamp, WallTime};
