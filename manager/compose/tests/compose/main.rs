//! Compose files by example: what they mean, what is wrong with them, and what no file may do.

mod door;
mod files;
mod fuzz;
mod hostile;
mod keys;
mod malformed;
mod model;
mod selection;
mod spec_networks;
mod specs;
mod stacks;
