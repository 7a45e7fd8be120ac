//! What was typed, turned into what is meant. Pure: the environment and files are arguments.

pub(super) mod address;
mod attachments;
mod bad_service;
pub(super) mod choices;
pub(super) mod filter;
#[cfg(test)]
mod flat;
pub(super) mod format;
pub(super) mod grants;
mod groups;
pub(super) mod later;
pub(super) mod made_up_name;
pub(super) mod moment;
pub(super) mod mount;
pub(super) mod network;
pub(super) mod pairs;
pub(super) mod ports;
pub(super) mod scale;
pub(super) mod service;
pub(super) mod service_update;
pub(super) mod shell_words;
pub(super) mod values;
