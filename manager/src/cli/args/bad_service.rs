//! Why flags describe no service.

use super::shell_words::BadWords;
use common::image::BadImage;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::cli) enum BadService {
    #[error("--replicas goes with --mode replicated: a global service has one task on every node")]
    ReplicasOfGlobal,
    #[error(
        "--replicas-max-per-node goes with --mode replicated: a global service has one task on \
         every node"
    )]
    MaxPerNodeOfGlobal,
    #[error("--max-concurrent goes with --mode replicated-job")]
    ConcurrentOfOther,
    #[error(transparent)]
    Image(#[from] BadImage),
    #[error("--{flag}: {problem}")]
    Words { flag: &'static str, problem: BadWords },
    #[error("--{flag}: `{value}` is not an absolute path")]
    RelativePath { flag: &'static str, value: String },
    #[error("--no-healthcheck goes with none of the --health-… flags")]
    HealthAndNone,
    #[error(
        "the network `{0}` is each node's own and goes together with no other: leave one of them \
         out (--network-rm {0} takes it away)"
    )]
    NetworkOfNodeAndOthers(&'static str),
    #[error("--mount-add names the target `{0}` twice")]
    MountTwice(String),
}
