//! Health checks of the played engine, which knows no start intervals.

use super::{FakeContainer, FakeEngine, State, full};
use agent_core::container::{ContainerEventKind, ContainerId, Phase};
use agent_core::health::{EarlyChecks, Health, Trial};
use common::container::{ContainerSpec, HealthCheck};
use std::time::Duration;
use tokio::time::Instant;

const INTERVAL_DEFAULT: Duration = Duration::from_secs(30);

/// What the check of an image's containers finds, whoever looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Nothing, or what it says is wrong; to the engine one failure is enough.
    pub answer: Result<(), String>,
    /// How often the engine looks, and so for how long it does not look at first.
    pub interval: Duration,
}

impl Default for Check {
    fn default() -> Check {
        Check { answer: Ok(()), interval: INTERVAL_DEFAULT }
    }
}

/// Of one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checked {
    Never,
    Every {
        interval: Duration,
        /// Where it runs.
        next: Option<Instant>,
    },
}

impl Checked {
    pub(super) fn next(self) -> Option<Instant> {
        match self {
            Checked::Never => None,
            Checked::Every { next, .. } => next,
        }
    }

    /// Its container has been started; answers with what is known of it then.
    pub(super) fn begin(&mut self) -> Health {
        let Checked::Every { interval, next } = self else { return Health::Unchecked };
        *next = Some(Instant::now() + *interval);
        let early_checks = EarlyChecks::Agent { interval: *interval };
        let words = String::new();
        Health::Starting(Trial { failures: 0, failures_max: 1, words, early_checks })
    }

    pub(super) fn stop(&mut self) {
        match self {
            Checked::Never => {}
            Checked::Every { next, .. } => *next = None,
        }
    }
}

impl State {
    /// The image's own check, if the specification says nothing else.
    pub(super) fn checked(&self, spec: &ContainerSpec) -> Checked {
        let own = self.checks.get(spec.image.full()).map(|it| it.interval);
        let interval = match &spec.health {
            Some(HealthCheck::Disabled) => None,
            Some(HealthCheck::Enabled(probe)) => probe.interval.or(own).or(Some(INTERVAL_DEFAULT)),
            None => own,
        };
        interval.map_or(Checked::Never, |interval| Checked::Every { interval, next: None })
    }

    fn answer(&self, container: &FakeContainer) -> Result<(), String> {
        self.checks.get(&container.image).map_or(Ok(()), |it| it.answer.clone())
    }
}

impl FakeEngine {
    /// Containers made from now on have it; what it finds counts for the others too.
    pub fn set_check(&self, image: &str, check: Check) {
        self.change(|state| {
            state.checks.insert(full(image), check);
        });
    }

    /// The engine's own look at a container.
    pub(super) fn check(&self, id: &ContainerId) {
        let checked = self.tell(id, |state| {
            let answer = state.answer(state.containers.get(id)?);
            let container = state.containers.get_mut(id)?;
            if let Checked::Every { interval, next } = &mut container.checked {
                *next = Some(Instant::now() + *interval);
            }
            let Phase::Running(before) = &mut container.phase else { return None };
            let found = match answer {
                Ok(()) => Health::Healthy,
                Err(detail) => Health::Unhealthy { detail },
            };
            let before = std::mem::replace(before, found.clone());
            (before != found).then_some(ContainerEventKind::Checked(found))
        });
        // It may have been removed in the meantime.
        drop(checked);
    }

    /// Somebody else's look, of which the engine takes no notice.
    pub(super) fn look_inside(&self, id: &ContainerId) -> Option<Health> {
        let state = self.state();
        let container = state.containers.get(id)?;
        let Phase::Running(health) = container.phase.clone() else { return None };
        Some(match (health, state.answer(container)) {
            (Health::Starting(_), Ok(())) => Health::Healthy,
            (Health::Starting(trial), Err(words)) => Health::Starting(Trial { words, ..trial }),
            (health, _) => health,
        })
    }
}
