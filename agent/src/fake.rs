//! A container engine that is played, for clusters in one process: it does what its script says,
//! and it can crash, hang and be meddled with.

mod checks;
mod containers;

pub use checks::Check;

use crate::containers::{EngineNews, LogLine, LogStream, Owner};
use agent_core::container::{
    ContainerEvent, ContainerEventKind, ContainerId, Exit, OperationFailure, Phase,
};
use agent_core::health::Health;
use checks::Checked;
use common::TaskId;
use common::container::Mount;
use common::image::ImageRef;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

const NEWS_MAX: usize = 1_024;

/// Clones are the same engine.
#[derive(Debug, Clone)]
pub struct FakeEngine {
    /// Tests meddle with it while the agent works with it; held for a look or a change only.
    state: Arc<Mutex<State>>,
    news: broadcast::Sender<EngineNews>,
    power: watch::Sender<Power>,
    /// Counts changes, for whoever waits for something.
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    images: BTreeSet<String>,
    volumes: BTreeSet<String>,
    registry: BTreeMap<String, Registry>,
    behaviours: BTreeMap<String, Behaviour>,
    checks: BTreeMap<String, Check>,
    delays: Delays,
    refusals: BTreeMap<Call, OperationFailure>,
    containers: BTreeMap<ContainerId, FakeContainer>,
    created: u64,
    calls: Vec<(Call, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    On,
    Off,
    /// It takes calls and answers none.
    Hanging,
}

/// What the registry does when it is asked for an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registry {
    Gives {
        after: Duration,
    },
    HasNot,
    /// It is silent for as long as the engine waits.
    Silent {
        engine_waits: Duration,
    },
}

/// What a container of some image does once it is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Behaviour {
    #[default]
    Runs,
    Ends {
        after: Duration,
        exit_code: i64,
    },
}

/// How long the engine takes for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delays {
    pub create: Duration,
    pub start: Duration,
    pub stop: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    Pull,
    Create,
    Start,
    Probe,
    Stop,
    Remove,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeContainer {
    pub task: TaskId,
    pub name: String,
    pub image: String,
    pub phase: Phase,
    pub mounts: Vec<Mount>,
    owner: Owner,
    log: Vec<LogLine>,
    ends: Option<(Instant, i64)>,
    checked: Checked,
}

impl FakeContainer {
    pub fn is_running(&self) -> bool {
        self.phase.is_running()
    }
}

impl Default for FakeEngine {
    fn default() -> Self {
        FakeEngine::new()
    }
}

impl FakeEngine {
    pub fn new() -> FakeEngine {
        FakeEngine {
            state: Arc::default(),
            news: broadcast::Sender::new(NEWS_MAX),
            power: watch::Sender::new(Power::On),
            changes: watch::Sender::new(0),
        }
    }

    pub fn with_images(images: &[&str]) -> FakeEngine {
        let engine = FakeEngine::new();
        images.iter().for_each(|it| engine.add_image(it));
        engine
    }

    pub fn add_image(&self, image: &str) {
        self.change(|state| {
            state.images.insert(full(image));
        });
        self.say(EngineNews::Images);
    }

    pub fn remove_image(&self, image: &str) {
        self.change(|state| {
            state.images.remove(&full(image));
        });
        self.say(EngineNews::Images);
    }

    pub fn add_volume(&self, name: &str) {
        self.change(|state| {
            state.volumes.insert(name.to_owned());
        });
        self.say(EngineNews::Volumes);
    }

    /// An image that no registry was told of is one that it has not.
    pub fn set_registry(&self, image: &str, registry: Registry) {
        self.change(|state| {
            state.registry.insert(full(image), registry);
        });
    }

    pub fn set_behaviour(&self, image: &str, behaviour: Behaviour) {
        self.change(|state| {
            state.behaviours.insert(full(image), behaviour);
        });
    }

    pub fn set_delays(&self, delays: Delays) {
        self.change(|state| state.delays = delays);
    }

