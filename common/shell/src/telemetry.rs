//! Where logs go: to standard error, which systemd or the terminal takes.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// `SKEP_LOG` overrides what is logged, as in `SKEP_LOG=debug` or `SKEP_LOG=manager=debug`.
pub fn init(default_filter: &str) {
    let filter = EnvFilter::try_from_env("SKEP_LOG");
    let filter = filter.unwrap_or_else(|_| EnvFilter::new(default_filter));
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init();
    // In tests several daemons share a process, and the first has done this for all.
    drop(started);
}
