//! Why the daemon is told to stop: because it is replaced, or because the machine goes down.

use crate::node::Ending;
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};

/// Other init systems than systemd create this file before they stop services.
const MARK: &str = "machine-stops";

/// Resolves at the first signal to stop.
pub async fn wait(run_dir: std::path::PathBuf) -> Ending {
    let (mut term, mut interrupt) =
        match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(term), Ok(interrupt)) => (term, interrupt),
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, "signals cannot be received");
                return std::future::pending().await;
            }
        };
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    if machine_stops(&run_dir).await { Ending::MachineStops } else { Ending::Restart }
}

async fn machine_stops(run_dir: &Path) -> bool {
    if run_dir.join(MARK).exists() {
        return true;
    }
    if !Path::new("/run/systemd/system").exists() {
        return false;
    }
    // It answers `stopping` from the moment that a shutdown or reboot has begun.
    let state = tokio::process::Command::new("systemctl").arg("is-system-running").output().await;
    state.is_ok_and(|it| it.stdout.starts_with(b"stopping"))
}
