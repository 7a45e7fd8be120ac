//! Puts the agent together and runs its one loop: what happens goes to the worker, and what the
//! worker decides is carried out.

mod handle;

pub use crate::health::EngineHealth;
pub use handle::{AgentHandle, GoodbyeReason, Membership};

use crate::containers::{Containers, LogQuery, Owner, PullProgress};
use crate::engine::{EngineEvent, EngineRequest, EngineWatch, Portrait};
use crate::fence::{Fence, Guard};
use crate::files::TaskFiles;
use crate::host;
use crate::logs::{Logs, Subscription};
use crate::operations::{Job, Operations};
use crate::probes::Probes;
use crate::route::Route;
use crate::session::{Session, SessionEvent};
use agent_core::container::{ContainerEvent, ContainerEventKind, Operation, Outcome, Seen};
use agent_core::reports::{Batch, Outbox};
use agent_core::standing;
use agent_core::worker::{Action, Input, Worker};
use common::assignment::AssignmentSet;
use common::node::NodeKind;
use common::placeholder::Site;
use common::{ClusterId, IdGen, NodeId, TaskId};
use handle::Command;
use proto::v1;
use shell::supervisor::{OnFailure, Scope};
use shell::tls::Credentials;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

const EVENTS_MAX: usize = 64;
const STATUSES_MAX: usize = 16;
/// What happens at the same moment is reported in one message.
const EVENTS_AT_ONCE_MAX: usize = 256;

#[derive(Debug, Clone)]
pub struct AgentConfig {
    pub node: NodeId,
    pub cluster: ClusterId,
    pub kind: NodeKind,
    /// Where other nodes reach this one.
    pub address: SocketAddr,
    /// On a file system that a reboot empties.
    pub run_dir: PathBuf,
    pub managers: Vec<String>,
}

/// Runs in `scope` until that is stopped; containers go on running then.
pub fn start<C: Containers>(
    scope: &Scope,
    config: AgentConfig,
    containers: C,
    credentials: Credentials,
) -> AgentHandle {
    let containers = Arc::new(containers);
    let owner = Owner { node: config.node, cluster: config.cluster };
    let (engine_events, from_engine) = mpsc::channel(EVENTS_MAX);
    let (engine_requests, to_engine) = mpsc::channel(EVENTS_MAX);
    let (session_events, from_session) = mpsc::channel(EVENTS_MAX);
    let (statuses, to_session) = mpsc::channel(STATUSES_MAX);
    let (progress, from_pulls) = mpsc::channel(EVENTS_MAX);
    let (commands, from_handle) = mpsc::channel(1);
    let (goodbyes, to_say) = mpsc::channel(1);
    let health = watch::Sender::new(EngineHealth::default());
    let portrait = watch::Sender::new(None);
    let memberships = watch::Sender::new(membership(&config, &credentials));
    let farewell = watch::Sender::new(false);
    let leaving = watch::Sender::new(BTreeSet::new());
    let handle = AgentHandle {
        membership: memberships.subscribe(),
        engine: health.subscribe(),
        farewell: farewell.subscribe(),
        commands,
        goodbyes,
    };
    let told = (portrait.subscribe(), health.subscribe());
    let known = portrait.subscribe();
    let session = session(&config, &credentials, (session_events, to_session), told);
    let watch = EngineWatch {
        containers: Arc::clone(&containers),
        owner,
        events: engine_events,
        requests: to_engine,
        leaving: leaving.subscribe(),
        health,
        portrait,
    };
    let inbox = Inbox {
        engine: from_engine,
        session: from_session,
        pulls: from_pulls,
        commands: from_handle,
    };
    let engine = engine_requests.clone();
    let fence = Fence::open(&config.run_dir, config.node, containers.socket());
    let agent = Agent {
        worker: Worker::new(host::boot_mark(&config.run_dir)),
        outbox: Outbox::default(),
        operations: Operations::new(Arc::clone(&containers), owner, progress, engine_requests),
        probes: Probes::new(Arc::clone(&containers)),
        logs: Logs::new(scope.child("logs"), credentials),
        containers,
        inbox,
        outward: Outward { engine, leaving, statuses, memberships, farewell },
        portrait: known,
        files: TaskFiles::open(&config.run_dir),
        fence,
        boot: Boot::Unmarked(config.run_dir),
        stay: Stay::Member,
    };
    run_until_stopped(scope, "engine", watch.run());
    run_until_stopped(scope, "session", session.run(to_say));
    run_until_stopped(scope, "agent", agent.run());
    handle
}

