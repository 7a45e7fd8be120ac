//! The watchdog: a process that needs no agent to end what must not run without a lease.
//!
//! It lives as long as its agent wants it, and beyond that until nothing is left to watch over,
//! or the next agent has a watchdog of its own. It keeps no clock but the kernel's, which goes on
//! while the machine sleeps.

use super::processes::{self, Killed};
use super::register::Register;
use super::{engine, now};
use agent_core::container::ContainerId;
use agent_core::lease::BootTime;
use agent_core::standing::Standing;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::SignalFd;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Not for people: `PROGRAM fence FOLDER SOCKET`.
pub(super) const VERB: &str = "fence";
/// While something lives that must not.
const AGAIN: Duration = Duration::from_millis(150);
/// While nothing does, and the lease is still over; and how soon one without an agent notices that
/// another watches in its place.
const LOOK: Duration = Duration::from_secs(1);

/// The watchdog's life, where the program was started to be one. Asked before anything else is
/// begun, so that it stays as small as it is.
pub fn run_if_asked() -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    if words.next()? != VERB {
        return None;
    }
    let (folder, socket) = (PathBuf::from(words.next()?), PathBuf::from(words.next()?));
    let watched = Watchdog::begin(Register::at(folder), socket).and_then(Watchdog::run);
    Some(match watched {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("the fence does not hold: {error}"));
            ExitCode::FAILURE
        }
    })
}

struct Watchdog {
    register: Register,
    socket: PathBuf,
    /// Who was told to end, by the machine's shutdown or by a person, ends what it watches first.
    told: SignalFd,
    timer: TimerFd,
    /// Of those that were to start: what the engine does not know any more.
    removed: BTreeSet<ContainerId>,
    has_complained: bool,
}

/// Why it looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Woken {
    Time,
    AgentGone,
    Told,
}

impl Watchdog {
    fn begin(register: Register, socket: PathBuf) -> io::Result<Watchdog> {
        // Not ended with its agent. Who cannot have a session of its own leads one already.
        nix::unistd::setsid().ok();
        let mut signals = SigSet::empty();
        [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].iter().for_each(|it| signals.add(*it));
        signals.thread_block()?;
        let told = SignalFd::new(&signals)?;
        let timer = TimerFd::new(ClockId::CLOCK_BOOTTIME, TimerFlags::TFD_CLOEXEC)?;
        register.claim(std::process::id())?;
        Ok(Watchdog {
            register,
            socket,
            told,
            timer,
            removed: BTreeSet::new(),
            has_complained: false,
        })
    }

    fn run(mut self) -> io::Result<()> {
        let (mut has_agent, mut is_told) = (true, false);
        loop {
            // Two at once do no harm, but one that is frozen must not be the only one.
            if !has_agent && self.register.claimed_by() != Some(std::process::id()) {
                return Ok(());
            }
            let (deadline, now) = (self.register.deadline(), now());
            let look_at = if now < deadline && !is_told {
                if has_agent {
                    deadline
                } else if self.register.entries().is_empty() {
                    return Ok(());
                } else {
                    deadline.min(now + LOOK)
                }
            } else {
                let is_left = self.end_all();
                if !is_left && (!has_agent || is_told) {
                    return Ok(());
                }
                now + if is_left { AGAIN } else { LOOK }
            };
            match self.sleep_until(look_at, has_agent, is_told)? {
                Woken::Time => {}
                Woken::AgentGone => has_agent = false,
                Woken::Told => is_told = true,
            }
        }
    }

    fn sleep_until(&self, at: BootTime, has_agent: bool, is_told: bool) -> io::Result<Woken> {
        let at = TimeSpec::from_duration(Duration::from_nanos(at.0.max(1)));
        self.timer.set(Expiration::OneShot(at), TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
        let stdin = io::stdin();
        let mut sources = vec![(PollFd::new(self.timer.as_fd(), PollFlags::POLLIN), Woken::Time)];
        if !is_told {
            sources.push((PollFd::new(self.told.as_fd(), PollFlags::POLLIN), Woken::Told));
        }
        if has_agent {
            sources.push((PollFd::new(stdin.as_fd(), PollFlags::empty()), Woken::AgentGone));
        }
        let mut files: Vec<PollFd<'_>> = sources.iter().map(|(file, _)| file.clone()).collect();
        match poll(&mut files, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let happened = |file: &PollFd<'_>| file.revents().is_some_and(|it| !it.is_empty());
        let woken = files.iter().zip(&sources).rev().find(|(file, _)| happened(file));
        Ok(woken.map_or(Woken::Time, |(_, (_, why))| *why))
    }

    /// Answers whether something may still live.
    fn end_all(&mut self) -> bool {
        let mut entries: Vec<(ContainerId, Standing)> =
            self.register.entries().into_iter().collect();
        for (id, standing) in &mut entries {
            // What it was is noted before it ends, so that its end has a reason.
            let halted = match standing {
                Standing::Starting => Standing::Barred,
                Standing::Running => Standing::Halted,
                Standing::Halted | Standing::Barred => continue,
            };
            if self.register.turn(id, *standing, halted) {
                say(&format!("{id} must not run any more: its node's lease is over"));
                *standing = halted;
            }
        }
        let ids: Vec<ContainerId> = entries.iter().map(|(id, _)| id.clone()).collect();
        let killed = processes::kill_all(&ids);
        let mut is_left = false;
        for ((id, standing), killed) in entries.into_iter().zip(killed) {
            is_left |= self.end(&id, standing, killed);
        }
        is_left
    }

    fn end(&mut self, id: &ContainerId, standing: Standing, killed: Killed) -> bool {
        let asked = match (standing, killed) {
            (Standing::Starting | Standing::Barred, _) if !self.removed.contains(id) => {
                engine::remove(&self.socket, id).map(|()| {
                    self.removed.insert(id.clone());
                })
            }
            (_, Killed::Forbidden) => {
                self.complain("its processes may not be killed; the engine is asked to");
                engine::kill(&self.socket, id)
            }
            // The agent has turned it meanwhile, so there is more to do at once.
            (Standing::Starting | Standing::Running, _) | (_, Killed::Signalled) => return true,
            (Standing::Halted | Standing::Barred, Killed::Gone) => return false,
        };
        if let Err(error) = &asked {
            self.complain(&format!("{id} cannot be ended: {error}"));
        }
        asked.is_err() || killed == Killed::Signalled
    }

    /// Once: the journal is not to be filled by what is tried again all the time.
    fn complain(&mut self, what: &str) {
        if !std::mem::replace(&mut self.has_complained, true) {
            say(what);
        }
    }
}

/// In the journal of its agent.
fn say(what: &str) {
    drop(writeln!(io::stderr(), "fence: {what}"));
}
