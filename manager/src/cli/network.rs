//! `skep network …`

use super::args::filter::NetworkFilter;
use super::args::format::{Format, JsonOnly};
use super::args::network::{CreateNetwork, NOT_SERVED_YET};
use super::error::CliError;
use super::out;
use super::render::networks;
use super::seen::{SeenNetwork, all};
use super::target::{Target, accept};
use clap::{Args, Subcommand};
use common::NetworkId;
use proto::v1;
use std::io::{IsTerminal, stdin};

#[derive(Debug, Subcommand)]
pub(super) enum NetworkCommand {
    /// Makes one that services may be on
    Create(Box<CreateNetwork>),
    /// Lists them
    #[command(alias = "list")]
    Ls(Ls),
    /// Shows all that is known of networks
    Inspect(Inspect),
    /// Removes those that no service uses
    #[command(alias = "remove")]
    Rm(Rm),
    /// Removes all that no service uses
    Prune(Prune),
}

#[derive(Debug, Args)]
pub(super) struct Ls {
    /// IDs alone
    #[arg(long, short)]
    quiet: bool,
    /// Only what fits, as in name=back; keys: id, name, label, driver and scope
    #[arg(long = "filter", short, value_name = "KEY=VALUE")]
    filters: Vec<NetworkFilter>,
    /// table or json
    #[arg(long, default_value = "table")]
    format: Format,
    /// Docker's flag; IDs are never cut short here
    #[arg(long, hide = true)]
    no_trunc: bool,
}

#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// json, which it is anyway
    #[arg(long, short)]
    format: Option<JsonOnly>,
    /// Docker's flag; all is shown anyway
    #[arg(long, short, hide = true)]
    verbose: bool,
    /// Names, IDs or beginnings of IDs
    #[arg(value_name = "NETWORK", required = true)]
    networks: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Rm {
    /// Names, IDs or beginnings of IDs
    #[arg(value_name = "NETWORK", required = true)]
    networks: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Prune {
    /// Does not ask first
    #[arg(long, short)]
    force: bool,
}

pub(super) async fn run(target: &Target, command: NetworkCommand) -> Result<(), CliError> {
    match command {
        NetworkCommand::Create(given) => create(target, *given).await,
        NetworkCommand::Ls(given) => ls(target, given).await,
        NetworkCommand::Inspect(given) => inspect(target, given).await,
        NetworkCommand::Rm(given) => rm(target, given).await,
        NetworkCommand::Prune(given) => prune(target, &given).await,
    }
}

async fn create(target: &Target, given: CreateNetwork) -> Result<(), CliError> {
    let spec = given.spec().map_err(|it| CliError::Usage(it.to_string()))?;
    let request = v1::CreateNetworkRequest { spec: Some(v1::NetworkSpec::from(&spec)) };
    let answer = accept(target.control().await?.create_network(request).await?);
    out::warning(NOT_SERVED_YET);
    out::line(&NetworkId(answer.id).to_string())
}

async fn find(target: &Target, networks: Vec<String>) -> Result<Vec<SeenNetwork>, CliError> {
    let request = v1::ListNetworksRequest { networks };
    let answer = accept(target.control().await?.list_networks(request).await?);
    Ok(all(answer.networks)?)
}

async fn ls(target: &Target, given: Ls) -> Result<(), CliError> {
    let mut found = find(target, Vec::new()).await?;
    found.retain(|it| networks::matches(it, &given.filters));
    if given.quiet {
        let ids: String = found.iter().map(|it| format!("{}\n", it.network.id)).collect();
        return out::write(&ids);
    }
    out::write(&networks::list(&found, given.format))
}

async fn inspect(target: &Target, given: Inspect) -> Result<(), CliError> {
    out::write(&networks::inspect(&find(target, given.networks).await?))
}

async fn rm(target: &Target, given: Rm) -> Result<(), CliError> {
    let request = v1::RemoveNetworksRequest { networks: given.networks.clone() };
    accept(target.control().await?.remove_networks(request).await?);
    given.networks.iter().try_for_each(|it| out::line(it))
}

async fn prune(target: &Target, given: &Prune) -> Result<(), CliError> {
    if !given.force && !is_meant()? {
        return Ok(());
    }
    let answer = accept(target.control().await?.prune_networks(v1::Empty {}).await?);
    answer.networks.iter().try_for_each(|it| out::line(it))
}

fn is_meant() -> Result<bool, CliError> {
    if !stdin().is_terminal() {
        return Err(CliError::Usage("nobody is there to be asked: say --force".to_owned()));
    }
    out::write("All networks that no service uses will be removed. Go on? [y/N] ")?;
    let mut answer = String::new();
    let read = stdin().read_line(&mut answer);
    read.map_err(|it| CliError::Failed(format!("the answer cannot be read: {it}")))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
