//! One daemon, on a thread and a runtime of its own, so that it can be killed like a process.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use agent::fake::FakeEngine;
use agent::node::{Ending, World};
use common::NodeId;
use manager::config::DaemonOptions;
use manager::manager::Manager;
use manager::seat::Seat;
use shell::identity::IdentityFolder;
use tokio::sync::{mpsc, oneshot, watch};

use super::client::Client;

/// The only one that the engines have.
pub(super) const IMAGE: &str = "box:1";
/// For what is in the middle of a blocking call when its daemon is killed.
const KILL_LIMIT: Duration = Duration::from_secs(5);
const LOOK_PERIOD: Duration = Duration::from_millis(5);
const LOOKS_MAX: usize = 2_000;

/// A machine with a daemon that may run. Its engine goes on whatever the daemon does.
#[derive(Debug)]
pub struct Node {
    name: String,
    address: SocketAddr,
    data_dir: PathBuf,
    run_dir: PathBuf,
    engine: FakeEngine,
    life: Option<Life>,
}

/// From the start of the daemon to its end.
#[derive(Debug)]
struct Life {
    orders: mpsc::Sender<Order>,
    ending: oneshot::Sender<Ending>,
    seats: watch::Receiver<Seat>,
    thread: JoinHandle<anyhow::Result<()>>,
    /// Held while the daemon hangs.
    hanging: Option<SyncSender<()>>,
}

#[derive(Debug)]
enum Order {
    Die,
    /// Until the other end is dropped.
    Hang(Receiver<()>),
}

