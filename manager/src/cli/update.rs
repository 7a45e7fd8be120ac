//! `skep service update`, `rollback` and `history`.

use super::args::format::Format;
use super::args::network::NOT_SERVED_YET;
use super::args::service_update::UpdateFlags;
use super::error::CliError;
use super::file;
use super::out;
use super::progress::wait;
use super::render::history;
use super::render::progress::Reached;
use super::seen::{SeenService, all};
use super::service::Waiting;
use super::target::{Target, accept};
use clap::Args;
use common::service::ServiceSpec;
use common::{ServiceId, Stamp};
use proto::v1;

#[derive(Debug, Args)]
pub(super) struct Update {
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    flags: UpdateFlags,
    /// A name, an ID or the beginning of one
    #[arg(value_name = "SERVICE")]
    service: String,
}

#[derive(Debug, Args)]
pub(super) struct Rollback {
    #[command(flatten)]
    waiting: Waiting,
    /// A version of `service history` [default: the one before]
    #[arg(long, value_name = "VERSION")]
    to: Option<u32>,
    /// A name, an ID or the beginning of one
    #[arg(value_name = "SERVICE")]
    service: String,
}

#[derive(Debug, Args)]
pub(super) struct History {
    /// table or json
    #[arg(long, default_value = "table")]
    format: Format,
    /// A name, an ID or the beginning of one
    #[arg(value_name = "SERVICE")]
    service: String,
}

async fn find(target: &Target, service: String) -> Result<(SeenService, Stamp), CliError> {
    let request = v1::ListServicesRequest { services: vec![service], with_former: true };
    let answer = accept(target.control().await?.list_services(request).await?);
    let found: Vec<SeenService> = all(answer.services)?;
    let now = answer.now.map(Stamp::from).unwrap_or_default();
    let found = found.into_iter().next();
    Ok((found.ok_or_else(|| CliError::Failed("the answer names no service".to_owned()))?, now))
}

pub(super) async fn update(target: &Target, given: Update) -> Result<(), CliError> {
    if given.flags.is_rollback() {
        let Update { waiting, service, .. } = given;
        return rollback(target, Rollback { waiting, to: None, service }).await;
    }
    let (found, _) = find(target, given.service.clone()).await?;
    let service = &found.service;
    let edited = given.flags.spec(&service.spec, &|name| std::env::var(name).ok());
    let mut spec = edited.map_err(|error| CliError::Usage(error.to_string()))?;
    file::grant(target, given.flags.grants.wishes(), &mut spec).await?;
    let request = v1::UpdateServiceRequest {
        id: service.id.0,
        version: service.version.0,
        spec: Some(v1::ServiceSpec::from(&spec)),
    };
    let answer = accept(target.control().await?.update_service(request).await?);
    answer.warnings.iter().for_each(|it| out::warning(it));
    if given.flags.asks_for_networks() {
        out::warning(NOT_SERVED_YET);
    }
    out::line(&given.service)?;
    if given.waiting.detach {
        return Ok(());
    }
    // Of an update that is under way already, a wish for more or fewer tasks says nothing.
    let same_mode = ServiceSpec { mode: service.spec.mode, ..spec.clone() };
    let is_scaled_only = spec != service.spec && same_mode == service.spec;
    let reached = answer.reached.filter(|_| !is_scaled_only).map(Reached::from);
    wait(target, service.id, reached, given.waiting.telling()).await
}

pub(super) async fn rollback(target: &Target, given: Rollback) -> Result<(), CliError> {
    let request = v1::RollBackServiceRequest { service: given.service.clone(), to: given.to };
    let answer = accept(target.control().await?.roll_back_service(request).await?);
    out::line(&format!("{} goes back to version {}", given.service, answer.to))?;
    if given.waiting.detach {
        return Ok(());
    }
    let reached = answer.reached.map(Reached::from);
    wait(target, ServiceId(answer.id), reached, given.waiting.telling()).await
}

pub(super) async fn history(target: &Target, given: History) -> Result<(), CliError> {
    let (found, now) = find(target, given.service).await?;
    out::write(&history::list(&found.service, now, given.format))
}
