//! Every call passes here: checked against the table, and sent on to the leader where need be.

use super::access::{self, Access, Route};
use crate::raft::{Leadership, Line, Replica};
use crate::seat::Seat;
use common::NodeId;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use manager_core::state::State;
use shell::tls::Caller;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service, ServiceExt};

/// Marks a call that was passed on: the leader of a moment ago does not pass it on again.
const FORWARDED: &str = "skep-forwarded";
/// The node that the user asked, which is the one that is marked as `self`.
pub const ASKED: &str = "skep-asked";
/// For whom a manager passes a call on, where that matters.
pub const ON_BEHALF: &str = "skep-on-behalf";
/// In answers: why they may be old.
pub const STALE: &str = "skep-stale";

/// A request that finds no leader fails within this.
const LEADER_WAIT: Duration = Duration::from_millis(2_800);
const LEADER_LOOK: Duration = Duration::from_millis(100);
const START_WAIT: Duration = Duration::from_secs(5);
/// For the answer of a leader that has just been replaced.
const LAST_WORD_LIMIT: Duration = Duration::from_millis(300);
/// No call that is passed on is larger.
const REQUEST_BYTES_MAX: usize = 4 << 20;

#[derive(Debug, Clone)]
pub struct GateLayer {
    pub seats: watch::Receiver<Seat>,
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;
    fn layer(&self, inner: S) -> Gate<S> {
        Gate { seats: self.seats.clone(), inner }
    }
}

#[derive(Debug, Clone)]
pub struct Gate<S> {
    seats: watch::Receiver<Seat>,
    inner: S,
}

type Answer<E> = Pin<Box<dyn Future<Output = Result<Response<Body>, E>> + Send>>;

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Answer<S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The clone that was polled to be ready is the one that is called.
        let spare = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, spare);
        let seats = self.seats.clone();
        Box::pin(async move {
            let seat = seat(seats).await;
            match admit(&seat, request).await {
                Ok(Admitted::Here { request, stale }) => {
                    let mut response = inner.oneshot(request).await?;
                    if let Some(reason) = stale {
                        response.headers_mut().insert(STALE, HeaderValue::from_static(reason));
                    }
                    Ok(response)
                }
                Ok(Admitted::Answered(response)) => Ok(response),
                Err(status) => Ok((*status).into_http()),
            }
        })
    }
}

/// Read from the disk it is known in a moment; the damage that takes longer is told elsewhere.
async fn seat(mut seats: watch::Receiver<Seat>) -> Seat {
    let known = seats.wait_for(|it| !matches!(it, Seat::Starting));
    match tokio::time::timeout(START_WAIT, known).await {
        Ok(Ok(seat)) => seat.clone(),
        Ok(Err(_)) | Err(_) => Seat::Starting,
    }
}

enum Admitted {
    Here { request: Request<Body>, stale: Option<&'static str> },
    Answered(Response<Body>),
}

async fn admit(seat: &Seat, mut request: Request<Body>) -> Result<Admitted, Box<Status>> {
    let path = request.uri().path().to_owned();
    let Some((access, route)) = access::rule(&path) else {
        let text = format!("this version of skep does not know the call {path}");
        return Err(Box::new(Status::unimplemented(text)));
    };
    let caller = request.extensions().get::<Caller>().cloned().unwrap_or(Caller::Unknown);
    let manager = match (access, seat) {
        (Access::Socket, _) => {
            access::check(access, &caller, &State::default(), |_| false)?;
            return Ok(Admitted::Here { request, stale: None });
        }
        (_, Seat::Manager(manager)) => manager,
        (_, Seat::Starting) => return Err(Box::new(Status::unavailable(STARTING))),
        (_, Seat::None) => return Err(Box::new(Status::failed_precondition(NOT_A_MEMBER))),
        (_, Seat::Worker { managers }) => {
            return Err(Box::new(Status::failed_precondition(is_worker(managers))));
        }
    };
    let replica = manager.replica();
    let votes = |node| replica.managers().get(&node).is_some_and(|it| it.voter);
    let state = replica.feed().state();
    access::check(access, &caller, &state, votes)?;
    let is_forwarded = request.headers().contains_key(FORWARDED) && is_manager(&caller);
    if is_forwarded {
        // Whoever was a manager once still has the certificate of one.
        access::check(Access::Managers, &caller, &state, |_| false)?;
    } else {
        mark(&mut request, manager.node(), &caller);
    }
    match (route, replica.leadership()) {
        (Route::Here, _) | (_, Leadership::Mine { .. }) => {
            let stale = (route == Route::LeaderOrStale && !replica.has_quorum())
                .then_some(LEADER_WITHOUT_QUORUM);
            Ok(Admitted::Here { request, stale })
        }
        (Route::LeaderOrStale | Route::Leader, Leadership::Other { .. } | Leadership::Unknown) => {
            let sender = if is_forwarded { Sender::Manager } else { Sender::User };
            find_leader(replica, request, route, sender).await
        }
    }
}

/// Who sent a call that is for the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    User,
    /// It takes this manager for the leader, and passes a user's call on.
    Manager,
}

const STARTING: &str = "skep is still starting on this machine: try again in a moment";
const NOT_A_MEMBER: &str = "this machine is not a member of a cluster: `skep init` makes a new \
     one, `skep join` lets it join one";
const LEADER_WITHOUT_QUORUM: &str = "no quorum: this may be old";
const LEADER_LOST: &str = "the manager that leads was lost";
const NOT_THE_LEADER: &str = "this manager does not lead any more; try again";
const NO_LEADER_STALE: &str = "no leader answers: this is what this manager knew last";

