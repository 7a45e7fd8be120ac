//! What a full node has and `skep-agent` has not: the part of a manager, as the node sees it.

use crate::member::MemberRecord;
use common::node::NodeKind;
use shell::identity::Identity;
use shell::tls::Credentials;
use std::net::SocketAddr;

/// What managers do beside being workers. `skep-agent` has none of it.
pub trait ManagerPart: Send + 'static {
    fn kind(&self) -> NodeKind;

    /// Makes a new cluster with this node as its first manager.
    fn found(&mut self, request: Founding) -> impl Future<Output = Result<Founded, String>> + Send;

    /// Whether this node could serve as a manager at that address.
    fn check(&self, listen: SocketAddr) -> impl Future<Output = Result<(), String>> + Send;

    /// This node is a manager now. A fresh one has no log of its own yet. One whose certificate
    /// has expired replaces it, to be kept by the caller.
    fn start(
        &mut self,
        member: &MemberRecord,
        credentials: &Credentials,
        log: Log,
    ) -> impl Future<Output = Result<(), String>> + Send;

    /// It is a worker, or nothing at all, from now on.
    fn stop(&mut self, log: Log) -> impl Future<Output = ()> + Send;

    /// What the rest of the program is to know of this node.
    fn seated(&self, seat: Seated);

    /// Before this node leaves for good: the others are to count it no more.
    fn resign(&self) -> impl Future<Output = Result<(), String>> + Send;

    /// Before this manager goes, for a moment or for good.
    fn part(&self) -> impl Future<Output = ()> + Send;

    /// Whether other managers would miss it.
    fn is_needed(&self) -> Option<String>;
}

/// What becomes of, or is found of, a manager's own copy of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    Keep,
    Erase,
}

#[derive(Debug, Clone)]
pub enum Seated {
    Nowhere,
    Worker { managers: Vec<String> },
}

#[derive(Debug, Clone)]
pub struct Founding {
    pub advertise: SocketAddr,
    pub listen: SocketAddr,
    pub name: String,
    pub availability: common::node::Availability,
}

#[derive(Debug)]
pub struct Founded {
    pub identity: Identity,
    pub credentials: Credentials,
    pub name: String,
    pub worker_token: String,
}
