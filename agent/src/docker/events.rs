//! Docker's stream of events.

use super::convert::{self, task_of};
use super::error::engine_error;
use super::health;
use crate::containers::{EngineError, EngineNews, Owner};
use agent_core::container::{ContainerEvent, ContainerEventKind, ContainerId, Exit, Phase, Seen};
use agent_core::health::Health;
use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{EventActor, EventMessage, EventMessageTypeEnum as Type};
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::StreamExt;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::mpsc;

/// What a process ends with that the kernel killed.
const KILLED: i64 = 137;
/// The engine keeps some events and tells them again, so nothing between the call and its taking
/// effect is missed. An event that is told twice changes nothing.
const OVERLAP_SECONDS: u64 = 1;
/// The engine may learn only after the end that it was for want of memory.
const MEMORY_LOOK: Duration = Duration::from_millis(50);
const MEMORY_LOOKS_MAX: usize = 4;
const ASKED_AT_ONCE_MAX: usize = 16;
const CONTAINER_EVENTS: [&str; 4] = ["start", "die", "destroy", "health_status"];
/// `destroy` is told of containers, too.
const VOLUME_EVENTS: [&str; 2] = ["create", "destroy"];
const IMAGE_EVENTS: [&str; 6] = ["pull", "tag", "untag", "delete", "load", "import"];

pub(super) async fn watch(
    address: &str,
    client: &Docker,
    owner: Owner,
    news: mpsc::Sender<EngineNews>,
) -> EngineError {
    let since = (shell::clock::wall().0 / 1_000).saturating_sub(OVERLAP_SECONDS).to_string();
    // Only what is read below: each run of a health check makes three events of its own, for which
    // a board that rests would wake up. The engine takes each of these for a beginning.
    let events = [&CONTAINER_EVENTS[..], &IMAGE_EVENTS, &VOLUME_EVENTS[..1]].concat();
    let filters =
        HashMap::from([("type", vec!["container", "image", "volume"]), ("event", events)]);
    let options = EventsOptionsBuilder::new().since(&since).filters(&filters).build();
    let ours = convert::owner_labels(owner);
    // What one of them has to be asked about holds up nobody's asking about the next.
    let told = client.events(Some(options)).map(|event| async {
        match event {
            Ok(event) => tell(client, &ours, event).await,
            Err(error) => Err(error),
        }
    });
    let told = told.buffered(ASKED_AT_ONCE_MAX);
    tokio::pin!(told);
    while let Some(told) = told.next().await {
        match told {
            Ok(None) => {}
            Ok(Some(told)) => {
                if news.send(told).await.is_err() {
                    break;
                }
            }
            Err(error) => return engine_error(address, &error),
        }
    }
    EngineError::Silent { detail: "its stream of events ended".to_owned() }
}

async fn tell(
    client: &Docker,
    ours: &[(&'static str, String)],
    event: EventMessage,
) -> Result<Option<EngineNews>, Error> {
    let action = event.action.unwrap_or_default();
    match event.typ {
        Some(Type::IMAGE) => {
            Ok(IMAGE_EVENTS.contains(&action.as_str()).then_some(EngineNews::Images))
        }
        Some(Type::VOLUME) => {
            Ok(VOLUME_EVENTS.contains(&action.as_str()).then_some(EngineNews::Volumes))
        }
        Some(Type::CONTAINER) => {
            let Some(actor) = event.actor else { return Ok(None) };
            let told = container_event(client, ours, &action, actor).await?;
            Ok(told.map(EngineNews::Container))
        }
        // Nothing else was asked for.
        Some(_) | None => Ok(None),
    }
}

async fn container_event(
    client: &Docker,
    ours: &[(&'static str, String)],
    action: &str,
    actor: EventActor,
) -> Result<Option<ContainerEvent>, Error> {
    let attributes = actor.attributes.unwrap_or_default();
    let is_ours = ours.iter().all(|(label, value)| attributes.get(*label) == Some(value));
    let name = attributes.get("name").map(String::as_str);
    let (true, Some(task), Some(id)) = (is_ours, task_of(&attributes, name.into_iter()), actor.id)
    else {
        return Ok(None);
    };
    let kind = match action {
        "start" => {
            ContainerEventKind::Started(confirmed_health(client, &id, health::unknown()).await?)
        }
        "health_status: healthy" => ContainerEventKind::Checked(Health::Healthy),
        // Not every engine tells what the check said, so it is looked up.
        "health_status: unhealthy" => {
            let told = Health::Unhealthy { detail: String::new() };
            ContainerEventKind::Checked(confirmed_health(client, &id, told).await?)
        }
        "destroy" => ContainerEventKind::Removed,
        "die" => {
            let code = attributes.get("exitCode").and_then(|it| it.parse().ok()).unwrap_or(-1);
            ContainerEventKind::Died(confirmed_exit(client, &id, code).await?)
        }
        _ => return Ok(None),
    };
    Ok(Some(ContainerEvent { task, id: ContainerId(id), kind }))
}

/// Asks the engine again. One that goes down tells of containers that it stops itself while it
/// takes no questions any more: those have not ended by themselves.
async fn confirmed_exit(client: &Docker, id: &str, code: i64) -> Result<Exit, Error> {
    for _ in 0..MEMORY_LOOKS_MAX {
        let (ran_out, may_have) = match health::inspect(client, id).await {
            Ok(inspected) => {
                let limit = inspected.host_config.and_then(|it| it.memory).unwrap_or(0);
                (inspected.state.and_then(|it| it.oom_killed).unwrap_or(false), limit > 0)
            }
            Err(Error::DockerResponseServerError { .. } | Error::JsonDataError { .. }) => break,
            Err(error) => return Err(error),
        };
        if code != KILLED || ran_out || !may_have {
            return Ok(Exit { code, out_of_memory: ran_out && code == KILLED });
        }
        tokio::time::sleep(MEMORY_LOOK).await;
    }
    Ok(Exit { code, out_of_memory: false })
}

/// As it is by now, or as it was told where that cannot be known. What came after the event is
/// only told again.
async fn confirmed_health(client: &Docker, id: &str, told: Health) -> Result<Health, Error> {
    match health::look(client, id).await {
        Err(Error::DockerResponseServerError { .. } | Error::JsonDataError { .. }) => Ok(told),
        found => found,
    }
}

/// A list does not say who was killed for want of memory.
pub(super) async fn complete_exit(client: &Docker, seen: &mut Seen) {
    if let Phase::Exited(exit) = &mut seen.phase
        && exit.code == KILLED
        && let Ok(confirmed) = confirmed_exit(client, &seen.id.0, exit.code).await
    {
        *exit = confirmed;
    }
}
