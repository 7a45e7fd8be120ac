//! The pre-vote: whether this manager would vote for another one, and whether it may stand itself.
//!
//! A vote is a sync of a disk, and of two candidates within one such sync neither comes to lead. A
//! pre-vote is given in memory, so the two are told apart before any disk is asked.

use super::Metrics;
use super::elections::{CAMPAIGN_LIMIT, TIMEOUT_LEAST};
use super::pulse::Pulse;
use common::NodeId;
use openraft::{LogId, ServerState};
use proto::v1::{PreVoteRequest, PreVoteResponse};
use tokio::sync::watch;
use tokio::time::Instant;

/// The end of this manager's own log; asking openraft for it would wait for its disk.
pub(super) type Tail = watch::Receiver<Option<LogId<NodeId>>>;

#[derive(Debug)]
pub(super) struct Ballot {
    tail: Tail,
    pulse: Pulse,
    stand: watch::Sender<Stand>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Stand {
    /// It asks the others at this moment.
    asks: bool,
    /// Whom it said yes to last.
    promised: Option<(NodeId, Instant)>,
}

impl Stand {
    /// The candidate whose election is under way, as far as this manager knows.
    fn candidate(&self) -> Option<NodeId> {
        let recent = self.promised.filter(|(_, at)| at.elapsed() < CAMPAIGN_LIMIT);
        recent.map(|(candidate, _)| candidate)
    }
}

impl Ballot {
    pub(super) fn new(tail: Tail, pulse: Pulse) -> Ballot {
        Ballot { tail, pulse, stand: watch::Sender::default() }
    }

    /// False where another one's election is under way.
    pub(super) fn begin(&self) -> bool {
        self.stand.send_if_modified(|stand| {
            stand.asks = stand.candidate().is_none();
            stand.asks
        })
    }

    /// Another one said no. Until the last has answered, which may hang, nobody is to be refused
    /// for the sake of this manager.
    pub(super) fn refused(&self) {
        self.stand.send_if_modified(|stand| std::mem::take(&mut stand.asks));
    }

    /// Whether this manager gave way to nobody since it began.
    pub(super) fn end(&self) -> bool {
        self.stand.send_if_modified(|stand| {
            stand.asks = false;
            stand.candidate().is_none()
        })
    }

    pub(super) fn request(&self, metrics: &Metrics) -> PreVoteRequest {
        let (last_log_term, last_log_index) = self.last();
        PreVoteRequest {
            candidate: metrics.id.0,
            term: metrics.current_term + 1,
            last_log_term,
            last_log_index,
        }
    }

    /// Yes, where it hears no leader, leads not itself, its own log holds nothing that the
    /// candidate's lacks, and it has no better candidate.
    pub(super) fn answer(&self, metrics: &Metrics, request: &PreVoteRequest) -> PreVoteResponse {
        let hears_leader = self.pulse.heard().is_some_and(|it| it.at.elapsed() < TIMEOUT_LEAST);
        let leads = metrics.state == ServerState::Leader && self.pulse.has_quorum(metrics);
        let granted = !hears_leader && !leads && self.prefers(metrics.id, request);
        PreVoteResponse { granted, term: metrics.current_term }
    }

    /// Of two that ask each other the same one gives way on both sides.
    fn prefers(&self, own: NodeId, request: &PreVoteRequest) -> bool {
        let candidate = NodeId(request.candidate);
        let offered = (request.last_log_term, request.last_log_index);
        let known = self.last();
        self.stand.send_if_modified(|stand| {
            let gives_way = !stand.asks || (offered, candidate) > (known, own);
            let is_free = stand.candidate().is_none_or(|it| it == candidate);
            let granted = offered >= known && gives_way && is_free;
            if granted {
                stand.promised = Some((candidate, Instant::now()));
            }
            granted
        })
    }

