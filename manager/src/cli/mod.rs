//! The command line of `skep`: one file per noun, what was typed in `args`, what is shown in
//! `render`, and nothing decided here that a manager could decide.

mod args;
mod cluster;
mod error;
mod file;
mod network;
mod node;
mod out;
mod progress;
mod reading;
mod render;
mod seen;
mod service;
mod stack;
mod target;
mod update;
mod volume;

use crate::config::DaemonOptions;
use clap::{Args, Parser, Subcommand};
use common::file::FileKind;
use error::CliError;
use std::path::PathBuf;
use std::process::ExitCode;
use target::Target;

/// Runs containers on a handful of small machines
#[derive(Debug, Parser)]
#[command(name = "skep", version, max_term_width = 100)]
struct Arguments {
    /// The socket of the daemon that is asked; before the command, as services have a --host too
    #[arg(
        long,
        short = 'H',
        env = "SKEP_HOST",
        default_value = "/run/skep/skep.sock",
        value_name = "SOCKET"
    )]
    host: Target,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes a new cluster with this machine as its first manager
    Init(cluster::Init),
    /// Lets this machine join a cluster
    Join(cluster::Join),
    /// Lets this machine leave its cluster
    Leave(cluster::Leave),
    /// Shows how machines join
    JoinToken(cluster::JoinToken),
    /// The machines of the cluster
    #[command(subcommand)]
    Node(node::NodeCommand),
    /// What the cluster runs
    #[command(subcommand)]
    Service(service::ServiceCommand),
    /// What its services reach each other by
    #[command(subcommand)]
    Network(network::NetworkCommand),
    /// What its containers find as files
    #[command(subcommand)]
    Config(file::FileCommand),
    /// The same for what nobody else may know
    #[command(subcommand)]
    Secret(file::FileCommand),
    /// Applications of several services, as compose files describe them
    #[command(subcommand)]
    Stack(stack::StackCommand),
    /// The data that tasks leave on their nodes
    #[command(subcommand)]
    Volume(volume::VolumeCommand),
    /// Runs the daemon in the foreground; systemd starts it on a real machine
    Daemon(Daemon),
    /// Shows the versions of this program and of the daemon
    Version(cluster::Version),
}

#[derive(Debug, Args)]
struct Daemon {
    /// Where it remembers its membership and the cluster
    #[arg(long, default_value = "/var/lib/skep", value_name = "FOLDER")]
    data_dir: PathBuf,
    /// For what need not outlive a reboot
    #[arg(long, default_value = "/run/skep", value_name = "FOLDER")]
    run_dir: PathBuf,
    /// Where it listens for this command line [default: skep.sock in the --run-dir]
    #[arg(long, value_name = "SOCKET")]
    socket: Option<PathBuf>,
    /// Docker Engine
    #[arg(long, default_value = "unix:///var/run/docker.sock", value_name = "SOCKET")]
    docker: String,
    /// How much it says: error, warn, info, debug, trace, or a filter such as info,openraft=warn
    #[arg(long, default_value = "info", value_name = "FILTER")]
    log: String,
}

impl Daemon {
    fn into_options(self) -> DaemonOptions {
        let Daemon { data_dir, run_dir, socket, docker, log } = self;
        let socket = socket.unwrap_or_else(|| run_dir.join("skep.sock"));
        DaemonOptions { data_dir, run_dir, socket, docker, log }
    }
}

/// All of the program. The daemon itself is handed in, so that the command line knows nothing of
/// how it is made.
pub async fn run<D, F>(daemon: D) -> ExitCode
where
    D: FnOnce(DaemonOptions) -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    let arguments: Arguments = match agent::usage::parse() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let result = match arguments.command {
        Command::Daemon(given) => daemon(given.into_options()).await.map_err(CliError::Daemon),
        Command::Init(given) => cluster::init(&arguments.host, given).await,
        Command::Join(given) => cluster::join(&arguments.host, given).await,
        Command::Leave(given) => cluster::leave(&arguments.host, given).await,
        Command::JoinToken(given) => cluster::join_token(&arguments.host, given).await,
        Command::Node(given) => node::run(&arguments.host, given).await,
        Command::Service(given) => Box::pin(service::run(&arguments.host, given)).await,
        Command::Network(given) => network::run(&arguments.host, given).await,
        Command::Config(given) => file::run(&arguments.host, FileKind::Config, given).await,
        Command::Secret(given) => file::run(&arguments.host, FileKind::Secret, given).await,
        Command::Stack(given) => Box::pin(stack::run(&arguments.host, given)).await,
        Command::Volume(given) => volume::run(&arguments.host, given).await,
        Command::Version(given) => cluster::version(&arguments.host, given).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !matches!(error, CliError::OutputClosed) {
                out::error(&error.to_string());
            }
            error.exit_code()
        }
    }
}

