//! What managers serve: the gate, and behind it one file per service.

pub mod access;
mod ca;
mod control;
mod dispatcher;
mod files;
pub mod gate;
mod logs;
mod networks;
mod raft;
mod reached;
mod stacks;
mod volumes;

pub use logs::LogBroker;

use crate::raft::links::MESSAGE_BYTES_MAX;
use crate::seat::Seat;
use gate::GateLayer;
use proto::v1;
use tokio::sync::watch;
use tonic::service::Routes;

/// Everything that is served over TLS.
pub fn cluster_routes(seats: watch::Receiver<Seat>) -> Routes {
    let raft = v1::raft_server::RaftServer::new(raft::RaftService::new(seats.clone()))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let dispatcher = dispatcher::DispatcherService::new(seats.clone());
    user_routes(Routes::default(), seats.clone())
        .add_service(v1::ca_server::CaServer::new(ca::CaService::new(seats)))
        .add_service(v1::dispatcher_server::DispatcherServer::new(dispatcher))
        .add_service(raft)
}

/// What users call, on the daemon's own socket too.
pub fn user_routes(routes: Routes, seats: watch::Receiver<Seat>) -> Routes {
    let control = control::ControlService::new(seats);
    routes.add_service(v1::control_server::ControlServer::new(control))
}

pub fn gate(seats: watch::Receiver<Seat>) -> GateLayer {
    GateLayer { seats }
}

/// The manager behind a call that the gate let through.
fn manager(seats: &watch::Receiver<Seat>) -> Result<crate::manager::Manager, tonic::Status> {
    match &*seats.borrow() {
        Seat::Manager(manager) => Ok(manager.clone()),
        Seat::Starting | Seat::None | Seat::Worker { .. } => {
            Err(tonic::Status::unavailable("this node is no manager any more; ask another one"))
        }
    }
}
