//! Making a container, and what has to be there or be known before.

use super::convert;
use super::error::{Context, operation_failure};
use super::health::{StartIntervals, health_config};
use crate::containers::Owner;
use agent_core::container::{ContainerId, OperationFailure};
use bollard::query_parameters::CreateContainerOptionsBuilder;
use common::assignment::Assignment;
use common::container::ContainerSpec;
use shell::threads::at_length;

pub(super) async fn create(
    client: &bollard::Docker,
    owner: Owner,
    assignment: &Assignment,
) -> Result<ContainerId, OperationFailure> {
    let spec = &assignment.spec.container;
    if let Some(detail) = convert::unknown_to(client.client_version(), spec) {
        return Err(OperationFailure::Refused { detail });
    }
    for folder in convert::folders_to_make(spec) {
        at_length(|| std::fs::create_dir_all(&folder)).map_err(|error| {
            OperationFailure::Refused { detail: format!("cannot make folder {folder}: {error}") }
        })?;
    }
    let mut options = CreateContainerOptionsBuilder::new().name(&assignment.container_name());
    if let Some(platform) = &spec.platform {
        options = options.platform(&platform.to_string());
    }
    let mut body = convert::container(owner, assignment);
    let start_intervals = StartIntervals::of(client);
    body.healthcheck = spec.health.as_ref().map(|it| health_config(it, start_intervals));
    if says_no_arguments(spec) {
        body.entrypoint = Some(entrypoint(client, spec).await?);
    }
    let created = client.create_container(Some(options.build()), body).await;
    let created = created.map_err(|error| operation_failure(Context::Create, &error))?;
    Ok(ContainerId(created.id))
}

/// The engine takes no arguments for the image's own, unless the entry point is given as well.
fn says_no_arguments(spec: &ContainerSpec) -> bool {
    spec.args.as_ref().is_some_and(Vec::is_empty)
        && spec.entrypoint.as_ref().is_none_or(Vec::is_empty)
}

async fn entrypoint(
    client: &bollard::Docker,
    spec: &ContainerSpec,
) -> Result<Vec<String>, OperationFailure> {
    // Docker's way to say "none": the engine then refuses a container with nothing to run.
    let none = vec![String::new()];
    if spec.entrypoint.is_some() {
        return Ok(none);
    }
    let image = client.inspect_image(spec.image.as_given()).await;
    let image = image.map_err(|error| operation_failure(Context::Create, &error))?;
    let own = image.config.and_then(|it| it.entrypoint);
    Ok(own.filter(|it| !it.is_empty()).unwrap_or(none))
}
