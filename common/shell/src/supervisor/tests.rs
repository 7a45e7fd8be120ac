//! How tasks end, and what becomes of their scope.

use super::*;
use std::convert::Infallible;
use std::future::pending;
use tokio::sync::{mpsc, oneshot};

const GRACE: Duration = Duration::from_secs(5);

async fn ends_well() -> Result<(), String> {
    Ok(())
}

async fn fails() -> Result<(), String> {
    Err("no disk".to_owned())
}

async fn panics() -> Result<(), String> {
    panic!("index {} out of range", 7)
}

fn failed(scope: &'static str, how: Failure) -> TaskFailed {
    TaskFailed { scope, task: "worker", how }
}

#[tokio::test(start_paused = true)]
async fn a_failure_stops_the_scope_only_where_it_says_so() {
    let error = || Failure::Error("no disk".to_owned());
    let panic = || Failure::Panic("index 7 out of range".to_owned());
    for (on_failure, panics_instead, expected) in [
        (OnFailure::StopScope, false, Some(error())),
        (OnFailure::StopScope, true, Some(panic())),
        (OnFailure::Log, false, None),
        (OnFailure::Log, true, None),
    ] {
        let root = Scope::root("root");
        let scope = root.child("child");
        if panics_instead {
            scope.spawn("worker", on_failure, panics());
        } else {
            scope.spawn("worker", on_failure, fails());
        }
        let told = tokio::time::timeout(GRACE, scope.failed()).await.ok();
        assert_eq!(told, expected.clone().map(|it| failed("child", it)));
        assert_eq!(scope.token().is_cancelled(), expected.is_some());
        // Those above are told, and decide for themselves.
        let told_above = tokio::time::timeout(GRACE, root.failed()).await.ok();
        assert_eq!(told_above, told);
        assert!(!root.token().is_cancelled());
        assert_eq!(scope.stop(GRACE).await.err(), told);
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_has_the_grace_to_end_in_order() {
    let scope = Scope::root("root");
    let (saved, is_saved) = oneshot::channel();
    let token = scope.token();
    scope.spawn("worker", OnFailure::StopScope, async move {
        token.cancelled().await;
        tokio::time::sleep(GRACE / 2).await;
        assert_eq!(saved.send(()), Ok(()));
        Ok::<(), Infallible>(())
    });
    assert_eq!(scope.stop(GRACE).await, Ok(()));
    assert_eq!(is_saved.await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn what_is_left_after_the_grace_is_aborted_and_named() {
    for on_failure in [OnFailure::StopScope, OnFailure::Log] {
        let root = Scope::root("root");
        let scope = root.child("child");
        let (held, dropped) = oneshot::channel::<()>();
        scope.spawn("worker", on_failure, async move {
            let _held = held;
            pending::<Result<(), Infallible>>().await
        });
        assert_eq!(scope.stop(GRACE).await, Err(failed("child", Failure::Aborted)));
        assert!(dropped.await.is_err(), "what the task held is dropped");
        assert_eq!(root.stop(GRACE).await, Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_parent_stops_what_is_below_it() {
    let root = Scope::root("root");
    let (started, mut is_dropped) = mpsc::channel::<()>(1);
    let deep = root.child("middle").child("deep");
    deep.spawn("worker", OnFailure::Log, async move {
        let _started = started;
        pending::<Result<(), Infallible>>().await
    });
    drop(deep);
    assert_eq!(root.stop(GRACE).await, Err(failed("deep", Failure::Aborted)));
    assert_eq!(is_dropped.recv().await, None);
}

#[tokio::test]
async fn nothing_is_kept_of_a_task_that_ended() {
    let root = Scope::root("root");
    let scope = root.child("child");
    for _ in 0..1_000 {
        scope.spawn("worker", OnFailure::Log, ends_well());
    }
    scope.inner.tasks.wait().await;
    assert_eq!((scope.inner.tasks.len(), root.inner.tasks.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn nothing_starts_in_a_scope_that_was_stopped() {
    let scope = Scope::root("root");
    assert_eq!(scope.stop(GRACE).await, Ok(()));
    let (started, is_started) = oneshot::channel();
    scope.spawn("worker", OnFailure::StopScope, async move {
        assert_eq!(started.send(()), Ok(()));
        ends_well().await
    });
    assert!(is_started.await.is_err());
}
