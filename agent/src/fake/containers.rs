//! The played engine as the agent sees it.

use super::{Behaviour, Call, Delays, FakeContainer, FakeEngine, Power, Registry, State};
use crate::containers::{
    Containers, EngineError, EngineNews, LogLine, LogQuery, Owner, PullProgress,
};
use crate::host;
use agent_core::container::{
    ContainerEvent, ContainerEventKind, ContainerId, Exit, ImageWish, OperationFailure, Phase, Seen,
};
use agent_core::health::Health;
use common::assignment::Assignment;
use common::container::MountSource;
use common::node::{Engine, NodeDescription};
use common::resources::Resources;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

impl FakeEngine {
    /// Answers, hangs or is not there.
    async fn gate(&self) -> Result<(), EngineError> {
        let mut power = self.power.subscribe();
        let awake = power.wait_for(|it| *it != Power::Hanging).await;
        match awake.map(|it| *it) {
            Ok(Power::On) => Ok(()),
            Ok(Power::Off | Power::Hanging) | Err(_) => {
                Err(EngineError::NotRunning { address: "the played engine".to_owned() })
            }
        }
    }

    async fn called(
        &self,
        call: Call,
        on: String,
        takes: Duration,
    ) -> Result<(), OperationFailure> {
        let away = |error: EngineError| OperationFailure::EngineAway { detail: error.to_string() };
        self.gate().await.map_err(away)?;
        tokio::time::sleep(takes).await;
        self.gate().await.map_err(away)?;
        self.change(|state| {
            state.calls.push((call, on));
            state.refusals.get(&call).cloned().map_or(Ok(()), Err)
        })
    }

    fn delays(&self) -> Delays {
        self.state().delays
    }

    fn name_of(&self, id: &ContainerId) -> String {
        self.state().containers.get(id).map_or_else(|| id.to_string(), |it| it.name.clone())
    }

    /// Changes one container and tells of it.
    pub(super) fn tell(
        &self,
        id: &ContainerId,
        change: impl FnOnce(&mut State) -> Option<ContainerEventKind>,
    ) -> Result<(), OperationFailure> {
        let told = self.change(|state| {
            let task = state.containers.get(id).map(|it| it.task);
            task.map(|task| (task, change(state)))
        });
        let (task, kind) = told.ok_or(OperationFailure::NoSuchContainer)?;
        if let Some(kind) = kind {
            self.say(EngineNews::Container(ContainerEvent { task, id: id.clone(), kind }));
        }
        Ok(())
    }

    fn next_happening(&self) -> Option<(Instant, ContainerId, Happening)> {
        let state = self.state();
        let happenings = state.containers.iter().flat_map(|(id, it)| {
            let end = it.ends.map(|(at, code)| (at, id.clone(), Happening::End { code }));
            let check = it.checked.next().map(|at| (at, id.clone(), Happening::Check));
            [end, check]
        });
        happenings.flatten().min()
    }

    fn end(&self, id: &ContainerId, code: i64) {
        let exit = Exit { code, out_of_memory: false };
        let ended = self.tell(id, |state| {
            let container = state.containers.get_mut(id)?;
            container.phase = Phase::Exited(exit);
            container.ends = None;
            container.checked.stop();
            Some(ContainerEventKind::Died(exit))
        });
        // It may have been removed in the meantime.
        drop(ended);
    }
}

/// What a container does by itself, or the engine to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    End { code: i64 },
    Check,
}

async fn power_is_off(power: &mut watch::Receiver<Power>) {
    // The sender is held by the engine itself.
    drop(power.wait_for(|it| *it == Power::Off).await);
}

async fn sleep_until(next: Option<&(Instant, ContainerId, Happening)>) {
    match next {
        Some((at, _, _)) => tokio::time::sleep_until(*at).await,
        None => std::future::pending().await,
    }
}

impl Containers for FakeEngine {
    fn socket(&self) -> Option<std::path::PathBuf> {
        None
    }

    async fn ping(&self) -> Result<(), EngineError> {
        self.gate().await
    }

    async fn describe(&self) -> Result<NodeDescription, EngineError> {
        self.gate().await?;
        let engine = Engine {
            version: "20.10.24".to_owned(),
            api_version: "1.41".to_owned(),
            ..Engine::default()
        };
        let resources = Resources { cpu_nanos: 4_000_000_000, memory_bytes: 1 << 30 };
        Ok(NodeDescription { engine, resources, ..host::description() })
    }

    async fn images(&self) -> Result<BTreeSet<String>, EngineError> {
        self.gate().await?;
        Ok(self.state().images.clone())
    }

    async fn volumes(&self) -> Result<BTreeSet<String>, EngineError> {
        self.gate().await?;
        Ok(self.state().volumes.clone())
    }

