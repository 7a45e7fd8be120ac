//! Clusters of real daemons in one process: full nodes on loopback addresses, each with a runtime,
//! a folder and a played engine of its own, asked through their sockets as the command line does.
//!
//! What a process can suffer, a [`Node`] can: it is stopped in order, killed in the middle of
//! whatever it does, or made to hang and to go on. `SKEP_LOG` shows what all of them say.

mod client;
mod cluster;
mod node;

pub use client::{Answer, Client, Listed};
pub use cluster::{Cluster, SOON, founding, joining};
pub use node::Node;
