//! What runs in a container, and as whom.

use super::{put, put_text};
use crate::cli::args::bad_service::BadService;
use crate::cli::args::shell_words;
use crate::cli::args::values::{BadValue, parse_word};
use clap::Args;
use common::container::{ContainerSpec, PullPolicy};
use common::platform::Platform;
use common::units::parse_duration;
use std::time::Duration;

#[derive(Debug, Args)]
pub(in crate::cli) struct RunFlags {
    /// Replaces the image's entry point
    #[arg(long, value_name = "COMMAND")]
    entrypoint: Option<String>,
    /// Name or number, and group behind a colon
    #[arg(long, short, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// The folder in which the command runs
    #[arg(long, short, value_name = "PATH")]
    workdir: Option<String>,
    /// The containers' host name
    #[arg(long)]
    hostname: Option<String>,
    /// The containers' domain name
    #[arg(long, value_name = "NAME")]
    domainname: Option<String>,
    /// The signal that asks a container to stop
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<String>,
    /// How long a container may take to stop before it is killed [default: 10s]
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = parse_duration,
        allow_hyphen_values = true
    )]
    stop_grace_period: Option<Duration>,
    /// A small init in each container, which reaps orphans and passes signals on
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    init: Option<bool>,
    /// A terminal for each container
    #[arg(
        long,
        short,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    tty: Option<bool>,
    /// The containers' root file system cannot be written
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    read_only: Option<bool>,
    /// Which of the image's platforms to run, as in linux/arm64
    #[arg(long)]
    platform: Option<Platform>,
    /// When nodes ask the registry for the image: always, missing or never [default: missing]
    #[arg(long, value_name = "POLICY", value_parser = parse_pull)]
    pull: Option<PullPolicy>,
}

fn parse_pull(text: &str) -> Result<PullPolicy, BadValue> {
    parse_word(text, PullPolicy::WORDS, "one of always, missing and never")
}

impl RunFlags {
    pub(in crate::cli::args) fn apply(
        &self,
        container: &mut ContainerSpec,
    ) -> Result<(), BadService> {
        if let Some(line) = &self.entrypoint {
            container.entrypoint = words("entrypoint", line)?;
        }
        if let Some(value) =
            self.workdir.clone().filter(|it| !it.is_empty() && !it.starts_with('/'))
        {
            return Err(BadService::RelativePath { flag: "workdir", value });
        }
        put_text(&mut container.workdir, self.workdir.as_ref());
        put_text(&mut container.user, self.user.as_ref());
        put_text(&mut container.hostname, self.hostname.as_ref());
        put_text(&mut container.domain_name, self.domainname.as_ref());
        put_text(&mut container.stop_signal, self.stop_signal.as_ref());
        put(&mut container.stop_grace, self.stop_grace_period.as_ref());
        container.init = self.init.or(container.init);
        put(&mut container.tty, self.tty.as_ref());
        put(&mut container.read_only, self.read_only.as_ref());
        container.platform = self.platform.clone().or(container.platform.take());
        put(&mut container.pull_policy, self.pull.as_ref());
        Ok(())
    }
}

/// An empty line is the image's own again.
pub(in crate::cli::args) fn words(
    flag: &'static str,
    line: &str,
) -> Result<Option<Vec<String>>, BadService> {
    let words = shell_words::split(line).map_err(|problem| BadService::Words { flag, problem })?;
    Ok(Some(words).filter(|it| !it.is_empty()))
}
