//! A manager that is played, over real connections, and an agent of its cluster with a played
//! engine.

use crate::ca::{self, Subject};
use agent::agent::{AgentConfig, AgentHandle};
use agent::containers::Containers;
use agent::fake::FakeEngine;
use common::assignment::{Assignment, AssignmentSet};
use common::cluster::Authority;
use common::container::ContainerSpec;
use common::file::{Delivery, Extent, FileKind, FileSet, Grant};
use common::node::{NodeKind, Role};
use common::service::TaskSpec;
use common::task::{DesiredState, Observation, Slot, TaskState};
use common::{ClusterId, FileId, Name, NodeId, ServiceId, TaskId};
use proto::v1;
use proto::v1::dispatcher_server::{Dispatcher, DispatcherServer};
use proto::v1::{agent_message, manager_message};
use shell::identity::{Identity, request_certificate};
use shell::sealing::{FileKey, new_file_key};
use shell::supervisor::{OnFailure, Scope};
use shell::tls::Credentials;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

const CLUSTER: ClusterId = ClusterId(7);
const NODE: NodeId = NodeId(2);
const LIMIT: Duration = Duration::from_secs(15);
const GRACE: Duration = Duration::from_secs(5);

pub(crate) struct Cluster {
    authority: Authority,
    pub(crate) run_dir: tempfile::TempDir,
}

impl Cluster {
    pub(crate) fn new() -> Cluster {
        let authority = ca::make_authority(CLUSTER, shell::clock::wall()).unwrap();
        Cluster { authority, run_dir: tempfile::tempdir().unwrap() }
    }

    /// With a run folder such as a machine has.
    pub(crate) fn in_memory() -> Cluster {
        Cluster { run_dir: tempfile::tempdir_in("/dev/shm").unwrap(), ..Cluster::new() }
    }

    fn credentials(&self, node: NodeId, role: Role) -> Credentials {
        let request = request_certificate().unwrap();
        let subject = Subject { node, cluster: CLUSTER, role };
        let now = shell::clock::wall();
        Credentials::new(Identity {
            node,
            cluster: CLUSTER,
            role,
            certificate_pem: ca::sign(&self.authority, &request.csr_der, subject, now).unwrap(),
            key_pem: request.key_pem,
            authority_pem: self.authority.certificate_pem.clone(),
        })
        .unwrap()
    }

    pub(crate) async fn manager(&self, node: u64) -> PlayedManager {
        PlayedManager::start(self.credentials(NodeId(node), Role::Manager)).await
    }

    pub(crate) fn agent(&self, engine: &FakeEngine, managers: &[&PlayedManager]) -> PlayedAgent {
        self.agent_with(engine.clone(), managers)
    }

    pub(crate) fn agent_with(
        &self,
        containers: impl Containers,
        managers: &[&PlayedManager],
    ) -> PlayedAgent {
        let scope = Scope::root("agent");
        let config = AgentConfig {
            node: NODE,
            cluster: CLUSTER,
            kind: NodeKind::AgentOnly,
            address: SocketAddr::from(([127, 0, 0, 1], 7373)),
            run_dir: self.run_dir.path().to_owned(),
            managers: managers.iter().map(|it| it.address.to_string()).collect(),
        };
        let credentials = self.credentials(NODE, Role::Worker);
        let handle = agent::agent::start(&scope, config, containers, credentials);
        PlayedAgent { scope, handle }
    }
}

pub(crate) struct PlayedAgent {
    scope: Scope,
    pub(crate) handle: AgentHandle,
}

impl PlayedAgent {
    pub(crate) async fn stop(self) {
        assert_eq!(self.scope.stop(GRACE).await, Ok(()));
    }
}

/// What the manager does by itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manners {
    /// Answers that it does not lead, and names this one.
    pub(crate) leader: Option<String>,
    pub(crate) is_deaf: bool,
    /// Reads statuses and never says that they are kept.
    pub(crate) forgets: bool,
}

pub(crate) enum Heard {
    Hello(v1::Hello),
    Beat(v1::Beat),
    Reports(Vec<(TaskId, Observation)>),
    Description(v1::NodeDescription),
    Images(Vec<String>),
    Volumes(Vec<String>),
    Goodbye(v1::goodbye::Reason),
    Closed,
    Logs(v1::PublishedLog),
    LogsEnded,
}

