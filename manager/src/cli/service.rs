//! `skep service …`

use super::args::choices::parse_switch;
use super::args::filter::ServiceFilter;
use super::args::format::{Format, JsonOnly};
use super::args::moment::Moment;
use super::args::network::NOT_SERVED_YET;
use super::args::pairs::{EnvWish, parse_env_file};
use super::args::scale::Scale;
use super::args::service::{CreateFlags, Surroundings};
use super::error::CliError;
use super::file;
use super::node::TaskStyle;
use super::out;
use super::progress::{Telling, wait};
use super::reading;
use super::render::logs::LineStyle;
use super::render::progress::Reached;
use super::render::{service_json, service_page, services, tasks};
use super::seen::{SeenService, SeenTask, all};
use super::target::{Target, accept};
use super::update::{self, History, Rollback, Update};
use clap::{ArgAction, Args, Subcommand};
use common::{ServiceId, Stamp};
use proto::v1;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub(super) enum ServiceCommand {
    /// Makes a service
    Create(Box<Create>),
    /// Lists the services
    #[command(alias = "list")]
    Ls(Ls),
    /// Lists the tasks of services, those before them too
    Ps(Ps),
    /// Shows all that is known of services
    Inspect(Inspect),
    /// Changes a service, and replaces its tasks where that is needed
    Update(Box<Update>),
    /// Takes a service back to what it was
    Rollback(Rollback),
    /// Lists what a service was before
    History(History),
    /// Changes how many tasks services have
    Scale(ScaleServices),
    /// Removes services
    #[command(alias = "remove")]
    Rm(Rm),
    /// Shows what the tasks of a service have written
    Logs(Logs),
}

/// Whether to wait until it is done, and how loudly.
#[derive(Debug, Args)]
pub(super) struct Waiting {
    /// Comes back as soon as the wish is kept, instead of when it is met
    #[arg(
        long,
        short,
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        value_name = "true|false",
        default_value = "false",
        default_missing_value = "true",
        hide_default_value = true,
        overrides_with = "detach",
        value_parser = parse_switch
    )]
    pub(super) detach: bool,
    /// No progress is shown
    #[arg(long, short)]
    quiet: bool,
}

impl Waiting {
    pub(super) fn telling(&self) -> Telling {
        if self.quiet { Telling::Nothing } else { Telling::Progress }
    }

