//! Who is let in, and under which name.

use crate::change::Change;
use crate::requests::Refused;
use crate::state::State;
use common::node::{Node, NodeState};
use common::{Name, NodeId};
use std::collections::BTreeSet;

/// Without a name of its own choice a node gets one that is free, made from its host name.
pub fn admit(
    state: &State,
    joiner: &Node,
    chosen: Option<&Name>,
) -> Result<(Name, Vec<Change>), Refused> {
    let ghosts: Vec<&Node> =
        state.nodes().map(|it| &**it).filter(|it| is_ghost(it, joiner)).collect();
    let gone: BTreeSet<NodeId> = ghosts.iter().map(|it| it.id).collect();
    let is_taken = |name: &str| state.node_named(name).is_some_and(|it| !gone.contains(&it.id));
    let name = match chosen {
        Some(name) if is_taken(name.as_str()) => {
            return Err(Refused::Conflict(format!(
                "a node named {name} exists already: choose another name with --name, or remove \
                 that one with `skep node rm {name}`"
            )));
        }
        Some(name) => name.clone(),
        None => {
            let name = free_name(&joiner.description.hostname, is_taken);
            name.parse().map_err(|_| Refused::Invalid(format!("`{name}` is no name")))?
        }
    };
    let node = Node { name: name.clone(), ..joiner.clone() };
    let removed = ghosts.iter().map(|it| Change::RemoveNode { node: it.id, base: it.version });
    Ok((name, removed.chain([Change::AddNode(Box::new(node))]).collect()))
}

/// A machine that was cut off in the middle of joining has left a record that nobody will ever
/// fill. The same machine takes its place.
fn is_ghost(node: &Node, joiner: &Node) -> bool {
    node.status.state == NodeState::Joining
        && node.address == joiner.address
        && node.description.hostname == joiner.description.hostname
}

/// The wished name, or it with a number behind it.
pub fn free_name(wished: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let clean: String = wished
        .split('.')
        .next()
        .unwrap_or(wished)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' })
        .take(58)
        .collect();
    let base = clean.trim_matches('-');
    let base = if base.is_empty() { "node" } else { base };
    if !is_taken(base) {
        return base.to_owned();
    }
    let numbered = (2..).map(|number| format!("{base}-{number}"));
    numbered.into_iter().find(|it| !is_taken(it)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Batch, Unity};
    use common::node::{NodeKind, NodeSpec, Role};
    use common::{Stamp, Version};

    fn machine(id: u64, last: u8, hostname: &str) -> Node {
        let seat = (([10, 0, 0, last], 7373).into(), NodeKind::Full);
        let name = "joining".parse().expect("a name");
        let mut node = Node::joining(NodeId(id), name, NodeSpec::of_role(Role::Worker), seat);
        node.description.hostname = hostname.to_owned();
        node
    }

    #[test]
    fn a_machine_takes_the_place_of_its_own_ghost_and_of_nobody_else() {
        let mut state = State::default();
        // By machine: its address and host name, and whether it comes after it was let in.
        let joins = [
            (1, "pi", true, "pi"),
            (2, "pi", false, "pi-2"),
            (2, "pi", true, "pi-2"),
            (2, "pi", true, "pi-3"),
            (3, "pi.home.arpa", false, "pi-4"),
            (3, "other", true, "other"),
            (4, "..", true, "node"),
        ];
        for (version, (last, hostname, comes, expected)) in (1..).zip(joins) {
            let mut joiner = machine(version, last, hostname);
            if comes {
                joiner.status.state = NodeState::Ready;
            }
            let (name, changes) = admit(&state, &joiner, None).expect("a name is found");
            assert_eq!(name.as_str(), expected);
            let batch = Batch { stamp: Stamp::default(), unity: Unity::AllOrNothing, changes };
            assert_eq!(state.apply(Version(version), &batch).refused, []);
        }
        assert_eq!(state.nodes().count(), 6);
        let taken = "pi".parse().expect("a name");
        let refused = admit(&state, &machine(9, 9, "x"), Some(&taken)).expect_err("it is taken");
        assert!(refused.to_string().contains("exists already"), "{refused}");
    }
}