    fn last(&self) -> (u64, u64) {
        self.tail.borrow().map_or((0, 0), |it| (it.leader_id.term, it.index))
    }
}

/// Whether those that are counted are a majority of the voters; while these change, of the old
/// ones and of the new ones.
pub(super) fn is_quorum(metrics: &Metrics, counts: impl Fn(NodeId) -> bool) -> bool {
    let membership = metrics.membership_config.membership();
    let is_majority = |voters: &std::collections::BTreeSet<NodeId>| {
        voters.iter().filter(|it| counts(**it)).count() * 2 > voters.len()
    };
    membership.get_joint_config().iter().all(is_majority)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster_clock::ClusterClock;
    use common::Timestamp;
    use openraft::{Membership, StoredMembership};
    use std::collections::BTreeSet;
    use std::sync::Arc;

    const OWN: u64 = 5;

    fn ballot() -> Ballot {
        let last = LogId { leader_id: openraft::LeaderId::new(2, NodeId(1)), index: 20 };
        let tail = watch::Sender::new(Some(last)).subscribe();
        Ballot::new(tail, Pulse::new(ClusterClock::new(Timestamp::default())))
    }

    #[derive(Debug)]
    enum Step {
        Begins(bool),
        Ends(bool),
        Refused,
        /// A candidate, the term and index of its last entry, and whether it is told yes.
        Asked(u64, (u64, u64), bool),
    }

    #[test]
    fn of_two_candidates_one_gives_way() {
        use Step::{Asked, Begins, Ends, Refused};
        let same = (2, 20);
        let cases: [&[Step]; 9] = [
            &[Begins(true), Ends(true), Begins(true)],
            &[Asked(4, (2, 19), false), Asked(4, (1, 30), false), Asked(4, same, true)],
            // It has promised itself to one, and stands not against it.
            &[Asked(4, same, true), Asked(6, same, false), Asked(4, same, true), Begins(false)],
            // Both ask at once.
            &[Begins(true), Asked(4, same, false), Ends(true)],
            &[Begins(true), Asked(6, same, true), Ends(false)],
            &[Begins(true), Asked(4, (2, 21), true), Ends(false)],
            // Not against one that refused it, and may win itself.
            &[Begins(true), Refused, Asked(4, same, true), Ends(false)],
            &[Begins(true), Refused, Ends(true), Begins(true), Asked(4, same, false)],
            &[Begins(true), Asked(6, (2, 19), false), Ends(true), Asked(6, same, true)],
        ];
        let metrics = Metrics::new_initial(NodeId(OWN));
        for steps in cases {
            let ballot = ballot();
            for step in steps {
                let (found, expected) = match step {
                    Begins(expected) => (ballot.begin(), expected),
                    Ends(expected) => (ballot.end(), expected),
                    Refused => {
                        ballot.refused();
                        continue;
                    }
                    Asked(candidate, (last_log_term, last_log_index), expected) => {
                        let request = PreVoteRequest {
                            candidate: *candidate,
                            term: 3,
                            last_log_term: *last_log_term,
                            last_log_index: *last_log_index,
                        };
                        (ballot.answer(&metrics, &request).granted, expected)
                    }
                };
                assert_eq!(found, *expected, "{step:?} of {steps:?}");
            }
        }
    }

    /// Else two of three keep raising the term, who cannot win while the third leaves or stays.
    #[test]
    fn a_quorum_is_one_of_the_old_voters_and_of_the_new_ones() {
        let ids = |digits: &str| -> BTreeSet<NodeId> {
            digits.bytes().map(|it| NodeId(u64::from(it))).collect()
        };
        let cases = [
            ("123", "12", true),
            ("123", "1", false),
            ("123 23", "13", false),
            ("123 23", "23", true),
            ("1234", "12", false),
            ("1", "1", true),
        ];
        for (configs, counted, expected) in cases {
            let membership = Membership::new(configs.split(' ').map(ids).collect(), ());
            let mut metrics = Metrics::new_initial(NodeId(1));
            metrics.membership_config = Arc::new(StoredMembership::new(None, membership));
            let found = is_quorum(&metrics, |it| ids(counted).contains(&it));
            assert_eq!(found, expected, "{counted} of {configs}");
        }
    }
}