    /// Both cannot be meant.
    pub(super) fn check_timeout(&self, timeout: Option<Duration>) -> Result<(), CliError> {
        if self.detach && timeout.is_some() {
            return Err(CliError::Usage(
                "--detach does not wait, and --timeout says how long to: leave one of them out"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

#[derive(Debug, Args)]
pub(super) struct Create {
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    flags: CreateFlags,
}

#[derive(Debug, Args)]
pub(super) struct Ls {
    /// IDs alone
    #[arg(long, short)]
    quiet: bool,
    /// Only what fits, as in mode=global; keys: id, name, label and mode
    #[arg(long = "filter", short, value_name = "KEY=VALUE")]
    filters: Vec<ServiceFilter>,
    /// table or json
    #[arg(long, default_value = "table")]
    format: Format,
}

#[derive(Debug, Args)]
pub(super) struct Ps {
    #[command(flatten)]
    style: TaskStyle,
    /// Names, IDs or beginnings of IDs
    #[arg(value_name = "SERVICE", required = true)]
    services: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// For people
    #[arg(long)]
    pretty: bool,
    /// json, which it is anyway
    #[arg(long, conflicts_with = "pretty")]
    format: Option<JsonOnly>,
    /// Names, IDs or beginnings of IDs
    #[arg(value_name = "SERVICE", required = true)]
    services: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct ScaleServices {
    #[command(flatten)]
    waiting: Waiting,
    /// A service and how many tasks it should have
    #[arg(value_name = "SERVICE=REPLICAS", required = true)]
    scales: Vec<Scale>,
}

#[derive(Debug, Args)]
pub(super) struct Rm {
    /// Names, IDs or beginnings of IDs
    #[arg(value_name = "SERVICE", required = true)]
    services: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Logs {
    /// Goes on with what is written from now on
    #[arg(long, short)]
    follow: bool,
    /// So many lines from the end of each task's log, or all
    #[arg(
        long,
        short = 'n',
        value_name = "LINES",
        default_value = "all",
        allow_negative_numbers = true,
        value_parser = parse_tail
    )]
    tail: Tail,
    /// What was written after, as in 10m (ago) or 2026-03-01T12:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// What was written before
    #[arg(long, value_name = "TIME", conflicts_with = "follow")]
    until: Option<Moment>,
    /// When each line was written
    #[arg(long, short)]
    timestamps: bool,
    /// Names of tasks without their IDs
    #[arg(long)]
    no_task_ids: bool,
    /// The lines alone
    #[arg(long)]
    raw: bool,
    /// table (the lines) or json (an object for each)
    #[arg(long, default_value = "table")]
    format: Format,
    /// Docker's flag; IDs are never cut short here
    #[arg(long, hide = true)]
    no_trunc: bool,
    /// A service's name or ID, or a task's ID
    #[arg(value_name = "SERVICE|TASK")]
    target: String,
}

#[derive(Debug, Clone, Copy)]
struct Tail(Option<u32>);

fn parse_tail(text: &str) -> Result<Tail, &'static str> {
    match (text, text.parse()) {
        ("all", _) => Ok(Tail(None)),
        (_, Ok(lines)) => Ok(Tail(Some(lines))),
        (_, Err(_)) => Err("a number of lines or `all` is expected"),
    }
}

pub(super) async fn run(target: &Target, command: ServiceCommand) -> Result<(), CliError> {
    match command {
        ServiceCommand::Create(given) => create(target, *given).await,
        ServiceCommand::Ls(given) => ls(target, given).await,
        ServiceCommand::Ps(given) => ps(target, given).await,
        ServiceCommand::Inspect(given) => inspect(target, given).await,
        ServiceCommand::Update(given) => update::update(target, *given).await,
        ServiceCommand::Rollback(given) => update::rollback(target, given).await,
        ServiceCommand::History(given) => update::history(target, given).await,
        ServiceCommand::Scale(given) => scale(target, given).await,
        ServiceCommand::Rm(given) => rm(target, given).await,
        ServiceCommand::Logs(given) => follow_logs(target, given).await,
    }
}

async fn create(target: &Target, given: Create) -> Result<(), CliError> {
    let env_files = read_env_files(given.flags.env_files())?;
    let around = Surroundings {
        env_files: &env_files,
        variable: &|name| std::env::var(name).ok(),
        random: shell::clock::seed(),
    };
    let spec = given.flags.spec(&around);
    let mut spec = spec.map_err(|error| CliError::Usage(error.to_string()))?;
    file::grant(target, given.flags.grants.wishes(), &mut spec).await?;
    let request = v1::CreateServiceRequest { spec: Some(v1::ServiceSpec::from(&spec)) };
    let answer = accept(target.control().await?.create_service(request).await?);
    answer.warnings.iter().for_each(|it| out::warning(it));
    if !spec.ports.is_empty() || !spec.task.networks.is_empty() {
        out::warning(NOT_SERVED_YET);
    }
    let id = ServiceId(answer.id);
    out::line(&id.to_string())?;
    if given.waiting.detach {
        return Ok(());
    }
    wait(target, id, Some(Reached::CREATED), given.waiting.telling()).await
}

fn read_env_files(paths: &[PathBuf]) -> Result<Vec<EnvWish>, CliError> {
    let mut wishes = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(path)
            .map_err(|source| CliError::Unreadable { path: path.clone(), source })?;
        let read = parse_env_file(&text);
        wishes.extend(read.map_err(|it| CliError::Usage(format!("{}: {it}", path.display())))?);
    }
    Ok(wishes)
}

async fn find(
    target: &Target,
    request: v1::ListServicesRequest,
) -> Result<Vec<SeenService>, CliError> {
    let answer = accept(target.control().await?.list_services(request).await?);
    Ok(all(answer.services)?)
}

async fn ls(target: &Target, given: Ls) -> Result<(), CliError> {
    let mut found = find(target, v1::ListServicesRequest::default()).await?;
    found.retain(|it| services::matches(it, &given.filters));
    if given.quiet {
        let ids: String = found.iter().map(|it| format!("{}\n", it.service.id)).collect();
        return out::write(&ids);
    }
    out::write(&services::list(&found, given.format))
}

async fn ps(target: &Target, given: Ps) -> Result<(), CliError> {
    let request = v1::ListTasksRequest { services: given.services, ..Default::default() };
    let answer = accept(target.control().await?.list_tasks(request).await?);
    show_tasks(answer, &given.style)
}

pub(super) fn show_tasks(answer: v1::ListTasksResponse, style: &TaskStyle) -> Result<(), CliError> {
    let mut found: Vec<SeenTask> = tasks::in_order(all(answer.tasks)?);
    found.retain(|it| tasks::matches(it, &style.filters));
    if style.quiet {
        return out::write(&tasks::ids(&found));
    }
    let now = answer.now.map(Stamp::from).unwrap_or_default();
    out::write(&tasks::list(&found, now, style.format, style.width()))
}

async fn inspect(target: &Target, given: Inspect) -> Result<(), CliError> {
    let request = v1::ListServicesRequest { services: given.services, with_former: true };
    let found = find(target, request).await?;
    if !given.pretty {
        return out::write(&service_json::inspect(&found));
    }
    let pages: Vec<String> = found.iter().map(service_page::pretty).collect();
    out::write(&pages.join("\n"))
}

async fn scale(target: &Target, given: ScaleServices) -> Result<(), CliError> {
    let scales = given.scales.iter().map(|it| v1::scale_services_request::Scale {
        service: it.service.clone(),
        replicas: it.replicas,
    });
    let request = v1::ScaleServicesRequest { scales: scales.collect() };
    let answer = accept(target.control().await?.scale_services(request).await?);
    for Scale { service, replicas } in &given.scales {
        out::line(&format!("{service} scaled to {replicas}"))?;
    }
    if !given.waiting.detach {
        for id in answer.ids {
            wait(target, ServiceId(id), None, given.waiting.telling()).await?;
        }
    }
    Ok(())
}

async fn rm(target: &Target, given: Rm) -> Result<(), CliError> {
    let request = v1::RemoveServicesRequest { services: given.services.clone() };
    accept(target.control().await?.remove_services(request).await?);
    given.services.iter().try_for_each(|it| out::line(it))
}

async fn follow_logs(target: &Target, given: Logs) -> Result<(), CliError> {
    let now = shell::clock::wall();
    let seconds = |moment: Option<Moment>| moment.map_or(0, |it| it.seconds(now));
    let request = v1::ServiceLogsRequest {
        targets: vec![given.target],
        follow: given.follow,
        tail: given.tail.0,
        since_seconds: seconds(given.since),
        until_seconds: seconds(given.until),
        seen: Vec::new(),
    };
    let style = LineStyle {
        is_raw: given.raw,
        has_timestamps: given.timestamps,
        has_task_ids: !given.no_task_ids,
    };
    reading::read(target, request, (given.format, style)).await
}
