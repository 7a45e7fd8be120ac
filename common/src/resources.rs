//! What a node has and a task needs.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Processors in billionths, as the engine counts them, and memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    pub cpu_nanos: u64,
    pub memory_bytes: u64,
}

/// What a node has so many of and only people know the meaning of, by its kind.
pub type GenericResources = BTreeMap<String, u64>;

/// What of a wish is missing; at least one of the two is above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shortage {
    pub cpu_nanos: u64,
    pub memory_bytes: u64,
}

impl Resources {
    pub const NONE: Resources = Resources { cpu_nanos: 0, memory_bytes: 0 };

    pub fn saturating_add(self, other: Resources) -> Resources {
        Resources {
            cpu_nanos: self.cpu_nanos.saturating_add(other.cpu_nanos),
            memory_bytes: self.memory_bytes.saturating_add(other.memory_bytes),
        }
    }

    pub fn saturating_sub(self, other: Resources) -> Resources {
        Resources {
            cpu_nanos: self.cpu_nanos.saturating_sub(other.cpu_nanos),
            memory_bytes: self.memory_bytes.saturating_sub(other.memory_bytes),
        }
    }

    /// What `self`, being free, lacks for `wish`.
    pub fn shortage_for(self, wish: Resources) -> Option<Shortage> {
        let shortage = Shortage {
            cpu_nanos: wish.cpu_nanos.saturating_sub(self.cpu_nanos),
            memory_bytes: wish.memory_bytes.saturating_sub(self.memory_bytes),
        };
        (shortage != Shortage::default()).then_some(shortage)
    }
}

/// `1.5` for one and a half processors.
pub fn display_cpus(cpu_nanos: u64) -> impl fmt::Display {
    cpu_nanos as f64 / 1e9
}
