//! When this manager stands for election. openraft's own timer is off: it draws its time-out
//! once per process, so two survivors with equal luck could split their votes for ever, and it
//! raises the term before it knows whether anybody would vote.

use super::ballot::{Ballot, is_quorum};
use super::links::{Line, Links};
use super::pulse::Pulse;
use super::types::Peer;
use super::{Metrics, Raft};
use common::{IdGen, NodeId};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use openraft::ServerState;
use proto::v1::{PreVoteRequest, PreVoteResponse};
use shell::supervisor::{OnFailure, Scope};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Drawn anew for every election, between these two.
pub(super) const TIMEOUT_LEAST: Duration = Duration::from_millis(1_000);
pub(super) const TIMEOUT_MOST: Duration = Duration::from_millis(2_000);
/// After an election that was not won.
const RETRY_LEAST: Duration = Duration::from_millis(150);
const RETRY_MOST: Duration = Duration::from_millis(900);
const PRE_VOTE_LIMIT: Duration = Duration::from_millis(500);
/// A vote is a sync of a disk that may be slow: an election under way is left alone for so long.
pub(super) const CAMPAIGN_LIMIT: Duration = Duration::from_millis(800);

pub(super) fn start(
    scope: &Scope,
    raft: Raft,
    links: Links,
    pulse: Pulse,
    ballot: Arc<Ballot>,
    random: IdGen,
) {
    let token = scope.token();
    scope.spawn("elections", OnFailure::StopScope, async move {
        let mut elections = Elections { raft, links, pulse, ballot, random };
        tokio::select! {
            () = elections.run() => {}
            () = token.cancelled() => {}
        }
        Ok::<(), Infallible>(())
    });
}

/// Whether this manager has just tried in vain: then it tries again sooner, for there is no
/// leader whose next word it might be about to miss.
#[derive(Debug, Clone, Copy)]
enum Attempt {
    None,
    Failed,
}

struct Elections {
    raft: Raft,
    links: Links,
    pulse: Pulse,
    ballot: Arc<Ballot>,
    random: IdGen,
}

impl Elections {
    async fn run(&mut self) {
        let mut metrics = self.raft.metrics();
        // The start of the process counts as a leader's word: one may be about to speak.
        let mut since = Instant::now();
        let mut last = Attempt::None;
        loop {
            let now = metrics.borrow_and_update().clone();
            if now.state == ServerState::Leader || !is_voter(&now) {
                if metrics.changed().await.is_err() {
                    return;
                }
                (since, last) = (Instant::now(), Attempt::None);
                continue;
            }
            if voters(&now).len() > 1 {
                if let Some(heard) = self.silence(since, last).await {
                    (since, last) = (heard, Attempt::None);
                    continue;
                }
                if !self.is_chosen().await {
                    (since, last) = (Instant::now(), Attempt::Failed);
                    continue;
                }
            }
            if self.raft.trigger().elect().await.is_err() {
                return;
            }
            let won = metrics.wait_for(|it| it.state == ServerState::Leader);
            drop(tokio::time::timeout(CAMPAIGN_LIMIT, won).await);
            (since, last) = (Instant::now(), Attempt::Failed);
        }
    }

    /// Draws a time-out and waits for it, counted from `since`. A leader's word ends the wait
    /// and is answered.
    async fn silence(&mut self, since: Instant, last: Attempt) -> Option<Instant> {
        let timeout = match last {
            Attempt::None => self.draw(TIMEOUT_LEAST, TIMEOUT_MOST),
            Attempt::Failed => self.draw(RETRY_LEAST, RETRY_MOST),
        };
        tokio::time::sleep_until(since + timeout).await;
        self.pulse.heard().map(|it| it.at).filter(|heard| *heard > since)
    }

    fn draw(&mut self, least: Duration, most: Duration) -> Duration {
        let spread = common::time::millis(most - least);
        least + Duration::from_millis(self.random.below(spread))
    }

    /// Whether it would win, and nobody else is about to.
    async fn is_chosen(&self) -> bool {
        if !self.ballot.begin() {
            return false;
        }
        let would_win = self.would_win().await;
        self.ballot.end() && would_win
    }

    /// Asks the others first, so that a manager that was cut off does not come back with a
    /// higher term and topple a leader that everybody else hears.
    async fn would_win(&self) -> bool {
        let metrics = self.raft.metrics().borrow().clone();
        let request = self.ballot.request(&metrics);
        let voters = voters(&metrics);
        let others = voters.iter().filter(|(node, _)| *node != metrics.id);
        let mut asked: FuturesUnordered<_> =
            others.map(|it| ask(self.links.clone(), it.clone(), request)).collect();
        let mut granted = BTreeSet::from([metrics.id]);
        while !is_quorum(&metrics, |it| granted.contains(&it)) {
            match asked.next().await {
                Some((node, Some(PreVoteResponse { granted: true, .. }))) => {
                    granted.insert(node);
                }
                Some((_, Some(_))) => self.ballot.refused(),
                Some((_, None)) => {}
                None => return false,
            }
        }
        true
    }
}

async fn ask(
    links: Links,
    (node, peer): (NodeId, Peer),
    request: PreVoteRequest,
) -> (NodeId, Option<PreVoteResponse>) {
    let exchange = async {
        let mut client = links.raft(node, peer.address).await.ok()?;
        let answer = client.pre_vote(request).await;
        answer.ok().map(tonic::Response::into_inner)
    };
    match tokio::time::timeout(PRE_VOTE_LIMIT, exchange).await {
        Ok(Some(answer)) => (node, Some(answer)),
        Ok(None) | Err(_) => {
            links.drop_link(node, Line::Raft);
            (node, None)
        }
    }
}

fn voters(metrics: &Metrics) -> Vec<(NodeId, Peer)> {
    let membership = metrics.membership_config.membership();
    membership
        .voter_ids()
        .filter_map(|node| Some((node, membership.get_node(&node)?.clone())))
        .collect()
}

fn is_voter(metrics: &Metrics) -> bool {
    metrics.membership_config.membership().voter_ids().any(|it| it == metrics.id)
}
