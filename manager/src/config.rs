//! What the daemon is started with.

use std::path::PathBuf;

/// `skep daemon`, as typed and with its defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonOptions {
    /// Where it remembers its membership and, as a manager, the cluster.
    pub data_dir: PathBuf,
    /// For what need not outlive a reboot.
    pub run_dir: PathBuf,
    /// Where it listens for the command line of its own machine.
    pub socket: PathBuf,
    /// Docker Engine, as `unix:///path`.
    pub docker: String,
    /// How much it says, in the words of tracing's filters.
    pub log: String,
}
