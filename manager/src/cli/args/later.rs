//! Flags of Docker's that a later version serves. They are known by name, so that a script of
//! Swarm days is told what is missing instead of being obeyed by half.

use clap::Args;

/// A value that is never accepted.
#[derive(Debug, Clone)]
pub(in crate::cli) enum Never {}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} with a later version")]
struct Later(&'static str);

macro_rules! later {
    ($name:ident { $($what:literal: $($flag:ident $(-$short:literal)?)*;)* }) => {
        #[derive(Debug, Args)]
        pub(in crate::cli) struct $name {
            $($(
                #[arg(
                    long,
                    $(short = $short,)?
                    hide = true,
                    value_parser = |_: &str| Err::<Never, Later>(Later($what))
                )]
                $flag: Option<Never>,
            )*)*
        }
    };
}

later! {
    LaterFlags {
        "networks come": endpoint_mode;
        "published ports come": publish -'p';
        "generic resources come": generic_resource;
    }
}

later! {
    LaterUpdateFlags {
        "networks come": endpoint_mode network_add network_rm;
        "published ports come": publish_add publish_rm;
        "secrets come": secret_add secret_rm;
        "configs come": config_add config_rm;
        "generic resources come": generic_resource_add generic_resource_rm;
    }
}