fn is_worker(managers: &[String]) -> String {
    let hosts =
        if managers.is_empty() { String::new() } else { format!(" ({})", managers.join(", ")) };
    format!("this node is a worker: run the command on a manager{hosts}")
}

fn is_manager(caller: &Caller) -> bool {
    match caller {
        Caller::Member(member) => member.role == common::node::Role::Manager,
        Caller::Local | Caller::Unknown | Caller::Lapsed(_) => false,
    }
}

/// Headers that callers send themselves are not believed.
fn mark(request: &mut Request<Body>, me: NodeId, caller: &Caller) {
    let headers = request.headers_mut();
    headers.remove(FORWARDED);
    headers.remove(ON_BEHALF);
    let value = |id: NodeId| HeaderValue::from_str(&id.to_string()).expect("an ID is plain ASCII");
    headers.insert(ASKED, value(me));
    if let Some(member) = caller.member() {
        headers.insert(ON_BEHALF, value(member.node));
    }
}

/// Waits for a leader, for a while, and gives it the call. It may be this manager, once its state
/// is whole.
async fn find_leader(
    replica: &Replica,
    request: Request<Body>,
    route: Route,
    sender: Sender,
) -> Result<Admitted, Box<Status>> {
    let give_up = Instant::now() + LEADER_WAIT;
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, REQUEST_BYTES_MAX).collect().await;
    let body = body.map_err(|error| Box::new(Status::invalid_argument(error.to_string())))?;
    let body = body.to_bytes();
    // More than once, for what is only read may be asked again.
    let request = || Request::from_parts(parts.clone(), Body::new(Full::new(body.clone())));
    loop {
        let missed = match (replica.leadership(), sender) {
            (Leadership::Mine { .. }, _) => {
                return Ok(Admitted::Here { request: request(), stale: None });
            }
            (Leadership::Other { .. }, Sender::Manager) => {
                return Err(Box::new(Status::unavailable(NOT_THE_LEADER)));
            }
            (Leadership::Other { node, address }, Sender::User) => {
                match ask_leader(replica, (node, address), request()).await {
                    Ok(response) => return Ok(Admitted::Answered(response)),
                    Err(missed) => missed,
                }
            }
            (Leadership::Unknown, _) => Missed::Unasked,
        };
        match (missed, route) {
            (Missed::Halfway(detail), Route::Leader | Route::Here) => {
                return Err(Box::new(went_away(&detail)));
            }
            (Missed::Halfway(_), Route::LeaderOrStale) | (Missed::Unasked, _) => {}
        }
        if Instant::now() >= give_up {
            return match route {
                Route::LeaderOrStale => {
                    Ok(Admitted::Here { request: request(), stale: Some(NO_LEADER_STALE) })
                }
                Route::Leader | Route::Here => Err(Box::new(no_leader(replica))),
            };
        }
        tokio::time::sleep(LEADER_LOOK).await;
    }
}

/// Why a leader gave no answer.
enum Missed {
    /// It was not reached.
    Unasked,
    /// It went away, or kept silent, and may have done what it was asked for.
    Halfway(String),
}

async fn ask_leader(
    replica: &Replica,
    (leader, address): (NodeId, SocketAddr),
    mut request: Request<Body>,
) -> Result<Response<Body>, Missed> {
    let links = replica.links();
    let is_stream = access::is_stream(request.uri().path());
    let channel = match is_stream {
        true => links.own_channel(leader, address).await,
        false => links.channel(leader, address, Line::Calls).await,
    };
    let channel = channel.map_err(|error| {
        tracing::debug!(%error, %leader, "the leader is not reached");
        Missed::Unasked
    })?;
    request.headers_mut().insert(FORWARDED, HeaderValue::from_static("1"));
    let missed = tokio::select! {
        answer = channel.oneshot(request) => match answer {
            Ok(response) if is_stream => {
                let replica = replica.clone();
                let lost = Box::pin(async move { until_lost(&replica, leader).await });
                return Ok(response.map(|body| Body::new(UntilLost { body, lost })));
            }
            Ok(response) => return Ok(response),
            Err(error) if shell::net::may_have_arrived(&error) => {
                Missed::Halfway(error.to_string())
            }
            Err(_) => Missed::Unasked,
        },
        () = until_lost(replica, leader) => Missed::Halfway("it fell silent".to_owned()),
    };
    links.drop_link(leader, Line::Calls);
    Err(missed)
}

/// An answer that ends when its leader is lost.
struct UntilLost {
    body: Body,
    lost: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl http_body::Body for UntilLost {
    type Data = bytes::Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<bytes::Bytes>, Status>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        match self.lost.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Some(Err(Status::unavailable(LEADER_LOST)))),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// A machine that loses its power closes no connection.
async fn until_lost(replica: &Replica, leader: NodeId) {
    loop {
        match replica.leadership() {
            Leadership::Other { node, .. } if node == leader => {
                tokio::time::sleep(LEADER_LOOK).await;
            }
            Leadership::Other { .. } | Leadership::Mine { .. } | Leadership::Unknown => {
                return tokio::time::sleep(LAST_WORD_LIMIT).await;
            }
        }
    }
}

fn went_away(detail: &str) -> Status {
    Status::unavailable(format!(
        "the leader went away while it was asked ({detail}); the change may still have been made. \
         Look before you repeat it"
    ))
}

fn no_leader(replica: &Replica) -> Status {
    let managers = replica.managers();
    let voters = managers.values().filter(|it| it.voter).count();
    let needed = voters / 2 + 1;
    Status::unavailable(format!(
        "no quorum: no leader among {voters} managers, and {needed} of them have to run and reach \
         each other. Start the missing ones; `skep node ls` shows what this manager knows"
    ))
}
