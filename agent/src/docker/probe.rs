//! A look of our own at a container that starts, for engines that would take their time.

use super::health::{self, Check, StartIntervals};
use agent_core::health::Health;
use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bollard::models::ContainerInspectResponse;
use std::time::Duration;
use tokio::time::Instant;
use tokio_stream::StreamExt;

/// As much as the engine keeps of its own checks.
const OUTPUT_BYTES_MAX: usize = 4_096;
const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_MOST: Duration = Duration::from_secs(1);

/// Carries out the container's check as the engine would. Where it fails, the engine's own count
/// is the answer, with the words of this one.
pub(super) async fn probe(client: &Docker, id: &str) -> Result<Health, Error> {
    let inspected = health::inspect(client, id).await?;
    let found = health::health_of(&inspected, StartIntervals::of(client));
    let Health::Starting(mut trial) = found else { return Ok(found) };
    let (Some(check), true) = (health::check_of(&inspected), is_running(&inspected)) else {
        return Ok(Health::Starting(trial));
    };
    match run(client, id, check).await? {
        Verdict::Success => Ok(Health::Healthy),
        Verdict::Failure(words) => {
            trial.words = words;
            Ok(Health::Starting(trial))
        }
    }
}

fn is_running(inspected: &ContainerInspectResponse) -> bool {
    let state = inspected.state.as_ref();
    state.is_some_and(|it| it.running == Some(true) && it.paused != Some(true))
}

enum Verdict {
    Success,
    Failure(String),
}

/// The engine cannot be asked to kill a command, so one that hangs is waited for: the next one
/// would only hang beside it. The engine's own checks are not held up by that.
async fn run(client: &Docker, id: &str, check: Check) -> Result<Verdict, Error> {
    let begin = Instant::now();
    let options = CreateExecOptions {
        cmd: Some(check.command),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..CreateExecOptions::default()
    };
    let exec = client.create_exec(id, options).await?;
    let output = match client.start_exec(&exec.id, None::<StartExecOptions>).await {
        Ok(StartExecResults::Attached { output, .. }) => collect(output).await?,
        Ok(StartExecResults::Detached) => String::new(),
        // Such as a command that is not in the image.
        Err(Error::DockerResponseServerError { message, .. }) => {
            return Ok(Verdict::Failure(health::said(&message, None)));
        }
        Err(error) => return Err(error),
    };
    let exit_code = exit_code(client, &exec.id).await?;
    if begin.elapsed() > check.timeout {
        let words = format!("no answer within {} s", check.timeout.as_secs_f64());
        return Ok(Verdict::Failure(words));
    }
    Ok(match exit_code {
        Some(0) => Verdict::Success,
        Some(_) | None => Verdict::Failure(health::said(&output, exit_code)),
    })
}

/// Output may end before its program does: a moment before, until the engine has taken note of its
/// exit code, or for long, where a program closes its output.
async fn exit_code(client: &Docker, exec: &str) -> Result<Option<i64>, Error> {
    let mut pause = PAUSE_FIRST;
    loop {
        let inspected = client.inspect_exec(exec).await?;
        if inspected.running != Some(true) {
            return Ok(inspected.exit_code);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MOST);
    }
}

/// To the end, but only the beginning is kept.
async fn collect(
    mut output: impl tokio_stream::Stream<Item = Result<LogOutput, Error>> + Unpin,
) -> Result<String, Error> {
    let mut kept = Vec::new();
    while let Some(piece) = output.next().await {
        let bytes = piece?.into_bytes();
        let room = OUTPUT_BYTES_MAX - kept.len();
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
    Ok(String::from_utf8_lossy(&kept).into_owned())
}
