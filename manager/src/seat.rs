//! What this machine is in its cluster, at the moment.

use crate::manager::Manager;

#[derive(Debug, Clone, Default)]
pub enum Seat {
    /// Not a member.
    #[default]
    None,
    Worker {
        managers: Vec<String>,
    },
    Manager(Manager),
}
