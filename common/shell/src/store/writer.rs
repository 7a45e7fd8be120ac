//! Group commit: one thread takes everything that is queued, makes one batch of it, syncs once,
//! and then tells everybody. While the disk syncs, the next batch gathers.

use super::{Disk, StoreError, Write};
use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

/// Jobs that wait while the disk syncs; more of them wait in their callers.
const QUEUE_MAX: usize = 1_024;
/// A larger batch would keep those waiting that came first, and memory besides.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// Called on the writer's thread, in the order of submission: it must not block.
pub type Done = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

enum Job {
    Write { writes: Vec<Write>, done: Done },
    Stop,
}

#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Job>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

impl Writer {
    pub fn start(disk: Arc<dyn Disk>) -> Result<(Writer, WriterThread), StoreError> {
        let (queue, jobs) = mpsc::channel(QUEUE_MAX);
        let (ends, ended) = oneshot::channel();
        let handle = std::thread::Builder::new()
            .name("disk writer".into())
            .spawn(move || {
                // Dropped when the thread ends, however it ends.
                let _ends: oneshot::Sender<()> = ends;
                run(disk.as_ref(), jobs);
            })
            .map_err(|error| StoreError::NoThread(Arc::new(error)))?;
        let thread = WriterThread { queue: queue.clone(), ended, handle };
        Ok((Writer { queue }, thread))
    }

    pub async fn submit(&self, writes: Vec<Write>, done: Done) -> Result<(), StoreError> {
        let job = Job::Write { writes, done };
        self.queue.send(job).await.map_err(|_| StoreError::Stopped)
    }

    pub async fn write(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        let done: Done = Box::new(move |result| {
            // Whoever gave up waiting does not want to know.
            drop(answer.send(result));
        });
        self.submit(writes, done).await?;
        answered.await.map_err(|_| StoreError::Stopped)?
    }
}

/// Held by whoever started the writer, to be stopped after everybody who writes.
#[derive(Debug)]
pub struct WriterThread {
    queue: mpsc::Sender<Job>,
    ended: oneshot::Receiver<()>,
    handle: JoinHandle<()>,
}

impl WriterThread {
    /// Writes what is queued, then ends the thread. Later writes are refused.
    pub async fn stop(self) -> Result<(), StoreError> {
        // A queue that is closed belongs to a thread that ended by itself, as panics do.
        drop(self.queue.send(Job::Stop).await);
        // An error says that the sender was dropped, which is all that is waited for.
        drop(self.ended.await);
        self.handle.join().map_err(|_| StoreError::Panicked)
    }
}

/// What one sync is about to make durable.
#[derive(Default)]
struct Group {
    writes: Vec<Write>,
    waiting: Vec<Done>,
    bytes: usize,
}

impl Group {
    fn add(&mut self, mut writes: Vec<Write>, done: Done) {
        self.bytes += writes.iter().map(Write::bytes).sum::<usize>();
        self.writes.append(&mut writes);
        self.waiting.push(done);
    }

    fn commit(self, disk: &dyn Disk) -> Result<(), StoreError> {
        let result = disk.write(&self.writes).and_then(|()| disk.sync());
        self.finish(&result);
        result
    }

    fn finish(self, result: &Result<(), StoreError>) {
        for done in self.waiting {
            done(result.clone());
        }
    }
}

enum Then {
    GoOn,
    Stop,
}

fn run(disk: &dyn Disk, mut jobs: mpsc::Receiver<Job>) {
    // After one failure nothing is written any more: what came later must not be on the disk
    // where what came earlier is not, and a disk that failed to sync has lost nobody knows what.
    let mut outcome = Ok(());
    while let Some(first) = jobs.blocking_recv() {
        let (group, then) = gather(first, &mut jobs);
        if outcome.is_ok() {
            outcome = group.commit(disk);
        } else {
            group.finish(&outcome);
        }
        match then {
            Then::GoOn => {}
            Then::Stop => return,
        }
    }
}

fn gather(first: Job, jobs: &mut mpsc::Receiver<Job>) -> (Group, Then) {
    let mut group = Group::default();
    let mut next = Some(first);
    while let Some(job) = next {
        match job {
            Job::Write { writes, done } => group.add(writes, done),
            Job::Stop => return (group, Then::Stop),
        }
        next = if group.bytes < BATCH_BYTES_MAX { jobs.try_recv().ok() } else { None };
    }
    (group, Then::GoOn)
}
