//! The life of a node: not a member, a member, a manager and back. One loop owns it all; the
//! local socket, the agent and the signals send it what happens.

mod commands;

use crate::address;
use crate::agent::{AgentConfig, AgentHandle, GoodbyeReason, Membership};
use crate::containers::Containers;
use crate::join::{self, JoinError};
use crate::manager_part::{Log, ManagerPart, Seated};
use crate::member::{MemberFile, MemberRecord};
use common::backoff;
use common::node::Role;
use proto::v1;
use shell::identity::{Identity, IdentityFolder};
use shell::supervisor::Scope;
use shell::tls::Credentials;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

const STOP_GRACE: Duration = Duration::from_secs(5);
const GOODBYE_LIMIT: Duration = Duration::from_secs(2);
const LEAVE_LIMIT: Duration = Duration::from_secs(60);
const RENEW_RETRY_FIRST: Duration = Duration::from_secs(1);
const RENEW_RETRY_MOST: Duration = Duration::from_secs(10);
const SEAT_RETRY: Duration = Duration::from_secs(5);
/// Clocks jump, so the date of the renewal is looked at again at least this often.
const RENEW_LOOK: Duration = Duration::from_secs(3_600);

/// What a node is started with.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    pub data_dir: PathBuf,
    pub run_dir: PathBuf,
}

/// What a node meets outside of itself.
#[derive(Debug)]
pub struct World<E, S> {
    /// Makes a line to the container engine: every membership has one of its own.
    pub engine: E,
    /// Resolves when the daemon is to stop.
    pub ending: S,
}

/// What the local socket asks.
#[derive(Debug)]
pub enum Command {
    Init(v1::InitRequest, Reply<v1::InitResponse>),
    Join(v1::LocalJoinRequest, Reply<v1::LocalJoinResponse>),
    Leave(v1::LeaveRequest, Reply<v1::Empty>),
    Status(Reply<v1::StatusResponse>),
}

pub type Reply<T> = oneshot::Sender<Result<T, NodeError>>;

