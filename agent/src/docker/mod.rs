//! Docker Engine. The only place that names bollard.

mod convert;
mod create;
mod describe;
mod error;
mod events;
mod health;
mod logs;
mod probe;
mod pull;

use crate::containers::{
    Containers, EngineError, EngineNews, LogLine, LogQuery, Owner, PullProgress,
};
use agent_core::container::{ContainerId, ImageWish, OperationFailure, Seen};
use agent_core::health::Health;
use bollard::errors::Error;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder,
    StartContainerOptions, StopContainerOptionsBuilder,
};
use bollard::{API_DEFAULT_VERSION, ClientVersion};
use common::assignment::Assignment;
use common::node::NodeDescription;
use common::volume::is_anonymous;
use error::{Context, engine_error, operation_failure};
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};

/// 19.03, the first with init for containers made through the mounts interface as we make them.
const API_VERSION_OLDEST: ClientVersion = ClientVersion { major_version: 1, minor_version: 40 };
/// An engine that takes longer for one of these is taken for dead; stopping takes its grace.
const QUICK_LIMIT: Duration = Duration::from_secs(10);
const OPERATION_LIMIT: Duration = Duration::from_secs(120);
/// bollard has one limit for all calls, of which some last as long as a container does.
const CALL_LIMIT_SECONDS: u64 = 10 * 365 * 24 * 3_600;

#[derive(Debug)]
pub struct Docker {
    address: String,
    /// Made when it is needed first, and anew after the engine was lost: it may have been upgraded.
    client: Mutex<Option<bollard::Docker>>,
}

impl Docker {
    /// Does not connect yet: the engine may come later.
    pub fn new(address: &str) -> Docker {
        Docker { address: address.to_owned(), client: Mutex::new(None) }
    }

    async fn client(&self) -> Result<bollard::Docker, EngineError> {
        let mut client = self.client.lock().await;
        if let Some(client) = client.as_ref() {
            return Ok(client.clone());
        }
        let connected = within(QUICK_LIMIT, self.connect()).await?;
        Ok(client.insert(connected).clone())
    }

    /// The client's version is that of the interface as both sides know it.
    async fn connect(&self) -> Result<bollard::Docker, EngineError> {
        let socket = self.address.strip_prefix("unix://").unwrap_or(&self.address);
        if !socket.starts_with('/') {
            return Err(EngineError::BadAddress { address: self.address.clone() });
        }
        let client_of = |version: &ClientVersion| {
            bollard::Docker::connect_with_unix(socket, CALL_LIMIT_SECONDS, version)
                .map_err(|error| self.error(error))
        };
        let client = client_of(API_DEFAULT_VERSION)?;
        let version = client.version().await.map_err(|error| self.error(error))?;
        let api = version.api_version.as_deref().and_then(convert::api_version);
        let api =
            api.filter(|it| *it >= API_VERSION_OLDEST).ok_or_else(|| EngineError::TooOld {
                version: version.version.clone().unwrap_or_else(|| "without a version".to_owned()),
            })?;
        // bollard names no version in the paths it asks for; an engine that is newer than we are
        // may mean something else by them then.
        let agreed = if api < *API_DEFAULT_VERSION { api } else { *API_DEFAULT_VERSION };
        let client = client_of(&agreed)?;
        Ok(client.with_request_modifier(move |request| convert::with_version(request, agreed)))
    }

    fn error(&self, error: Error) -> EngineError {
        engine_error(&self.address, &error)
    }

    /// Where the engine is to do something for a task.
    async fn client_for_task(&self) -> Result<bollard::Docker, OperationFailure> {
        let client = self.client().await;
        client.map_err(|error| OperationFailure::EngineAway { detail: error.to_string() })
    }

    fn failure(&self, context: Context) -> impl Fn(Error) -> OperationFailure {
        move |error| operation_failure(context, &error)
    }
}

async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    tokio::time::timeout(limit, call).await.unwrap_or_else(|_| {
        Err(EngineError::Silent { detail: format!("no answer within {} s", limit.as_secs()) })
    })
}

async fn within_operation<T>(
    call: impl Future<Output = Result<T, OperationFailure>>,
) -> Result<T, OperationFailure> {
    tokio::time::timeout(OPERATION_LIMIT, call).await.unwrap_or_else(|_| {
        let seconds = OPERATION_LIMIT.as_secs();
        Err(OperationFailure::EngineAway { detail: format!("no answer within {seconds} s") })
    })
}

impl Containers for Docker {
    fn socket(&self) -> Option<PathBuf> {
        Some(PathBuf::from(self.address.strip_prefix("unix://").unwrap_or(&self.address)))
    }

    async fn ping(&self) -> Result<(), EngineError> {
        self.client().await?.ping().await.map(drop).map_err(|error| self.error(error))
    }

    async fn describe(&self) -> Result<NodeDescription, EngineError> {
        let client = self.client().await?;
        within(QUICK_LIMIT, async {
            let info = client.info().await.map_err(|error| self.error(error))?;
            let version = client.version().await.map_err(|error| self.error(error))?;
            Ok(describe::description(&info, &version))
        })
        .await
    }

