//! Flags of Docker's that say nothing here. They are known by name, so that a script of Swarm days
//! is told what is missing instead of being obeyed by half, and goes on where nothing is missing.

use super::choices::parse_switch;
use clap::Args;
use clap::builder::PossibleValuesParser;

/// What scripts of Swarm days say to `stack deploy`. Their stacks are deployed all the same.
#[derive(Debug, Args)]
pub(in crate::cli) struct DeployFlags {
    #[arg(
        long,
        hide = true,
        action = clap::ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true",
        value_parser = parse_switch
    )]
    with_registry_auth: bool,
    /// Docker's flag; engines ask for images themselves, and nobody else looks them up
    #[arg(long, hide = true, value_parser = PossibleValuesParser::new(["always", "changed", "never"]))]
    resolve_image: Option<String>,
}

impl DeployFlags {
    /// What somebody may rely on, and should not.
    pub(in crate::cli) fn warning(&self) -> Option<&'static str> {
        self.with_registry_auth.then_some(
            "--with-registry-auth has no effect: registry credentials come with a later version, \
             until then log in on the nodes themselves (docker login)",
        )
    }
}

/// A value that is never accepted.
#[derive(Debug, Clone)]
pub(in crate::cli) enum Never {}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
struct Refusal(&'static str);

macro_rules! never {
    ($name:ident { $($what:literal: $($flag:ident)*;)* }) => {
        #[derive(Debug, Args)]
        pub(in crate::cli) struct $name {
            $($(
                #[arg(
                    long,
                    hide = true,
                    num_args = 0..=1,
                    default_missing_value = "",
                    value_parser = |_: &str| Err::<Never, Refusal>(Refusal($what))
                )]
                $flag: Option<Never>,
            )*)*
            /// Docker's flag; engines ask for images themselves, and nobody else looks them up
            #[arg(long, hide = true)]
            no_resolve_image: bool,
        }
    };
}

never! {
    RefusedFlags {
        "managed service accounts are an affair of Windows, and all nodes run Linux":
            credential_spec;
        "containers are isolated otherwise on Windows alone, and all nodes run Linux": isolation;
        "registry credentials come with a later version: until then log in on the nodes \
         themselves (docker login)": with_registry_auth;
    }
}
