//! A node's part as a manager, from the day it gets the role to the day it loses it: its copy of
//! the state, its leadership when it has one, and the voters.

use crate::ca::{self, Subject};
use crate::grpc::LogBroker;
use crate::leader::{self, LeaderHandle, LeaderSeat};
use crate::raft::{Feed, Leadership, Line, Parts, ProposeError, Replica, ReplicaError, Start};
use common::cluster::Cluster;
use common::node::Role;
use common::secret::Secret;
use common::token::{JoinToken, SECRET_LENGTH};
use common::{IdGen, NodeId, Stamp};
use manager_core::change::{Batch, Change, Unity};
use manager_core::membership;
use manager_core::requests::{self, NodeUpdate, Refused};
use manager_core::state::State;
use proto::v1::control_client::ControlClient;
use shell::supervisor::{OnFailure, Scope};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tonic::Status;
use tonic::transport::Channel;

/// A change that is not committed within this is reported as unconfirmed.
const COMMIT_LIMIT: Duration = Duration::from_secs(20);
/// Without a quorum it is reported sooner: so long after the quorum was found to be lost.
const QUORUM_GRACE: Duration = Duration::from_millis(1_200);
const QUORUM_LOOK: Duration = Duration::from_millis(100);
/// Between two looks at the voters, where nothing says that there is anything to do.
const VOTERS_RETRY: Duration = Duration::from_millis(500);
const ENLIST_RETRY: Duration = Duration::from_millis(300);
const RESIGN_LIMIT: Duration = Duration::from_secs(6);
const RESIGN_LOOK: Duration = Duration::from_millis(100);

#[derive(Debug, Clone)]
pub struct Manager {
    node: NodeId,
    address: SocketAddr,
    replica: Replica,
    leader: LeaderSeat,
    logs: LogBroker,
    scope: Scope,
    /// Where to ask for the log, for one that has none yet.
    elders: Arc<[String]>,
}

impl Manager {
    pub async fn start(
        scope: &Scope,
        parts: Parts,
        start: Start,
        elders: Vec<String>,
    ) -> Result<Manager, ReplicaError> {
        let (node, address) = (parts.node, parts.address);
        let replica = Replica::start(scope, parts, start).await?;
        let ids = IdGen::from_seed(shell::clock::seed());
        let leader = leader::start(scope, replica.clone(), node, ids);
        let manager = Manager {
            node,
            address,
            replica,
            leader,
            logs: LogBroker::default(),
            scope: scope.clone(),
            elders: elders.into(),
        };
        manager.spawn("voters", Manager::keep_voters);
        manager.spawn("enlisting", Manager::keep_enlisted);
        manager.spawn("logs", Manager::keep_logs);
        Ok(manager)
    }

    fn spawn<F>(&self, name: &'static str, run: impl FnOnce(Manager) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (task, token) = (run(self.clone()), self.scope.token());
        self.scope.spawn(name, OnFailure::StopScope, async move {
            tokio::select! {
                () = task => {}
                () = token.cancelled() => {}
            }
            Ok::<(), Infallible>(())
        });
    }

