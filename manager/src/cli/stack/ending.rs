//! Waits until nothing of a stack runs any more, and tells what is left meanwhile.

use crate::cli::error::CliError;
use crate::cli::out;
use crate::cli::progress::{LOOK_PERIOD, Telling};
use crate::cli::seen::{SeenService, SeenTask, all};
use crate::cli::target::Target;
use common::ServiceId;
use proto::v1;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// What ends sooner needs no word.
const TELL_AFTER: Duration = Duration::from_secs(2);

pub(super) async fn wait(
    target: &Target,
    doomed: &[SeenService],
    telling: Telling,
    limit: Option<Duration>,
) -> Result<(), CliError> {
    // By their IDs: others may be made under the same names meanwhile.
    let doomed: BTreeSet<ServiceId> = doomed.iter().map(|it| it.service.id).collect();
    let mut client = target.control().await?;
    let (begun, mut told) = (Instant::now(), Vec::new());
    loop {
        let answer = client.list_tasks(v1::ListTasksRequest::default()).await?.into_inner();
        let left = left(&doomed, &all(answer.tasks)?);
        if left.is_empty() {
            return Ok(());
        }
        if limit.is_some_and(|it| begun.elapsed() >= it) {
            return Err(CliError::Failed(format!(
                "the time is over, and it goes on without us: {} still to end",
                left.join(", ")
            )));
        }
        if telling == Telling::Progress && told != left && begun.elapsed() >= TELL_AFTER {
            out::line(&format!("Waiting for {} to end: {}", tasks(left.len()), left.join(", ")))?;
            told = left;
        }
        tokio::time::sleep(LOOK_PERIOD).await;
    }
}

fn tasks(count: usize) -> String {
    if count == 1 { "1 task".to_owned() } else { format!("{count} tasks") }
}

/// Those that can still end: on a node that is down, nobody sees it.
fn left(doomed: &BTreeSet<ServiceId>, tasks: &[SeenTask]) -> Vec<String> {
    let is_left = |it: &&SeenTask| {
        doomed.contains(&it.service) && !it.state.is_terminal() && !it.node_is_down
    };
    tasks.iter().filter(is_left).map(SeenTask::name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render::samples::task;
    use common::task::TaskState;

    #[test]
    fn what_is_waited_for() {
        let mut tasks = [
            task(1, 1, TaskState::Running, 0),
            task(2, 2, TaskState::Shutdown, 0),
            task(3, 3, TaskState::Running, 0),
            task(4, 4, TaskState::Running, 0),
        ];
        tasks[2].node_is_down = true;
        let doomed = BTreeSet::from([tasks[0].service]);
        tasks[3].service = ServiceId(tasks[0].service.0 + 1);
        assert_eq!(left(&doomed, &tasks), ["web.1"]);
    }
}
