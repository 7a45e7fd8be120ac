//! What this machine is in its cluster, at the moment.

use crate::manager::Manager;

#[derive(Debug, Clone, Default)]
pub enum Seat {
    /// The program has just begun to read what it is.
    #[default]
    Starting,
    /// Not a member.
    None,
    Worker {
        managers: Vec<String>,
    },
    Manager(Manager),
}
