//! How large a project may grow while it is read: aliases, `extends` and variables multiply.

use crate::node::{Node, Value};

/// A tree of so much takes a few dozen megabytes; real stacks take a hundredth of it.
const COST_MAX: usize = 250_000;
/// So many bytes of text cost as much as a node.
const BYTES_PER_UNIT: usize = 32;

#[derive(Debug, Default)]
pub(crate) struct Budget {
    spent: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exceeded;

impl Exceeded {
    pub(crate) const TEXT: &'static str =
        "the files grow too large here, with all aliases, variables and `extends` written out";
}

impl Budget {
    pub(crate) fn spend(&mut self, cost: usize) -> Result<(), Exceeded> {
        self.spent = self.spent.saturating_add(cost);
        if self.spent > COST_MAX { Err(Exceeded) } else { Ok(()) }
    }
}

pub(crate) fn cost_of_text(text: &str) -> usize {
    text.len() / BYTES_PER_UNIT
}

/// Reading takes time even where it leaves nothing behind.
pub(crate) fn cost_of_bytes(bytes: &[u8]) -> usize {
    bytes.len() / (8 * BYTES_PER_UNIT)
}

/// What a copy of the node takes.
pub(crate) fn cost_of(node: &Node) -> usize {
    let inner = match &node.value {
        Value::Null => 0,
        Value::Text(text) => cost_of_text(&text.text),
        Value::List(list) => list.iter().map(cost_of).sum(),
        Value::Map(map) => {
            map.iter().map(|(key, entry)| cost_of_text(key) + cost_of(&entry.node)).sum()
        }
    };
    inner + 1
}
