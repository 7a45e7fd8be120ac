//! Disks that lose power, get slow or fill up below real programs and the real store.

mod shim;

pub use shim::{Ask, Shim};
