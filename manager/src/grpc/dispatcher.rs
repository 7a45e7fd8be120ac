//! The agents' sessions: what they say goes to the leader, what the leader says goes to them.

use super::manager;
use crate::leader::LeaderHandle;
use crate::manager::Manager;
use crate::raft::Leadership;
use crate::seat::Seat;
use common::node::{DownReason, NodeDescription, NodeKind};
use common::task::Observation;
use common::{NodeId, TaskId, Timestamp, WallTime};
use manager_core::leader::{Beat, Hello, Input, Parting, SessionId, Telling};
use proto::v1;
use proto::v1::dispatcher_server::Dispatcher;
use proto::v1::{agent_message, manager_message};
use shell::supervisor::OnFailure;
use shell::tls::Caller;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

/// Where a manager that does not lead names the one that does.
const LEADER: &str = "skep-leader";
const LOGS_RETRY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct DispatcherService {
    seats: watch::Receiver<Seat>,
    sessions: AtomicU64,
}

impl DispatcherService {
    pub(super) fn new(seats: watch::Receiver<Seat>) -> DispatcherService {
        DispatcherService { seats, sessions: AtomicU64::new(1) }
    }
}

type Messages = Pin<Box<dyn Stream<Item = Result<v1::ManagerMessage, Status>> + Send>>;

#[tonic::async_trait]
impl Dispatcher for DispatcherService {
    type SessionStream = Messages;

    async fn session(
        &self,
        request: Request<Streaming<v1::AgentMessage>>,
    ) -> Result<Response<Messages>, Status> {
        let manager = manager(&self.seats)?;
        let caller = request.extensions().get::<Caller>().cloned();
        let Some(member) = caller.as_ref().and_then(Caller::member).copied() else {
            return Err(Status::unauthenticated("only a node of the cluster has a session"));
        };
        let leader = leader(&manager)?;
        let mut incoming = request.into_inner();
        let hello = match incoming.next().await {
            Some(Ok(message)) => read_hello(message)?,
            Some(Err(status)) => return Err(status),
            None => return Err(Status::invalid_argument("a session begins with a hello")),
        };
        let session = SessionId(self.sessions.fetch_add(1, Ordering::Relaxed));
        let node = member.node;
        let opened = Input::Opened { session, node, hello: Box::new(hello) };
        let tellings = leader.open(session, opened).await.map_err(deposed)?;
        let requests = manager.logs().connect(node, session, &manager.state());
        let listener = manager.clone();
        manager.scope().spawn("session", OnFailure::Log, async move {
            listen(&listener, &leader, session, incoming).await;
            if leader.tell(Input::Closed { session }).await.is_err() {
                tracing::debug!("the leader is gone, and with it its memory of the session");
            }
            listener.logs().disconnect(node, session, &listener.state());
            Ok::<(), Infallible>(())
        });
        let told = ReceiverStream::new(tellings).map(|it| Ok(write(it)));
        let asked = ReceiverStream::new(requests).map(Ok);
        // The session is over when the leader has no more to say, whatever logs are open.
        Ok(Response::new(Box::pin(UntilFirstEnds { first: told, second: asked })))
    }

    async fn publish_logs(
        &self,
        request: Request<Streaming<v1::PublishedLog>>,
    ) -> Result<Response<v1::Empty>, Status> {
        let manager = manager(&self.seats)?;
        let Some(Caller::Member(member)) = request.extensions().get::<Caller>().cloned() else {
            return Err(Status::unauthenticated("only a node of the cluster has logs"));
        };
        publish(&manager, member.node, request.into_inner()).await;
        Ok(Response::new(v1::Empty {}))
    }
}

fn deposed(error: crate::leader::Deposed) -> Status {
    Status::unavailable(error.to_string())
}

fn leader(manager: &Manager) -> Result<LeaderHandle, Status> {
    if let Some(leader) = manager.leader() {
        return Ok(leader);
    }
    let mut status = Status::unavailable("this manager does not lead");
    if let Leadership::Other { address, .. } = manager.replica().leadership()
        && let Ok(address) = address.to_string().parse()
    {
        status.metadata_mut().insert(LEADER, address);
    }
    Err(status)
}

/// One stream carries the lines of one subscription; its end is the end of the node's part.
async fn publish(manager: &Manager, node: NodeId, mut incoming: Streaming<v1::PublishedLog>) {
    let mut subscription = None;
    let is_whole = loop {
        match incoming.next().await {
            Some(Ok(published)) => {
                subscription = Some(published.subscription);
                if !manager.logs().publish(node, published).await {
                    return;
                }
            }
            Some(Err(_)) => break false,
            None => break true,
        }
    };
    let Some(subscription) = subscription else { return };
    if !is_whole {
        // It may break again and again: not in a tight loop.
        tokio::time::sleep(LOGS_RETRY).await;
    }
    manager.logs().ended(subscription, node, is_whole, &manager.state());
}

fn invalid(error: proto::convert::Malformed) -> Status {
    Status::invalid_argument(error.to_string())
}

fn read_hello(message: v1::AgentMessage) -> Result<Hello, Status> {
    let Some(agent_message::Of::Hello(hello)) = message.of else {
        return Err(Status::invalid_argument("a session begins with a hello"));
    };
    let description =
        hello.description.ok_or_else(|| Status::invalid_argument("no description"))?;
    let kind = v1::NodeKind::try_from(hello.kind).unwrap_or_default();
    let address = hello.address.parse();
    Ok(Hello {
        description: NodeDescription::try_from(description).map_err(invalid)?,
        images: known_images(hello.images),
        volumes: hello.volumes.map(|it| it.names.into_iter().collect()),
        kind: NodeKind::try_from(kind).map_err(invalid)?,
        address: address.map_err(|_| Status::invalid_argument("no address in the hello"))?,
    })
}

