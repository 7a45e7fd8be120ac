//! Real hosts for tests: sets of Linux namespaces on this machine, each with its own disk, address,
//! Docker Engine and power switch.
//!
//! A [`Lab`] is a handful of such hosts on one Ethernet switch. Tests talk to a [`Host`] as a
//! person would who sits in front of it: commands, `docker`, `skep`, a cable to pull, a plug to
//! pull. What fails in here panics with the command and what it said, because a broken lab is a
//! failed test. Everything needs root and is gone when the `Lab` is dropped, also after a panic;
//! when the test process is killed its hosts go down by themselves, and the next lab of that name
//! sweeps up.

mod command;
mod host;
mod names;
mod power;
mod report;
mod sweep;
mod wires;

pub use command::{Output, binary};
pub use host::{Daemon, Host};
pub use nix::sys::signal::Signal;
pub use sweep::sweep_orphans;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use names::LabNames;
use wires::Switch;

/// How often a condition is looked at: short against a container's start, long against a command.
const POLL_PERIOD: Duration = Duration::from_millis(50);

/// A set of hosts on one switch, numbered from 1 as their names are: `rasp1`, `rasp2`, …
#[derive(Debug)]
pub struct Lab {
    names: LabNames,
    switch: Switch,
    hosts: Vec<Host>,
}

impl Lab {
    /// Builds the switch and boots all hosts, engines included.
    pub fn new(name: &str, hosts: usize) -> Lab {
        let names = LabNames::new(name);
        sweep::claim(&names, hosts);
        let switch = Switch::build(&names);
        let hosts = (1..=hosts).map(|index| Host::new(names.host(index))).collect();
        // From here on a panic drops the lab and so removes what was built.
        let lab = Lab { names, switch, hosts };
        lab.at_once(lab.hosts.iter(), |lab, host| lab.power_on(host.index()));
        lab
    }

    pub fn host(&self, index: usize) -> &Host {
        let position = index.checked_sub(1).expect("hosts are numbered from 1");
        self.hosts.get(position).unwrap_or_else(|| panic!("this lab has no host {index}"))
    }

    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter()
    }

    /// The plug is pulled: the cable goes dead and every process of the host ends at once.
    pub fn power_off(&self, index: usize) {
        self.switch.lower(&self.host(index).names);
        self.host(index).power_off();
    }

    /// Boots a host from its disk: engine, and the skep daemon if one ran when the power went.
    pub fn power_on(&self, index: usize) {
        let host = self.host(index);
        self.switch.plug_in(&host.names);
        host.power_on();
    }

    /// The cable is pulled: the host sees its carrier go.
    pub fn cut(&self, index: usize) {
        self.switch.lower(&self.host(index).names);
    }

    /// The switch swallows all the host sends and gets, and the host's link stays up.
    pub fn cut_silently(&self, index: usize) {
        self.switch.isolate(&self.host(index).names);
    }

    /// Nothing passes between these two; all others reach both.
    pub fn cut_between(&self, one: usize, other: usize) {
        self.switch.part(&self.host(one).names, &self.host(other).names);
    }

    /// Undoes every cut of one host.
    pub fn heal(&self, index: usize) {
        let host = self.host(index);
        if host.is_on() {
            self.switch.raise(&host.names);
        }
        for other in self.hosts.iter().filter(|other| other.index() != index) {
            self.switch.join(&host.names, &other.names);
        }
    }

    pub fn heal_all(&self) {
        for host in &self.hosts {
            self.heal(host.index());
        }
    }

    /// Runs a command on the lab's network but on none of its hosts: a visitor's view.
    pub fn run_outside(&self, command: &[&str]) -> Output {
        self.switch.run(command)
    }

    /// Loads a `docker save` archive into every engine.
    pub fn load_image(&self, archive: &[u8]) {
        self.at_once(self.hosts.iter(), |_, host| host.load_image(archive));
    }

    /// Starts the full daemon on every host.
    pub fn start_daemons(&self) {
        self.at_once(self.hosts.iter(), |_, host| host.start_daemon(Daemon::Full));
    }

    /// Waits until `condition` holds. On failure shows what every daemon and engine said last.
    #[track_caller]
    pub fn wait_for(&self, what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
        if !poll(limit, &mut condition) {
            report::print(self);
            panic!("waited {limit:?} in vain: {what}");
        }
    }

    /// Whether a visitor on the lab's network gets an answer from a host.
    pub fn reaches_from_outside(&self, index: usize) -> bool {
        let command = host::reach_command(self.host(index).address());
        self.run_outside(&command.each_ref().map(String::as_str)).is_ok()
    }

    /// A folder of the lab on the real disk, gone with the lab; the hosts see it at the same path.
    pub fn folder(&self) -> PathBuf {
        self.names.folder()
    }

    /// Begins the names of all namespaces and control groups of this lab.
    pub fn prefix(&self) -> &str {
        self.names.prefix()
    }

    /// Does the same to several hosts in parallel; most of it is waiting for engines.
    fn at_once<'a>(
        &'a self,
        hosts: impl Iterator<Item = &'a Host>,
        work: impl Fn(&'a Lab, &'a Host) + Sync,
    ) {
        std::thread::scope(|scope| {
            for host in hosts {
                let work = &work;
                scope.spawn(move || work(self, host));
            }
        });
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for host in &self.hosts {
            host.power_off();
        }
        sweep::remove(&self.names);
    }
}

/// True as soon as the condition holds, false when the time is up.
fn poll(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(POLL_PERIOD);
    }
}
