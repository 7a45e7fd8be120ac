//! Disks that lose power, get slow or fill up below real programs and the real store.

mod cuts;
mod journal;
mod load;
mod notes;
mod platter;
mod shim;

pub use cuts::{Cuts, Tally};
pub use load::{Finding, check, live};
pub use shim::{Ask, Shim};