type ToAgent = mpsc::Sender<Result<v1::ManagerMessage, Status>>;

pub(crate) struct PlayedManager {
    pub(crate) address: SocketAddr,
    manners: watch::Sender<Manners>,
    sessions: Arc<Mutex<Option<ToAgent>>>,
    heard: mpsc::Receiver<Heard>,
    scope: Scope,
}

impl PlayedManager {
    async fn start(credentials: Credentials) -> PlayedManager {
        let scope = Scope::root("manager");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, heard) = mpsc::channel(1_024);
        let sessions = Arc::new(Mutex::new(None));
        let manners = watch::Sender::new(Manners::default());
        let service = Service {
            tell,
            sessions: Arc::clone(&sessions),
            manners: manners.subscribe(),
            scope: scope.clone(),
        };
        let incoming = shell::net::tls_incoming(&scope, listener, credentials);
        let token = scope.token();
        scope.spawn("server", OnFailure::StopScope, async move {
            shell::net::server()
                .add_service(DispatcherServer::new(service))
                .serve_with_incoming_shutdown(incoming, token.cancelled())
                .await
        });
        PlayedManager { address, manners, sessions, heard, scope }
    }

    pub(crate) fn behave(&self, manners: Manners) {
        self.manners.send_replace(manners);
    }

    /// Ends the session under way.
    pub(crate) fn hang_up(&self) {
        self.sessions.lock().unwrap().take();
    }

    pub(crate) async fn say(&self, of: manager_message::Of) {
        let session = self.sessions.lock().unwrap().clone().expect("an agent is connected");
        session.send(Ok(v1::ManagerMessage { of: Some(of) })).await.unwrap();
    }

    pub(crate) async fn assign(&self, set: AssignmentSet) {
        self.say(manager_message::Of::Assignments(v1::Assignments::from(&set))).await;
    }

    /// The first thing heard, from now on, of which `pick` makes something.
    pub(crate) async fn hears<T>(
        &mut self,
        what: &str,
        mut pick: impl FnMut(Heard) -> Option<T>,
    ) -> T {
        let wait = async {
            loop {
                if let Some(found) = pick(self.heard.recv().await.expect("the manager lives")) {
                    return found;
                }
            }
        };
        tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("not heard: {what}"))
    }

    pub(crate) async fn hears_hello(&mut self) -> v1::Hello {
        self.hears("a hello", |it| match it {
            Heard::Hello(hello) => Some(hello),
            _ => None,
        })
        .await
    }

    /// Waits until a task is reported to be in this state.
    pub(crate) async fn hears_state(&mut self, task: TaskId, state: TaskState) -> Observation {
        self.hears(&format!("{} {state}", task.0), |it| match it {
            Heard::Reports(reports) => reports
                .into_iter()
                .find(|(of, observed)| *of == task && observed.state == state)
                .map(|(_, observed)| observed),
            _ => None,
        })
        .await
    }

    pub(crate) async fn stop(self) {
        // Streams that are open hold the server up.
        drop(self.scope.stop(Duration::from_millis(100)).await);
    }
}

struct Service {
    tell: mpsc::Sender<Heard>,
    sessions: Arc<Mutex<Option<ToAgent>>>,
    manners: watch::Receiver<Manners>,
    scope: Scope,
}

