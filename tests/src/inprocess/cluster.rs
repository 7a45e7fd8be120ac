//! A cluster in one process: formed, waited for and looked at as a whole.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use common::TaskId;
use manager::raft::Leadership;
use proto::v1;
use proto::v1::node_status::State;
use proto::v1::node_view::ManagerStatus;
use tempfile::TempDir;
use tokio::time::Instant;

use super::client::{Client, Listed};
use super::node::Node;

/// Long against anything that works, also where other tests keep the machine busy.
pub const SOON: Duration = Duration::from_secs(45);
const POLL_PERIOD: Duration = Duration::from_millis(15);
const PORT: u16 = 7373;

static MADE: AtomicU32 = AtomicU32::new(0);

#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    /// Removed after the nodes are gone.
    _folders: [TempDir; 2],
}

impl Cluster {
    /// Machines without a daemon, named `n1`, `n2`, …
    pub fn new(count: u8) -> Cluster {
        let (process, made) = (std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let mut made_by = tempfile::Builder::new();
        let made_by = made_by.prefix("skep-cluster-");
        let data = made_by.tempdir().expect("a folder can be made");
        // In memory, as it is on a machine: elsewhere no secret would be written.
        let run = made_by.tempdir_in("/dev/shm").expect("every Linux has it");
        // Every cluster has a network of its own, so that tests may run beside each other.
        let network = process.wrapping_mul(16).wrapping_add(made);
        let [.., high, low] = (network % 60_000 + 256).to_be_bytes();
        let machine = |number: u8| {
            let address = SocketAddr::from((Ipv4Addr::new(127, high, low, number), PORT));
            Node::new(&format!("n{number}"), address, [data.path(), run.path()])
        };
        let nodes = (1..=count).map(machine).collect();
        Cluster { nodes, _folders: [data, run] }
    }

    /// Managers first, then workers, all of them ready.
    pub async fn formed(managers: u8, workers: u8) -> Cluster {
        let mut cluster = Cluster::new(managers + workers);
        cluster.start_all().await;
        cluster.found(0).await;
        for position in 1..usize::from(managers + workers) {
            let is_manager = position < usize::from(managers);
            let role = if is_manager { v1::Role::Manager } else { v1::Role::Worker };
            cluster.join(position, role).await;
        }
        cluster.wait_whole().await;
        cluster
    }

    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub fn node(&mut self, position: usize) -> &mut Node {
        &mut self.nodes[position]
    }

    pub fn client(&self, position: usize) -> Client {
        self.nodes[position].client()
    }

    pub async fn start_all(&mut self) {
        let resting = (0..self.nodes.len()).filter(|it| !self.nodes[*it].runs());
        for position in resting.collect::<Vec<_>>() {
            self.nodes[position].start();
        }
        self.wait_for("all daemons answer", async |it| {
            for node in it.nodes() {
                if node.client().status().await.is_err() {
                    return false;
                }
            }
            true
        })
        .await;
    }

    pub async fn start(&mut self, position: usize) {
        self.nodes[position].start();
        let answers = async |it: &Cluster| it.client(position).status().await.is_ok();
        self.wait_for("the daemon answers", answers).await;
    }

    pub async fn found(&mut self, position: usize) {
        let node = &self.nodes[position];
        let founded = node.client().init(founding(node)).await;
        founded.unwrap_or_else(|status| panic!("no cluster: {}", status.message()));
    }

    pub async fn join(&mut self, position: usize, role: v1::Role) {
        let leader = self.client(0);
        let token = leader.token(role).await.expect("a member gives the token");
        let node = &self.nodes[position];
        let joined = node.client().join(joining(node, &self.nodes[0], &token)).await;
        joined.unwrap_or_else(|status| panic!("{} stays out: {}", node.name(), status.message()));
    }

    /// Polls; a daemon that ends by itself ends the test.
    #[track_caller]
    pub fn wait_for(
        &mut self,
        what: impl Into<String>,
        mut condition: impl AsyncFnMut(&Cluster) -> bool,
    ) -> impl Future<Output = ()> {
        let (caller, what) = (std::panic::Location::caller(), what.into());
        async move {
            let deadline = Instant::now() + SOON;
            while !condition(self).await {
                for node in &mut self.nodes {
                    if let Some(failure) = node.failure() {
                        panic!("{} has ended, {caller}: {failure}", node.name());
                    }
                }
                assert!(Instant::now() < deadline, "in vain, {caller}: {what}");
                tokio::time::sleep(POLL_PERIOD).await;
            }
        }
    }

    /// Every manager that runs says that all of the cluster is ready, connected and reachable.
    #[track_caller]
    pub fn wait_whole(&mut self) -> impl Future<Output = ()> {
        self.wait_for("the cluster is whole", async |it| {
            for manager in it.nodes.iter().filter(|it| it.manager(|_| ()).is_some()) {
                match manager.client().nodes().await {
                    Ok(nodes) if is_whole(&nodes) => {}
                    Ok(_) | Err(_) => return false,
                }
            }
            true
        })
    }

    /// The position of the node that leads and knows it.
    pub fn leader(&self) -> Option<usize> {
        self.leader_in_term().map(|(position, _)| position)
    }

    /// Of several that believe so, the one of the latest term.
    pub fn leader_in_term(&self) -> Option<(usize, u64)> {
        let leads = |(position, node): (usize, &Node)| {
            let leadership = node.manager(|it| it.replica().leadership())?;
            match leadership {
                Leadership::Mine { term } if node.runs() => Some((position, term)),
                Leadership::Mine { .. } | Leadership::Other { .. } | Leadership::Unknown => None,
            }
        };
        self.nodes.iter().enumerate().filter_map(leads).max_by_key(|(_, term)| *term)
    }

    pub async fn wait_leader(&mut self) -> usize {
        self.wait_for("somebody leads", async |it| it.leader().is_some()).await;
        self.leader().expect("it was waited for")
    }

    /// What runs of a service, with the position of its machine, whatever anybody thinks of it.
    pub fn containers(&self, service: &str) -> BTreeSet<(TaskId, usize)> {
        let begin = format!("{service}.");
        let machines = self.nodes.iter().enumerate();
        let running = machines.flat_map(|(position, node)| {
            node.engine().running().into_iter().map(move |it| (position, it))
        });
        let of_service = running.filter(|(_, it)| it.name.starts_with(&begin));
        of_service.map(|(position, it)| (it.task, position)).collect()
    }

    /// Until a leader says that so many run, all on nodes that are up, and their engines run
    /// these and no others.
    #[track_caller]
    pub fn wait_running(
        &mut self,
        asked: usize,
        service: &str,
        count: usize,
    ) -> impl Future<Output = ()> {
        self.wait_for(format!("{count} of {service} running"), async move |it| {
            let Ok(tasks) = it.client(asked).tasks(service).await else { return false };
            let running: BTreeSet<TaskId> = tasks.rows.iter().filter_map(running).collect();
            let containers = it.containers(service).into_iter();
            let on_living = containers.filter(|(_, position)| it.nodes[*position].runs());
            let on_living: Vec<TaskId> = on_living.map(|(task, _)| task).collect();
            tasks.stale.is_none() && running.len() == count && running.into_iter().eq(on_living)
        })
    }
}

/// A task that is wanted and runs on a node that is up.
fn running(view: &v1::TaskView) -> Option<TaskId> {
    let task = view.task.as_ref().expect("a row is about a task");
    let observed = view.latest.as_ref().or(task.observed.as_ref());
    let runs = observed.is_some_and(|it| it.state() == v1::TaskState::Running);
    let is_wanted = task.desired() == v1::DesiredState::Running;
    (runs && is_wanted && !view.node_down).then_some(TaskId(task.id))
}

/// Under its own name.
pub fn founding(node: &Node) -> v1::InitRequest {
    let (name, address) = (node.name().to_owned(), node.address().to_string());
    v1::InitRequest { advertise_addr: address, name, ..Default::default() }
}

/// Under its own name.
pub fn joining(node: &Node, manager: &Node, token: &str) -> v1::LocalJoinRequest {
    v1::LocalJoinRequest {
        token: token.to_owned(),
        manager: manager.address().to_string(),
        advertise_addr: node.address().to_string(),
        name: node.name().to_owned(),
        ..Default::default()
    }
}

/// A leader answers, has a session with every node, and every manager has its vote.
fn is_whole(nodes: &Listed<v1::NodeView>) -> bool {
    let is_well = |view: &v1::NodeView| {
        let node = view.node.as_ref().expect("a row is about a node");
        let status = node.status.as_ref().map(v1::NodeStatus::state);
        let role = node.spec.as_ref().map(v1::NodeSpec::role);
        let is_settled = match view.manager_status() {
            ManagerStatus::None => role == Some(v1::Role::Worker),
            ManagerStatus::Leader | ManagerStatus::Reachable => role == Some(v1::Role::Manager),
            ManagerStatus::Unreachable | ManagerStatus::Joining => false,
        };
        status == Some(State::Ready) && view.clock_offset_millis.is_some() && is_settled
    };
    nodes.stale.is_none() && nodes.rows.iter().all(is_well)
}
