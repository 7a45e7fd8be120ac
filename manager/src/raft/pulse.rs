//! Signs of life between managers. They go past the log, so that a disk that takes seconds over
//! a sync looks like a slow disk and not like a dead leader.

use super::ballot::is_quorum;
use super::links::{Line, Links};
use super::types::Peer;
use super::{Metrics, Raft};
use crate::cluster_clock::ClusterClock;
use common::{NodeId, Timestamp};
use openraft::ServerState;
use proto::v1::{BeatRequest, BeatResponse};
use shell::supervisor::{OnFailure, Scope};
use shell::threads::at_notch;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

pub(super) const BEAT_PERIOD: Duration = Duration::from_millis(400);
/// One that says something new finds room behind one that is on its way.
const BEATS_WAITING_MAX: usize = 2;
const BEAT_LIMIT: Duration = Duration::from_millis(1_000);
/// A leader that heard from no quorum for so long says so instead of letting users wait.
pub(super) const QUORUM_LOST_AFTER: Duration = Duration::from_millis(1_500);

/// The last word of a leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) leader: NodeId,
    pub(super) term: u64,
    pub(super) at: Instant,
    /// It is about to give the leadership away.
    pub(super) retires: bool,
}

/// What this manager knows of the others by their beats.
#[derive(Debug, Clone)]
pub(super) struct Pulse {
    heard: watch::Sender<Option<Heard>>,
    answered: watch::Sender<BTreeMap<NodeId, Instant>>,
    /// When what each manager answered was sent, and in which term it was sent and answered.
    proofs: watch::Sender<BTreeMap<NodeId, (u64, Timestamp)>>,
    /// The term of this manager's latest leadership, and whom it had heard last before it.
    former: watch::Sender<(u64, Option<Heard>)>,
    /// Whether this manager is about to give its leadership away.
    retires: watch::Sender<bool>,
    clock: ClusterClock,
}

impl Pulse {
    pub(super) fn new(clock: ClusterClock) -> Pulse {
        Pulse {
            heard: watch::Sender::new(None),
            answered: watch::Sender::default(),
            proofs: watch::Sender::default(),
            former: watch::Sender::default(),
            retires: watch::Sender::new(false),
            clock,
        }
    }

    pub(super) fn heard(&self) -> Option<Heard> {
        *self.heard.borrow()
    }

    /// Answers the term this manager knows of; a leader of an older one learns that it was
    /// replaced from its own next append.
    pub(super) fn on_beat(&self, beat: &BeatRequest, own_term: u64) -> BeatResponse {
        if beat.term >= own_term {
            self.heard.send_replace(Some(Heard {
                leader: NodeId(beat.leader),
                term: beat.term,
                at: Instant::now(),
                retires: beat.retires,
            }));
            self.clock.heard(Timestamp(beat.cluster_millis));
        }
        BeatResponse { term: own_term, cluster_millis: beat.cluster_millis }
    }

    /// Tells all others at once, and as long as what is returned lives.
    pub(super) fn retire(&self) -> Retiring {
        self.retires.send_replace(true);
        Retiring(self.retires.clone())
    }

    pub(super) fn answers(&self) -> watch::Receiver<BTreeMap<NodeId, Instant>> {
        self.answered.subscribe()
    }

    /// When each manager last answered this one's beats.
    pub(super) fn last_answer(&self, node: NodeId) -> Option<Instant> {
        self.answered.borrow().get(&node).copied()
    }

    /// Asked of a leader. A manager that has just joined has not been beaten to yet, and is
    /// not silent for that.
    pub(super) fn is_reachable(&self, node: NodeId) -> bool {
        self.last_answer(node).is_none_or(|it| it.elapsed() < QUORUM_LOST_AFTER)
    }

    /// Whether the leader that asks still has a quorum behind it.
    pub(super) fn has_quorum(&self, metrics: &Metrics) -> bool {
        is_quorum(metrics, |it| it == metrics.id || self.is_reachable(it))
    }

    /// The latest moment of which is certain that this manager led then: a majority answered what
    /// it sent then or since, and knew of nobody else. Nobody is taken at another's word here.
    pub(super) fn proof(&self, metrics: &Metrics, now: Timestamp) -> Timestamp {
        let (own, term, proofs) = (metrics.id, metrics.current_term, self.proofs.borrow());
        let of = |node: NodeId| match proofs.get(&node) {
            _ if node == own => Some(now),
            Some((of, at)) if *of == term => Some(*at),
            Some(_) | None => None,
        };
        let candidates = metrics.membership_config.membership().voter_ids().filter_map(of);
        let is_proven =
            |at: &Timestamp| is_quorum(metrics, |it| of(it).is_some_and(|of| of >= *at));
        candidates.filter(is_proven).max().unwrap_or_default()
    }

    fn answered(&self, node: NodeId, term: u64, answer: &BeatResponse) {
        self.answered.send_modify(|it| {
            it.insert(node, Instant::now());
        });
        if answer.term == term {
            self.proofs.send_modify(|it| {
                it.insert(node, (term, Timestamp(answer.cluster_millis)));
            });
        }
    }