fn session(
    config: &AgentConfig,
    credentials: &Credentials,
    (events, statuses): (mpsc::Sender<SessionEvent>, mpsc::Receiver<Batch>),
    (portrait, health): (watch::Receiver<Option<Portrait>>, watch::Receiver<EngineHealth>),
) -> Session {
    Session {
        node: config.node,
        kind: config.kind,
        address: config.address,
        membership: membership(config, credentials),
        route: Route::new(config.managers.clone()),
        credentials: credentials.clone(),
        events,
        statuses,
        portrait,
        told: None,
        health,
        dice: IdGen::from_seed(shell::clock::seed()),
    }
}

/// As far as it is known before a manager has spoken.
fn membership(config: &AgentConfig, credentials: &Credentials) -> Membership {
    Membership {
        node_name: String::new(),
        managers: config.managers.clone(),
        role: credentials.current().role,
    }
}

fn run_until_stopped(
    scope: &Scope,
    name: &'static str,
    task: impl Future<Output = ()> + Send + 'static,
) {
    let token = scope.token();
    scope.spawn(name, OnFailure::StopScope, async move {
        tokio::select! {
            () = token.cancelled() => {}
            () = task => {}
        }
        Ok::<(), Infallible>(())
    });
}

#[derive(Debug)]
enum Event {
    Engine(EngineEvent),
    Session(SessionEvent),
    Progress(PullProgress),
    Finished(Vec<(TaskId, Outcome)>),
    Probed(Input),
    Command(Command),
    /// Of the lease there is less left than there was.
    LessRoom,
    /// Nobody is left who could say anything.
    Alone,
}

struct Inbox {
    engine: mpsc::Receiver<EngineEvent>,
    session: mpsc::Receiver<SessionEvent>,
    pulls: mpsc::Receiver<PullProgress>,
    commands: mpsc::Receiver<Command>,
}

struct Outward {
    engine: mpsc::Sender<EngineRequest>,
    /// Volumes that managers want removed.
    leaving: watch::Sender<BTreeSet<String>>,
    statuses: mpsc::Sender<Batch>,
    memberships: watch::Sender<Membership>,
    farewell: watch::Sender<bool>,
}

/// Whether the mark of this boot still has to be left.
#[derive(Debug)]
enum Boot {
    Unmarked(PathBuf),
    Marked,
}

#[derive(Debug)]
enum Stay {
    Member,
    /// Nothing is to be left; who waits for it notices when these are dropped.
    Leaving(Vec<oneshot::Sender<Infallible>>),
}

struct Agent<C> {
    worker: Worker,
    outbox: Outbox,
    operations: Operations<C>,
    probes: Probes<C>,
    files: TaskFiles,
    fence: Fence,
    logs: Logs,
    containers: Arc<C>,
    inbox: Inbox,
    outward: Outward,
    portrait: watch::Receiver<Option<Portrait>>,
    boot: Boot,
    stay: Stay,
}

impl<C: Containers> Agent<C> {
    async fn run(mut self) {
        loop {
            let mut event = self.next().await;
            for _ in 0..EVENTS_AT_ONCE_MAX {
                if matches!(event, Event::Alone) {
                    return;
                }
                self.handle(event);
                event = tokio::select! {
                    biased;
                    event = self.next() => event,
                    () = std::future::ready(()) => break,
                };
            }
            self.report();
        }
    }