    async fn images(&self) -> Result<BTreeSet<String>, EngineError> {
        let client = self.client().await?;
        let none = None::<bollard::query_parameters::ListImagesOptions>;
        within(QUICK_LIMIT, async {
            let images = client.list_images(none).await.map_err(|error| self.error(error))?;
            Ok(describe::references(&images))
        })
        .await
    }

    async fn volumes(&self) -> Result<BTreeSet<String>, EngineError> {
        let client = self.client().await?;
        // Other drivers are asked one by one, and one that hangs would hold up all.
        let filters = HashMap::from([("driver", vec!["local"])]);
        let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
        within(QUICK_LIMIT, async {
            let list = client.list_volumes(Some(options)).await;
            let list = list.map_err(|error| self.error(error))?;
            let names = list.volumes.into_iter().flatten().map(|it| it.name);
            Ok(names.filter(|it| !is_anonymous(it)).collect())
        })
        .await
    }

    async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        let client = self.client().await?;
        let none = None::<bollard::query_parameters::RemoveVolumeOptions>;
        within(QUICK_LIMIT, async {
            match client.remove_volume(name, none).await {
                Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
                removed => removed.map_err(|error| self.error(error)),
            }
        })
        .await
    }

    async fn list(&self, owner: Owner) -> Result<Vec<Seen>, EngineError> {
        let client = self.client().await?;
        let filters = HashMap::from([("label", convert::owner_filter(owner))]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        within(QUICK_LIMIT, async {
            let list = client.list_containers(Some(options)).await;
            let list = list.map_err(|error| self.error(error))?;
            let mut seen: Vec<Seen> = list.iter().filter_map(convert::seen).collect();
            for one in &mut seen {
                events::complete_exit(&client, one).await;
                let completed = health::complete_health(&client, one).await;
                completed.map_err(|error| self.error(error))?;
            }
            Ok(seen)
        })
        .await
    }

    async fn watch(&self, owner: Owner, news: mpsc::Sender<EngineNews>) -> EngineError {
        let client = match self.client().await {
            Ok(client) => client,
            Err(error) => return error,
        };
        let lost = events::watch(&self.address, &client, owner, news).await;
        *self.client.lock().await = None;
        lost
    }

    async fn pull(
        &self,
        wish: &ImageWish,
        progress: mpsc::Sender<PullProgress>,
    ) -> Result<(), OperationFailure> {
        pull::pull(&self.client_for_task().await?, wish, progress).await
    }

    async fn create(
        &self,
        owner: Owner,
        assignment: &Assignment,
    ) -> Result<ContainerId, OperationFailure> {
        let client = self.client_for_task().await?;
        within_operation(create::create(&client, owner, assignment)).await
    }

    async fn start(&self, container: &ContainerId) -> Result<Health, OperationFailure> {
        let client = self.client_for_task().await?;
        within_operation(async {
            let started = client.start_container(&container.0, None::<StartContainerOptions>).await;
            started.map_err(self.failure(Context::Other))?;
            // It runs now, so whatever else goes wrong is no refusal to start it.
            let looked = health::look(&client, &container.0).await;
            looked.map_err(|error| match self.failure(Context::Other)(error) {
                OperationFailure::Refused { detail } => OperationFailure::EngineAway { detail },
                failure => failure,
            })
        })
        .await
    }

    async fn probe(&self, container: &ContainerId) -> Result<Health, OperationFailure> {
        let client = self.client_for_task().await?;
        probe::probe(&client, &container.0).await.map_err(self.failure(Context::Other))
    }

    async fn stop(
        &self,
        container: &ContainerId,
        grace: Option<Duration>,
    ) -> Result<(), OperationFailure> {
        let client = self.client_for_task().await?;
        let options = grace.map(|it| {
            let seconds = i32::try_from(it.as_secs()).unwrap_or(i32::MAX);
            StopContainerOptionsBuilder::new().t(seconds).build()
        });
        let stopped = client.stop_container(&container.0, options).await;
        stopped.map_err(self.failure(Context::Other))
    }

    async fn remove(&self, container: &ContainerId) -> Result<(), OperationFailure> {
        let client = self.client_for_task().await?;
        let options = RemoveContainerOptionsBuilder::new().v(true).build();
        within_operation(async {
            let removed = client.remove_container(&container.0, Some(options)).await;
            match removed.map_err(self.failure(Context::Remove)) {
                // Somebody else is at it, so it is as good as done.
                Err(OperationFailure::NoSuchContainer) | Ok(()) => Ok(()),
                Err(failure) => Err(failure),
            }
        })
        .await
    }

    async fn logs(
        &self,
        container: &ContainerId,
        query: LogQuery,
        lines: mpsc::Sender<LogLine>,
    ) -> Result<(), EngineError> {
        let client = self.client().await?;
        logs::read(&client, container, query, lines).await.map_err(|error| self.error(error))
    }
}
