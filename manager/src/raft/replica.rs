//! This manager's copy of the cluster's state, and its part in deciding what the state is.

use super::ballot::Ballot;
use super::elections;
use super::links::Links;
use super::log_store::LogStore;
use super::network::Network;
use super::proposer::Proposer;
use super::pulse::QUORUM_LOST_AFTER;
use super::pulse::{self, Pulse};
use super::snapshots::SnapshotStore;
use super::state_machine::{Feed, StateMachine};
use super::types::Peer;
use super::{Metrics, Raft};
use crate::cluster_clock::ClusterClock;
use common::{IdGen, NodeId, Timestamp};
use manager_core::leader::Predecessor;
use manager_core::membership::{Step, Voters};
use openraft::{ChangeMembers, Config, ServerState, SnapshotPolicy};
use proto::v1;
use shell::supervisor::{OnFailure, Scope};
use shell::tls::Credentials;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// A snapshot after so many entries; so many are kept behind it for followers that lag.
const ENTRIES_PER_SNAPSHOT: u64 = 2_000;
const ENTRIES_KEPT: u64 = 500;
const SNAPSHOT_PIECE_BYTES: u64 = 1 << 20;
/// A learner this close to the leader counts as caught up.
const CAUGHT_UP_WITHIN: u64 = 16;
/// Twice the lease that a follower's last answer gives.
const HAND_OVER_PAUSE: Duration = Duration::from_millis(100);
const HAND_OVER_LIMIT: Duration = Duration::from_secs(2);
/// A leader whose beats stopped for so long is not forwarded to.
const LEADER_LOST_AFTER: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    #[error("the replicated log cannot be opened: {0}")]
    Storage(String),
    #[error("Raft has stopped: {0}")]
    Stopped(String),
    #[error("the voters could not be changed: {0}")]
    Membership(String),
}

/// Where this manager's log comes from.
#[derive(Debug, Clone, Copy)]
pub enum Start {
    /// It is the first of a new cluster.
    Found,
    /// From its own disk, or from the leader once that has been asked.
    Resume,
}

/// Who decides, as far as this manager knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leadership {
    Mine { term: u64 },
    Other { node: NodeId, address: SocketAddr },
    Unknown,
}

#[derive(Clone)]
pub struct Replica {
    raft: Raft,
    feed: Feed,
    pulse: Pulse,
    links: Links,
    proposer: Proposer,
    clock: ClusterClock,
    ballot: Arc<Ballot>,
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replica").finish_non_exhaustive()
    }
}

/// What a replica is built from.
#[derive(Debug)]
pub struct Parts {
    pub node: NodeId,
    pub address: SocketAddr,
    pub log: LogStore,
    pub snapshots: SnapshotStore,
    pub credentials: Credentials,
    pub random: IdGen,
}

impl Replica {
    pub async fn start(scope: &Scope, parts: Parts, start: Start) -> Result<Replica, ReplicaError> {
        let storage =
            |error: openraft::StorageError<NodeId>| ReplicaError::Storage(error.to_string());
        let machine = StateMachine::open(parts.snapshots).map_err(storage)?;
        let feed = machine.feed();
        let clock = ClusterClock::new(feed.state().clock().at);
        let links = Links::new(parts.credentials);
        let network = Network::new(links.clone());
        let stopped =
            |error: openraft::error::Fatal<NodeId>| ReplicaError::Stopped(error.to_string());
        let tail = parts.log.tail();
        let raft = Raft::new(parts.node, Arc::new(config()), network, parts.log, machine)
            .await
            .map_err(stopped)?;
        match start {
            Start::Found => {
                let first = BTreeMap::from([(parts.node, Peer { address: parts.address })]);
                raft.initialize(first)
                    .await
                    .map_err(|error| ReplicaError::Storage(error.to_string()))?;
            }
            Start::Resume => {}
        }
        watch_over(scope, raft.clone());
        let pulse = Pulse::new(clock.clone());
        pulse::start(scope, raft.clone(), links.clone(), pulse.clone());
        let ballot = Arc::new(Ballot::new(tail, pulse.clone()));
        let (votes, beats) = (links.clone(), pulse.clone());
        elections::start(scope, raft.clone(), votes, beats, Arc::clone(&ballot), parts.random);
        let proposer = Proposer::start(scope, raft.clone());
        Ok(Replica { raft, feed, pulse, links, proposer, clock, ballot })
    }

    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    pub fn clock(&self) -> &ClusterClock {
        &self.clock
    }

    pub fn links(&self) -> &Links {
        &self.links
    }

    pub fn proposer(&self) -> &Proposer {
        &self.proposer
    }

    pub fn leadership(&self) -> Leadership {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        if metrics.state == ServerState::Leader {
            // Until its state is whole, it must neither answer nor check by it.
            let term = metrics.current_term;
            let is_whole = leads_with_full_state(&metrics);
            return if is_whole { Leadership::Mine { term } } else { Leadership::Unknown };
        }
        let heard = self.pulse.heard().filter(|it| it.at.elapsed() < LEADER_LOST_AFTER);
        let membership = metrics.membership_config.membership();
        match heard.and_then(|it| Some((it.leader, membership.get_node(&it.leader)?))) {
            Some((node, peer)) => Leadership::Other { node, address: peer.address },
            None => Leadership::Unknown,
        }
    }

