//! Who may call what: one table.

use common::NodeId;
use common::node::Role;
use manager_core::state::State;
use shell::tls::{Caller, Member};
use tonic::Status;

/// Who may make a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The daemon's own socket, guarded by the permissions of its file.
    Socket,
    /// The socket, or another manager that passes a user's call on.
    Users,
    /// Any node of the cluster.
    Members,
    /// Also one whose certificate has expired.
    LapsedMembers,
    /// Also one that was removed while it was away: it is to be told so.
    FormerMembers,
    /// Managers only.
    Managers,
    /// Anybody: the call brings its own proof.
    Anybody,
}

/// Whether the call has to be made at the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    Here,
    /// At the leader; without one, answered from what this manager has.
    LeaderOrStale,
    Leader,
}

pub fn rule(path: &str) -> Option<(Access, Route)> {
    Some(match path {
        "/skep.v1.Control/ListServices"
        | "/skep.v1.Control/ListTasks"
        | "/skep.v1.Control/ListStacks"
        | "/skep.v1.Control/ListFiles"
        | "/skep.v1.Control/ListVolumes"
        | "/skep.v1.Control/ListNetworks"
        | "/skep.v1.Control/ListNodes" => (Access::Users, Route::LeaderOrStale),
        "/skep.v1.Control/CreateService"
        | "/skep.v1.Control/UpdateService"
        | "/skep.v1.Control/DeployStack"
        | "/skep.v1.Control/RemoveStacks"
        | "/skep.v1.Control/RollBackService"
        | "/skep.v1.Control/ScaleServices"
        | "/skep.v1.Control/RemoveServices"
        | "/skep.v1.Control/ServiceLogs"
        | "/skep.v1.Control/CreateFile"
        | "/skep.v1.Control/SetFileLabels"
        | "/skep.v1.Control/RemoveFiles"
        | "/skep.v1.Control/RemoveVolumes"
        | "/skep.v1.Control/GetSealingKey"
        | "/skep.v1.Control/CreateNetwork"
        | "/skep.v1.Control/RemoveNetworks"
        | "/skep.v1.Control/PruneNetworks"
        | "/skep.v1.Control/UpdateNode"
        | "/skep.v1.Control/RemoveNode"
        | "/skep.v1.Control/GetJoinToken" => (Access::Users, Route::Leader),
        "/skep.v1.Ca/Join" => (Access::Anybody, Route::Leader),
        "/skep.v1.Ca/Renew" => (Access::LapsedMembers, Route::Leader),
        "/skep.v1.Dispatcher/Session" => (Access::FormerMembers, Route::Here),
        "/skep.v1.Dispatcher/PublishLogs" => (Access::Members, Route::Here),
        "/skep.v1.Raft/Append"
        | "/skep.v1.Raft/Vote"
        | "/skep.v1.Raft/InstallSnapshot"
        | "/skep.v1.Raft/Beats"
        | "/skep.v1.Raft/PreVote"
        | "/skep.v1.Raft/Enlist"
        | "/skep.v1.Raft/TakeOver" => (Access::Managers, Route::Here),
        "/skep.v1.Local/Init"
        | "/skep.v1.Local/Join"
        | "/skep.v1.Local/Leave"
        | "/skep.v1.Local/Status" => (Access::Socket, Route::Here),
        _ => return None,
    })
}

/// Whether the answer goes on and on, at the pace of whoever reads it.
pub fn is_stream(path: &str) -> bool {
    path == "/skep.v1.Control/ServiceLogs"
}

/// The state here may lag behind, so a node that it does not know is not refused for that; one
/// that it knows to be removed, or to be no manager any more, is. Raft has the last word among
/// managers: without the word of one that still votes, it may never come to be without it.
pub fn check(
    access: Access,
    caller: &Caller,
    state: &State,
    votes: impl FnOnce(NodeId) -> bool,
) -> Result<(), Status> {
    match (access, caller) {
        (Access::Anybody, _)
        | (Access::Socket | Access::Users, Caller::Local)
        | (Access::FormerMembers, Caller::Member(_)) => Ok(()),
        (Access::Socket, _) => Err(denied("this call is for the daemon's own socket only")),
        (Access::Members, Caller::Member(member))
        | (Access::LapsedMembers, Caller::Member(member) | Caller::Lapsed(member)) => {
            check_member(member, state)
        }
        (Access::FormerMembers, Caller::Lapsed(member)) if state.was_removed(member.node) => Ok(()),
        (Access::Users, Caller::Member(member)) => {
            check_member(member, state)?;
            check_manager(member, state)
        }
        (Access::Managers, Caller::Member(member)) => {
            if member.role == Role::Manager && votes(member.node) {
                return Ok(());
            }
            check_member(member, state)?;
            check_manager(member, state)
        }
        (_, Caller::Unknown) => {
            Err(Status::unauthenticated("a certificate of this cluster is needed"))
        }
        (_, Caller::Lapsed(_)) => Err(Status::unauthenticated(
            "the certificate of this node has expired; it is about to get a new one",
        )),
        (_, Caller::Local) => Err(denied("this call is for nodes of the cluster")),
    }
}

