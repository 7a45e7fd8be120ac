//! Compose files as people write them, read into one resolved, typed model.
//!
//! Contract: no IO, no clock, no chance, no async. Files come through [`Files`], variables through
//! [`Request`]. The passes in their order, each a module: `parse` (YAML with aliases and `<<`),
//! `interpolate`, `short` (short forms written out), `extends`, `merge` (several files),
//! `include`, `select` (profiles, chosen services), `references`, `schema` (every key's verdict),
//! `resolve` (paths, files of variables), `read` (types) and `spec` (what the cluster is asked
//! for). Every node keeps its position, which also says what its relative paths and variables
//! mean. `KEYS.md` lists what becomes of every key.

#![deny(clippy::wildcard_enum_match_arm)]

mod budget;
mod dotenv;
mod environment;
mod extends;
mod include;
mod interpolate;
mod load;
mod loader;
mod merge;
pub mod model;
mod node;
mod parse;
mod problem;
mod read;
mod references;
mod render;
mod resolve;
pub mod schema;
mod select;
mod short;
pub mod spec;
mod words;

pub use load::{FileError, Files, Loaded, Request, STANDARD_INPUT, Strictness, load};
pub use problem::{Place, Problem, Problems};