    pub fn has_quorum(&self) -> bool {
        self.pulse.has_quorum(&self.raft.metrics().borrow())
    }

    /// The latest moment of which is certain that this manager led then, if it leads.
    pub fn quorum_at(&self) -> Timestamp {
        self.pulse.proof(&self.raft.metrics().borrow(), self.clock.now().at)
    }

    /// Resolves once this manager leads and has applied everything its predecessors committed.
    pub async fn leads(&self) -> Option<u64> {
        let mut metrics = self.raft.metrics();
        let term = metrics.wait_for(leads_with_full_state).await.ok()?.current_term;
        // What a Raft that panicked said last stays there to be read.
        metrics.has_changed().is_ok().then_some(term)
    }

    /// Resolves once this manager does not lead in that term any more.
    pub async fn lost(&self, term: u64) {
        let mut metrics = self.raft.metrics();
        let gone = |it: &Metrics| it.state != ServerState::Leader || it.current_term != term;
        // An error means that Raft has stopped, and so has its leadership.
        drop(metrics.wait_for(gone).await);
    }

    /// Any change of leader, voters or log.
    pub fn changes(&self) -> watch::Receiver<Metrics> {
        self.raft.metrics()
    }

    pub fn predecessor(&self, me: NodeId, term: u64) -> Option<Predecessor> {
        let heard = self.pulse.former(term).filter(|it| it.leader != me)?;
        let (node, last_heard) = (heard.leader, self.clock.at(heard.at));
        Some(match heard.retires {
            true => Predecessor::Orderly { node },
            false => Predecessor::Silent { node, last_heard },
        })
    }

