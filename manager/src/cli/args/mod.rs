//! What was typed, turned into what is meant. Pure: the environment and files are arguments.

pub(super) mod address;
pub(super) mod choices;
pub(super) mod filter;
pub(super) mod format;
pub(super) mod grants;
pub(super) mod later;
pub(super) mod made_up_name;
pub(super) mod moment;
pub(super) mod mount;
pub(super) mod pairs;
pub(super) mod scale;
pub(super) mod service;
pub(super) mod shell_words;
pub(super) mod update;
