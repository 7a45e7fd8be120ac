//! `skep daemon`: composes a full node. Everything it owns is made here and stopped in order.

use crate::ca::{self, Subject};
use crate::config::DaemonOptions;
use crate::grpc;
use crate::manager::{Manager, new_join_secret};
use crate::raft::log_store::LogStore;
use crate::raft::snapshots::SnapshotStore;
use crate::raft::{Parts, Start};
use crate::seat::Seat;
use agent::containers::Containers;
use agent::manager_part::{Founded, Founding, Log, ManagerPart, Seated};
use agent::member::MemberRecord;
use agent::node::{Ending, NodeOptions, World};
use common::cluster::{Cluster, TASK_HISTORY_DEFAULT};
use common::node::{Node, NodeKind, NodeSpec, Role};
use common::{IdGen, NodeId, Stamp, Version};
use futures_util::FutureExt as _;
use manager_core::change::Change;
use shell::identity::{Identity, has_lapsed, request_certificate};
use shell::net::tls_incoming;
use shell::sealing::new_file_key;
use shell::store::Store;
use shell::supervisor::{OnFailure, Scope};
use shell::tls::Credentials;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

const STOP_GRACE: Duration = Duration::from_secs(5);
/// For what is committed to be applied, where nobody else is needed for it.
const OWN_STATE_LIMIT: Duration = Duration::from_secs(20);
const FIRST_ELECTION_LIMIT: Duration = Duration::from_secs(20);

pub async fn run(options: DaemonOptions) -> anyhow::Result<()> {
    shell::telemetry::init(&format!("{},{}", options.log, crate::raft::LOG_FILTER));
    let world = agent::daemon::world(options.docker.clone(), options.run_dir.clone());
    Box::pin(serve(options, world, watch::Sender::default())).await
}

/// A full node in any world; `seat` says what it is in its cluster.
pub async fn serve<E, C, S>(
    options: DaemonOptions,
    world: World<E, S>,
    seat: watch::Sender<Seat>,
) -> anyhow::Result<()>
where
    E: Fn() -> C + Send + Sync + 'static,
    C: Containers,
    S: Future<Output = Ending> + Send + 'static,
{
    std::fs::create_dir_all(&options.data_dir)?;
    let (store, writer) = Store::open(&options.data_dir)?;
    let scope = Scope::root("manager");
    let seats = seat.subscribe();
    let part = FullNode { store, scope: scope.clone(), seat, seats: seats.clone(), running: None };
    let node = NodeOptions { data_dir: options.data_dir, run_dir: options.run_dir };
    let serve_socket = move |scope: &Scope, socket: &Path, routes| {
        let routes = grpc::user_routes(routes, seats.clone());
        Ok(agent::local::serve(scope, socket, routes, grpc::gate(seats))?)
    };
    let world = World { engine: world.engine, ending: until_broken(world.ending, scope.clone()) };
    let daemon = agent::daemon::run(node, world, &options.socket, part, serve_socket);
    let result = Box::pin(daemon).await;
    let broken = scope.failed().now_or_never();
    if let Err(failed) = scope.stop(STOP_GRACE).await {
        tracing::warn!(%failed, "a task did not stop in order");
    }
    // The last to go: everything above may still have had something to write.
    writer.stop().await?;
    match broken {
        Some(failed) => Err(anyhow::anyhow!("{failed}")),
        None => result,
    }
}

/// A manager that cannot do its part any more ends in order: it would only look like one.
async fn until_broken(ending: impl Future<Output = Ending>, scope: Scope) -> Ending {
    tokio::select! {
        ending = ending => ending,
        _ = scope.failed() => Ending::Restart,
    }
}

/// The part of a node that `skep-agent` has not got.
#[derive(Debug)]
struct FullNode {
    store: Store,
    scope: Scope,
    seat: watch::Sender<Seat>,
    seats: watch::Receiver<Seat>,
    running: Option<(Scope, Manager)>,
}

