//! What users ask of stacks.

use super::control::{new_ids, refused};
use super::reached;
use crate::manager::Manager;
use common::stack::{PlannedAction, ServicePlan, StackSpec};
use manager_core::stacks;
use manager_core::state::State;
use proto::v1;
use tonic::Status;

pub(super) async fn deploy(
    manager: &Manager,
    request: v1::DeployStackRequest,
) -> Result<v1::DeployStackResponse, Status> {
    let spec = request.spec.ok_or_else(|| Status::invalid_argument("no specification"))?;
    let spec =
        StackSpec::try_from(spec).map_err(|error| Status::invalid_argument(error.to_string()))?;
    let state = manager.state();
    let deployment = stacks::deploy(&state, spec, &mut new_ids()).map_err(refused)?;
    let mut reached = Vec::new();
    if !request.plan_only {
        let after = reached::after(&state, &deployment.changes);
        let staying = deployment.services.iter().filter(|it| stays(it));
        let services = staying.filter_map(|it| after.service_named(it.name.as_str()));
        reached.extend(services.map(|it| reached::by(it)));
        manager.commit(deployment.changes).await?;
    }
    Ok(v1::DeployStackResponse {
        services: deployment.services.iter().map(v1::ServicePlan::from).collect(),
        new_files: deployment.new_files.iter().map(ToString::to_string).collect(),
        warnings: deployment.warnings,
        networks: deployment.networks.iter().map(v1::NetworkPlan::from).collect(),
        reached,
    })
}

fn stays(plan: &ServicePlan) -> bool {
    match plan.action {
        PlannedAction::Create { .. } | PlannedAction::Update { .. } | PlannedAction::Keep => true,
        PlannedAction::Remove { .. } | PlannedAction::Orphan => false,
    }
}

pub(super) fn list(state: &State) -> v1::ListStacksResponse {
    let view =
        |it: stacks::StackView| v1::StackView { name: it.name.to_string(), services: it.services };
    v1::ListStacksResponse { stacks: stacks::list(state).into_iter().map(view).collect() }
}