/// An agent that has just started names none: its engine has not answered yet.
fn known_images(images: Option<v1::Images>) -> Option<BTreeSet<String>> {
    let references = images?.references;
    (!references.is_empty()).then(|| references.into_iter().collect())
}

/// Until the agent is silent or the leader is gone.
async fn listen(
    manager: &Manager,
    leader: &LeaderHandle,
    session: SessionId,
    mut incoming: Streaming<v1::AgentMessage>,
) {
    while let Some(Ok(message)) = incoming.next().await {
        let input = match read(session, message, || manager.replica().quorum_at()) {
            Ok(Some(input)) => input,
            Ok(None) => continue,
            Err(status) => {
                tracing::warn!(%status, "an agent's message makes no sense");
                return;
            }
        };
        if leader.tell(input).await.is_err() {
            return;
        }
    }
}

fn read(
    session: SessionId,
    message: v1::AgentMessage,
    quorum_at: impl FnOnce() -> Timestamp,
) -> Result<Option<Input>, Status> {
    Ok(match message.of {
        Some(agent_message::Of::Beat(beat)) => {
            let beat = Beat {
                number: beat.number,
                wall: WallTime(beat.wall_millis),
                engine_ill: beat.engine_ill,
                quorum_at: quorum_at(),
            };
            Some(Input::Beat { session, beat })
        }
        Some(agent_message::Of::Statuses(statuses)) => {
            let reports = statuses.reports.into_iter().map(read_report);
            let reports = reports.collect::<Result<_, _>>()?;
            Some(Input::Statuses { session, number: statuses.number, reports })
        }
        Some(agent_message::Of::Images(images)) => {
            let images = images.references.into_iter().collect();
            Some(Input::Images { session, images })
        }
        Some(agent_message::Of::Volumes(volumes)) => {
            Some(Input::Volumes { session, names: volumes.names.into_iter().collect() })
        }
        Some(agent_message::Of::Description(description)) => {
            let description = NodeDescription::try_from(description).map_err(invalid)?;
            Some(Input::Described { session, description: Box::new(description) })
        }
        Some(agent_message::Of::Goodbye(goodbye)) => {
            let reason = v1::goodbye::Reason::try_from(goodbye.reason).unwrap_or_default();
            let parting = match reason {
                v1::goodbye::Reason::Leave => Parting::Down(DownReason::Left),
                v1::goodbye::Reason::ShutDown => Parting::Down(DownReason::ShutDown),
                // A reason that this manager does not know had better move nothing.
                v1::goodbye::Reason::Restart | v1::goodbye::Reason::Unspecified => Parting::Restart,
            };
            Some(Input::Goodbye { session, parting })
        }
        Some(agent_message::Of::Hello(_)) => {
            return Err(Status::invalid_argument("a session has one hello"));
        }
        // A newer agent says something that this manager does not know.
        None => None,
    })
}

fn read_report(report: v1::TaskReport) -> Result<(TaskId, Observation), Status> {
    let observed = report.observed.ok_or_else(|| Status::invalid_argument("an empty report"))?;
    Ok((TaskId(report.task), Observation::try_from(observed).map_err(invalid)?))
}

fn write(telling: Telling) -> v1::ManagerMessage {
    let of = match telling {
        Telling::Welcome { node_name, beat_period, membership } => {
            manager_message::Of::Welcome(v1::Welcome {
                node_name,
                beat_period_millis: common::time::millis(beat_period),
                membership: Some(write_membership(&membership)),
            })
        }
        Telling::Beat { number, lease } => {
            manager_message::Of::Beat(v1::BeatAnswer { number, lease })
        }
        Telling::Files(files) => manager_message::Of::Files(v1::Files::from(&files)),
        Telling::Assignments(set) => manager_message::Of::Assignments(v1::Assignments::from(&set)),
        Telling::VolumesLeaving(names) => {
            manager_message::Of::VolumesLeaving(v1::Volumes { names: names.into_iter().collect() })
        }
        Telling::StatusesKept(number) => manager_message::Of::StatusesKept(number),
        Telling::Membership(membership) => {
            manager_message::Of::Membership(write_membership(&membership))
        }
        Telling::Farewell => manager_message::Of::Farewell(v1::Empty {}),
    };
    v1::ManagerMessage { of: Some(of) }
}

fn write_membership(membership: &manager_core::leader::Membership) -> v1::Membership {
    v1::Membership {
        managers: membership.managers.iter().map(ToString::to_string).collect(),
        role: v1::Role::from(membership.role).into(),
    }
}

/// Two streams as one, which ends with the first.
struct UntilFirstEnds<A, B> {
    first: A,
    second: B,
}

impl<T, A, B> Stream for UntilFirstEnds<A, B>
where
    A: Stream<Item = T> + Unpin,
    B: Stream<Item = T> + Unpin,
{
    type Item = T;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<T>> {
        use std::task::Poll;
        match Pin::new(&mut self.first).poll_next(context) {
            Poll::Ready(next) => return Poll::Ready(next),
            Poll::Pending => {}
        }
        match Pin::new(&mut self.second).poll_next(context) {
            Poll::Ready(Some(next)) => Poll::Ready(Some(next)),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}
