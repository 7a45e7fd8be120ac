//! A cluster of managers on loopback addresses.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use proto::v1;
use proto::v1::node_status::State;
use proto::v1::node_view::ManagerStatus;

use tempfile::TempDir;

use super::client::{Listing, Unanswered};
use super::daemon::Daemon;
use super::ledger::{Kind, Ledger};

/// Long against anything that works.
pub const SOON: Duration = Duration::from_secs(60);
/// Whose labels the writers write.
pub(super) const LABELLED: &str = "m1";
const POLL_PERIOD: Duration = Duration::from_millis(10);
const LOG_LINES: usize = 60;

static MADE: AtomicU32 = AtomicU32::new(0);

#[derive(Debug)]
pub struct Loopback {
    daemons: Vec<Daemon>,
    /// Gone with the cluster, after its daemons.
    folder: TempDir,
}

impl Loopback {
    /// Daemons that are not started yet, named `m1`, `m2`, …
    pub fn new(count: usize) -> Loopback {
        let (process, made) = (std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        // By default the machine's disk: one in memory knows no sync.
        let parent = std::env::var_os("SKEP_TORTURE_DIR").map(PathBuf::from);
        let parent = parent.unwrap_or_else(std::env::temp_dir);
        let folder = tempfile::Builder::new().prefix("skep-torture-").tempdir_in(&parent);
        let folder = folder.unwrap_or_else(|error| panic!("{}: {error}", parent.display()));
        // Every cluster has a network of its own, so that tests may run beside each other.
        let network = process.wrapping_mul(16).wrapping_add(made);
        let (high, middle) = (1 + network / 254 % 254, 1 + network % 254);
        let daemons = (1..=count).map(|number| {
            Daemon::new(
                &format!("m{number}"),
                &format!("127.{high}.{middle}.{number}"),
                folder.path(),
            )
        });
        Loopback { daemons: daemons.collect(), folder }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts all daemons and makes a cluster of them, each a manager.
    pub fn form(&mut self) {
        for position in 0..self.daemons.len() {
            self.start(position);
        }
        let first = &self.daemons[0];
        let failed = |error: Unanswered| -> String { panic!("no cluster: {error}") };
        let founded = first.client().init(first.name(), first.address());
        founded.unwrap_or_else(|error| panic!("no cluster: {error}"));
        let token = first.client().manager_token().unwrap_or_else(failed);
        for daemon in &self.daemons[1..] {
            let (name, address) = (daemon.name(), daemon.address());
            let joined = daemon.client().join(name, address, &token, first.address());
            joined.unwrap_or_else(|error| panic!("{name} does not join: {error}"));
        }
        self.wait_whole();
    }

    pub fn daemons(&self) -> &[Daemon] {
        &self.daemons
    }

    pub fn daemon(&mut self, position: usize) -> &mut Daemon {
        &mut self.daemons[position]
    }

    pub fn sockets(&self) -> Vec<PathBuf> {
        self.daemons.iter().map(Daemon::socket).collect()
    }

    /// Starts a daemon and waits until it answers.
    pub fn start(&mut self, position: usize) {
        self.daemons[position].start();
        self.wait("it listens", |daemons| {
            let daemon = &mut daemons[position];
            assert!(daemon.ended().is_none(), "{} ended by itself", daemon.name());
            daemon.listens()
        });
    }

    /// Waits until every daemon says that all are ready, connected and reachable.
    #[track_caller]
    pub fn wait_whole(&mut self) {
        let count = self.daemons.len();
        for position in 0..count {
            self.wait("the cluster is whole", |daemons| {
                let nodes = daemons[position].client().nodes();
                nodes.is_ok_and(|it| it.rows.len() == count && is_whole(&it))
            });
        }
    }

    #[track_caller]
    pub fn wait(&mut self, what: &str, condition: impl FnMut(&mut [Daemon]) -> bool) {
        self.wait_at_most(SOON, what, condition);
    }

    #[track_caller]
    pub fn wait_at_most(
        &mut self,
        limit: Duration,
        what: &str,
        mut condition: impl FnMut(&mut [Daemon]) -> bool,
    ) {
        let deadline = Instant::now() + limit;
        while !condition(&mut self.daemons) {
            assert!(Instant::now() < deadline, "waited {limit:?} in vain: {what}");
            std::thread::sleep(POLL_PERIOD);
        }
    }

    /// The position of the daemon that leads, as one of them sees it.
    pub fn leader(&self, witness: usize) -> Option<usize> {
        let nodes = self.daemons[witness].client().nodes().ok()?;
        let leads = nodes.rows.iter().find(|it| it.manager_status() == ManagerStatus::Leader)?;
        let name = &leads.node.as_ref()?.name;
        self.daemons.iter().position(|it| it.name() == name)
    }

    /// What is promised and not there, as the leader says when asked through one of the daemons.
    /// An error where there is no leader to ask.
    pub fn check(&self, witness: usize, ledger: &Ledger) -> Result<Vec<String>, Unanswered> {
        self.compare(witness, ledger, Answers::Fresh)
    }

    /// The same in the daemon's own copy of the state, which it shows where there is no leader.
    pub fn check_own(&self, witness: usize, ledger: &Ledger) -> Result<Vec<String>, Unanswered> {
        self.compare(witness, ledger, Answers::Own)
    }

    fn compare(
        &self,
        witness: usize,
        ledger: &Ledger,
        wanted: Answers,
    ) -> Result<Vec<String>, Unanswered> {
        let client = self.daemons[witness].client();
        let services = || -> Result<BTreeMap<String, u32>, Unanswered> {
            Ok(wanted.of(client.services()?)?.into_iter().collect())
        };
        let mut broken = ledger.check(Kind::Service, services)?;
        let labels = || -> Result<BTreeMap<String, u32>, Unanswered> {
            Ok(labels(&wanted.of(client.nodes()?)?))
        };
        broken.extend(ledger.check(Kind::Label, labels)?);
        Ok(broken)
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for daemon in &self.daemons {
                let log = daemon.log();
                let lines: Vec<&str> = log.lines().collect();
                let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
                eprintln!("--- {} said last:\n{}", daemon.name(), last.join("\n"));
            }
        }
    }
}

/// Whose word is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answers {
    Fresh,
    Own,
}

impl Answers {
    fn of<T>(self, listing: Listing<T>) -> Result<Vec<T>, Unanswered> {
        let is_wanted = listing.is_stale == (self == Answers::Own);
        let unwanted = || Unanswered::Other(format!("{self:?} answers are wanted"));
        is_wanted.then_some(listing.rows).ok_or_else(unwanted)
    }
}

fn labels(nodes: &[v1::NodeView]) -> BTreeMap<String, u32> {
    let nodes = nodes.iter().filter_map(|it| it.node.as_ref());
    let labelled = nodes.filter(|it| it.name == LABELLED).filter_map(|it| it.spec.as_ref());
    let labels = labelled.flat_map(|it| &it.labels);
    labels.map(|(name, value)| (name.clone(), value.parse().expect("it is a stage"))).collect()
}

/// A leader answers, and has a session with every node and a line to every manager.
fn is_whole(nodes: &Listing<v1::NodeView>) -> bool {
    let is_well = |view: &v1::NodeView| {
        let node = view.node.as_ref();
        let status = node.and_then(|it| it.status.as_ref()).map(v1::NodeStatus::state);
        let is_reachable =
            matches!(view.manager_status(), ManagerStatus::Leader | ManagerStatus::Reachable);
        status == Some(State::Ready) && view.clock_offset_millis.is_some() && is_reachable
    };
    !nodes.is_stale && nodes.rows.iter().all(is_well)
}
