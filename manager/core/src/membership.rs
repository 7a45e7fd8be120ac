//! Which manager joins or leaves the voters next. One step at a time, so that a quorum of the
//! old voters and one of the new always share a member.

use crate::state::State;
use common::NodeId;
use common::node::Role;
use std::collections::BTreeSet;

/// What Raft says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Voters {
    pub leader: NodeId,
    pub voters: BTreeSet<NodeId>,
    pub learners: BTreeSet<NodeId>,
    /// Learners whose log is as long as the leader's, give or take what is under way.
    pub caught_up: BTreeSet<NodeId>,
    /// Voters that answered a moment ago, the leader itself among them.
    pub answering: BTreeSet<NodeId>,
}

impl Voters {
    /// Whether the others could still decide anything.
    pub fn can_spare(&self, voter: NodeId) -> bool {
        let others = self.voters.iter().filter(|it| **it != voter);
        let answering = others.clone().filter(|it| self.answering.contains(it)).count();
        answering * 2 > others.count()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Gives up the leadership, so that another leader can remove this one.
    HandOver,
    RemoveVoter(NodeId),
    RemoveLearner(NodeId),
    PromoteLearner(NodeId),
}

/// Whether something is left to do that cannot be done yet.
pub fn is_waiting(state: &State, raft: &Voters) -> bool {
    raft.voters.len() > 1 && raft.voters.iter().any(|it| !is_manager(state, *it))
}

fn is_manager(state: &State, id: NodeId) -> bool {
    state.node(id).is_some_and(|it| it.spec.role == Role::Manager)
}

/// Learners are added when they ask, so only what follows is decided here.
pub fn next_step(state: &State, raft: &Voters) -> Option<Step> {
    let former = raft.voters.iter().filter(|it| !is_manager(state, **it));
    // Without the last voter there is no cluster, and without a majority no way back.
    if let Some(former) = former.copied().find(|it| raft.can_spare(*it)) {
        return Some(match former == raft.leader {
            true => Step::HandOver,
            false => Step::RemoveVoter(former),
        });
    }
    if let Some(former) = raft.learners.iter().find(|it| !is_manager(state, **it)) {
        return Some(Step::RemoveLearner(*former));
    }
    let ready = raft.learners.iter().find(|it| raft.caught_up.contains(it));
    ready.map(|it| Step::PromoteLearner(*it))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Batch, Change, Unity};
    use common::node::{Node, NodeKind, NodeSpec};
    use common::{Stamp, Version};

    fn node(id: u64, role: Role) -> Change {
        let name = format!("node{id}").parse().expect("a good name");
        let seat = (([10, 0, 0, 1], 7373).into(), NodeKind::Full);
        Change::AddNode(Box::new(Node::joining(NodeId(id), name, NodeSpec::of_role(role), seat)))
    }

    /// Managers by id, then Raft's voters, learners and those of them that caught up; 1 leads.
    fn step(managers: &[u64], voters: &[u64], learners: &[u64], caught_up: &[u64]) -> Option<Step> {
        step_while(voters, managers, voters, learners, caught_up)
    }

    fn step_while(
        answering: &[u64],
        managers: &[u64],
        voters: &[u64],
        learners: &[u64],
        caught_up: &[u64],
    ) -> Option<Step> {
        let changes = (1..=5)
            .map(|id| node(id, if managers.contains(&id) { Role::Manager } else { Role::Worker }))
            .collect();
        let mut state = State::default();
        state.apply(
            Version(1),
            &Batch { stamp: Stamp::default(), unity: Unity::AllOrNothing, changes },
        );
        let set = |ids: &[u64]| ids.iter().copied().map(NodeId).collect();
        let raft = Voters {
            leader: NodeId(1),
            voters: set(voters),
            learners: set(learners),
            caught_up: set(caught_up),
            answering: set(answering),
        };
        next_step(&state, &raft)
    }

    #[test]
    fn steps() {
        assert_eq!(step(&[1, 2, 3], &[1, 2, 3], &[], &[]), None);
        assert_eq!(step(&[1, 2], &[1], &[2], &[]), None);
        assert_eq!(step(&[1, 2], &[1], &[2], &[2]), Some(Step::PromoteLearner(NodeId(2))));
        assert_eq!(step(&[1, 2], &[1, 2, 3], &[], &[]), Some(Step::RemoveVoter(NodeId(3))));
        assert_eq!(step(&[2, 3], &[1, 2, 3], &[], &[]), Some(Step::HandOver));
        assert_eq!(step(&[1], &[1], &[4], &[4]), Some(Step::RemoveLearner(NodeId(4))));
        assert_eq!(step(&[], &[1], &[], &[]), None);
    }

    #[test]
    fn no_step_takes_the_majority_away() {
        let step = |answering: &[u64], managers: &[u64]| {
            step_while(answering, managers, &[1, 2, 3], &[], &[])
        };
        assert_eq!(step(&[1, 2], &[1, 3]), None, "1 alone would be left of 1 and 3");
        assert_eq!(step(&[1, 2], &[1, 2]), Some(Step::RemoveVoter(NodeId(3))));
        assert_eq!(step(&[1, 2], &[1]), Some(Step::RemoveVoter(NodeId(3))), "the silent one first");
        assert_eq!(step(&[1, 2], &[2, 3]), None);
    }

    /// Two users who each saw another manager left must not both have their way.
    #[test]
    fn the_last_manager_stays_one() {
        let mut state = State::default();
        let batch = |changes| Batch { stamp: Stamp::default(), unity: Unity::EachAlone, changes };
        let founded = batch(vec![node(1, Role::Manager), node(2, Role::Manager)]);
        assert_eq!(state.apply(Version(1), &founded).refused, []);
        let spec = NodeSpec::of_role(Role::Worker);
        let demote =
            |id| Change::SetNodeSpec { node: NodeId(id), base: Version(1), spec: spec.clone() };
        let applied = state.apply(Version(2), &batch(vec![demote(1), demote(2)]));
        assert_eq!(applied.refused, [(1, crate::change::Conflict::LastManager)]);
    }
}