    async fn next(&mut self) -> Event {
        let by_lease = self.worker.has_at_most_one();
        let less_room_in = by_lease.then(|| self.fence.less_room_in()).flatten();
        tokio::select! {
            Some(event) = self.inbox.engine.recv() => Event::Engine(event),
            Some(event) = self.inbox.session.recv() => Event::Session(event),
            Some(progress) = self.inbox.pulls.recv() => Event::Progress(progress),
            finished = self.operations.finished() => Event::Finished(finished),
            found = self.probes.finished() => Event::Probed(found),
            Some(command) = self.inbox.commands.recv() => Event::Command(command),
            () = sleep_for(less_room_in) => Event::LessRoom,
            else => Event::Alone,
        }
    }

    fn handle(&mut self, event: Event) {
        // First, so that nothing is begun or judged by a lease that is over.
        self.decide(Input::Room(self.fence.room()));
        match event {
            Event::Engine(event) => self.on_engine(event),
            Event::Session(event) => self.on_session(event),
            Event::Progress(PullProgress { image, words }) => {
                for task in self.operations.waiting_for(&image) {
                    self.decide(Input::Progress { task, message: words.clone() });
                }
            }
            Event::Finished(finished) => {
                for (task, outcome) in finished {
                    self.finished(task, outcome);
                }
            }
            Event::Probed(found) => self.decide(found),
            Event::Command(Command::StopAll { done }) => self.leave(Some(done)),
            Event::LessRoom | Event::Alone => {}
        }
        self.fence.clear(|container| self.worker.may_run_in(container));
        self.files.clear(|task| self.worker.may_run(task));
        self.tell_whether_empty();
    }

    fn on_engine(&mut self, event: EngineEvent) {
        match event {
            EngineEvent::Lost => self.decide(Input::EngineLost),
            EngineEvent::ListingBegun => self.decide(Input::ListingBegun),
            EngineEvent::Container(event) => {
                let standing = self.fence.standing(&event.id);
                self.decide(Input::Container(standing::event(standing, event)));
            }
            EngineEvent::Listed(seen) => {
                let complete = |one: Seen| standing::seen(self.fence.standing(&one.id), one);
                let seen = seen.into_iter().map(complete).collect();
                self.decide(Input::Listed(seen));
                self.mark_boot();
                for (manager, request) in self.logs.kept() {
                    self.begin_logs(manager, request);
                }
            }
        }
    }