    pub fn node(&self) -> NodeId {
        self.node
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    pub fn feed(&self) -> &Feed {
        self.replica.feed()
    }

    pub fn state(&self) -> Arc<State> {
        self.replica.feed().state()
    }

    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    pub fn logs(&self) -> &LogBroker {
        &self.logs
    }

    pub fn now(&self) -> Stamp {
        self.replica.clock().now()
    }

    /// The leader's loop, where this manager leads.
    pub fn leader(&self) -> Option<LeaderHandle> {
        self.leader.borrow().clone()
    }

    pub fn manager_addresses(&self) -> Vec<String> {
        let state = self.state();
        let managers = state.nodes().filter(|it| it.spec.role == Role::Manager);
        managers.map(|it| it.address.to_string()).collect()
    }

    pub fn cluster(&self) -> Result<Arc<Cluster>, Status> {
        self.state().cluster().cloned().ok_or_else(|| {
            Status::unavailable("this manager has not caught up with its cluster yet; try again")
        })
    }

    /// A manager that woke up in 1970 would sign what has expired; the last stamp knows better.
    pub fn sign(&self, csr_der: &[u8], subject: Subject) -> Result<String, Status> {
        let now = shell::clock::wall().max(self.state().clock().wall);
        ca::sign(&self.cluster()?.authority, csr_der, subject, now)
            .map_err(|error| Status::invalid_argument(error.to_string()))
    }

    pub fn join_token(&self, role: Role) -> Result<JoinToken, Status> {
        let cluster = self.cluster()?;
        let secret = match role {
            Role::Worker => &cluster.worker_secret,
            Role::Manager => &cluster.manager_secret,
        };
        let mut token = JoinToken {
            authority_digest: ca::digest(&cluster.authority),
            secret: [0; SECRET_LENGTH],
        };
        token.secret.copy_from_slice(secret.reveal());
        Ok(token)
    }

    /// What a user asked for: all of it, or nothing and the reason.
    pub async fn commit(&self, changes: Vec<Change>) -> Result<(), Status> {
        if changes.is_empty() {
            return Ok(());
        }
        if !self.replica.has_quorum() {
            return Err(propose_status(&ProposeError::NoQuorum));
        }
        let batch = Batch { stamp: self.now(), unity: Unity::AllOrNothing, changes };
        let committed = tokio::select! {
            committed = self.replica.proposer().propose_within(batch, COMMIT_LIMIT) => committed,
            () = self.without_quorum() => Err(ProposeError::QuorumLost),
        };
        let committed = committed.map_err(|error| propose_status(&error))?;
        match committed.refused.first() {
            Some((_, conflict)) => Err(Status::failed_precondition(conflict.to_string())),
            None => Ok(()),
        }
    }

    /// Resolves when too few managers have answered for longer than a network may stumble.
    async fn without_quorum(&self) {
        let mut had_quorum = Instant::now();
        while had_quorum.elapsed() < QUORUM_GRACE {
            tokio::time::sleep(QUORUM_LOOK).await;
            if self.replica.has_quorum() {
                had_quorum = Instant::now();
            }
        }
    }

    /// Gives the leadership away, if this manager has it and another can take it.
    pub async fn hand_over(&self) {
        let Leadership::Mine { .. } = self.replica.leadership() else { return };
        if let Err(error) = self.replica.hand_over().await {
            tracing::info!(%error, "the leadership is not handed over");
        }
    }

    /// What a user wants of a node, checked against what Raft knows of the managers.
    pub fn update_node(
        &self,
        given: &str,
        update: NodeUpdate,
    ) -> Result<(Vec<Change>, Vec<String>), Refused> {
        let managers = self.replica.managers();
        let answers = |node| managers.get(&node).is_some_and(|it| it.voter && it.reachable);
        requests::update_node(&self.state(), given, update, answers)
    }

    /// Becomes a worker before it leaves for good, where the others can go on without it.
    pub async fn resign(&self) -> Result<(), String> {
        let mut is_demoted = false;
        let resigned = async {
            loop {
                if is_demoted {
                    if self.is_out().await == Some(true) {
                        return Ok(());
                    }
                } else {
                    is_demoted = self.ask_to_be_demoted().await?;
                }
                tokio::time::sleep(RESIGN_LOOK).await;
            }
        };
        let resigned = tokio::time::timeout(RESIGN_LIMIT, resigned).await;
        resigned.unwrap_or_else(|_| Err("too few of the other managers answer".to_owned()))
    }

    /// Whether it is done; an error is the cluster's refusal.
    async fn ask_to_be_demoted(&self) -> Result<bool, String> {
        let Some(mut leader) = self.ask_leader().await else { return Ok(false) };
        let request = proto::v1::UpdateNodeRequest {
            node: self.node.to_string(),
            role: Some(proto::v1::Role::Worker.into()),
            ..proto::v1::UpdateNodeRequest::default()
        };
        match leader.update_node(request).await {
            Ok(_) => Ok(true),
            Err(status) if status.code() == tonic::Code::FailedPrecondition => {
                Err(status.message().to_owned())
            }
            Err(_) => Ok(false),
        }
    }

    /// Whether the leader counts it among the voters no more; whoever is out is not told so.
    async fn is_out(&self) -> Option<bool> {
        let nodes = vec![self.node.to_string()];
        let request = proto::v1::ListNodesRequest { nodes };
        let none = proto::v1::node_view::ManagerStatus::None;
        match self.ask_leader().await?.list_nodes(request).await {
            Ok(answer) => {
                Some(answer.into_inner().nodes.iter().all(|it| it.manager_status() == none))
            }
            // Only managers may ask.
            Err(status) => (status.code() == tonic::Code::PermissionDenied).then_some(true),
        }
    }

    async fn ask_leader(&self) -> Option<ControlClient<Channel>> {
        let (node, address) = match self.replica.leadership() {
            Leadership::Mine { .. } => (self.node, self.address),
            Leadership::Other { node, address } => (node, address),
            Leadership::Unknown => return None,
        };
        let channel = self.replica.links().channel(node, address, Line::Calls).await;
        Some(ControlClient::new(channel.ok()?))
    }

    pub async fn stop(&self) {
        self.replica.stop().await;
    }

    /// While it leads, makes the voters what the state says the managers are.
    async fn keep_voters(self) {
        let mut changes = self.replica.changes();
        let mut states = self.feed().states();
        let mut seats = self.leader.clone();
        loop {
            let mut waits = false;
            if self.leader().is_some() {
                let (state, raft) = (self.state(), self.replica.voters());
                waits = membership::is_waiting(&state, &raft);
                if let Some(step) = membership::next_step(&state, &raft) {
                    tracing::info!(?step, "the voters change");
                    if let Err(error) = self.replica.take_step(step).await {
                        tracing::warn!(%error, ?step, "the voters did not change");
                        tokio::time::sleep(VOTERS_RETRY).await;
                    }
                    continue;
                }
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                changed = states.changed() => if changed.is_err() { return },
                changed = seats.changed() => if changed.is_err() { return },
                // Somebody who is silent may answer again.
                () = tokio::time::sleep(VOTERS_RETRY), if waits => {}
            }
        }
    }

    /// While it leads, readers of logs get those of tasks that come and go.
    async fn keep_logs(self) {
        let mut states = self.feed().states();
        let mut seats = self.leader.clone();
        loop {
            let leads = tokio::select! {
                changed = states.changed() => {
                    if changed.is_err() { return }
                    let state = states.borrow_and_update().clone();
                    self.logs.look(&state);
                    continue;
                }
                changed = seats.changed() => {
                    if changed.is_err() { return }
                    seats.borrow_and_update().is_some()
                }
            };
            if !leads {
                self.logs.close();
            }
        }
    }

    /// Asks the leader to send it the log, until it is known to Raft.
    async fn keep_enlisted(self) {
        loop {
            if self.replica.managers().contains_key(&self.node) {
                return;
            }
            for address in self.elders.iter() {
                if self.enlist_at(address).await.is_ok() {
                    break;
                }
            }
            tokio::time::sleep(ENLIST_RETRY).await;
        }
    }

    async fn enlist_at(&self, address: &str) -> Result<(), Status> {
        let channel = self.replica.links().to_manager(address).await;
        let channel = channel.map_err(|error| Status::unavailable(error.to_string()))?;
        let mut client = proto::v1::raft_client::RaftClient::new(channel);
        let request = proto::v1::EnlistRequest { address: self.address.to_string() };
        client.enlist(request).await.map(drop)
    }
}

fn propose_status(error: &ProposeError) -> Status {
    let text = error.to_string();
    match error {
        ProposeError::NotLeader | ProposeError::NoQuorum | ProposeError::QuorumLost => {
            Status::unavailable(text)
        }
        ProposeError::Unconfirmed => Status::deadline_exceeded(text),
        ProposeError::Storage(_) => Status::internal(text),
    }
}

pub fn new_join_secret() -> Secret {
    Secret::new(shell::clock::random_bytes::<SECRET_LENGTH>().to_vec())
}