    /// Managers in the eyes of Raft, with whether they answered this one lately. One that does
    /// not lead has asked nobody.
    pub fn managers(&self) -> BTreeMap<NodeId, Manager> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        let membership = metrics.membership_config.membership();
        let voters: BTreeSet<NodeId> = membership.voter_ids().collect();
        let manager = |(node, _): (&NodeId, &Peer)| {
            let leads = metrics.state == ServerState::Leader;
            let reachable = *node == metrics.id || leads && self.pulse.is_reachable(*node);
            (*node, Manager { voter: voters.contains(node), reachable })
        };
        membership.nodes().map(manager).collect()
    }

    pub fn voters(&self) -> Voters {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        let membership = metrics.membership_config.membership();
        let last = metrics.last_log_index.unwrap_or(0);
        let matched = |node: &NodeId| {
            let log_id = (*metrics.replication.as_ref()?.get(node)?)?;
            Some(log_id.index)
        };
        let learners: BTreeSet<NodeId> = membership.learner_ids().collect();
        let caught_up = learners
            .iter()
            .copied()
            .filter(|it| matched(it).is_some_and(|at| at + CAUGHT_UP_WITHIN >= last))
            .collect();
        let voters: BTreeSet<NodeId> = membership.voter_ids().collect();
        let answers = |it: &NodeId| *it == metrics.id || self.pulse.is_reachable(*it);
        let answering = voters.iter().copied().filter(answers).collect();
        Voters { leader: metrics.id, voters, learners, caught_up, answering }
    }

    pub async fn enlist(&self, node: NodeId, address: SocketAddr) -> Result<(), ReplicaError> {
        let known = self.voters();
        if known.voters.contains(&node) || known.learners.contains(&node) {
            return Ok(());
        }
        let added = self.raft.add_learner(node, Peer { address }, false).await;
        added.map(drop).map_err(|error| ReplicaError::Membership(error.to_string()))
    }

    pub async fn take_step(&self, step: Step) -> Result<(), ReplicaError> {
        let one = |node| BTreeSet::from([node]);
        let (change, retain) = match step {
            Step::HandOver => return self.hand_over().await,
            Step::RemoveVoter(node) => {
                self.wait_for_a_majority_without(node).await?;
                (ChangeMembers::RemoveVoters(one(node)), false)
            }
            Step::RemoveLearner(node) => (ChangeMembers::RemoveNodes(one(node)), false),
            Step::PromoteLearner(node) => (ChangeMembers::AddVoterIds(one(node)), true),
        };
        let changed = self.raft.change_membership(change, retain).await;
        changed.map(drop).map_err(|error| ReplicaError::Membership(error.to_string()))
    }

    /// One that answered a moment ago may have died since: only what it answers from now on counts.
    async fn wait_for_a_majority_without(&self, node: NodeId) -> Result<(), ReplicaError> {
        let asked = Instant::now();
        let mut answers = self.pulse.answers();
        let suffices = |answers: &BTreeMap<NodeId, Instant>| {
            let mut voters = self.voters();
            let own = voters.leader;
            let answered = |it: &NodeId| answers.get(it).is_some_and(|at| *at > asked);
            voters.answering.retain(|it| *it == own || answered(it));
            voters.can_spare(node)
        };
        let heard = answers.wait_for(suffices);
        if let Ok(Ok(_)) = tokio::time::timeout(QUORUM_LOST_AFTER, heard).await {
            return Ok(());
        }
        let text = format!("too few of the others answer to go on without {node}");
        Err(ReplicaError::Membership(text))
    }

    /// Asks the follower whose log is the longest to stand for election at once, and waits until
    /// this manager does not lead any more: asked twice, the follower would begin anew.
    pub async fn hand_over(&self) -> Result<(), ReplicaError> {
        let _retiring = self.pulse.retire();
        // The others vote for nobody so shortly after a leader's word, and have all of the log
        // by then, and heard what is about to happen.
        tokio::time::sleep(HAND_OVER_PAUSE).await;
        let metrics = self.raft.metrics().borrow().clone();
        let membership = metrics.membership_config.membership();
        let best = membership
            .voter_ids()
            .filter(|it| *it != metrics.id && self.pulse.is_reachable(*it))
            .max_by_key(|it| metrics.replication.as_ref().and_then(|all| all.get(it).copied()));
        let Some((node, peer)) = best.and_then(|it| Some((it, membership.get_node(&it)?))) else {
            return Err(ReplicaError::Membership("no other manager answers".to_owned()));
        };
        let failed = |error: String| ReplicaError::Membership(error);
        let mut client =
            self.links.raft(node, peer.address).await.map_err(|it| failed(it.to_string()))?;
        client
            .take_over(v1::TakeOverRequest {})
            .await
            .map_err(|it| failed(it.message().to_owned()))?;
        let lost = tokio::time::timeout(HAND_OVER_LIMIT, self.lost(metrics.current_term)).await;
        lost.map_err(|_| failed("the one that was asked did not take over".to_owned()))
    }

    // --- what other managers ask of this one

    pub async fn on_append(&self, payload: &[u8]) -> Result<Vec<u8>, shell::codec::CodecError> {
        shell::codec::encode(&self.raft.append_entries(shell::codec::decode(payload)?).await)
    }

    pub async fn on_vote(&self, payload: &[u8]) -> Result<Vec<u8>, shell::codec::CodecError> {
        shell::codec::encode(&self.raft.vote(shell::codec::decode(payload)?).await)
    }

    pub async fn on_snapshot(&self, payload: &[u8]) -> Result<Vec<u8>, shell::codec::CodecError> {
        shell::codec::encode(&self.raft.install_snapshot(shell::codec::decode(payload)?).await)
    }

    pub fn on_beat(&self, beat: &v1::BeatRequest) -> v1::BeatResponse {
        let term = self.raft.metrics().borrow().current_term;
        self.pulse.on_beat(beat, term)
    }

    pub fn on_pre_vote(&self, request: &v1::PreVoteRequest) -> v1::PreVoteResponse {
        self.ballot.answer(&self.raft.metrics().borrow(), request)
    }

    pub async fn on_take_over(&self) -> Result<(), ReplicaError> {
        let elected = self.raft.trigger().elect().await;
        elected.map_err(|error| ReplicaError::Stopped(error.to_string()))
    }

    pub async fn stop(&self) {
        // It only fails where Raft has stopped already.
        drop(self.raft.shutdown().await);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manager {
    pub voter: bool,
    pub reachable: bool,
}

/// Without Raft nothing of a manager works, though much of it would go on for a while.
fn watch_over(scope: &Scope, raft: Raft) {
    let token = scope.token();
    scope.spawn("raft", OnFailure::StopScope, async move {
        let mut metrics = raft.metrics();
        tokio::select! {
            ended = metrics.wait_for(|it| it.running_state.is_err()) => {
                let why = match ended.as_deref() {
                    Ok(Metrics { running_state: Err(fatal), .. }) => fatal.to_string(),
                    Ok(_) | Err(_) => "it panicked; please report it as a bug of skep".to_owned(),
                };
                Err(ReplicaError::Stopped(why))
            }
            () = token.cancelled() => Ok(()),
        }
    });
}

/// A new leader's state is whole once its own first entry is applied: everything that earlier
/// leaders committed lies before it.
fn leads_with_full_state(metrics: &Metrics) -> bool {
    let applied_term = metrics.last_applied.map(|it| it.leader_id.term);
    metrics.state == ServerState::Leader && applied_term == Some(metrics.current_term)
}

/// openraft's timers are off: elections and beats are ours. Its election time-out is also the
/// lease within which voters refuse every candidate, so that is as short as it allows; who may
/// stand is decided by the pre-vote.
fn config() -> Config {
    Config {
        cluster_name: "skep".to_owned(),
        heartbeat_interval: 50,
        election_timeout_min: 51,
        election_timeout_max: 52,
        enable_tick: false,
        enable_heartbeat: false,
        enable_elect: false,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(ENTRIES_PER_SNAPSHOT),
        max_in_snapshot_log_to_keep: ENTRIES_KEPT,
        snapshot_max_chunk_size: SNAPSHOT_PIECE_BYTES,
        max_payload_entries: 64,
        replication_lag_threshold: ENTRIES_PER_SNAPSHOT * 2,
        ..Config::default()
    }
}