    /// From now on, until it is told otherwise.
    pub fn set_refusal(&self, call: Call, failure: Option<OperationFailure>) {
        self.change(|state| match failure {
            Some(failure) => drop(state.refusals.insert(call, failure)),
            None => drop(state.refusals.remove(&call)),
        });
    }

    /// Containers do not notice, whatever happens to the engine.
    pub fn set_power(&self, power: Power) {
        self.power.send_replace(power);
    }

    /// Stops the engine with all its containers, as Docker does by itself.
    pub fn shut_down(&self) {
        self.power.send_replace(Power::Off);
        self.change(|state| {
            for container in state.containers.values_mut().filter(|it| it.is_running()) {
                container.checked.stop();
                container.phase = Phase::Exited(Exit { code: 137, out_of_memory: false });
                container.ends = None;
            }
        });
    }

    /// As after `docker start` by hand.
    pub fn start_from_outside(&self, task: TaskId) {
        let kind = ContainerEventKind::Started(Health::Unchecked);
        self.happen(task, kind, |it| {
            (!it.is_running()).then(|| it.phase = Phase::Running(Health::Unchecked))
        });
    }

    pub fn crash(&self, task: TaskId, exit: Exit) {
        let kind = ContainerEventKind::Died(exit);
        self.happen(task, kind, |it| {
            it.checked.stop();
            it.is_running().then(|| it.phase = Phase::Exited(exit))
        });
    }

    pub fn remove_from_outside(&self, task: TaskId) {
        self.crash(task, Exit { code: 137, out_of_memory: false });
        self.happen(task, ContainerEventKind::Removed, |_| Some(()));
        self.change(|state| state.containers.retain(|_, it| it.task != task));
    }

    pub fn write_log(&self, task: TaskId, text: &str) {
        let line = LogLine {
            stream: LogStream::Stdout,
            line: text.as_bytes().to_vec(),
            timestamp: "2026-01-01T00:00:00Z".to_owned(),
        };
        self.change(|state| {
            let of_task = state.containers.values_mut().filter(|it| it.task == task);
            of_task.for_each(|it| it.log.push(line.clone()));
        });
    }

    pub fn containers(&self) -> Vec<FakeContainer> {
        self.state().containers.values().cloned().collect()
    }

    pub fn running(&self) -> Vec<FakeContainer> {
        self.state().containers.values().filter(|it| it.is_running()).cloned().collect()
    }

    /// What was asked of the engine so far, with the container's name or the image.
    pub fn calls(&self) -> Vec<(Call, String)> {
        self.state().calls.clone()
    }

    /// Waits until the containers are as they should be.
    pub async fn wait_for(&self, mut condition: impl FnMut(&[FakeContainer]) -> bool) {
        let mut changes = self.changes.subscribe();
        while !condition(&self.containers()) {
            changes.changed().await.expect("the sender is held by the engine itself");
        }
    }

    /// Waits until every agent has noticed that the engine is off.
    pub async fn wait_until_unwatched(&self) {
        self.news.closed().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change leaves the state whole, so a panic elsewhere says nothing about it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.changes.send_modify(|it| *it += 1);
        changed
    }

    fn say(&self, news: EngineNews) {
        // Where nobody watches, whoever comes later lists what there is.
        drop(self.news.send(news));
    }

    /// To the one container of a task, where `change` finds it fit.
    fn happen(
        &self,
        task: TaskId,
        kind: ContainerEventKind,
        change: impl FnOnce(&mut FakeContainer) -> Option<()>,
    ) {
        let changed = self.change(|state| {
            let (id, container) = state.containers.iter_mut().find(|(_, it)| it.task == task)?;
            change(container)?;
            Some(id.clone())
        });
        if let Some(id) = changed {
            self.say(EngineNews::Container(ContainerEvent { task, id, kind }));
        }
    }
}

fn full(image: &str) -> String {
    match image.parse::<ImageRef>() {
        Ok(image) => image.full().to_owned(),
        Err(error) => panic!("{error}"),
    }
}
