//! Carries out operations on tasks, so many at a time. What hangs in one lane delays no other:
//! stopping never waits behind starting, and nothing behind a registry.

use crate::containers::{Containers, Owner, PullProgress};
use crate::engine::EngineRequest;
use crate::fence::Guard;
use crate::files::Kit;
use agent_core::container::{ContainerId, ImageWish, Operation, OperationFailure, Outcome};
use agent_core::lease::GRACE;
use common::TaskId;
use common::assignment::Assignment;
use common::placeholder::Site;
use common::platform::Platform;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Without an answer for so long, the engine counts as ill.
const HANG: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    Launch,
    Stop,
    Pull,
}

/// An operation, and what it needs.
pub(crate) struct Job {
    pub(crate) task: TaskId,
    pub(crate) operation: Operation,
    pub(crate) kit: Option<Kit>,
    /// Of what must not run twice.
    pub(crate) guard: Option<Guard>,
    pub(crate) site: Site,
}

struct Queue {
    waiting: VecDeque<Job>,
    running: usize,
    running_max: usize,
}

impl Queue {
    fn new(running_max: usize) -> Queue {
        Queue { waiting: VecDeque::new(), running: 0, running_max }
    }
}

type Finished = (Lane, TaskId, Operation, Outcome);

pub(crate) struct Operations<C> {
    containers: Arc<C>,
    owner: Owner,
    progress: mpsc::Sender<PullProgress>,
    engine: mpsc::Sender<EngineRequest>,
    launches: Queue,
    stops: Queue,
    pulls: Queue,
    /// Who waits for which image, in full, of which platform.
    pulling: BTreeMap<(String, Option<Platform>), Vec<TaskId>>,
    running: FuturesUnordered<BoxFuture<'static, Finished>>,
}

impl<C: Containers> Operations<C> {
    pub(crate) fn new(
        containers: Arc<C>,
        owner: Owner,
        progress: mpsc::Sender<PullProgress>,
        engine: mpsc::Sender<EngineRequest>,
    ) -> Operations<C> {
        Operations {
            containers,
            owner,
            progress,
            engine,
            launches: Queue::new(4),
            stops: Queue::new(16),
            pulls: Queue::new(3),
            pulling: BTreeMap::new(),
            running: FuturesUnordered::new(),
        }
    }

    pub(crate) fn begin(&mut self, job: Job) {
        let lane = lane(&job.operation);
        match &job.operation {
            Operation::Pull(wish) => {
                let waiting = self.pulling.entry(key(wish)).or_default();
                waiting.push(job.task);
                // The others' pull is this one's too.
                if waiting.len() > 1 {
                    return;
                }
                self.queue(lane).waiting.push_back(job);
            }
            // What is created is started before anything else is created; what is cut is in haste.
            Operation::Start(_) | Operation::Cut(_) => self.queue(lane).waiting.push_front(job),
            Operation::Create(_) | Operation::Stop(_) | Operation::Remove(_) => {
                self.queue(lane).waiting.push_back(job);
            }
        }
        self.fill(lane);
    }

    /// The tasks that wait for an image.
    pub(crate) fn waiting_for(&self, image: &str) -> Vec<TaskId> {
        let of_image = self.pulling.iter().filter(|((full, _), _)| full == image);
        of_image.flat_map(|(_, tasks)| tasks).copied().collect()
    }

    /// Waits for the next operation to end; for ever where there is none.
    pub(crate) async fn finished(&mut self) -> Vec<(TaskId, Outcome)> {
        let Some((lane, task, operation, outcome)) = self.running.next().await else {
            return std::future::pending().await;
        };
        self.queue(lane).running -= 1;
        self.fill(lane);
        match operation {
            Operation::Pull(wish) => {
                let tasks = self.pulling.remove(&key(&wish)).unwrap_or_default();
                tasks.into_iter().map(|task| (task, outcome.clone())).collect()
            }
            Operation::Create(_)
            | Operation::Start(_)
            | Operation::Stop(_)
            | Operation::Cut(_)
            | Operation::Remove(_) => {
                vec![(task, outcome)]
            }
        }
    }