/// Of several failures the first is how the command ends; the others are told as they come.
fn keep_first(result: &mut Result<(), CliError>, error: CliError) {
    match result {
        Ok(()) => *result = Err(error),
        Err(_) => out::error(&error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_flags_do_not_contradict_each_other() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn networks() {
        for line in [
            "network create -d overlay --subnet 10.1.0.0/16 --opt encrypted back",
            "network ls -q --filter driver=overlay --format json",
            "network inspect back other",
            "network rm back other",
            "network prune -f",
            "stack rm --timeout 5m shop",
        ] {
            let parsed = Arguments::try_parse_from(["skep"].into_iter().chain(line.split(' ')));
            assert!(parsed.is_ok(), "{line}: {parsed:?}");
        }
    }

    #[test]
    fn scripts_of_swarm_days_are_understood() {
        for (line, is_good) in [
            ("stack deploy -c a.yml --with-registry-auth --resolve-image never shop", true),
            ("stack deploy -c a.yml --with-registry-auth=false --detach=true shop", true),
            ("stack deploy -c a.yml --resolve-image=always -d=0 --timeout 5m shop", true),
            ("stack deploy -c a.yml --resolve-image later shop", false),
            ("service create --detach=false -dq nginx", true),
            ("service update --detach=false web", true),
            ("service scale --detach web=1", true),
            ("service scale --detach=maybe web=1", false),
            ("service rollback --detach=f web", true),
        ] {
            let parsed = Arguments::try_parse_from(["skep"].into_iter().chain(line.split(' ')));
            assert_eq!(parsed.is_ok(), is_good, "{line}: {parsed:?}");
        }
    }

    const GOOD: &[&str] = &[
        "init",
        "init --advertise-addr 10.0.0.1 --availability drain --name a",
        "join --token T 10.0.0.1",
        "leave --force",
        "join-token -q worker",
        "join-token --rotate manager",
        "node ls -q --filter role=worker --format json",
        "node inspect --pretty self",
        "node ps --no-trunc a b",
        "node update --label-add a=b --label-rm c --down-after 10s a",
        "node promote a b",
        "node rm --force a",
        "service create -d -q --name web nginx sh -c x -d",
        "--host /tmp/s service ls",
        "-H /tmp/s service create --host db:10.0.0.7 nginx",
        "service ps --filter desired-state=running web",
        "service inspect --format json web",
        "service scale -d web=3 db=1",
        "service update -d --force --image web:2 web",
        "service rollback --to 3 web",
        "service history --format json web",
        "stack deploy -c a.yml -c - --prune --env-file .env --timeout 5m shop web",
        "stack deploy --compose-file a.yml --strict -d shop",
        "stack plan -c a.yml --format json shop",
        "stack config -c a.yml",
        "stack ls --format json",
        "stack ps shop",
        "stack services -q shop",
        "stack rm shop other",
        "service logs -f -n 10 --since 10m -t --no-task-ids web",
        "service create --secret a --config source=b,target=/b redis",
        "config create --label a=b app.conf /etc/app.conf",
        "config inspect --pretty app.conf",
        "secret create password -",
        "secret ls -q --filter name=p --format json",
        "secret rm a b",
        "volume ls -q --filter node=a --format json",
        "volume rm --node a --force data other",
        "daemon --data-dir /d",
        "volume inspect data",
        "node ps",
        "service rm web",
        "version",
        "version --format json",
    ];

    const BAD: &[&str] = &[
        "",
        "join 10.0.0.1",
        "join --token T http://a",
        "join-token boss",
        "node inspect",
        "node inspect --format table self",
        "node update --availability busy a",
        "service create",
        "service ls --format {{.ID}}",
        "service ls --filter x=y",
        "service create --secret source=a,mode=9 redis",
        "config create app.conf",
        "secret create a/b -",
        "secret ls --filter mode=x",
        "service scale web",
        "service logs --tail some web",
        "--host tcp://10.0.0.1:7373 version",
    ];

    #[test]
    fn what_is_typed_is_taken_or_refused() {
        for line in GOOD {
            let parsed = Arguments::try_parse_from(["skep"].into_iter().chain(line.split(' ')));
            assert!(parsed.is_ok(), "{line}: {parsed:?}");
        }
        for line in BAD {
            let words = ["skep"].into_iter().chain(line.split_whitespace());
            let error = Arguments::try_parse_from(words).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn the_socket_stands_in_the_run_folder() {
        for (line, socket) in [
            ("skep daemon", "/run/skep/skep.sock"),
            ("skep daemon --run-dir /r", "/r/skep.sock"),
            ("skep daemon --run-dir /r --socket /s", "/s"),
        ] {
            let arguments = Arguments::try_parse_from(line.split(' ')).expect(line);
            let Command::Daemon(daemon) = arguments.command else { panic!("{line}") };
            assert_eq!(daemon.into_options().socket, PathBuf::from(socket), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_in_one_line() {
        let cases = [
            (
                "join 10.0.0.1",
                "error: the following required arguments were not provided: --token <TOKEN> \
                 (`skep join --help` tells more)",
            ),
            (
                "service scale web",
                "error: invalid value 'web' for '<SERVICE=REPLICAS>...': SERVICE=REPLICAS is expected, \
                 as in web=3 (`--help` tells more)",
            ),
            (
                "service create --nam web nginx",
                "error: unexpected argument '--nam' found (a similar argument exists: '--name') \
                 (`skep service create --help` tells more)",
            ),
        ];
        for (line, expected) in cases {
            let words = ["skep"].into_iter().chain(line.split_whitespace());
            let command = Arguments::command();
            let error = command.try_get_matches_from(words).expect_err(line);
            assert_eq!(agent::usage::in_one_line(&error).expect(line), expected);
        }
        let help = Arguments::command().try_get_matches_from(["skep", "--help"]);
        assert_eq!(agent::usage::in_one_line(&help.expect_err("it is no command")), None);
    }
}