impl Node {
    pub(super) fn new(name: &str, address: SocketAddr, [data, run]: [&Path; 2]) -> Node {
        let (data_dir, run_dir) = (data.join(name), run.join(name));
        let engine = FakeEngine::with_images(&[IMAGE]);
        Node { name: name.to_owned(), address, data_dir, run_dir, engine, life: None }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn engine(&self) -> &FakeEngine {
        &self.engine
    }

    pub fn client(&self) -> Client {
        Client::of(&self.socket())
    }

    /// By the certificate that it has now; none where it is no member.
    pub fn id(&self) -> Option<NodeId> {
        self.identities().load().ok().flatten().map(|it| it.node)
    }

    pub fn identities(&self) -> IdentityFolder {
        IdentityFolder::at(self.data_dir().join("identity"))
    }

    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// For what need not outlive a reboot.
    pub fn run_dir(&self) -> &Path {
        &self.run_dir
    }

    fn socket(&self) -> PathBuf {
        self.run_dir.join("skep.sock")
    }

    /// Whether a daemon runs that answers; one that hangs does not.
    pub fn runs(&self) -> bool {
        self.life.as_ref().is_some_and(|it| it.hanging.is_none())
    }

    /// What only the program itself knows of its part as a manager; none while it has none. To
    /// hold on to a manager is to hold on to its database.
    pub fn manager<T>(&self, look: impl FnOnce(&Manager) -> T) -> Option<T> {
        match &*self.life.as_ref()?.seats.borrow() {
            Seat::Manager(manager) => Some(look(manager)),
            Seat::Starting | Seat::None | Seat::Worker { .. } => None,
        }
    }

    /// Why the daemon has ended by itself; nothing while it runs, or was stopped.
    pub fn failure(&mut self) -> Option<String> {
        let has_ended = self.life.as_ref().is_some_and(|it| it.thread.is_finished());
        let life = if has_ended { self.life.take() } else { None };
        life.map(|it| match it.thread.join() {
            Ok(Ok(())) => "it ended by itself".to_owned(),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => "it panicked".to_owned(),
        })
    }

    /// Does not wait until it answers.
    pub fn start(&mut self) {
        assert!(self.life.is_none(), "{} runs already", self.name);
        let (order, orders) = mpsc::channel(1);
        let (end, ending) = oneshot::channel();
        let (seat, seats) = watch::channel(Seat::Starting);
        let options = DaemonOptions {
            data_dir: self.data_dir.clone(),
            run_dir: self.run_dir.clone(),
            socket: self.socket(),
            docker: "none: it is played".to_owned(),
            log: "off".to_owned(),
        };
        let daemon = Daemon { options, engine: self.engine.clone(), seat, ending, orders };
        let name = self.name.clone();
        let thread = std::thread::Builder::new().name(name.clone());
        let thread = thread.spawn(move || daemon.run(&name)).expect("a thread can be started");
        self.life = Some(Life { orders: order, ending: end, seats, thread, hanging: None });
    }

    /// As by a signal, and waits for its end.
    pub async fn stop(&mut self, ending: Ending) {
        let life = self.take_life();
        life.ending.send(ending).expect("the daemon waits for its end");
        // A client that does not run cannot hang up, and the daemon waits for its clients.
        while !life.thread.is_finished() {
            tokio::time::sleep(LOOK_PERIOD).await;
        }
        let ended = life.thread.join().expect("the daemon did not panic");
        ended.unwrap_or_else(|error| panic!("{} did not stop in order: {error:#}", self.name));
    }

    /// In the middle of whatever it does, without a word to anybody. Returns once it is gone.
    pub fn kill(&mut self) {
        drop(self.end());
        let database = self.data_dir().join("store/db");
        let is_held = || File::open(&database).is_ok_and(|it| it.try_lock().is_err());
        // The thread that writes to its disk ends by itself, a moment later.
        for _ in 0..LOOKS_MAX {
            if !is_held() {
                return;
            }
            std::thread::sleep(LOOK_PERIOD);
        }
        panic!("{} is dead and holds its database", self.name);
    }

    fn end(&mut self) -> std::thread::Result<anyhow::Result<()>> {
        let life = self.take_life();
        drop(life.hanging);
        // Where nobody takes it, it has ended already.
        drop(life.orders.try_send(Order::Die));
        // With it goes the last hold on the manager.
        drop(life.seats);
        life.thread.join()
    }

    fn take_life(&mut self) -> Life {
        self.life.take().unwrap_or_else(|| panic!("{} does not run", self.name))
    }

    /// It keeps its connections and does nothing, like a machine that swaps or a cable that is
    /// pulled out.
    pub fn hang(&mut self) {
        let name = &self.name;
        let life = self.life.as_mut().unwrap_or_else(|| panic!("{name} does not run"));
        let (hold, held) = sync_channel(0);
        life.orders.try_send(Order::Hang(held)).expect("one order is given at a time");
        life.hanging = Some(hold);
    }

    pub fn go_on(&mut self) {
        let hanging = self.life.as_mut().and_then(|it| it.hanging.take());
        assert!(hanging.is_some(), "{} did not hang", self.name);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.life.is_some() {
            // What went wrong in it, a test that fails for it has said by now.
            drop(self.end());
        }
    }
}

/// What the thread of a daemon is given.
struct Daemon {
    options: DaemonOptions,
    engine: FakeEngine,
    seat: watch::Sender<Seat>,
    ending: oneshot::Receiver<Ending>,
    orders: mpsc::Receiver<Order>,
}

impl Daemon {
    fn run(self, name: &str) -> anyhow::Result<()> {
        if std::env::var_os("SKEP_LOG").is_some() {
            shell::telemetry::init("off");
        }
        let _said_by = tracing::error_span!("node", name).entered();
        // One thread, so that all of it hangs when that does.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let Daemon { options, engine, seat, ending, orders } = self;
        let ended = runtime.block_on(async move {
            let engine = move || engine.clone();
            // Nobody who drops the other end wants it to stop.
            let ending = async move {
                match ending.await {
                    Ok(ending) => ending,
                    Err(_) => std::future::pending().await,
                }
            };
            let world = World { engine, ending };
            tokio::select! {
                ended = Box::pin(manager::daemon::serve(options, world, seat)) => ended,
                () = obey(orders) => Ok(()),
            }
        });
        // What is under way is dropped where it is.
        runtime.shutdown_timeout(KILL_LIMIT);
        ended
    }
}

/// Until it is told to die, or nobody is left to tell it.
async fn obey(mut orders: mpsc::Receiver<Order>) {
    loop {
        match orders.recv().await {
            Some(Order::Hang(held)) => drop(held.recv()),
            Some(Order::Die) | None => return,
        }
    }
}