#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error(transparent)]
    Address(#[from] address::AddressError),
    #[error(transparent)]
    Join(#[from] JoinError),
    #[error(transparent)]
    Identity(#[from] shell::identity::IdentityError),
    #[error(transparent)]
    Member(#[from] crate::member::MemberError),
    #[error(transparent)]
    Tls(#[from] shell::tls::TlsError),
    #[error("this machine is a member of a cluster already: `skep leave` first")]
    AlreadyMember,
    #[error("this machine is not a member of a cluster")]
    NotAMember,
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Failed(String),
}

/// How the daemon ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The program stops or is replaced; nothing is to move.
    Restart,
    /// The machine goes down: its tasks are to move at once.
    MachineStops,
}

struct Member {
    record: MemberRecord,
    credentials: Credentials,
    agent: AgentHandle,
    scope: Scope,
    renew_at: Instant,
    renewals_failed: u32,
    /// It has the role of a manager, and something was in the way of serving as one.
    is_unseated: bool,
}

pub(crate) struct Node<M, E> {
    options: NodeOptions,
    engine: E,
    scope: Scope,
    managers: M,
    identities: IdentityFolder,
    record: MemberFile,
    member: Option<Member>,
}

impl<M, E, C> Node<M, E>
where
    M: ManagerPart,
    E: Fn() -> C,
    C: Containers,
{
    /// Goes on as what it was when the program last ran.
    pub(crate) async fn open(
        scope: &Scope,
        options: NodeOptions,
        engine: E,
        managers: M,
    ) -> Result<Self, NodeError> {
        let identities = IdentityFolder::at(options.data_dir.join("identity"));
        let record = MemberFile::at(options.data_dir.join("member.json"));
        let (scope, member) = (scope.clone(), None);
        let mut node = Node { options, engine, scope, managers, identities, record, member };
        let identity = node.identities.load()?;
        let record = node.record.load()?;
        if let (Some(identity), Some(record)) = (identity, record) {
            let credentials = Credentials::new(identity)?;
            if credentials.current().role == Role::Manager {
                node.start_manager(&record, &credentials, Log::Keep).await?;
            }
            node.begin(record, credentials);
        } else {
            node.managers.seated(Seated::Nowhere);
        }
        Ok(node)
    }

    /// Serves until `ending` resolves.
    pub(crate) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        ending: impl Future<Output = Ending>,
    ) {
        tokio::pin!(ending);
        loop {
            let event = tokio::select! {
                ending = &mut ending => Event::Ending(ending),
                command = commands.recv() => match command {
                    Some(command) => Event::Command(command),
                    None => Event::Ending(Ending::Restart),
                },
                event = member_event(&mut self.member) => event,
            };
            match event {
                Event::Ending(ending) => return self.end(ending).await,
                Event::Command(command) => self.command(command).await,
                Event::Membership(membership) => self.on_membership(membership).await,
                Event::Farewell => self.on_farewell().await,
                Event::RenewalDue => self.look_at_renewal().await,
            }
        }
    }

    async fn start_manager(
        &mut self,
        record: &MemberRecord,
        credentials: &Credentials,
        log: Log,
    ) -> Result<(), NodeError> {
        let before = credentials.current();
        self.managers.start(record, credentials, log).await.map_err(NodeError::Failed)?;
        let now = credentials.current();
        if now.certificate_pem != before.certificate_pem {
            self.identities.save(&now)?;
        }
        Ok(())
    }

    /// From here on the node takes part.
    fn begin(&mut self, record: MemberRecord, credentials: Credentials) {
        let identity = credentials.current();
        if identity.role == Role::Worker {
            self.managers.seated(Seated::Worker { managers: record.managers.clone() });
        }
        let scope = self.scope.child("member");
        let config = AgentConfig {
            node: identity.node,
            cluster: identity.cluster,
            kind: self.managers.kind(),
            address: record.address,
            run_dir: self.options.run_dir.clone(),
            managers: record.managers.clone(),
        };
        let agent = crate::agent::start(&scope, config, (self.engine)(), credentials.clone());
        let renew_at = renewal(&identity);
        self.member = Some(Member {
            record,
            credentials,
            agent,
            scope,
            renew_at,
            renewals_failed: 0,
            is_unseated: false,
        });
    }

    async fn on_membership(&mut self, membership: Membership) {
        let Some(member) = &mut self.member else { return };
        let role = member.credentials.current().role;
        let renamed =
            member.record.name != membership.node_name && !membership.node_name.is_empty();
        if member.record.managers != membership.managers || renamed {
            member.record.managers.clone_from(&membership.managers);
            if renamed {
                member.record.name.clone_from(&membership.node_name);
            }
            if let Err(error) = self.record.save(&member.record) {
                tracing::warn!(%error, "the managers' addresses cannot be saved");
            }
            if role == Role::Worker {
                self.managers.seated(Seated::Worker { managers: membership.managers });
            }
        }
        if role != membership.role {
            self.renew().await;
        }
    }

    async fn take_seat(&mut self) {
        let Some(member) = &mut self.member else { return };
        let (record, credentials) = (member.record.clone(), member.credentials.clone());
        let seated = self.start_manager(&record, &credentials, Log::Erase).await;
        self.seat_taken(seated);
    }

    /// Where it was not, it is tried again.
    fn seat_taken(&mut self, seated: Result<(), NodeError>) {
        let Some(member) = &mut self.member else { return };
        member.is_unseated = seated.is_err();
        if let Err(error) = seated {
            tracing::error!(%error, "this node cannot serve as a manager yet");
            member.renew_at = Instant::now() + SEAT_RETRY;
        }
    }

    async fn look_at_renewal(&mut self) {
        let Some(member) = &mut self.member else { return };
        if member.is_unseated {
            return self.take_seat().await;
        }
        let identity = member.credentials.current();
        let wants_role = member.agent.membership.borrow().role != identity.role;
        let due = shell::identity::renewal_due(&identity.certificate_pem, identity.node.0);
        let is_due = due.is_ok_and(|due| due <= shell::clock::wall());
        if is_due || wants_role {
            self.renew().await;
        } else {
            member.renew_at = renewal(&identity);
        }
    }

    /// Gets a new certificate, and with it the role that the cluster wants this node to have.
    async fn renew(&mut self) {
        let Some(member) = &mut self.member else { return };
        let before = member.credentials.current();
        let renewed = join::renew(&member.credentials, &member.record.managers).await;
        let identity = match renewed {
            Ok(identity) => identity,
            Err(error) => {
                tracing::info!(%error, "the certificate is not renewed yet");
                let (first, most) = (RENEW_RETRY_FIRST, RENEW_RETRY_MOST);
                let tried = member.renewals_failed;
                member.renewals_failed += 1;
                member.renew_at =
                    Instant::now() + backoff::delay(first, most, tried, shell::clock::seed());
                return;
            }
        };
        (member.renew_at, member.renewals_failed) = (renewal(&identity), 0);
        let role = identity.role;
        if let Err(error) = self.identities.save(&identity) {
            tracing::error!(%error, "the new certificate cannot be saved");
        }
        if let Err(error) = member.credentials.replace(identity) {
            tracing::error!(%error, "the new certificate cannot be used");
            return;
        }
        match (before.role, role) {
            (Role::Worker, Role::Manager) => {
                tracing::info!("this node becomes a manager");
                self.take_seat().await;
            }
            (Role::Manager, Role::Worker) => {
                tracing::info!("this node is no manager any more");
                member.is_unseated = false;
                // Before it stops, so that whoever asks meanwhile is told where to turn.
                let managers = member.record.managers.clone();
                self.managers.seated(Seated::Worker { managers });
                self.managers.stop(Log::Erase).await;
            }
            (Role::Worker, Role::Worker) | (Role::Manager, Role::Manager) => {}
        }
    }

    /// It was removed from the cluster by somebody else.
    async fn on_farewell(&mut self) {
        tracing::warn!("this node was removed from its cluster");
        if let Err(error) = self.wipe().await {
            tracing::error!(%error, "what is left of the membership cannot be removed");
        }
    }

    async fn wipe(&mut self) -> Result<(), NodeError> {
        let Some(member) = self.member.take() else { return Ok(()) };
        member.agent.stop_all(LEAVE_LIMIT).await;
        stop(&member.scope).await;
        self.managers.stop(Log::Erase).await;
        self.identities.erase()?;
        self.record.erase()?;
        self.managers.seated(Seated::Nowhere);
        Ok(())
    }

    async fn end(mut self, ending: Ending) {
        if let Some(member) = self.member.take() {
            let reason = match ending {
                Ending::Restart => GoodbyeReason::Restart,
                Ending::MachineStops => GoodbyeReason::ShutDown,
            };
            member.agent.goodbye(reason, GOODBYE_LIMIT).await;
            self.managers.part().await;
            stop(&member.scope).await;
        }
        self.managers.stop(Log::Keep).await;
    }
}

enum Event {
    Ending(Ending),
    Command(Command),
    Membership(Membership),
    Farewell,
    RenewalDue,
}

async fn member_event(member: &mut Option<Member>) -> Event {
    let Some(member) = member else { return std::future::pending().await };
    let AgentHandle { membership, farewell, .. } = &mut member.agent;
    tokio::select! {
        Ok(()) = membership.changed() => {
            Event::Membership(membership.borrow_and_update().clone())
        }
        Ok(_) = farewell.wait_for(|said| *said) => Event::Farewell,
        () = tokio::time::sleep_until(member.renew_at) => Event::RenewalDue,
    }
}

async fn stop(scope: &Scope) {
    if let Err(failed) = scope.stop(STOP_GRACE).await {
        tracing::warn!(%failed, "a task did not stop in order");
    }
}

fn renewal(identity: &Identity) -> Instant {
    let due = shell::identity::renewal_due(&identity.certificate_pem, identity.node.0);
    let now = shell::clock::wall();
    let wait = match due {
        Ok(due) => Duration::from_millis(due.0.saturating_sub(now.0)),
        Err(error) => {
            tracing::error!(%error, "the certificate's dates cannot be read");
            Duration::ZERO
        }
    };
    Instant::now() + wait.min(RENEW_LOOK)
}