    fn on_session(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::Opened => self.outbox.start_over(self.worker.standing()),
            SessionEvent::Kept(number) => self.outbox.acknowledged(number),
            SessionEvent::Files(set) => self.files.told(set),
            SessionEvent::Assignments(set) => match self.stay {
                Stay::Member => self.decide(Input::Assignments(set)),
                Stay::Leaving(_) => {}
            },
            SessionEvent::VolumesLeaving(names) => {
                self.outward.leaving.send_replace(names);
            }
            SessionEvent::Lease(beat_sent) => {
                self.fence.granted(beat_sent);
                self.decide(Input::Room(self.fence.room()));
            }
            SessionEvent::Membership(membership) => {
                self.outward.memberships.send_if_modified(|known| {
                    let is_new = *known != membership;
                    *known = membership;
                    is_new
                });
            }
            SessionEvent::Logs { manager, request } if self.worker.is_listed() => {
                self.begin_logs(manager, request);
            }
            SessionEvent::Logs { manager, request } => self.logs.keep(manager, request),
            SessionEvent::LogsCancel(subscription) => self.logs.cancel(subscription),
            SessionEvent::Farewell => {
                self.leave(None);
                self.outward.farewell.send_replace(true);
            }
            SessionEvent::Closed => self.logs.cancel_all(),
        }
    }

    fn finished(&mut self, task: TaskId, outcome: Outcome) {
        let halted = self
            .worker
            .container(task)
            .filter(|id| standing::is_forestalled(self.fence.standing(id), &outcome));
        if let Some(id) = halted.cloned() {
            let kind = ContainerEventKind::Halted;
            self.decide(Input::Container(ContainerEvent { task, id, kind }));
        }
        self.decide(Input::Finished { task, outcome });
    }

    /// Of what must not run twice, for its start and for its end with the lease.
    fn guard(&mut self, task: TaskId, operation: &Operation) -> Option<Guard> {
        match operation {
            Operation::Start(id) | Operation::Cut(id) if self.worker.is_at_most_one(task) => {
                Some(self.fence.guard(id))
            }
            Operation::Start(_)
            | Operation::Pull(_)
            | Operation::Create(_)
            | Operation::Stop(_)
            | Operation::Cut(_)
            | Operation::Remove(_) => None,
        }
    }

    /// Managers tell assignments after the node's name, and to nobody without a portrait.
    fn site(&self) -> Site {
        let portrait = self.portrait.borrow();
        let platform = portrait.as_ref().map(|it| it.description.platform.clone());
        Site {
            node_name: self.outward.memberships.borrow().node_name.clone(),
            platform: platform.unwrap_or_default(),
        }
    }

    fn decide(&mut self, input: Input) {
        for action in self.worker.handle(input) {
            match action {
                Action::Begin { task, operation } => {
                    let kit = self.files.kit(&operation);
                    let guard = self.guard(task, &operation);
                    let site = self.site();
                    self.operations.begin(Job { task, operation, kit, guard, site });
                }
                Action::Report(report) => self.outbox.push(report),
                Action::Probe(probe) => self.probes.begin(probe),
                // Where the queue is full, a listing has been asked for.
                Action::List => drop(self.outward.engine.try_send(EngineRequest::List)),
                Action::ListLater => drop(self.outward.engine.try_send(EngineRequest::ListLater)),
            }
        }
    }

    /// As long as the session takes something; its next acknowledgement brings us back.
    fn report(&mut self) {
        if let Ok(permit) = self.outward.statuses.try_reserve()
            && let Some(batch) = self.outbox.next_batch()
        {
            permit.send(batch);
        }
    }

    fn leave(&mut self, done: Option<oneshot::Sender<Infallible>>) {
        if let Stay::Member = self.stay {
            self.stay = Stay::Leaving(Vec::new());
            self.decide(Input::Assignments(AssignmentSet::Complete(Vec::new())));
        }
        if let Stay::Leaving(waiting) = &mut self.stay {
            waiting.extend(done);
        }
    }

    fn tell_whether_empty(&mut self) {
        if let Stay::Leaving(waiting) = &mut self.stay
            && self.worker.is_empty()
        {
            waiting.clear();
        }
    }

    /// From now on a container that stands still does not do so because of the boot.
    fn mark_boot(&mut self) {
        let Boot::Unmarked(run_dir) = &self.boot else { return };
        if let Err(error) = host::leave_boot_mark(run_dir) {
            let run_dir = run_dir.display();
            tracing::warn!(%error, %run_dir, "the mark of this boot cannot be left");
        }
        self.boot = Boot::Marked;
    }

    fn begin_logs(&mut self, manager: String, request: v1::LogRequest) {
        let tasks = request.tasks.into_iter().map(TaskId);
        let found = tasks.filter_map(|task| Some((task, self.worker.container(task)?.clone())));
        let subscription = Subscription {
            number: request.subscription,
            manager,
            query: LogQuery {
                follow: request.follow,
                tail: request.tail,
                since_seconds: request.since_seconds,
                until_seconds: request.until_seconds,
            },
            containers: found.collect(),
        };
        self.logs.begin(Arc::clone(&self.containers), subscription);
    }
}

/// For ever where there is nothing to wait for.
async fn sleep_for(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}
