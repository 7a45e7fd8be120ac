//! Nodes of small clusters on loopback: what their certificates let them do, and what is said
//! where they let them not.

#![expect(clippy::unwrap_used, reason = "the line of the panic says what failed")]

#[path = "../../../../manager/src/ca.rs"]
#[expect(unreachable_pub, reason = "it is a module of a library elsewhere")]
mod ca;
mod connections;
mod identities;
mod sockets;
mod world;
