//! A full node: the command line, the daemon, and a manager's part in the cluster. The decisions
//! are in `manager_core`; this crate brings them together with the world.

pub mod config;
pub mod cli;
pub mod daemon;
pub mod ca;
pub mod manager;
pub mod leader;
pub mod seat;
pub mod views;
pub mod cluster_clock;
pub mod grpc;
pub mod raft;
