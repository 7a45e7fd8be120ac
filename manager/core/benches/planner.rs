//! How fast the planner places tasks, and what it takes of memory: `cargo bench -p manager-core`.

use common::container::ContainerSpec;
use common::node::{Node, NodeKind, NodeSpec, NodeState, Role};
use common::resources::Resources;
use common::service::{Mode, ServiceSpec, TaskSpec};
use common::{IdGen, NodeId, Stamp, Timestamp, Version, WallTime};
use manager_core::change::{Batch, Change, Unity};
use manager_core::draft::Draft;
use manager_core::planner::Planner;
use manager_core::soft::Soft;
use manager_core::state::State;
use std::io::Write;
use std::time::Instant;

const RUNS: usize = 5;

fn main() {
    let mut out = std::io::stdout().lock();
    for (tasks, nodes, services) in [(100_000, 1_000, 100), (1_000_000, 10_000, 1_000)] {
        let mut per_second: Vec<u64> = (0..RUNS).map(|_| run(tasks, nodes, services)).collect();
        per_second.sort_unstable();
        let line = format!(
            "{tasks} tasks on {nodes} nodes: {} placements/s (median of {RUNS}; {} to {}), \
             {} MiB resident at most so far",
            per_second[RUNS / 2],
            per_second[0],
            per_second[RUNS - 1],
            peak_mib(),
        );
        writeln!(out, "{line}").expect("standard output is open");
    }
}

fn run(tasks: u32, nodes: u64, services: u32) -> u64 {
    let mut ids = IdGen::from_seed(1);
    let mut changes: Vec<Change> = (1..=nodes).map(node).collect();
    for number in 0..services {
        changes.push(service(number, tasks / services, &mut ids));
    }
    let stamp = Stamp { at: Timestamp(1_000), wall: WallTime(1_000) };
    let mut state = State::default();
    let batch = Batch { stamp, unity: Unity::EachAlone, changes };
    let applied = state.apply(Version(1), &batch);
    let mut planner = Planner::new(usize::MAX);
    for event in applied.events {
        planner.on_event(&state, event);
    }
    let soft = Soft::default();
    #[expect(clippy::disallowed_methods, reason = "a bench measures time")]
    let begin = Instant::now();
    let plan = planner.plan(Draft::new(&state, &soft, stamp, &mut ids));
    let seconds = begin.elapsed().as_secs_f64();
    let placed = plan
        .changes
        .iter()
        .filter(|it| matches!(it, Change::CreateTask(task) if task.placement.node().is_some()))
        .count();
    assert_eq!(placed, tasks as usize, "every task finds a node");
    (placed as f64 / seconds) as u64
}

fn node(id: u64) -> Change {
    let name = format!("node{id}").parse().expect("a good name");
    let seat = (([10, 0, 0, 1], 7373).into(), NodeKind::Full);
    let mut node = Node::joining(NodeId(id), name, NodeSpec::of_role(Role::Worker), seat);
    node.description.resources = Resources { cpu_nanos: 4_000_000_000, memory_bytes: 16 << 30 };
    node.status.state = NodeState::Ready;
    Change::AddNode(Box::new(node))
}

fn service(number: u32, replicas: u32, ids: &mut IdGen) -> Change {
    let image = "web:1".parse().expect("an image");
    let mut task = TaskSpec::of_container(ContainerSpec::of_image(image));
    task.reservations.memory_bytes = 1 << 20;
    let name = format!("service{number}").parse().expect("a good name");
    let spec = ServiceSpec::new(name, Mode::Replicated { replicas }, task);
    Change::CreateService { id: ids.service(), spec: Box::new(spec) }
}

/// From the kernel's own book-keeping, where there is any.
#[expect(clippy::disallowed_methods, reason = "a bench measures memory")]
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|it| it.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}