    async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        self.gate().await?;
        self.state().volumes.remove(name);
        Ok(())
    }

    async fn list(&self, owner: Owner) -> Result<Vec<Seen>, EngineError> {
        self.gate().await?;
        let state = self.state();
        let ours = state.containers.iter().filter(|(_, it)| it.owner == owner);
        Ok(ours
            .map(|(id, it)| Seen { task: it.task, id: id.clone(), phase: it.phase.clone() })
            .collect())
    }

    async fn watch(&self, _owner: Owner, news: mpsc::Sender<EngineNews>) -> EngineError {
        let mut told = self.news.subscribe();
        let (mut power, mut changes) = (self.power.subscribe(), self.changes.subscribe());
        let ended = || EngineError::Silent { detail: "its stream of events ended".to_owned() };
        loop {
            let next = self.next_happening();
            tokio::select! {
                biased;
                () = power_is_off(&mut power) => return ended(),
                said = told.recv() => match said {
                    Ok(said) => if news.send(said).await.is_err() {
                        return ended();
                    },
                    Err(RecvError::Lagged(_) | RecvError::Closed) => return ended(),
                },
                () = sleep_until(next.as_ref()) => match next {
                    Some((_, id, Happening::End { code })) => self.end(&id, code),
                    Some((_, id, Happening::Check)) => self.check(&id),
                    None => {}
                },
                // Something else may come sooner now.
                _ = changes.changed() => {}
            }
        }
    }

    async fn pull(
        &self,
        wish: &ImageWish,
        progress: mpsc::Sender<PullProgress>,
    ) -> Result<(), OperationFailure> {
        let image = &wish.image;
        self.called(Call::Pull, image.full().to_owned(), Duration::ZERO).await?;
        let registry = self.state().registry.get(image.full()).copied();
        match registry {
            Some(Registry::Gives { after }) => {
                let words = format!("pulling {image} (0 of 1 MiB)");
                // Where nobody has time for a word, the pull goes on.
                drop(progress.try_send(PullProgress { image: image.full().to_owned(), words }));
                tokio::time::sleep(after).await;
                self.add_image(image.full());
                Ok(())
            }
            Some(Registry::Silent { engine_waits }) => {
                tokio::time::sleep(engine_waits).await;
                Err(OperationFailure::RegistryUnreachable { detail: "no progress".to_owned() })
            }
            Some(Registry::HasNot) | None => {
                Err(OperationFailure::NoSuchImage { detail: "manifest unknown".to_owned() })
            }
        }
    }

    async fn create(
        &self,
        owner: Owner,
        assignment: &Assignment,
    ) -> Result<ContainerId, OperationFailure> {
        let name = assignment.container_name();
        self.called(Call::Create, name.clone(), self.delays().create).await?;
        let image = assignment.spec.container.image.full().to_owned();
        self.change(|state| {
            if !state.images.contains(&image) {
                return Err(OperationFailure::ImageMissing);
            }
            if state.containers.values().any(|it| it.name == name) {
                return Err(OperationFailure::NameTaken);
            }
            for mount in &assignment.spec.container.mounts {
                if let MountSource::Volume(volume) = &mount.source {
                    state.volumes.extend(volume.name.clone());
                }
            }
            state.created += 1;
            let id = ContainerId(format!("{:012x}", state.created));
            let container = FakeContainer {
                task: assignment.task,
                name,
                image,
                phase: Phase::Created,
                mounts: assignment.spec.container.mounts.clone(),
                owner,
                log: Vec::new(),
                ends: None,
                checked: state.checked(&assignment.spec.container),
            };
            state.containers.insert(id.clone(), container);
            Ok(id)
        })
    }

    async fn start(&self, id: &ContainerId) -> Result<Health, OperationFailure> {
        self.called(Call::Start, self.name_of(id), self.delays().start).await?;
        let mut health = Health::Unchecked;
        self.tell(id, |state| {
            let container = state.containers.get_mut(id)?;
            health = container.checked.begin();
            container.phase = Phase::Running(health.clone());
            let behaviour = state.behaviours.get(&container.image).copied().unwrap_or_default();
            container.ends = match behaviour {
                Behaviour::Runs => None,
                Behaviour::Ends { after, exit_code } => Some((Instant::now() + after, exit_code)),
            };
            Some(ContainerEventKind::Started(health.clone()))
        })?;
        Ok(health)
    }

    async fn probe(&self, id: &ContainerId) -> Result<Health, OperationFailure> {
        self.called(Call::Probe, self.name_of(id), Duration::ZERO).await?;
        self.look_inside(id).ok_or(OperationFailure::NoSuchContainer)
    }

    async fn stop(&self, id: &ContainerId, _: Option<Duration>) -> Result<(), OperationFailure> {
        self.called(Call::Stop, self.name_of(id), self.delays().stop).await?;
        let exit = Exit { code: 143, out_of_memory: false };
        self.tell(id, |state| {
            let container = state.containers.get_mut(id)?;
            let was_running = container.is_running();
            container.ends = None;
            container.checked.stop();
            was_running.then(|| {
                container.phase = Phase::Exited(exit);
                ContainerEventKind::Died(exit)
            })
        })
    }

    async fn remove(&self, id: &ContainerId) -> Result<(), OperationFailure> {
        self.called(Call::Remove, self.name_of(id), Duration::ZERO).await?;
        self.tell(id, |state| {
            state.containers.remove(id);
            Some(ContainerEventKind::Removed)
        })
    }

    async fn logs(
        &self,
        id: &ContainerId,
        query: LogQuery,
        lines: mpsc::Sender<LogLine>,
    ) -> Result<(), EngineError> {
        self.gate().await?;
        let mut changes = self.changes.subscribe();
        let mut sent = 0;
        loop {
            let log = self.state().containers.get(id).map(|it| (it.log.clone(), it.is_running()));
            let Some((log, is_running)) = log else { return Ok(()) };
            for line in log.into_iter().skip(sent) {
                sent += 1;
                if lines.send(line).await.is_err() {
                    return Ok(());
                }
            }
            if !query.follow || !is_running {
                return Ok(());
            }
            tokio::select! {
                _ = changes.changed() => {}
                () = lines.closed() => return Ok(()),
            }
        }
    }
}
