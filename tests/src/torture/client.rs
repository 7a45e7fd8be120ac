//! What the command line asks a daemon, without a process for each question.

use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::v1;
use proto::v1::control_client::ControlClient;
use proto::v1::local_client::LocalClient;
use tokio::runtime::{Builder, Runtime};
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

/// Beyond it a daemon that has a leader to ask has answered, so whoever waits is told so.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// In answers: they may be old, for no leader was asked.
const STALE: &str = "skep-stale";

/// What was refused, or not answered, and why. Of a write it says nothing about whether it was
/// done, except where what it was about is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    NotFound(String),
    Other(String),
}

impl std::fmt::Display for Unanswered {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Unanswered::NotFound(text) | Unanswered::Other(text)) = self;
        formatter.write_str(text)
    }
}

/// A list, and whether it may be old.
#[derive(Debug, Clone)]
pub struct Listing<T> {
    pub rows: Vec<T>,
    pub is_stale: bool,
}

/// Connects anew for each question, as the command line does: the daemon may be another by then.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
    runtime: Runtime,
}

impl Client {
    pub fn of(socket: &Path) -> Client {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime without threads can be made");
        Client { socket: socket.to_owned(), runtime }
    }

    /// Runs one question to its end, and puts what went wrong into words.
    fn ask<T>(
        &self,
        call: impl AsyncFnOnce(Channel) -> Result<Response<T>, Status>,
    ) -> Result<Response<T>, Unanswered> {
        let asked = async {
            let channel = shell::net::connect_local(&self.socket).await;
            let channel = channel.map_err(|error| Unanswered::Other(error.to_string()))?;
            call(channel).await.map_err(|status| {
                let text = status.message().to_owned();
                let is_missing = status.code() == Code::NotFound;
                if is_missing { Unanswered::NotFound(text) } else { Unanswered::Other(text) }
            })
        };
        let limited = async { tokio::time::timeout(ANSWER_LIMIT, asked).await };
        let late = || Err(Unanswered::Other("no answer in time".to_owned()));
        self.runtime.block_on(limited).unwrap_or_else(|_| late())
    }

    pub fn init(&self, name: &str, address: &str) -> Result<(), Unanswered> {
        let request = v1::InitRequest {
            advertise_addr: address.to_owned(),
            listen_addr: address.to_owned(),
            name: name.to_owned(),
            availability: v1::Availability::Drain.into(),
        };
        self.ask(async |channel| LocalClient::new(channel).init(request).await).map(drop)
    }

    pub fn join(
        &self,
        name: &str,
        address: &str,
        token: &str,
        manager: &str,
    ) -> Result<(), Unanswered> {
        let request = v1::LocalJoinRequest {
            token: token.to_owned(),
            manager: manager.to_owned(),
            advertise_addr: address.to_owned(),
            listen_addr: address.to_owned(),
            name: name.to_owned(),
            availability: v1::Availability::Drain.into(),
        };
        self.ask(async |channel| LocalClient::new(channel).join(request).await).map(drop)
    }

    pub fn manager_token(&self) -> Result<String, Unanswered> {
        let request =
            v1::GetJoinTokenRequest { role: v1::Role::Manager.into(), ..Default::default() };
        self.ask(async |channel| ControlClient::new(channel).get_join_token(request).await)
            .map(|it| it.into_inner().token)
    }

    /// With one task, which no node takes.
    pub fn create(&self, service: &str) -> Result<(), Unanswered> {
        let spec = v1::ServiceSpec {
            name: service.to_owned(),
            mode: Some(v1::service_spec::Mode::Replicated(v1::Replicated { replicas: 1 })),
            task: Some(v1::TaskSpec {
                container: Some(v1::ContainerSpec {
                    image: "box:1".to_owned(),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        };
        let request = v1::CreateServiceRequest { spec: Some(spec) };
        self.ask(async |channel| ControlClient::new(channel).create_service(request).await)
            .map(drop)
    }

    pub fn scale(&self, service: &str, replicas: u32) -> Result<(), Unanswered> {
        let scale = v1::scale_services_request::Scale { service: service.to_owned(), replicas };
        let request = v1::ScaleServicesRequest { scales: vec![scale] };
        self.ask(async |channel| ControlClient::new(channel).scale_services(request).await)
            .map(drop)
    }

    pub fn remove(&self, service: &str) -> Result<(), Unanswered> {
        let request = v1::RemoveServicesRequest { services: vec![service.to_owned()] };
        self.ask(async |channel| ControlClient::new(channel).remove_services(request).await)
            .map(drop)
    }

    pub fn put_label(&self, node: &str, label: &str, value: u32) -> Result<(), Unanswered> {
        let request = v1::UpdateNodeRequest {
            node: node.to_owned(),
            labels_put: [(label.to_owned(), value.to_string())].into(),
            ..Default::default()
        };
        self.ask(async |channel| ControlClient::new(channel).update_node(request).await).map(drop)
    }

    pub fn nodes(&self) -> Result<Listing<v1::NodeView>, Unanswered> {
        let answer = self.ask(async |channel| {
            ControlClient::new(channel).list_nodes(v1::ListNodesRequest::default()).await
        })?;
        let is_stale = answer.metadata().contains_key(STALE);
        Ok(Listing { rows: answer.into_inner().nodes, is_stale })
    }

    /// Names and replicas.
    pub fn services(&self) -> Result<Listing<(String, u32)>, Unanswered> {
        let request = v1::ListServicesRequest::default();
        let answer =
            self.ask(async |channel| ControlClient::new(channel).list_services(request).await)?;
        let is_stale = answer.metadata().contains_key(STALE);
        let rows = answer.into_inner().services.into_iter().map(|view| {
            let spec = view.service.and_then(|it| it.spec).expect("a service has a specification");
            let Some(v1::service_spec::Mode::Replicated(mode)) = spec.mode else {
                panic!("{} is not replicated", spec.name);
            };
            (spec.name, mode.replicas)
        });
        Ok(Listing { rows: rows.collect(), is_stale })
    }
}
