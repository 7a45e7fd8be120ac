//! What a task may use, and what a node must have for it.

use crate::cli::args::choices::parse_volume_policy;
use crate::cli::args::groups::put;
use clap::Args;
use common::service::TaskSpec;
use common::units::{parse_bytes, parse_cpus};
use common::volume::VolumePolicy;

#[derive(Debug, Args)]
pub(in crate::cli) struct ResourceFlags {
    /// Most processors a task may use, as in 0.5
    #[arg(long, value_name = "CPUS", value_parser = parse_cpus)]
    limit_cpu: Option<u64>,
    /// Most memory a task may use, as in 64m
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    limit_memory: Option<u64>,
    /// Most processes and threads of a task; 0: as many as the node allows
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    limit_pids: Option<u64>,
    /// Processors that a node must have free for a task
    #[arg(long, value_name = "CPUS", value_parser = parse_cpus)]
    reserve_cpu: Option<u64>,
    /// Memory that a node must have free for a task
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    reserve_memory: Option<u64>,
    /// Whether its tasks stay with a volume's data, as in data=strict [default: strict for a
    /// single task, none for several]
    #[arg(long = "volume-policy", value_name = "VOLUME=POLICY", value_parser = parse_volume_policy)]
    volume_policies: Vec<(String, VolumePolicy)>,
}

impl ResourceFlags {
    pub(in crate::cli::args) fn apply(&self, task: &mut TaskSpec) {
        put(&mut task.limits.cpu_nanos, self.limit_cpu.as_ref());
        put(&mut task.limits.memory_bytes, self.limit_memory.as_ref());
        put(&mut task.reservations.cpu_nanos, self.reserve_cpu.as_ref());
        put(&mut task.reservations.memory_bytes, self.reserve_memory.as_ref());
        task.volume_policies.extend(self.volume_policies.iter().cloned());
        if let Some(pids) = self.limit_pids {
            task.pids_max = Some(pids).filter(|it| *it > 0);
        }
    }
}
