//! Flags of Docker's that say nothing here. They are known by name, so that a script of Swarm days
//! is told what is missing instead of being obeyed by half, and goes on where nothing is missing.

use clap::Args;

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
