//! What the command line asks a daemon, with the daemon's own words where it refuses.

use std::path::{Path, PathBuf};

use common::FileId;
use common::file::{FileKind, Grant, NewFile};
use common::secret::Secret;
use proto::v1;
use proto::v1::control_client::ControlClient;
use proto::v1::local_client::LocalClient;
use tonic::transport::Channel;
use tonic::{Response, Status};

/// In answers: why they may be old.
const STALE: &str = "skep-stale";

pub type Answer<T> = Result<T, Status>;

/// A list, and why it may be old.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    pub rows: Vec<T>,
    pub stale: Option<String>,
}

impl<T> Listed<T> {
    fn of<A>(answer: Response<A>, rows: impl FnOnce(A) -> Vec<T>) -> Listed<T> {
        let stale = answer.metadata().get(STALE);
        let stale = stale.map(|it| it.to_str().expect("the reason is plain text").to_owned());
        Listed { rows: rows(answer.into_inner()), stale }
    }
}

/// Connects anew for each question: the daemon may be another by then.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    pub fn of(socket: &Path) -> Client {
        Client { socket: socket.to_owned() }
    }

    async fn connect(&self) -> Answer<Channel> {
        let channel = shell::net::connect_local(&self.socket).await;
        channel.map_err(|error| Status::unavailable(error.to_string()))
    }

    async fn control(&self) -> Answer<ControlClient<Channel>> {
        self.connect().await.map(ControlClient::new)
    }

    async fn local(&self) -> Answer<LocalClient<Channel>> {
        self.connect().await.map(LocalClient::new)
    }

    pub async fn status(&self) -> Answer<v1::StatusResponse> {
        Ok(self.local().await?.status(v1::Empty {}).await?.into_inner())
    }

    pub async fn init(&self, request: v1::InitRequest) -> Answer<v1::InitResponse> {
        Ok(self.local().await?.init(request).await?.into_inner())
    }

    pub async fn join(&self, request: v1::LocalJoinRequest) -> Answer<v1::LocalJoinResponse> {
        Ok(self.local().await?.join(request).await?.into_inner())
    }

    pub async fn leave(&self, force: bool) -> Answer<()> {
        self.local().await?.leave(v1::LeaveRequest { force }).await.map(drop)
    }

    pub async fn token(&self, role: v1::Role) -> Answer<String> {
        self.get_token(v1::GetJoinTokenRequest { role: role.into(), rotate: false }).await
    }

    /// A new one, which voids the old one.
    pub async fn rotated_token(&self, role: v1::Role) -> Answer<String> {
        self.get_token(v1::GetJoinTokenRequest { role: role.into(), rotate: true }).await
    }

    async fn get_token(&self, request: v1::GetJoinTokenRequest) -> Answer<String> {
        Ok(self.control().await?.get_join_token(request).await?.into_inner().token)
    }

    pub async fn create(&self, service: &str, replicas: u32) -> Answer<u64> {
        let container =
            v1::ContainerSpec { image: super::node::IMAGE.to_owned(), ..Default::default() };
        let spec = v1::ServiceSpec {
            name: service.to_owned(),
            mode: Some(v1::service_spec::Mode::Replicated(v1::Replicated { replicas })),
            task: Some(v1::TaskSpec { container: Some(container), ..Default::default() }),
            ..Default::default()
        };
        let request = v1::CreateServiceRequest { spec: Some(spec) };
        Ok(self.control().await?.create_service(request).await?.into_inner().id)
    }

    /// One task, which is given these.
    pub async fn create_with_files(&self, service: &str, grants: &[Grant]) -> Answer<u64> {
        let grants = grants.iter().map(v1::Grant::from).collect();
        let image = super::node::IMAGE.to_owned();
        let container = v1::ContainerSpec { image, grants, ..Default::default() };
        let spec = v1::ServiceSpec {
            name: service.to_owned(),
            mode: Some(v1::service_spec::Mode::Replicated(v1::Replicated { replicas: 1 })),
            task: Some(v1::TaskSpec { container: Some(container), ..Default::default() }),
            ..Default::default()
        };
        let request = v1::CreateServiceRequest { spec: Some(spec) };
        Ok(self.control().await?.create_service(request).await?.into_inner().id)
    }

    pub async fn remove_service(&self, service: &str) -> Answer<()> {
        let request = v1::RemoveServicesRequest { services: vec![service.to_owned()] };
        self.control().await?.remove_services(request).await.map(drop)
    }

    pub async fn sealing_key(&self) -> Answer<Secret> {
        let answer = self.control().await?.get_sealing_key(v1::Empty {}).await?;
        Ok(Secret::new(answer.into_inner().key))
    }

    pub async fn create_file(&self, new: &NewFile) -> Answer<FileId> {
        let request = v1::CreateFileRequest::from(new);
        Ok(FileId(self.control().await?.create_file(request).await?.into_inner().id))
    }

    pub async fn files(&self, kind: FileKind) -> Answer<Vec<v1::FileView>> {
        let kind = v1::FileKind::from(kind).into();
        let request = v1::ListFilesRequest { kind, with_content: true, ..Default::default() };
        Ok(self.control().await?.list_files(request).await?.into_inner().files)
    }

    pub async fn remove_file(&self, kind: FileKind, name: &str) -> Answer<()> {
        let (kind, files) = (v1::FileKind::from(kind).into(), vec![name.to_owned()]);
        let request = v1::RemoveFilesRequest { kind, files };
        self.control().await?.remove_files(request).await.map(drop)
    }

    pub async fn scale(&self, service: &str, replicas: u32) -> Answer<()> {
        let scale = v1::scale_services_request::Scale { service: service.to_owned(), replicas };
        let request = v1::ScaleServicesRequest { scales: vec![scale] };
        self.control().await?.scale_services(request).await.map(drop)
    }

    pub async fn services(&self) -> Answer<Listed<v1::ServiceView>> {
        let request = v1::ListServicesRequest::default();
        let answer = self.control().await?.list_services(request).await?;
        Ok(Listed::of(answer, |it| it.services))
    }

    pub async fn tasks(&self, service: &str) -> Answer<Listed<v1::TaskView>> {
        let request =
            v1::ListTasksRequest { services: vec![service.to_owned()], ..Default::default() };
        let answer = self.control().await?.list_tasks(request).await?;
        Ok(Listed::of(answer, |it| it.tasks))
    }

    pub async fn nodes(&self) -> Answer<Listed<v1::NodeView>> {
        let request = v1::ListNodesRequest::default();
        let answer = self.control().await?.list_nodes(request).await?;
        Ok(Listed::of(answer, |it| it.nodes))
    }

    pub async fn set_role(&self, node: &str, role: v1::Role) -> Answer<()> {
        let role = Some(role.into());
        self.update(v1::UpdateNodeRequest { node: node.to_owned(), role, ..Default::default() })
            .await
    }

    pub async fn put_label(&self, node: &str, label: &str, value: &str) -> Answer<()> {
        let labels_put = [(label.to_owned(), value.to_owned())].into();
        let node = node.to_owned();
        self.update(v1::UpdateNodeRequest { node, labels_put, ..Default::default() }).await
    }

    async fn update(&self, request: v1::UpdateNodeRequest) -> Answer<()> {
        self.control().await?.update_node(request).await.map(drop)
    }

    pub async fn remove_node(&self, node: &str, force: bool) -> Answer<()> {
        let request = v1::RemoveNodeRequest { node: node.to_owned(), force };
        self.control().await?.remove_node(request).await.map(drop)
    }
}
