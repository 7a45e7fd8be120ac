//! A full node: the command line, the daemon, and a manager's part in the cluster. The decisions
//! are in `manager_core`; this crate brings them together with the world.

pub mod ca;
pub mod cli;
pub mod cluster_clock;
pub mod config;
pub mod daemon;
pub mod grpc;
pub mod leader;
pub mod manager;
pub mod raft;
pub mod seat;
pub mod views;
