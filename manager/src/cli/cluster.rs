//! `skep init`, `join`, `leave`, `join-token` and `version`: this machine and its cluster.

use super::args::address::parse_manager;
use super::args::choices::{parse_availability, parse_role};
use super::args::format::Format;
use super::error::CliError;
use super::out;
use super::render::cluster as render;
use super::target::{Target, accept};
use clap::Args;
use common::node::{Availability, Role};
use common::{Name, NodeId};
use proto::convert::Malformed;
use proto::v1;

/// How this machine takes part.
#[derive(Debug, Args)]
struct Membership {
    /// The address by which others reach this machine, as IP or IP:PORT [default: found out]
    #[arg(long, value_name = "ADDRESS", default_value = "", hide_default_value = true)]
    advertise_addr: String,
    /// Where it listens as a manager [default: the port of the advertised address, everywhere]
    #[arg(long, value_name = "ADDRESS", default_value = "", hide_default_value = true)]
    listen_addr: String,
    /// Whether it runs tasks: active, pause or drain
    #[arg(long, default_value = "active", value_parser = parse_availability)]
    availability: Availability,
    /// Its name in the cluster [default: the host name]
    #[arg(long)]
    name: Option<Name>,
}

#[derive(Debug, Args)]
pub(super) struct Init {
    #[command(flatten)]
    membership: Membership,
}

#[derive(Debug, Args)]
pub(super) struct Join {
    /// Printed by `skep join-token worker` or `skep join-token manager` on a manager
    #[arg(long)]
    token: String,
    #[command(flatten)]
    membership: Membership,
    /// A manager of the cluster; the port is 7373 where none is given
    #[arg(value_name = "HOST:PORT", value_parser = parse_manager)]
    manager: String,
}

#[derive(Debug, Args)]
pub(super) struct Leave {
    /// Also where the cluster loses by it, as with a manager
    #[arg(long, short)]
    force: bool,
}

#[derive(Debug, Args)]
pub(super) struct JoinToken {
    /// The token alone
    #[arg(long, short)]
    quiet: bool,
    /// Makes a new token; the old one is void from then on
    #[arg(long)]
    rotate: bool,
    /// What a machine becomes by it: worker or manager
    #[arg(value_parser = parse_role)]
    role: Role,
}

#[derive(Debug, Args)]
pub(super) struct Version {
    /// table or json
    #[arg(long, short, default_value = "table")]
    format: Format,
}

/// None: the host name.
fn name(given: Option<Name>) -> String {
    given.map_or_else(String::new, |it| it.to_string())
}

pub(super) async fn init(target: &Target, given: Init) -> Result<(), CliError> {
    let membership = given.membership;
    let request = v1::InitRequest {
        advertise_addr: membership.advertise_addr,
        listen_addr: membership.listen_addr,
        name: name(membership.name),
        availability: v1::Availability::from(membership.availability).into(),
    };
    let answer = accept(target.local().await?.init(request).await?);
    let node = NodeId(answer.node).to_string();
    out::write(&render::initialized(&node, &answer.worker_token, &answer.address))
}

pub(super) async fn join(target: &Target, given: Join) -> Result<(), CliError> {
    let membership = given.membership;
    let request = v1::LocalJoinRequest {
        token: given.token,
        manager: given.manager,
        advertise_addr: membership.advertise_addr,
        listen_addr: membership.listen_addr,
        name: name(membership.name),
        availability: v1::Availability::from(membership.availability).into(),
    };
    let answer = accept(target.local().await?.join(request).await?);
    let role = Role::try_from(answer.role()).map_err(|error: Malformed| error)?;
    out::write(&render::joined(role, &answer.name))
}

pub(super) async fn leave(target: &Target, given: Leave) -> Result<(), CliError> {
    let request = v1::LeaveRequest { force: given.force };
    accept(target.local().await?.leave(request).await?);
    out::line("Node left the cluster.")
}

pub(super) async fn join_token(target: &Target, given: JoinToken) -> Result<(), CliError> {
    let role = v1::Role::from(given.role).into();
    let request = v1::GetJoinTokenRequest { role, rotate: given.rotate };
    let answer = accept(target.control().await?.get_join_token(request).await?);
    if given.quiet {
        return out::line(&answer.token);
    }
    if given.rotate {
        out::write(&render::rotated(given.role))?;
    }
    out::write(&render::how_to_join(given.role, &answer.token, &answer.address))
}

/// Of this program, and of the daemon where it answers: after an upgrade they may differ.
pub(super) async fn version(target: &Target, given: Version) -> Result<(), CliError> {
    let daemon = match target.local().await {
        Ok(mut local) => local.status(v1::Empty {}).await.map_err(CliError::from),
        Err(error) => Err(error),
    };
    let daemon = match daemon {
        Ok(answer) => Some(accept(answer).program_version),
        Err(error) => {
            out::warning(&error.to_string());
            None
        }
    };
    out::write(&render::versions(env!("CARGO_PKG_VERSION"), daemon.as_deref(), given.format))
}
