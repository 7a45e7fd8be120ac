//! What the local socket asks of the node, one command at a time.

use super::{Command, GOODBYE_LIMIT, Node, NodeError};
use crate::address;
use crate::agent::GoodbyeReason;
use crate::containers::Containers;
use crate::host::hostname;
use crate::join::{self, JoinError, Joining};
use crate::manager_part::{Founding, Log, ManagerPart};
use crate::member::MemberRecord;
use common::node::{NodeKind, Role};
use proto::v1;
use shell::identity::Identity;
use shell::tls::Credentials;
use std::net::SocketAddr;

impl<M, E, C> Node<M, E>
where
    M: ManagerPart,
    E: Fn() -> C,
    C: Containers,
{
    pub(super) async fn command(&mut self, command: Command) {
        // Whoever asked may have gone; what was asked is done all the same.
        match command {
            Command::Init(request, reply) => drop(reply.send(self.init(request).await)),
            Command::Join(request, reply) => drop(reply.send(self.join(request).await)),
            Command::Leave(request, reply) => drop(reply.send(self.leave(request).await)),
            Command::Status(reply) => drop(reply.send(Ok(self.status()))),
        }
    }

    async fn init(&mut self, request: v1::InitRequest) -> Result<v1::InitResponse, NodeError> {
        if self.member.is_some() {
            return Err(NodeError::AlreadyMember);
        }
        let advertise = address::advertised(&request.advertise_addr)?;
        let listen = listen_address(&request.listen_addr, advertise)?;
        let name = wished_name(&request.name)?;
        let availability = join::availability(request.availability());
        let founding = Founding { advertise, listen, name, availability };
        self.identities.rehearse()?;
        let founded = self.managers.found(founding).await.map_err(NodeError::Failed)?;
        let record = MemberRecord {
            address: advertise,
            listen,
            name: founded.name.clone(),
            managers: vec![advertise.to_string()],
        };
        if let Err(error) = self.remember(&founded.identity, &record) {
            self.managers.stop(Log::Erase).await;
            return Err(error);
        }
        let node = founded.identity.node.0;
        self.begin(record, founded.credentials);
        Ok(v1::InitResponse {
            node,
            name: founded.name,
            worker_token: founded.worker_token,
            address: advertise.to_string(),
        })
    }

    async fn join(
        &mut self,
        request: v1::LocalJoinRequest,
    ) -> Result<v1::LocalJoinResponse, NodeError> {
        if self.member.is_some() {
            return Err(NodeError::AlreadyMember);
        }
        let token = request.token.parse().map_err(JoinError::from)?;
        let manager = address::with_port(&request.manager);
        let advertise = address::advertised_towards(&request.advertise_addr, &manager);
        let advertise = advertise.await?;
        let listen = listen_address(&request.listen_addr, advertise)?;
        let joining = Joining {
            token,
            manager,
            name: request.name.clone(),
            hostname: hostname(),
            address: advertise,
            kind: self.managers.kind(),
            availability: request.availability(),
        };
        if self.managers.kind() == NodeKind::Full {
            self.managers.check(listen).await.map_err(NodeError::Refused)?;
        }
        self.identities.rehearse()?;
        let joined = join::join(joining).await?;
        let record = MemberRecord {
            address: advertise,
            listen,
            name: joined.name.clone(),
            managers: joined.managers,
        };
        let (node, role) = (joined.identity.node.0, joined.identity.role);
        self.remember(&joined.identity, &record)
            .map_err(|error| let_in_but(&joined.name, &error))?;
        let credentials = Credentials::new(joined.identity)?;
        let seated = match role {
            Role::Manager => self.start_manager(&record, &credentials, Log::Erase).await,
            Role::Worker => Ok(()),
        };
        self.begin(record, credentials);
        self.seat_taken(seated);
        Ok(v1::LocalJoinResponse { node, name: joined.name, role: v1::Role::from(role).into() })
    }

    /// Both, or nothing.
    fn remember(&self, identity: &Identity, record: &MemberRecord) -> Result<(), NodeError> {
        let saved = self.record.save(record).map_err(NodeError::from);
        let saved = saved.and_then(|()| Ok(self.identities.save(identity)?));
        if saved.is_err() {
            // It may well be the disk that fails: without an identity the rest counts for nothing.
            drop((self.identities.erase(), self.record.erase()));
        }
        saved
    }

    async fn leave(&mut self, request: v1::LeaveRequest) -> Result<v1::Empty, NodeError> {
        let Some(member) = &self.member else { return Err(NodeError::NotAMember) };
        if let (Some(why), false) = (self.managers.is_needed(), request.force) {
            return Err(NodeError::Refused(why));
        }
        if let Err(reason) = self.managers.resign().await {
            tracing::warn!(%reason, "this manager leaves without having resigned");
            self.managers.part().await;
        }
        member.agent.goodbye(GoodbyeReason::Leave, GOODBYE_LIMIT).await;
        self.wipe().await?;
        Ok(v1::Empty {})
    }

    fn status(&self) -> v1::StatusResponse {
        let program_version = env!("CARGO_PKG_VERSION").to_owned();
        let Some(member) = &self.member else {
            return v1::StatusResponse { program_version, ..v1::StatusResponse::default() };
        };
        let identity = member.credentials.current();
        v1::StatusResponse {
            member: true,
            node: identity.node.0,
            name: member.record.name.clone(),
            role: v1::Role::from(identity.role).into(),
            managers: member.record.managers.clone(),
            engine_ill: member.agent.engine.borrow().to_string(),
            program_version,
        }
    }
}

fn let_in_but(name: &str, error: &NodeError) -> NodeError {
    NodeError::Failed(format!(
        "{error}. The cluster has let this node in as {name}: remove it there with \
         `skep node rm --force {name}`, and join again"
    ))
}

fn listen_address(given: &str, advertise: SocketAddr) -> Result<SocketAddr, NodeError> {
    match address::parse(given)? {
        Some(address) => Ok(address),
        None if advertise.ip().is_loopback() => Ok(advertise),
        None if advertise.is_ipv4() => Ok(SocketAddr::new([0; 4].into(), advertise.port())),
        None => Ok(SocketAddr::new([0; 16].into(), advertise.port())),
    }
}

fn wished_name(given: &str) -> Result<String, NodeError> {
    if given.is_empty() {
        return Ok(hostname());
    }
    let name: common::Name = given
        .parse()
        .map_err(|error: common::name::BadName| NodeError::Refused(error.to_string()))?;
    Ok(name.to_string())
}
