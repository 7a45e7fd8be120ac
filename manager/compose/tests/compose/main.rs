//! Compose files by example: what they mean, what is wrong with them, and what no file may do.

mod door;
mod files;
mod fuzz;
mod keys;
mod malformed;
mod stacks;
