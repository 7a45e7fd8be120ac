//! What Swarm has no flags for and `docker run` has.

use crate::cli::args::groups::put;
use crate::cli::args::values::{BadValue, parse_word};
use clap::Args;
use common::container::{IpcNamespace, Kernel, PidNamespace};
use common::units::parse_bytes;

#[derive(Debug, Args)]
pub(in crate::cli) struct KernelFlags {
    /// All that the node's root may do
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    privileged: Option<bool>,
    /// host: the node's processes are seen
    #[arg(long, value_name = "NAMESPACE", value_parser = parse_pid)]
    pid: Option<PidNamespace>,
    /// Whose shared memory is seen: host, none, private or shareable
    #[arg(long, value_name = "NAMESPACE", value_parser = parse_ipc)]
    ipc: Option<IpcNamespace>,
    /// The size of /dev/shm, as in 64m
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    shm_size: Option<u64>,
    /// How soon the kernel ends it when memory runs out, from -1000 (never) to 1000
    #[arg(
        long,
        value_name = "NUMBER",
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(i64).range(-1000..=1000)
    )]
    oom_score_adj: Option<i64>,
}

fn parse_pid(text: &str) -> Result<PidNamespace, BadValue> {
    parse_word(text, PidNamespace::WORDS, "host, which is all that can be said")
}

fn parse_ipc(text: &str) -> Result<IpcNamespace, BadValue> {
    parse_word(text, IpcNamespace::WORDS, "one of host, none, private and shareable")
}

impl KernelFlags {
    pub(in crate::cli::args) fn apply(&self, kernel: &mut Kernel) {
        put(&mut kernel.privileged, self.privileged.as_ref());
        kernel.pid = self.pid.or(kernel.pid);
        kernel.ipc = self.ipc.or(kernel.ipc);
        if let Some(bytes) = self.shm_size {
            kernel.shm_bytes = Some(bytes).filter(|it| *it > 0);
        }
        kernel.oom_score_adjustment = self.oom_score_adj.or(kernel.oom_score_adjustment);
    }
}