    fn queue(&mut self, lane: Lane) -> &mut Queue {
        match lane {
            Lane::Launch => &mut self.launches,
            Lane::Stop => &mut self.stops,
            Lane::Pull => &mut self.pulls,
        }
    }

    fn fill(&mut self, lane: Lane) {
        loop {
            let queue = self.queue(lane);
            if queue.running == queue.running_max {
                return;
            }
            let Some(job) = queue.waiting.pop_front() else { return };
            queue.running += 1;
            let (containers, owner) = (Arc::clone(&self.containers), self.owner);
            let (progress, engine) = (self.progress.clone(), self.engine.clone());
            self.running.push(Box::pin(async move {
                let done = carry_out(&*containers, owner, &job, progress);
                let outcome = match lane {
                    Lane::Launch => watched(done, &job.operation, &engine).await,
                    Lane::Stop | Lane::Pull => done.await,
                };
                (lane, job.task, job.operation, outcome)
            }));
        }
    }
}

fn key(wish: &ImageWish) -> (String, Option<Platform>) {
    (wish.image.full().to_owned(), wish.platform.clone())
}

fn lane(operation: &Operation) -> Lane {
    match operation {
        Operation::Create(_) | Operation::Start(_) => Lane::Launch,
        Operation::Stop(_) | Operation::Cut(_) | Operation::Remove(_) => Lane::Stop,
        Operation::Pull(_) => Lane::Pull,
    }
}

async fn carry_out<C: Containers>(
    containers: &C,
    owner: Owner,
    job: &Job,
    progress: mpsc::Sender<PullProgress>,
) -> Outcome {
    match &job.operation {
        Operation::Pull(wish) => Outcome::Pulled(containers.pull(wish, progress).await),
        Operation::Create(assignment) => {
            Outcome::Created(create(containers, owner, assignment, job).await)
        }
        Operation::Start(id) => Outcome::Started(match &job.guard {
            Some(guard) => guard.start(containers, id).await,
            None => containers.start(id).await,
        }),
        Operation::Stop(id) => Outcome::Stopped(containers.stop(id, None).await),
        Operation::Cut(id) => {
            let grace = job.guard.as_ref().map_or(GRACE, Guard::grace);
            Outcome::Stopped(containers.stop(id, Some(grace)).await)
        }
        Operation::Remove(id) => Outcome::Removed(containers.remove(id).await),
    }
}

/// The files are there before their container is.
async fn create<C: Containers>(
    containers: &C,
    owner: Owner,
    assignment: &Assignment,
    Job { kit, site, .. }: &Job,
) -> Result<ContainerId, OperationFailure> {
    let filled = assignment.filled_in(site);
    let filled = filled.map_err(|it| OperationFailure::Refused { detail: it.to_string() })?;
    match kit {
        Some(kit) => containers.create(owner, &kit.lay_out(&filled)?).await,
        None => containers.create(owner, &filled).await,
    }
}

/// Says so when there is no answer for long, and when it comes after all.
async fn watched(
    done: impl Future<Output = Outcome>,
    operation: &Operation,
    engine: &mpsc::Sender<EngineRequest>,
) -> Outcome {
    tokio::pin!(done);
    if let Ok(outcome) = tokio::time::timeout(HANG, &mut done).await {
        return outcome;
    }
    let what = match operation {
        Operation::Create(assignment) => format!("creating {}", assignment.container_name()),
        Operation::Pull(_)
        | Operation::Start(_)
        | Operation::Stop(_)
        | Operation::Cut(_)
        | Operation::Remove(_) => "starting a container".to_owned(),
    };
    let detail = format!("{what} has had no answer for {} s", HANG.as_secs());
    // Where the queue is full, others have said the same.
    drop(engine.try_send(EngineRequest::Hangs(detail)));
    let outcome = done.await;
    drop(engine.send(EngineRequest::Answers).await);
    outcome
}
