//! `skep-agent`: a worker without Raft, for the smallest boards.

use agent::manager_part::{Founded, Founding, Log, ManagerPart, Seated};
use agent::node::NodeOptions;
use clap::{Parser, Subcommand};
use common::node::NodeKind;
use proto::v1;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(name = "skep-agent", version, about = "A worker of a skep cluster", max_term_width = 100)]
struct Arguments {
    /// The daemon's socket
    #[arg(long, global = true, env = "SKEP_HOST", default_value = "/run/skep/skep.sock")]
    host: String,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Runs the worker; started by systemd on a real machine
    Run {
        /// Where it remembers its membership
        #[arg(long, default_value = "/var/lib/skep")]
        data_dir: PathBuf,
        /// For what need not outlive a reboot
        #[arg(long, default_value = "/run/skep")]
        run_dir: PathBuf,
        /// Docker Engine
        #[arg(long, default_value = "unix:///var/run/docker.sock")]
        docker: String,
    },
    /// Lets this machine join a cluster
    Join {
        /// Printed by `skep join-token worker` on a manager
        #[arg(long, value_parser = well_formed)]
        token: String,
        /// The address by which others reach this machine
        #[arg(long, default_value = "")]
        advertise_addr: String,
        /// The node's name; the host name where none is given
        #[arg(long, default_value = "")]
        name: String,
        /// A manager, as HOST or HOST:PORT
        manager: String,
    },
    /// Lets this machine leave its cluster
    Leave {
        #[arg(long)]
        force: bool,
    },
}

fn main() -> ExitCode {
    if let Some(code) = agent::fence::run_if_asked() {
        return code;
    }
    let arguments: Arguments = match agent::usage::parse() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let result = match shell::threads::runtime() {
        Ok(runtime) => runtime.block_on(run(arguments)),
        Err(error) => Err(anyhow::Error::new(error).context("no threads can be started")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing can be done where standard error is closed.
            drop(writeln!(std::io::stderr(), "error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Nonsense is wrong usage, whatever the cluster would say of it.
fn well_formed(token: &str) -> Result<String, common::token::BadToken> {
    token.parse::<common::token::JoinToken>().map(|_| token.to_owned())
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let socket = PathBuf::from(arguments.host.trim_start_matches("unix://"));
    match arguments.verb {
        Verb::Run { data_dir, run_dir, docker } => {
            shell::telemetry::init("info");
            let world = agent::daemon::world(docker, run_dir.clone());
            let options = NodeOptions { data_dir, run_dir };
            let serve = agent::daemon::worker_socket;
            agent::daemon::run(options, world, &socket, NoManager, serve).await
        }
        Verb::Join { token, advertise_addr, name, manager } => {
            let mut client = local(&socket).await?;
            let request = v1::LocalJoinRequest {
                token,
                manager,
                advertise_addr,
                name,
                ..v1::LocalJoinRequest::default()
            };
            let joined = client.join(request).await.map_err(refused)?.into_inner();
            say(&format!("This node joined the cluster as a worker named {}.", joined.name))
        }
        Verb::Leave { force } => {
            local(&socket).await?.leave(v1::LeaveRequest { force }).await.map_err(refused)?;
            say("This node left the cluster.")
        }
    }
}

type Local = v1::local_client::LocalClient<tonic::transport::Channel>;

async fn local(socket: &std::path::Path) -> anyhow::Result<Local> {
    Ok(Local::new(shell::net::connect_local(socket).await?))
}

fn refused(status: tonic::Status) -> anyhow::Error {
    anyhow::anyhow!("{}", status.message())
}

fn say(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

/// The part of a manager that `skep-agent` has not got.
#[derive(Debug)]
struct NoManager;

const NOT_HERE: &str = "skep-agent is a worker for good: install `skep` for a manager";

impl ManagerPart for NoManager {
    fn kind(&self) -> NodeKind {
        NodeKind::AgentOnly
    }

    async fn found(&mut self, _founding: Founding) -> Result<Founded, String> {
        Err(NOT_HERE.to_owned())
    }

    async fn check(&self, _listen: SocketAddr) -> Result<(), String> {
        Ok(())
    }

    async fn start(
        &mut self,
        _member: &agent::member::MemberRecord,
        _credentials: &shell::tls::Credentials,
        _log: Log,
    ) -> Result<(), String> {
        Err(NOT_HERE.to_owned())
    }

    async fn stop(&mut self, _log: Log) {}

    fn seated(&self, _seat: Seated) {}

    async fn resign(&self) -> Result<(), String> {
        Ok(())
    }

    async fn part(&self) {}

    fn is_needed(&self) -> Option<String> {
        None
    }
}