impl FullNode {
    async fn run_manager(
        &mut self,
        record: &MemberRecord,
        credentials: &Credentials,
        start: Start,
    ) -> Result<Manager, String> {
        let listener = bind(record.listen).await?;
        let scope = self.scope.child("manager");
        let started = self.start_parts(&scope, record, credentials, start).await;
        let manager = match started {
            Ok(manager) => manager,
            Err(error) => {
                stop(&scope).await;
                return Err(error);
            }
        };
        if has_lapsed(&credentials.current().certificate_pem, shell::clock::wall())
            && let Err(error) = renew_own(&manager, credentials).await
        {
            tracing::error!(%error, "this manager's certificate has expired: start skep again");
        }
        let incoming = tls_incoming(&scope, listener, credentials.clone());
        let server = shell::net::server()
            .layer(grpc::gate(self.seats.clone()))
            .add_routes(grpc::cluster_routes(self.seats.clone()));
        let token = scope.token();
        scope.spawn("cluster port", OnFailure::StopScope, async move {
            server.serve_with_incoming_shutdown(incoming, token.cancelled()).await
        });
        self.seat.send_replace(Seat::Manager(manager.clone()));
        self.running = Some((scope, manager.clone()));
        Ok(manager)
    }

    async fn start_parts(
        &self,
        scope: &Scope,
        record: &MemberRecord,
        credentials: &Credentials,
        start: Start,
    ) -> Result<Manager, String> {
        let log = LogStore::open(self.store.clone()).map_err(|error| error.to_string())?;
        let snapshots =
            SnapshotStore::open(self.store.clone()).map_err(|error| error.to_string())?;
        let parts = Parts {
            node: credentials.current().node,
            address: record.address,
            log,
            snapshots,
            credentials: credentials.clone(),
            random: IdGen::from_seed(shell::clock::seed()),
        };
        let elders = record.managers.clone();
        Manager::start(scope, parts, start, elders).await.map_err(|error| error.to_string())
    }

    async fn erase_log(&self) -> Result<(), String> {
        let erased = crate::raft::erase(&self.store).await;
        erased.map_err(|error| error.to_string())
    }
}

impl ManagerPart for FullNode {
    fn kind(&self) -> NodeKind {
        NodeKind::Full
    }

    async fn found(&mut self, founding: Founding) -> Result<Founded, String> {
        self.check(founding.listen).await?;
        self.erase_log().await?;
        let mut ids = IdGen::from_seed(shell::clock::seed());
        let plan = Plan::new(&mut ids, &founding)?;
        let credentials =
            Credentials::new(plan.identity.clone()).map_err(|error| error.to_string())?;
        let record = MemberRecord {
            address: founding.advertise,
            listen: founding.listen,
            name: founding.name.clone(),
            managers: vec![founding.advertise.to_string()],
        };
        let manager = self.run_manager(&record, &credentials, Start::Found).await?;
        let founded = found(&manager, plan.changes).await;
        if let Err(error) = founded {
            self.stop(Log::Erase).await;
            return Err(error);
        }
        let token = manager.join_token(Role::Worker);
        let worker_token = token.map_err(|status| status.message().to_owned())?.to_string();
        Ok(Founded { identity: plan.identity, credentials, name: plan.name, worker_token })
    }

    async fn check(&self, listen: SocketAddr) -> Result<(), String> {
        bind(listen).await.map(drop)
    }

    async fn start(
        &mut self,
        member: &MemberRecord,
        credentials: &Credentials,
        log: Log,
    ) -> Result<(), String> {
        if log == Log::Erase {
            self.erase_log().await?;
        }
        self.run_manager(member, credentials, Start::Resume).await.map(drop)
    }

    async fn stop(&mut self, log: Log) {
        if let Some((scope, manager)) = self.running.take() {
            self.seat.send_if_modified(|seat| {
                let is_manager = matches!(seat, Seat::Manager(_));
                if is_manager {
                    *seat = Seat::None;
                }
                is_manager
            });
            stop(&scope).await;
            manager.stop().await;
        }
        if log == Log::Erase
            && let Err(error) = self.erase_log().await
        {
            tracing::error!(%error, "the log cannot be erased");
        }
    }

    fn seated(&self, seated: Seated) {
        self.seat.send_replace(match seated {
            Seated::Nowhere => Seat::None,
            Seated::Worker { managers } => Seat::Worker { managers },
        });
    }

    async fn resign(&self) -> Result<(), String> {
        match &self.running {
            Some((_, manager)) => manager.resign().await,
            None => Ok(()),
        }
    }

    async fn part(&self) {
        if let Some((_, manager)) = &self.running {
            manager.hand_over().await;
        }
    }

