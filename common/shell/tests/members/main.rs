//! Nodes of small clusters on loopback: what their certificates let them do, and what is said
//! where they let them not.

#[path = "../../../../manager/src/ca.rs"]
#[expect(unreachable_pub, reason = "it is a module of a library elsewhere")]
mod ca;
mod connections;
mod identities;
mod sockets;
mod world;
