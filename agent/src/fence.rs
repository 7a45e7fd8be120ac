//! Sees to it that what must not run twice ends with the node's lease, also where this agent is
//! frozen or gone by then: a process of its own watches over it, by the files in which the agent
//! says what it starts and until when that may run.

mod engine;
mod processes;
mod register;
mod watchdog;

pub use watchdog::run_if_asked;

use crate::containers::Containers;
use agent_core::container::{ContainerId, OperationFailure};
use agent_core::health::Health;
use agent_core::lease::{BootTime, GRACE, Lease, Room};
use agent_core::standing::Standing;
use common::NodeId;
use register::Register;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::sync::watch;

/// Owned by the agent's loop.
pub(crate) struct Fence {
    register: Register,
    /// Which of the engine's containers are registered.
    known: BTreeSet<ContainerId>,
    lease: watch::Sender<Lease>,
    /// Where the watchdog finds the engine; none where nothing needs to be watched.
    engine: Option<PathBuf>,
    watchdog: Option<Child>,
    /// Watchdogs that are not wanted any more, and may not have ended yet.
    former: Vec<Child>,
}

/// By the one clock that goes on while the machine sleeps.
pub(crate) fn now() -> BootTime {
    BootTime(u64::try_from(shell::clock::since_boot().as_nanos()).unwrap_or(u64::MAX))
}

impl Fence {
    /// An agent before this one may have left something running, and a lease for it. Every
    /// membership has a fence of its own: a new one's lease is none for what an older one left.
    pub(crate) fn open(run_dir: &Path, node: NodeId, engine: Option<PathBuf>) -> Fence {
        let register = Register::at(run_dir.join("fence").join(node.to_string()));
        let known: BTreeSet<ContainerId> = register.entries().into_keys().collect();
        let lease = if known.is_empty() { BootTime::default() } else { register.deadline() };
        let lease = watch::Sender::new(Lease::ending(lease));
        let mut fence =
            Fence { register, known, lease, engine, watchdog: None, former: Vec::new() };
        if !fence.known.is_empty()
            && let Err(error) = fence.watch()
        {
            tracing::error!(%error, "nobody watches over what must not run twice");
        }
        fence
    }

    pub(crate) fn granted(&mut self, beat_sent: BootTime) {
        self.lease.send_modify(|it| it.granted(beat_sent));
        if !self.known.is_empty()
            && let Err(error) = self.extend().and_then(|()| self.watch())
        {
            tracing::warn!(%error, "a lease cannot be passed on to the watchdog");
        }
    }

    pub(crate) fn room(&self) -> Room {
        self.lease.borrow().room(now())
    }

    pub(crate) fn less_room_in(&self) -> Option<Duration> {
        self.lease.borrow().less_room_in(now())
    }

    fn extend(&self) -> io::Result<()> {
        self.register.set_deadline(self.lease.borrow().ends())
    }

    /// Before the engine is asked to start a container, or to stop it for want of a lease.
    pub(crate) fn guard(&mut self, container: &ContainerId) -> Guard {
        self.known.insert(container.clone());
        let watched = self.extend().and_then(|()| self.watch());
        Guard { register: self.register.clone(), lease: self.lease.subscribe(), watched }
    }

    /// Whoever watched before is left to itself: it ends once there is nothing left for it to do,
    /// and a new one waits for that.
    fn watch(&mut self) -> io::Result<()> {
        self.former.retain_mut(|it| matches!(it.try_wait(), Ok(None)));
        let Some(engine) = &self.engine else { return Ok(()) };
        if let Some(watchdog) = &mut self.watchdog {
            match watchdog.try_wait()? {
                None => return Ok(()),
                Some(status) => tracing::warn!(%status, "the watchdog ended; there is a new one"),
            }
        }
        // Also where the file was replaced by a newer one since.
        let mut program = Command::new("/proc/self/exe");
        program.arg(watchdog::VERB).arg(self.register.folder()).arg(engine);
        // It learns by the end of this pipe that the agent is gone.
        program.stdin(Stdio::piped()).stdout(Stdio::null());
        self.watchdog = Some(program.spawn()?);
        Ok(())
    }

    /// What cannot run any more is registered no longer.
    pub(crate) fn clear(&mut self, may_run: impl Fn(&ContainerId) -> bool) {
        if self.known.is_empty() {
            return;
        }
        let register = &self.register;
        self.known.retain(|id| {
            let stays = may_run(id);
            if !stays {
                register.strike(id);
            }
            stays
        });
        if self.known.is_empty()
            && let Some(mut watchdog) = self.watchdog.take()
        {
            drop(watchdog.stdin.take());
            self.former.push(watchdog);
        }
    }

    /// None where it is started without a lease.
    pub(crate) fn standing(&self, container: &ContainerId) -> Option<Standing> {
        self.known.contains(container).then(|| self.register.standing(container)).flatten()
    }
}

/// With which one container is started.
#[derive(Debug)]
pub(crate) struct Guard {
    register: Register,
    lease: watch::Receiver<Lease>,
    watched: io::Result<()>,
}

impl Guard {
    /// Whoever wakes up with the lease over has none to give.
    pub(crate) fn grace(&self) -> Duration {
        GRACE.min(now().until(self.lease.borrow().ends()))
    }

    /// It is registered before it is looked at whether there is room: what is frozen in between is
    /// seen by the watchdog.
    pub(crate) async fn start<C: Containers>(
        &self,
        containers: &C,
        id: &ContainerId,
    ) -> Result<Health, OperationFailure> {
        let refused = |error: &io::Error| OperationFailure::Refused {
            detail: format!("nothing could end it with its node's lease: {error}"),
        };
        if let Err(error) = &self.watched {
            return Err(refused(error));
        }
        self.register.enter(id).map_err(|error| refused(&error))?;
        if self.lease.borrow().room(now()) != Room::ToStart {
            return Err(OperationFailure::NoLease);
        }
        let health = containers.start(id).await?;
        // Where it has been halted meanwhile, that stands.
        self.register.turn(id, Standing::Starting, Standing::Running);
        Ok(health)
    }
}
