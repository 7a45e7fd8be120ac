//! `skep node …`

use super::args::choices::{parse_availability, parse_role};
use super::args::filter::{NodeFilter, TaskFilter};
use super::args::format::{Format, JsonOnly};
use super::args::pairs::parse_label;
use super::error::CliError;
use super::render::{node_json, nodes, tasks};
use super::seen::{SeenNode, all};
use super::service::show_tasks;
use super::target::{Target, accept};
use super::{keep_first, out};
use clap::{Args, Subcommand};
use common::Stamp;
use common::node::{Availability, Role};
use common::time::millis;
use common::units::parse_duration;
use proto::v1;
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub(super) enum NodeCommand {
    /// Lists the nodes
    #[command(alias = "list")]
    Ls(Ls),
    /// Shows all that is known of nodes
    Inspect(Inspect),
    /// Lists the tasks on nodes
    Ps(Ps),
    /// Changes a node
    Update(Update),
    /// Makes workers managers
    Promote(Nodes),
    /// Makes managers workers
    Demote(Nodes),
    /// Removes nodes from the cluster
    #[command(alias = "remove")]
    Rm(Rm),
}

#[derive(Debug, Args)]
pub(super) struct Ls {
    /// IDs alone
    #[arg(long, short)]
    quiet: bool,
    /// Only what fits, as in role=worker; keys: id, name, node.label, label and role
    #[arg(long = "filter", short, value_name = "KEY=VALUE")]
    filters: Vec<NodeFilter>,
    /// table or json
    #[arg(long, default_value = "table")]
    format: Format,
}

#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// For people
    #[arg(long)]
    pretty: bool,
    /// json, which it is anyway
    #[arg(long, conflicts_with = "pretty")]
    format: Option<JsonOnly>,
    /// Names, IDs, beginnings of IDs, or self
    #[arg(value_name = "NODE", required = true)]
    nodes: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Ps {
    #[command(flatten)]
    style: TaskStyle,
    /// Names, IDs, beginnings of IDs, or self
    #[arg(value_name = "NODE", default_value = "self")]
    nodes: Vec<String>,
}

/// How tasks are listed.
#[derive(Debug, Args)]
pub(super) struct TaskStyle {
    /// IDs alone
    #[arg(long, short)]
    pub(super) quiet: bool,
    /// Errors in full
    #[arg(long)]
    pub(super) no_trunc: bool,
    /// Only what fits, as in desired-state=running; keys: id, name, node and desired-state
    #[arg(long = "filter", short, value_name = "KEY=VALUE")]
    pub(super) filters: Vec<TaskFilter>,
    /// table or json
    #[arg(long, default_value = "table")]
    pub(super) format: Format,
}

impl TaskStyle {
    pub(super) fn width(&self) -> tasks::Width {
        if self.no_trunc { tasks::Width::Full } else { tasks::Width::Truncated }
    }
}

#[derive(Debug, Args)]
pub(super) struct Update {
    /// Whether it runs tasks: active, pause (nothing new) or drain (nothing)
    #[arg(long, value_parser = parse_availability)]
    availability: Option<Availability>,
    /// worker or manager
    #[arg(long, value_parser = parse_role)]
    role: Option<Role>,
    /// Adds a label, or changes it
    #[arg(long = "label-add", value_name = "NAME=VALUE", value_parser = parse_label)]
    labels_put: Vec<(String, String)>,
    /// Takes a label away
    #[arg(long = "label-rm", value_name = "NAME")]
    labels_remove: Vec<String>,
    /// How long it may be silent before it counts as down; 0: as all the others
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    down_after: Option<Duration>,
    /// Its name, its ID or the beginning of it, or self
    node: String,
}

