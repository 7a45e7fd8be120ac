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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Gives up the leadership, so that another leader can remove this one.
    HandOver,
    RemoveVoter(NodeId),
    RemoveLearner(NodeId),
    PromoteLearner(NodeId),
}

/// Learners are added when they ask, so only what follows is decided here.
pub fn next_step(state: &State, raft: &Voters) -> Option<Step> {
    let is_manager = |id: &NodeId| state.node(*id).is_some_and(|it| it.spec.role == Role::Manager);
    if let Some(former) = raft.voters.iter().find(|it| !is_manager(it)) {
        // The last voter stays: without one there is no cluster.
        if raft.voters.len() == 1 {
            return None;
        }
        if *former != raft.leader {
            return Some(Step::RemoveVoter(*former));
        }
        return Some(Step::HandOver);
    }
    if let Some(former) = raft.learners.iter().find(|it| !is_manager(it)) {
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
