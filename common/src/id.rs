//! Identities. One type each, so that `assign(node, task)` does not compile where
//! `assign(task, node)` is meant.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Lower case without `i`, `l`, `o`, `u`: nothing a person reads aloud twice.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 13 digits of 5 bits hold 64 bits, and a prefix of it is what people type.
const DIGITS: usize = 13;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an ID: 13 characters of 0-9 and a-z are expected")]
pub struct NotAnId(pub String);

fn write_id(value: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = [0_u8; DIGITS];
    for (position, digit) in text.iter_mut().rev().enumerate() {
        *digit = ALPHABET[(value >> (5 * position) & 31) as usize];
    }
    f.pad(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
}

fn read_id(text: &str) -> Result<u64, NotAnId> {
    let wrong = || NotAnId(text.to_owned());
    if text.len() != DIGITS {
        return Err(wrong());
    }
    let mut value: u64 = 0;
    for byte in text.bytes() {
        let digit = ALPHABET.iter().position(|it| *it == byte).ok_or_else(wrong)?;
        // The first digit has four bits only: 13 × 5 = 65.
        if value >> 59 != 0 {
            return Err(wrong());
        }
        value = value << 5 | digit as u64;
    }
    Ok(value)
}

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[derive(Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_id(self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_id(self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                read_id(text).map(Self)
            }
        }
    )*};
}

id! {
    /// One cluster; part of every certificate, so that two clusters never mix.
    ClusterId
    /// One member, for as long as it keeps its data directory.
    NodeId
    /// A wish: this image, so many times.
    ServiceId
    /// One attempt to run one container. Tasks are never started again; they are replaced.
    TaskId
    /// A config or a secret.
    FileId
    /// A network, with the settings that its tasks depend on.
    NetworkId
}

/// When an object was last changed, counted in entries of the replicated log.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Version(pub u64);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Makes identities from a seed that the shell draws once. The core has no chance of its own.
#[derive(Debug, Clone)]
pub struct IdGen {
    state: u64,
}

impl IdGen {
    pub fn from_seed(seed: u64) -> Self {
        Self { state: seed }
    }

    /// SplitMix64: every value once in 2^64 steps.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `bound`, evenly enough for delays and choices.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next_u64() % bound }
    }

    pub fn task(&mut self) -> TaskId {
        TaskId(self.next_u64())
    }

    pub fn service(&mut self) -> ServiceId {
        ServiceId(self.next_u64())
    }

    pub fn node(&mut self) -> NodeId {
        NodeId(self.next_u64())
    }

    pub fn file(&mut self) -> FileId {
        FileId(self.next_u64())
    }

    pub fn network(&mut self) -> NetworkId {
        NetworkId(self.next_u64())
    }

    pub fn cluster(&mut self) -> ClusterId {
        ClusterId(self.next_u64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_what_it_prints() {
        for value in [0, 1, 31, 32, u64::MAX, 0x0123_4567_89ab_cdef] {
            let text = TaskId(value).to_string();
            assert_eq!(text.len(), 13);
            assert_eq!(text.parse(), Ok(TaskId(value)));
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "0", "zzzzzzzzzzzzz", "00000000000O0", "00000000000000", "ééééééé"]
        {
            assert!(text.parse::<NodeId>().is_err(), "{text}");
        }
    }

    #[test]
    fn printed_ids_sort_as_the_numbers_do() {
        let mut ids = IdGen::from_seed(7);
        let mut tasks: Vec<TaskId> = (0..100).map(|_| ids.task()).collect();
        tasks.sort();
        let printed: Vec<String> = tasks.iter().map(TaskId::to_string).collect();
        assert!(printed.is_sorted());
    }
}
