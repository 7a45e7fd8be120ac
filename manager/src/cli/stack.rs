//! `skep stack …`

mod deploying;
mod ending;
mod reading;

use super::args::format::Format;
use super::error::CliError;
use super::node::TaskStyle;
use super::out;
use super::render::{services, stacks};
use super::seen::{SeenService, all};
use super::service::show_tasks;
use super::target::{Target, accept};
use clap::{Args, Subcommand, ValueEnum};
use common::Name;
use common::units::parse_duration;
use proto::v1;
use reading::ProjectFlags;
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub(super) enum StackCommand {
    /// Makes a stack what its compose files say, in one change
    #[command(alias = "up")]
    Deploy(Box<deploying::Deploy>),
    /// Shows what a deployment would do, and does nothing
    Plan(Box<deploying::Plan>),
    /// Shows compose files with everything filled in and merged
    Config(Box<Config>),
    /// Lists the stacks
    #[command(alias = "list")]
    Ls(Ls),
    /// Lists the tasks of a stack
    Ps(Ps),
    /// Lists the services of a stack
    Services(Services),
    /// Removes stacks with all their services, configs and secrets; volumes stay
    #[command(aliases = ["remove", "down"])]
    Rm(Rm),
}

#[derive(Debug, Args)]
pub(super) struct Config {
    #[command(flatten)]
    project: ProjectFlags,
    /// yaml or json
    #[arg(long, default_value = "yaml")]
    format: FileFormat,
    /// The stack's name [default: the file's `name`]
    stack: Option<Name>,
    /// Only these services and what they depend on
    services: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FileFormat {
    Yaml,
    Json,
}

#[derive(Debug, Args)]
pub(super) struct Ls {
    /// table or json
    #[arg(long, default_value = "table")]
    format: Format,
}

#[derive(Debug, Args)]
pub(super) struct Ps {
    #[command(flatten)]
    style: TaskStyle,
    /// A stack's name
    stack: Name,
}

#[derive(Debug, Args)]
pub(super) struct Services {
    /// IDs alone
    #[arg(long, short)]
    quiet: bool,
    /// table or json
    #[arg(long, default_value = "table")]
    format: Format,
    /// A stack's name
    stack: Name,
}

#[derive(Debug, Args)]
pub(super) struct Rm {
    #[command(flatten)]
    waiting: super::service::Waiting,
    /// Waits no longer than this, as in 5m
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,
    /// Names of stacks
    #[arg(value_name = "STACK", required = true)]
    stacks: Vec<String>,
}

pub(super) async fn run(target: &Target, command: StackCommand) -> Result<(), CliError> {
    match command {
        StackCommand::Deploy(given) => deploying::deploy(target, *given).await,
        StackCommand::Plan(given) => deploying::plan(target, *given).await,
        StackCommand::Config(given) => config(&given),
        StackCommand::Ls(given) => ls(target, &given).await,
        StackCommand::Ps(given) => ps(target, given).await,
        StackCommand::Services(given) => list_services(target, &given).await,
        StackCommand::Rm(given) => rm(target, given).await,
    }
}

fn config(given: &Config) -> Result<(), CliError> {
    let loaded = reading::load(&given.project, given.stack.as_ref(), &given.services)?;
    out::write(&match given.format {
        FileFormat::Yaml => loaded.render(),
        FileFormat::Json => loaded.render_json(),
    })
}

async fn ls(target: &Target, given: &Ls) -> Result<(), CliError> {
    let answer = accept(target.control().await?.list_stacks(v1::Empty {}).await?);
    out::write(&stacks::list(&answer.stacks, given.format))
}

/// In the order of their names; a stack without any is none.
async fn services_of(target: &Target, stack: &Name) -> Result<Vec<SeenService>, CliError> {
    let request = v1::ListServicesRequest::default();
    let answer = accept(target.control().await?.list_services(request).await?);
    let mut found: Vec<SeenService> = all(answer.services)?;
    found.retain(|it| it.service.spec.stack.as_ref() == Some(stack));
    if found.is_empty() {
        return Err(CliError::Failed(format!(
            "no such stack: {stack} (`skep stack ls` lists them)"
        )));
    }
    Ok(found)
}

async fn ps(target: &Target, given: Ps) -> Result<(), CliError> {
    let found = services_of(target, &given.stack).await?;
    let services = found.iter().map(|it| it.service.id.to_string()).collect();
    let request = v1::ListTasksRequest { services, ..Default::default() };
    let answer = accept(target.control().await?.list_tasks(request).await?);
    show_tasks(answer, &given.style)
}

async fn list_services(target: &Target, given: &Services) -> Result<(), CliError> {
    let found = services_of(target, &given.stack).await?;
    if given.quiet {
        let ids: String = found.iter().map(|it| format!("{}\n", it.service.id)).collect();
        return out::write(&ids);
    }
    out::write(&services::list(&found, given.format))
}

async fn rm(target: &Target, given: Rm) -> Result<(), CliError> {
    given.waiting.check_timeout(given.timeout)?;
    let (mut doomed, mut said) = (Vec::new(), Vec::new());
    for stack in &given.stacks {
        let name =
            stack.parse().map_err(|it: common::name::BadName| CliError::Usage(it.to_string()))?;
        let services = services_of(target, &name).await?;
        said.extend(services.iter().map(|it| format!("service {}", it.service.spec.name)));
        said.extend(deploying::files_of(target, &name).await?);
        doomed.extend(services);
    }
    let request = v1::RemoveStacksRequest { stacks: given.stacks.clone() };
    accept(target.control().await?.remove_stacks(request).await?);
    for what in said {
        out::line(&format!("Removing {what}"))?;
    }
    if given.waiting.detach {
        return Ok(());
    }
    ending::wait(target, &doomed, given.waiting.telling(), given.timeout).await
}
