//! What managers ask of each other.

use super::manager;
use crate::seat::Seat;
use proto::v1;
use proto::v1::raft_server::Raft;
use shell::codec::CodecError;
use shell::tls::Caller;
use std::pin::Pin;
use tokio::sync::watch;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

#[derive(Debug)]
pub(super) struct RaftService {
    seats: watch::Receiver<Seat>,
}

impl RaftService {
    pub(super) fn new(seats: watch::Receiver<Seat>) -> RaftService {
        RaftService { seats }
    }
}

type Answers = Pin<Box<dyn Stream<Item = Result<v1::BeatResponse, Status>> + Send>>;

fn answer(payload: Result<Vec<u8>, CodecError>) -> Result<Response<v1::RaftMessage>, Status> {
    match payload {
        Ok(payload) => Ok(Response::new(v1::RaftMessage { payload })),
        Err(error) => Err(Status::invalid_argument(error.to_string())),
    }
}

#[tonic::async_trait]
impl Raft for RaftService {
    async fn append(
        &self,
        request: Request<v1::RaftMessage>,
    ) -> Result<Response<v1::RaftMessage>, Status> {
        let manager = manager(&self.seats)?;
        answer(manager.replica().on_append(&request.get_ref().payload).await)
    }

    async fn vote(
        &self,
        request: Request<v1::RaftMessage>,
    ) -> Result<Response<v1::RaftMessage>, Status> {
        let manager = manager(&self.seats)?;
        answer(manager.replica().on_vote(&request.get_ref().payload).await)
    }

    async fn install_snapshot(
        &self,
        request: Request<v1::RaftMessage>,
    ) -> Result<Response<v1::RaftMessage>, Status> {
        let manager = manager(&self.seats)?;
        answer(manager.replica().on_snapshot(&request.get_ref().payload).await)
    }

    type BeatsStream = Answers;

    async fn beats(
        &self,
        request: Request<Streaming<v1::BeatRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let seats = self.seats.clone();
        // The seat is looked up for each beat, so that nothing holds on to a manager that is none
        // any more, and the call ends with it.
        let answers =
            request.into_inner().map(move |beat| Ok(manager(&seats)?.replica().on_beat(&beat?)));
        Ok(Response::new(Box::pin(answers)))
    }

    async fn pre_vote(
        &self,
        request: Request<v1::PreVoteRequest>,
    ) -> Result<Response<v1::PreVoteResponse>, Status> {
        let manager = manager(&self.seats)?;
        Ok(Response::new(manager.replica().on_pre_vote(request.get_ref())))
    }

    async fn enlist(
        &self,
        request: Request<v1::EnlistRequest>,
    ) -> Result<Response<v1::EnlistResponse>, Status> {
        let manager = manager(&self.seats)?;
        let Some(Caller::Member(member)) = request.extensions().get::<Caller>().cloned() else {
            return Err(Status::unauthenticated("only a manager can enlist"));
        };
        let address = request.get_ref().address.parse().map_err(|_| {
            Status::invalid_argument(format!("`{}` is not an address", request.get_ref().address))
        })?;
        let enlisted = manager.replica().enlist(member.node, address).await;
        enlisted.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(Response::new(v1::EnlistResponse {}))
    }

    async fn take_over(
        &self,
        _: Request<v1::TakeOverRequest>,
    ) -> Result<Response<v1::TakeOverResponse>, Status> {
        let manager = manager(&self.seats)?;
        let taken = manager.replica().on_take_over().await;
        taken.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(Response::new(v1::TakeOverResponse {}))
    }
}