    fn is_needed(&self) -> Option<String> {
        let (_, manager) = self.running.as_ref()?;
        let voters = manager.replica().managers().values().filter(|it| it.voter).count();
        Some(if voters > 1 {
            "this node is a manager: demote it first (skep node demote self), or use --force"
                .to_owned()
        } else {
            "this node is the only manager: with it the whole cluster ends; use --force if that is \
             what you want"
                .to_owned()
        })
    }
}

async fn bind(listen: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(listen).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => format!(
            "port {} is in use on this machine: another program, or another skep daemon, listens \
             there (`ss -ltnp` shows which); say another one with --listen-addr",
            listen.port()
        ),
        _ => format!("this machine cannot listen on {listen}: {error}"),
    })
}

async fn stop(scope: &Scope) {
    if let Err(failed) = scope.stop(STOP_GRACE).await {
        tracing::warn!(%failed, "a task did not stop in order");
    }
}

/// Managers that were all off for longer than certificates last have nobody to ask. Each has the
/// cluster's authority in its copy of the state.
async fn renew_own(manager: &Manager, credentials: &Credentials) -> Result<(), String> {
    let mut states = manager.feed().states();
    let knows = states.wait_for(|it| it.cluster().is_some());
    if tokio::time::timeout(OWN_STATE_LIMIT, knows).await.is_err() {
        return Err("the authority is not in this manager's copy of the state".to_owned());
    }
    let request = request_certificate().map_err(|error| error.to_string())?;
    let before = credentials.current();
    let subject = Subject { node: before.node, cluster: before.cluster, role: before.role };
    let signed = manager.sign(&request.csr_der, subject);
    let certificate_pem = signed.map_err(|status| status.message().to_owned())?;
    let renewed =
        Identity { certificate_pem, key_pem: request.key_pem, ..Identity::clone(&before) };
    credentials.replace(renewed).map_err(|error| error.to_string())?;
    tracing::info!("this manager's certificate had expired: it has made itself a new one");
    Ok(())
}

async fn found(manager: &Manager, changes: Vec<Change>) -> Result<(), String> {
    let leads = tokio::time::timeout(FIRST_ELECTION_LIMIT, manager.replica().leads()).await;
    if !matches!(leads, Ok(Some(_))) {
        return Err("the new cluster's only manager did not elect itself; see its log".to_owned());
    }
    manager.commit(changes).await.map_err(|status| status.message().to_owned())
}

/// A cluster in the making.
struct Plan {
    identity: Identity,
    name: String,
    changes: Vec<Change>,
}

impl Plan {
    fn new(ids: &mut IdGen, founding: &Founding) -> Result<Plan, String> {
        let words = |error: &dyn std::error::Error| error.to_string();
        let (cluster, node) = (ids.cluster(), ids.node());
        let now = shell::clock::wall();
        let authority = ca::make_authority(cluster, now).map_err(|it| words(&it))?;
        let request = request_certificate().map_err(|it| words(&it))?;
        let subject = Subject { node, cluster, role: Role::Manager };
        let certificate_pem =
            ca::sign(&authority, &request.csr_der, subject, now).map_err(|it| words(&it))?;
        let identity = Identity {
            node,
            cluster,
            role: Role::Manager,
            certificate_pem,
            key_pem: request.key_pem,
            authority_pem: authority.certificate_pem.clone(),
        };
        let name = manager_core::joining::free_name(&founding.name, |_| false);
        let cluster = Cluster {
            id: cluster,
            version: Version::default(),
            created: Stamp::default(),
            authority,
            worker_secret: new_join_secret(),
            manager_secret: new_join_secret(),
            task_history: TASK_HISTORY_DEFAULT,
            file_key: Some(new_file_key()),
        };
        let first = first_node(node, &name, founding)?;
        let changes =
            vec![Change::FoundCluster(Box::new(cluster)), Change::AddNode(Box::new(first))];
        Ok(Plan { identity, name, changes })
    }
}

fn first_node(id: NodeId, name: &str, founding: &Founding) -> Result<Node, String> {
    let name = name.parse().map_err(|error: common::name::BadName| error.to_string())?;
    let availability = founding.availability;
    let spec = NodeSpec { availability, ..NodeSpec::of_role(Role::Manager) };
    Ok(Node::joining(id, name, spec, (founding.advertise, NodeKind::Full)))
}