    /// Whom this manager, leading in `term`, took over from. Whoever led before that is not its
    /// predecessor the next time.
    pub(super) fn former(&self, term: u64) -> Option<Heard> {
        self.former.send_if_modified(|(latest, former)| {
            let is_new = *latest != term;
            if is_new {
                (*latest, *former) = (term, self.heard.send_replace(None));
            }
            is_new
        });
        self.former.borrow().1
    }

    /// A new leader has heard nobody yet, and nobody has been silent to it.
    fn begin(&self, peers: &BTreeMap<NodeId, Peer>) {
        let now = Instant::now();
        self.answered.send_replace(peers.keys().map(|node| (*node, now)).collect());
    }
}

/// Where the leadership was not lost after all, the next beat says so.
#[derive(Debug)]
#[must_use]
pub(super) struct Retiring(watch::Sender<bool>);

impl Drop for Retiring {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}

/// While this manager leads, tells all others so.
pub(super) fn start(scope: &Scope, raft: Raft, links: Links, pulse: Pulse) {
    let tasks = scope.clone();
    let token = scope.token();
    scope.spawn("beats to managers", OnFailure::StopScope, async move {
        tokio::select! {
            () = beat_while_leading(&tasks, &raft, &links, &pulse) => {}
            () = token.cancelled() => {}
        }
        Ok::<(), Infallible>(())
    });
}

async fn beat_while_leading(tasks: &Scope, raft: &Raft, links: &Links, pulse: &Pulse) {
    let mut metrics = raft.metrics();
    loop {
        if metrics.wait_for(|it| it.state == ServerState::Leader).await.is_err() {
            return;
        }
        pulse.begin(&peers(&metrics.borrow()));
        let term = metrics.borrow().current_term;
        let mut conversations: BTreeMap<NodeId, Conversation> = BTreeMap::new();
        let mut retires = pulse.retires.subscribe();
        loop {
            let retires_now = *retires.borrow_and_update();
            let now = metrics.borrow().clone();
            if now.state != ServerState::Leader || now.current_term != term {
                break;
            }
            let peers = peers(&now);
            conversations.retain(|node, it| !it.ended.is_cancelled() && peers.contains_key(node));
            let leader = links.own_node().0;
            let cluster_millis = pulse.clock.now().at.0;
            let beat = BeatRequest { leader, term, cluster_millis, retires: retires_now };
            for (node, peer) in peers {
                let conversation = conversations
                    .entry(node)
                    .or_insert_with(|| converse(tasks, links, pulse, (node, peer, term)));
                // A peer that is slow to take them gets no pile of them.
                if conversation.beats.try_send(beat).is_err() {
                    tracing::debug!(%node, "a beat is left out: the one before is still on its way");
                }
            }
            let next = at_notch(Instant::now() + BEAT_PERIOD);
            drop(tokio::time::timeout_at(next, retires.changed()).await);
        }
    }
}

fn peers(metrics: &Metrics) -> BTreeMap<NodeId, Peer> {
    let membership = metrics.membership_config.membership();
    membership
        .nodes()
        .filter(|(node, _)| **node != metrics.id)
        .map(|(node, peer)| (*node, peer.clone()))
        .collect()
}

/// With one peer. It ends with its answers, whatever becomes of the stream that carries the
/// beats: a peer whose answers nobody reads would look silent for ever.
struct Conversation {
    beats: mpsc::Sender<BeatRequest>,
    ended: CancellationToken,
}

/// Beats to one peer, until it does not answer in time or nobody beats any more.
fn converse(
    tasks: &Scope,
    links: &Links,
    pulse: &Pulse,
    (node, peer, term): (NodeId, Peer, u64),
) -> Conversation {
    let ended = CancellationToken::new();
    let end = ended.clone().drop_guard();
    let (beats, to_send) = mpsc::channel(BEATS_WAITING_MAX);
    let (links, pulse) = (links.clone(), pulse.clone());
    tasks.spawn("beats to a manager", OnFailure::Log, async move {
        let _end = end;
        if exchange(&links, &pulse, (node, peer, term), to_send).await.is_none() {
            links.drop_link(node, Line::Raft);
        }
        Ok::<(), Infallible>(())
    });
    Conversation { beats, ended }
}

/// Nothing where the peer was lost.
async fn exchange(
    links: &Links,
    pulse: &Pulse,
    (node, peer, term): (NodeId, Peer, u64),
    beats: mpsc::Receiver<BeatRequest>,
) -> Option<()> {
    let call = async {
        let mut client = links.raft(node, peer.address).await.ok()?;
        client.beats(ReceiverStream::new(beats)).await.ok()
    };
    let mut answers = tokio::time::timeout(BEAT_LIMIT, call).await.ok()??.into_inner();
    while let Some(answer) = tokio::time::timeout(BEAT_LIMIT, answers.message()).await.ok()?.ok()? {
        pulse.answered(node, term, &answer);
    }
    Some(())
}
