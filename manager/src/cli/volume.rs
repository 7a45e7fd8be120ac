//! `skep volume …`: which node has which data.

use super::args::filter::VolumeFilter;
use super::args::format::{Format, JsonOnly};
use super::error::CliError;
use super::out;
use super::progress::LOOK_PERIOD;
use super::render::volumes;
use super::seen::all;
use super::seen::volume::{SeenHolder, SeenVolume};
use super::target::{Target, accept};
use clap::{Args, Subcommand};
use proto::v1;
use std::time::Duration;
use tokio::time::Instant;

/// For so long the nodes are waited for.
const REMOVAL_LIMIT: Duration = Duration::from_secs(10);

#[derive(Debug, Subcommand)]
pub(super) enum VolumeCommand {
    /// Lists the named volumes of tasks, and the nodes that have them
    #[command(alias = "list")]
    Ls(Ls),
    /// Shows all there is to know
    Inspect(Inspect),
    /// Removes volumes that no service mounts, with all that is in them
    #[command(alias = "remove")]
    Rm(Rm),
}

#[derive(Debug, Args)]
pub(super) struct Ls {
    /// Names alone
    #[arg(long, short)]
    quiet: bool,
    /// Only what fits, as in node=rasp11; keys: name, driver, label, node and service
    #[arg(long = "filter", short, value_name = "KEY=VALUE")]
    filters: Vec<VolumeFilter>,
    /// table or json
    #[arg(long, default_value = "table")]
    format: Format,
}

#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// json, which it is anyway
    #[arg(long, short)]
    format: Option<JsonOnly>,
    #[arg(value_name = "VOLUME", required = true)]
    names: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Rm {
    /// Only what this node has
    #[arg(long = "node", value_name = "NODE")]
    nodes: Vec<String>,
    /// Does not wait until the nodes have removed it
    #[arg(long, short)]
    detach: bool,
    /// Forgets it without asking the nodes, for one that is lost: the next task begins anew
    #[arg(long, short)]
    force: bool,
    #[arg(value_name = "VOLUME", required = true)]
    names: Vec<String>,
}

pub(super) async fn run(target: &Target, command: VolumeCommand) -> Result<(), CliError> {
    match command {
        VolumeCommand::Ls(given) => ls(target, given).await,
        VolumeCommand::Inspect(given) => inspect(target, given).await,
        VolumeCommand::Rm(given) => rm(target, given).await,
    }
}

async fn find(target: &Target, names: Vec<String>) -> Result<Vec<SeenVolume>, CliError> {
    let request = v1::ListVolumesRequest { volumes: names };
    let answer = accept(target.control().await?.list_volumes(request).await?);
    Ok(all(answer.volumes)?)
}

async fn ls(target: &Target, given: Ls) -> Result<(), CliError> {
    let mut found = find(target, Vec::new()).await?;
    found.retain(|it| volumes::matches(it, &given.filters));
    if given.quiet {
        let names: String = found.iter().map(|it| format!("{}\n", it.name)).collect();
        return out::write(&names);
    }
    out::write(&volumes::list(&found, given.format))
}

async fn inspect(target: &Target, given: Inspect) -> Result<(), CliError> {
    out::write(&volumes::inspect(&find(target, given.names).await?))
}

async fn rm(target: &Target, given: Rm) -> Result<(), CliError> {
    let Rm { nodes, detach, force, names } = given;
    let request = v1::RemoveVolumesRequest { volumes: names.clone(), nodes, force };
    accept(target.control().await?.remove_volumes(request).await?);
    if !detach && !force {
        wait(target, &names).await?;
    }
    names.iter().try_for_each(|it| out::line(it))
}

/// Says after a while who has not removed it yet: that is no failure, for it will be.
async fn wait(target: &Target, names: &[String]) -> Result<(), CliError> {
    let deadline = Instant::now() + REMOVAL_LIMIT;
    loop {
        let known = find(target, Vec::new()).await?;
        let asked = known.iter().filter(|it| names.contains(&it.name));
        let left: Vec<(&SeenVolume, &SeenHolder)> = asked
            .flat_map(|volume| volume.holders.iter().map(move |it| (volume, it)))
            .filter(|(_, it)| it.is_leaving())
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        let waits_in_vain = left.iter().all(|(_, it)| it.node_is_down);
        if waits_in_vain || Instant::now() >= deadline {
            left.iter().for_each(|(volume, it)| out::note(&volumes::still_there(volume, it)));
            return Ok(());
        }
        tokio::time::sleep(LOOK_PERIOD).await;
    }
}
