//! The vocabulary of skep: what a service, a task and a node are.
//!
//! Contract: no IO, no clock, no chance, no async. Everything here is a value that every other
//! crate may name. The modules stand in reading order; they are also the glossary.

// In the crates that name only our own enums; elsewhere foreign ones would be in the way.
#![deny(clippy::wildcard_enum_match_arm)]

pub mod assignment;
pub mod backoff;
pub mod calendar;
pub mod cluster;
pub mod constraint;
pub mod container;
pub mod file;
pub mod id;
pub mod image;
pub mod lease;
pub mod name;
mod named;
pub mod network;
pub mod node;
pub mod placeholder;
pub mod platform;
pub mod resources;
pub mod secret;
pub mod service;
pub mod stack;
pub mod task;
pub mod time;
pub mod token;
pub mod units;
pub mod update;
pub mod volume;

pub use id::{ClusterId, FileId, IdGen, NetworkId, NodeId, ServiceId, TaskId, Version};
pub use name::Name;
pub use time::{Stamp, Timestamp, WallTime};
