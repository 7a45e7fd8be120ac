//! The only place that spawns tasks: each has a name, an owner, and a policy for its failure.
//!
//! A scope is a set of tasks that stop together. A task counts in all scopes above its own, so a
//! scope has stopped only when everything below it has. Nothing is kept of a task that has ended,
//! and nothing runs in a scope that was stopped.

use futures_util::FutureExt as _;
use std::any::Any;
use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a task that was aborted may take until its next `await`.
const ABORT_LIMIT: Duration = Duration::from_secs(1);

/// A named set of tasks with one cancellation. Clones mean the same set.
#[derive(Clone, Debug)]
pub struct Scope {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: &'static str,
    parent: Option<Scope>,
    /// Asks the tasks to end.
    cancel: CancellationToken,
    /// Drops those that did not.
    abort: CancellationToken,
    tasks: TaskTracker,
    failure: watch::Sender<Option<TaskFailed>>,
}

/// What a task's error or panic does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The others cannot go on without it: they are cancelled, and `Scope::failed` of this scope
    /// and of those above it resolves.
    StopScope,
    /// It is logged.
    Log,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{scope}: {task} {how}")]
pub struct TaskFailed {
    pub scope: &'static str,
    pub task: &'static str,
    pub how: Failure,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("failed: {0}")]
    Error(String),
    #[error("panicked: {0}. This is a bug of skep: please report it with the lines above")]
    Panic(String),
    #[error("did not stop in time and was aborted")]
    Aborted,
    #[error("are stuck: {0} neither stopped nor could be aborted. This is a bug of skep")]
    Stuck(usize),
}

impl Scope {
    pub fn root(name: &'static str) -> Scope {
        Scope::new(name, None, CancellationToken::new(), CancellationToken::new())
    }

    /// Cancelled with its parent, and can be stopped alone.
    pub fn child(&self, name: &'static str) -> Scope {
        let (cancel, abort) = (self.inner.cancel.child_token(), self.inner.abort.child_token());
        Scope::new(name, Some(self.clone()), cancel, abort)
    }

    fn new(
        name: &'static str,
        parent: Option<Scope>,
        cancel: CancellationToken,
        abort: CancellationToken,
    ) -> Scope {
        let tasks = TaskTracker::new();
        // Closed means that waiting may end; tasks can be added all the same.
        tasks.close();
        let failure = watch::Sender::new(None);
        Scope { inner: Arc::new(Inner { name, parent, cancel, abort, tasks, failure }) }
    }

    /// Cancelled when the tasks of this scope are to end.
    pub fn token(&self) -> CancellationToken {
        self.inner.cancel.clone()
    }

    /// The task has to watch the token itself: what is cancelled may want to finish in order.
    pub fn spawn<F, E>(&self, name: &'static str, on_failure: OnFailure, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display,
    {
        if self.inner.abort.is_cancelled() {
            tracing::debug!(task = name, scope = self.inner.name, "not started: the scope stopped");
            return;
        }
        let scope = self.clone();
        let counted_above: Vec<_> = self.ancestors().map(|it| it.inner.tasks.token()).collect();
        self.inner.tasks.spawn(async move {
            let guarded = AssertUnwindSafe(task).catch_unwind();
            let how = tokio::select! {
                biased;
                ended = guarded => match ended {
                    Ok(Ok(())) => None,
                    Ok(Err(error)) => Some(Failure::Error(error.to_string())),
                    Err(panic) => Some(Failure::Panic(panic_text(panic.as_ref()))),
                },
                () = scope.inner.abort.cancelled() => Some(Failure::Aborted),
            };
            if let Some(how) = how {
                scope.on_failure(
                    on_failure,
                    TaskFailed { scope: scope.inner.name, task: name, how },
                );
            }
            drop(counted_above);
        });
    }

    /// Cancels, waits for the tasks within the grace, and aborts what is left. Tells the first
    /// task that failed without which the others could not go on, or else the first that failed
    /// while it stopped.
    pub async fn stop(&self, grace: Duration) -> Result<(), TaskFailed> {
        let Inner { name, cancel, abort, tasks, failure, .. } = &*self.inner;
        cancel.cancel();
        let in_time = tokio::time::timeout(grace, tasks.wait()).await.is_ok();
        abort.cancel();
        if !in_time && tokio::time::timeout(ABORT_LIMIT, tasks.wait()).await.is_err() {
            let how = Failure::Stuck(tasks.len());
            return Err(TaskFailed { scope: name, task: "its tasks", how });
        }
        failure.borrow().clone().map_or(Ok(()), Err)
    }

    /// Resolves when a task failed that the scope, or one below it, cannot do without.
    pub async fn failed(&self) -> TaskFailed {
        let mut failure = self.inner.failure.subscribe();
        let failed = failure.wait_for(Option::is_some).await;
        let failed = failed.expect("the sender lives as long as the scope");
        failed.clone().expect("it was waited for")
    }

    fn ancestors(&self) -> impl Iterator<Item = &Scope> {
        std::iter::successors(self.inner.parent.as_ref(), |it| it.inner.parent.as_ref())
    }

    fn on_failure(&self, on_failure: OnFailure, failed: TaskFailed) {
        tracing::error!("{failed}");
        let was_stopping = self.inner.cancel.is_cancelled();
        match on_failure {
            OnFailure::Log if !was_stopping => return,
            OnFailure::Log | OnFailure::StopScope => {}
        }
        self.record(&failed);
        self.inner.cancel.cancel();
        // What fails while it is told to stop is news only for those who wait for its end.
        let told = self.ancestors().filter(|it| !was_stopping || it.inner.cancel.is_cancelled());
        told.for_each(|it| it.record(&failed));
    }

    /// The first failure is the cause, those after it are mostly its consequences.
    fn record(&self, failed: &TaskFailed) {
        self.inner.failure.send_if_modified(|it| {
            let is_first = it.is_none();
            if is_first {
                *it = Some(failed.clone());
            }
            is_first
        });
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a message").to_owned()
}

#[cfg(test)]
mod tests;