#[tonic::async_trait]
impl Dispatcher for Service {
    type SessionStream = ReceiverStream<Result<v1::ManagerMessage, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<v1::AgentMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        if let Some(leader) = &self.manners.borrow().leader {
            let mut status = Status::unavailable("this manager does not lead");
            status.metadata_mut().insert("skep-leader", leader.parse().unwrap());
            return Err(status);
        }
        let (to_agent, messages) = mpsc::channel(64);
        let welcome =
            v1::Welcome { node_name: "rasp".to_owned(), beat_period_millis: 100, membership: None };
        let welcome = manager_message::Of::Welcome(welcome);
        to_agent.send(Ok(v1::ManagerMessage { of: Some(welcome) })).await.unwrap();
        self.sessions.lock().unwrap().replace(to_agent.clone());
        let (mut incoming, tell) = (request.into_inner(), self.tell.clone());
        let (manners, answers) = (self.manners.clone(), to_agent.downgrade());
        drop(to_agent);
        self.scope.spawn("session", OnFailure::Log, async move {
            while let Some(Ok(message)) = incoming.next().await {
                let (heard, answer) = read(message.of.unwrap());
                let manners = manners.borrow().clone();
                let is_kept = matches!(answer, Some(manager_message::Of::StatusesKept(_)));
                let is_silent = if is_kept { manners.forgets } else { manners.is_deaf };
                tell.send(heard).await.unwrap();
                if let (Some(of), Some(answers), false) = (answer, answers.upgrade(), is_silent) {
                    drop(answers.send(Ok(v1::ManagerMessage { of: Some(of) })).await);
                }
            }
            drop(tell.send(Heard::Closed).await);
            Ok::<(), Infallible>(())
        });
        Ok(Response::new(ReceiverStream::new(messages)))
    }

    async fn publish_logs(
        &self,
        request: Request<Streaming<v1::PublishedLog>>,
    ) -> Result<Response<v1::Empty>, Status> {
        let mut incoming = request.into_inner();
        while let Some(Ok(published)) = incoming.next().await {
            self.tell.send(Heard::Logs(published)).await.unwrap();
        }
        self.tell.send(Heard::LogsEnded).await.unwrap();
        Ok(Response::new(v1::Empty {}))
    }
}

fn read(of: agent_message::Of) -> (Heard, Option<manager_message::Of>) {
    match of {
        agent_message::Of::Hello(hello) => (Heard::Hello(hello), None),
        agent_message::Of::Beat(beat) => {
            let answer = v1::BeatAnswer { number: beat.number, lease: true };
            (Heard::Beat(beat), Some(manager_message::Of::Beat(answer)))
        }
        agent_message::Of::Statuses(statuses) => {
            let reports = statuses
                .reports
                .into_iter()
                .map(|it| (TaskId(it.task), Observation::try_from(it.observed.unwrap()).unwrap()));
            let kept = manager_message::Of::StatusesKept(statuses.number);
            (Heard::Reports(reports.collect()), Some(kept))
        }
        agent_message::Of::Images(images) => (Heard::Images(images.references), None),
        agent_message::Of::Volumes(volumes) => (Heard::Volumes(volumes.names), None),
        agent_message::Of::Description(description) => (Heard::Description(description), None),
        agent_message::Of::Goodbye(goodbye) => (Heard::Goodbye(goodbye.reason()), None),
    }
}

pub(crate) fn assignment(task: u64, image: &str, desired: DesiredState) -> Assignment {
    Assignment {
        task: TaskId(task),
        service: ServiceId(1),
        service_name: "web".to_owned(),
        service_labels: BTreeMap::new(),
        slot: Slot::Replica(u32::try_from(task).unwrap()),
        node: NODE,
        desired,
        spec: Arc::new(TaskSpec::of_container(ContainerSpec::of_image(image.parse().unwrap()))),
    }
}

pub(crate) fn all_run(tasks: impl IntoIterator<Item = u64>, image: &str) -> AssignmentSet {
    let tasks = tasks.into_iter().map(|it| assignment(it, image, DesiredState::Running));
    AssignmentSet::Complete(tasks.collect())
}

pub(crate) fn put(assignments: Vec<Assignment>) -> AssignmentSet {
    AssignmentSet::Changes { put: assignments, remove: Vec::new() }
}

pub(crate) fn complete(assignments: Vec<Assignment>) -> AssignmentSet {
    AssignmentSet::Complete(assignments)
}

/// A secret as a manager sends it, and a service's right to it.
pub(crate) fn sent_secret(clear: &[u8]) -> (FileSet, Grant) {
    let (secret, name) = (new_file_key(), "password".parse::<Name>().unwrap());
    let content = FileKey::new(&secret).unwrap().content(FileKind::Secret, &name, clear).unwrap();
    let put = vec![Delivery { file: FileId(1), name: name.clone(), content }];
    // Any owner but root would want root.
    let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    let grant = Grant { uid, gid, ..Grant::of(FileId(1), FileKind::Secret, name) };
    (FileSet { extent: Extent::Complete, key: Some(secret), put }, grant)
}

pub(crate) fn granted(mut assignment: Assignment, grant: &Grant) -> Assignment {
    Arc::make_mut(&mut assignment.spec).container.grants.push(grant.clone());
    assignment
}