fn check_member(member: &Member, state: &State) -> Result<(), Status> {
    if state.was_removed(member.node) {
        return Err(denied(
            "this node was removed from the cluster: `skep leave --force` there, then join again",
        ));
    }
    Ok(())
}

fn check_manager(member: &Member, state: &State) -> Result<(), Status> {
    let demoted = state.node(member.node).is_some_and(|it| it.spec.role != Role::Manager);
    if member.role != Role::Manager || demoted {
        return Err(denied("only managers may do this; run the command on a manager"));
    }
    Ok(())
}

fn denied(text: &str) -> Status {
    Status::permission_denied(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::node::{Node, NodeKind, NodeSpec};
    use common::{ClusterId, Stamp, Version};
    use manager_core::change::{Batch, Change, Unity};

    #[test]
    fn who_may_call_what() {
        let member = |role| Caller::Member(Member { node: NodeId(1), cluster: ClusterId(1), role });
        let (worker, manager) = (member(Role::Worker), member(Role::Manager));
        let cluster = ClusterId(1);
        let lapsed = Caller::Lapsed(Member { node: NodeId(1), cluster, role: Role::Manager });
        let state = State::default();
        let callers = [Caller::Local, Caller::Unknown, worker, manager, lapsed];
        let expected = [
            ("/skep.v1.Control/CreateService", [true, false, false, true, false]),
            ("/skep.v1.Control/ListNodes", [true, false, false, true, false]),
            ("/skep.v1.Control/GetJoinToken", [true, false, false, true, false]),
            ("/skep.v1.Control/CreateFile", [true, false, false, true, false]),
            ("/skep.v1.Control/ListFiles", [true, false, false, true, false]),
            ("/skep.v1.Control/GetSealingKey", [true, false, false, true, false]),
            ("/skep.v1.Control/PruneNetworks", [true, false, false, true, false]),
            ("/skep.v1.Control/ListNetworks", [true, false, false, true, false]),
            ("/skep.v1.Ca/Join", [true, true, true, true, true]),
            ("/skep.v1.Ca/Renew", [false, false, true, true, true]),
            ("/skep.v1.Dispatcher/Session", [false, false, true, true, false]),
            ("/skep.v1.Raft/Append", [false, false, false, true, false]),
            ("/skep.v1.Raft/Enlist", [false, false, false, true, false]),
            ("/skep.v1.Local/Init", [true, false, false, false, false]),
        ];
        for (path, allowed) in expected {
            let (access, _) = rule(path).expect("the path is in the table");
            let found = callers.clone().map(|it| check(access, &it, &state, |_| false).is_ok());
            assert_eq!(found, allowed, "{path}");
        }
    }

    /// A leader that was demoted must replicate until another one leads.
    #[test]
    fn whoever_votes_takes_part_in_raft_and_in_nothing_else() {
        let mut state = State::default();
        let changes = vec![Change::AddNode(Box::new(worker()))];
        let batch = Batch { stamp: Stamp::default(), unity: Unity::AllOrNothing, changes };
        assert_eq!(state.apply(Version(1), &batch).refused, []);
        let member = |role| Caller::Member(Member { node: NodeId(1), cluster: ClusterId(1), role });
        let cases = [
            (Access::Managers, Role::Manager, true, true),
            (Access::Managers, Role::Manager, false, false),
            (Access::Managers, Role::Worker, true, false),
            (Access::Users, Role::Manager, true, false),
        ];
        for (access, role, votes, expected) in cases {
            let checked = check(access, &member(role), &state, |_| votes);
            assert_eq!(checked.is_ok(), expected, "{access:?} {role:?}, votes: {votes}");
        }
    }

    fn worker() -> Node {
        let spec = NodeSpec::of_role(Role::Worker);
        let seat = (([127, 0, 0, 1], 7373).into(), NodeKind::Full);
        Node::joining(NodeId(1), "n1".parse().unwrap(), spec, seat)
    }
}
