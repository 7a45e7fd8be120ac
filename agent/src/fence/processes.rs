//! The processes of containers, as the kernel knows them, and their end.

use agent_core::container::ContainerId;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// What became of a container's processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Killed {
    /// There are none.
    Gone,
    /// There were some a moment ago.
    Signalled,
    Forbidden,
}

/// Kills all that belongs to the containers, without their engine.
pub(super) fn kill_all(containers: &[ContainerId]) -> Vec<Killed> {
    let mut killed = vec![Killed::Gone; containers.len()];
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return vec![Killed::Forbidden; containers.len()];
    };
    for entry in processes.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|it| it.parse().ok()) else { continue };
        // It may be gone by now.
        let Ok(groups) = std::fs::read_to_string(entry.path().join("cgroup")) else { continue };
        for (container, killed) in containers.iter().zip(&mut killed) {
            if groups.contains(&container.0) {
                *killed = match kill(Pid::from_raw(pid), Signal::SIGKILL) {
                    Err(Errno::EPERM) => Killed::Forbidden,
                    Err(Errno::ESRCH) => *killed,
                    Ok(()) | Err(_) if *killed == Killed::Forbidden => Killed::Forbidden,
                    Ok(()) | Err(_) => Killed::Signalled,
                };
            }
        }
    }
    killed
}