#[derive(Debug, Args)]
pub(super) struct Nodes {
    /// Names, IDs, beginnings of IDs, or self
    #[arg(value_name = "NODE", required = true)]
    nodes: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Rm {
    /// Also where it is not down
    #[arg(long, short)]
    force: bool,
    /// Names, IDs or beginnings of IDs
    #[arg(value_name = "NODE", required = true)]
    nodes: Vec<String>,
}

pub(super) async fn run(target: &Target, command: NodeCommand) -> Result<(), CliError> {
    match command {
        NodeCommand::Ls(given) => ls(target, given).await,
        NodeCommand::Inspect(given) => inspect(target, given).await,
        NodeCommand::Ps(given) => ps(target, given).await,
        NodeCommand::Update(given) => update(target, given).await,
        NodeCommand::Promote(given) => set_role(target, given, Role::Manager).await,
        NodeCommand::Demote(given) => set_role(target, given, Role::Worker).await,
        NodeCommand::Rm(given) => rm(target, given).await,
    }
}

async fn find(target: &Target, nodes: Vec<String>) -> Result<(Vec<SeenNode>, Stamp), CliError> {
    let request = v1::ListNodesRequest { nodes };
    let answer = accept(target.control().await?.list_nodes(request).await?);
    Ok((all(answer.nodes)?, answer.now.map(Stamp::from).unwrap_or_default()))
}

async fn ls(target: &Target, given: Ls) -> Result<(), CliError> {
    let (mut found, _) = find(target, Vec::new()).await?;
    found.retain(|it| nodes::matches(it, &given.filters));
    if given.quiet {
        return out::write(&nodes::ids(&found));
    }
    out::write(&nodes::list(&found, given.format))
}

async fn inspect(target: &Target, given: Inspect) -> Result<(), CliError> {
    let (found, now) = find(target, given.nodes).await?;
    if !given.pretty {
        return out::write(&node_json::inspect(&found));
    }
    let pages: Vec<String> = found.iter().map(|it| nodes::pretty(it, now)).collect();
    out::write(&pages.join("\n"))
}

async fn ps(target: &Target, given: Ps) -> Result<(), CliError> {
    let request = v1::ListTasksRequest { nodes: given.nodes, ..Default::default() };
    let answer = accept(target.control().await?.list_tasks(request).await?);
    show_tasks(answer, &given.style)
}

async fn update(target: &Target, given: Update) -> Result<(), CliError> {
    let request = v1::UpdateNodeRequest {
        node: given.node.clone(),
        availability: given.availability.map(|it| v1::Availability::from(it).into()),
        role: given.role.map(|it| v1::Role::from(it).into()),
        labels_put: given.labels_put.into_iter().collect(),
        labels_remove: given.labels_remove,
        down_after_millis: given.down_after.map(millis),
    };
    let answer = accept(target.control().await?.update_node(request).await?);
    answer.warnings.iter().for_each(|it| out::warning(it));
    out::line(&given.node)
}

async fn set_role(target: &Target, given: Nodes, role: Role) -> Result<(), CliError> {
    let mut client = target.control().await?;
    let mut result = Ok(());
    for node in given.nodes {
        match find(target, vec![node.clone()]).await {
            Ok((found, _)) if found.iter().all(|it| it.spec.role == role) => {
                out::line(&nodes::is_already(&node, role))?;
                continue;
            }
            Ok(_) => {}
            Err(error) => {
                keep_first(&mut result, error);
                continue;
            }
        }
        let request = v1::UpdateNodeRequest {
            node: node.clone(),
            role: Some(v1::Role::from(role).into()),
            ..Default::default()
        };
        match client.update_node(request).await {
            Ok(answer) => {
                accept(answer).warnings.iter().for_each(|it| out::warning(it));
                out::line(&nodes::is_now(&node, role))?;
            }
            Err(status) => keep_first(&mut result, status.into()),
        }
    }
    result
}

async fn rm(target: &Target, given: Rm) -> Result<(), CliError> {
    let mut client = target.control().await?;
    let mut result = Ok(());
    for node in given.nodes {
        let request = v1::RemoveNodeRequest { node: node.clone(), force: given.force };
        match client.remove_node(request).await {
            Ok(answer) => {
                accept(answer);
                out::line(&node)?;
            }
            Err(status) => keep_first(&mut result, status.into()),
        }
    }
    result
}
