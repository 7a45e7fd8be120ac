//! Whatever happens in whatever order: a small engine that fails, forgets and is meddled with,
//! under a seed.

#[expect(dead_code, reason = "the stories use the rest of it")]
mod story;

use agent_core::container::{
    ContainerEvent, ContainerEventKind, ContainerId, Exit, Operation, OperationFailure, Outcome,
    Phase, Seen,
};
use agent_core::health::{EarlyChecks, Health, Probe, Trial};
use agent_core::reports::TaskReport;
use agent_core::worker::{Action, BootMark, Input, Worker};
use common::assignment::AssignmentSet;
use common::task::{DesiredState, Failure, TaskState};
use common::{IdGen, TaskId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

const TASKS: u64 = 4;
const STEPS: usize = 120;
const SEEDS: u64 = 3_000;

struct World {
    dice: IdGen,
    worker: Worker,
    containers: BTreeMap<TaskId, Phase>,
    underway: BTreeMap<TaskId, Operation>,
    events: VecDeque<ContainerEvent>,
    wanted: BTreeMap<TaskId, DesiredState>,
    /// Tasks that were taken back are not given again.
    spent: BTreeSet<TaskId>,
    reported: BTreeMap<TaskId, TaskState>,
    created: BTreeSet<TaskId>,
    /// Whose check has succeeded, or who has none.
    well: BTreeSet<TaskId>,
    probes: BTreeMap<TaskId, Probe>,
    spoken: bool,
    listing: Option<Vec<Seen>>,
}

impl World {
    fn new(seed: u64) -> World {
        World {
            dice: IdGen::from_seed(seed),
            worker: Worker::new(if seed.is_multiple_of(2) {
                BootMark::FirstRun
            } else {
                BootMark::Again
            }),
            containers: BTreeMap::new(),
            underway: BTreeMap::new(),
            events: VecDeque::new(),
            wanted: BTreeMap::new(),
            spent: BTreeSet::new(),
            reported: BTreeMap::new(),
            created: BTreeSet::new(),
            well: BTreeSet::new(),
            probes: BTreeMap::new(),
            spoken: false,
            listing: None,
        }
    }

    fn a_task(&mut self) -> TaskId {
        TaskId(1 + self.dice.below(TASKS))
    }

    fn tell(&mut self, input: Input) {
        let actions = self.worker.handle(input.clone());
        let again = self.worker.handle(input.clone());
        assert!(again.is_empty(), "{input:?} said twice: {again:?}");
        for action in actions {
            match action {
                Action::Begin { task, operation } => self.begin(task, operation),
                Action::Report(report) => self.report(report),
                Action::Probe(probe) => self.begin_probe(probe),
                Action::List | Action::ListLater => {}
            }
        }
    }

    fn begin(&mut self, task: TaskId, operation: Operation) {
        match &operation {
            Operation::Create(_) => {
                assert!(!self.created.contains(&task), "{task} is created twice");
            }
            Operation::Stop(_) | Operation::Cut(_) | Operation::Remove(_) => {
                assert!(self.spoken || self.reported.contains_key(&task), "{task} touched unasked");
            }
            Operation::Start(_) => {
                assert_ne!(self.wanted.get(&task), Some(&DesiredState::Ready), "{task} too early");
            }
            Operation::Pull(_) => {}
        }
        let before = self.underway.insert(task, operation);
        // A task that was forgotten while its image was pulled leaves the pull behind.
        assert!(matches!(before, None | Some(Operation::Pull(_))), "two operations on {task}");
    }

    fn begin_probe(&mut self, probe: Probe) {
        let task = probe.task;
        assert_eq!(self.wanted.get(&task), Some(&DesiredState::Running), "{task} probed in vain");
        assert!(self.reported.get(&task) < Some(&TaskState::Running), "{task} probed in vain");
        assert_eq!(self.probes.insert(task, probe), None, "two probes of {task}");
    }

    fn report(&mut self, report: TaskReport) {
        let state = report.observation.state;
        let is_early = state == TaskState::Running && !self.well.contains(&report.task);
        assert!(!is_early, "{} counts as running before it is well", report.task);
        if let Some(Failure::Unhealthy { .. }) = report.observation.failure {
            let wanted = self.wanted.get(&report.task);
            assert_eq!(wanted, Some(&DesiredState::Running), "who is stopped has not failed");
        }
        let before = self.reported.insert(report.task, state);
        let same_with_word = before == Some(state) && !report.observation.message.is_empty();
        assert!(before < Some(state) || same_with_word, "{before:?} then {state}");
        assert!(before.is_none_or(|it| !it.is_terminal()), "{before:?} then {state}");
    }

    fn happen(&mut self, task: TaskId, kind: ContainerEventKind) {
        self.events.push_back(ContainerEvent { task, id: story::container(task), kind });
    }

    fn step(&mut self) {
        match self.dice.below(14) {
            0 => self.everything_said(),
            1 => self.something_said(),
            2..=5 => self.something_done(),
            6 => self.somebody_meddles(),
            7 | 8 => self.deliver(),
            9 => {
                self.tell(Input::EngineLost);
                // What the engine said meanwhile is lost, and so is a listing under way.
                self.events.clear();
                self.listing = None;
            }
            10 => self.somebody_is_checked(),
            11 => self.look(),
            12 if self.listing.is_none() => {
                self.tell(Input::ListingBegun);
                self.listing = Some(self.seen());
            }
            _ => self.listed(),
        }
    }

    fn seen(&self) -> Vec<Seen> {
        let seen = self.containers.iter();
        seen.map(|(task, phase)| Seen {
            task: *task,
            id: story::container(*task),
            phase: phase.clone(),
        })
        .collect()
    }

    fn listed(&mut self) {
        if let Some(seen) = self.listing.take() {
            self.tell(Input::Listed(seen));
        }
    }

    fn deliver(&mut self) {
        if let Some(event) = self.events.pop_front() {
            self.tell(Input::Container(event));
        }
    }

    fn everything_said(&mut self) {
        self.spoken = true;
        let put = self.wanted.iter().map(|(task, it)| story::assignment(*task, *it)).collect();
        self.tell(Input::Assignments(AssignmentSet::Complete(put)));
    }

    fn something_said(&mut self) {
        if !self.spoken {
            return;
        }
        let task = self.a_task();
        let desired = match self.wanted.get(&task) {
            None if self.spent.contains(&task) => return,
            None if self.dice.below(3) == 0 => Some(DesiredState::Ready),
            None => Some(DesiredState::Running),
            Some(DesiredState::Ready) if self.dice.below(2) == 0 => Some(DesiredState::Running),
            Some(DesiredState::Ready | DesiredState::Running) => Some(DesiredState::Shutdown),
            Some(DesiredState::Shutdown) if self.dice.below(2) == 0 => Some(DesiredState::Remove),
            Some(DesiredState::Shutdown | DesiredState::Remove) => None,
        };
        match desired {
            Some(desired) => self.wanted.insert(task, desired),
            None => self.wanted.remove(&task),
        };
        self.spent.insert(task);
        let put = desired.map(|it| story::assignment(task, it)).into_iter().collect();
        let remove = if desired.is_none() { vec![task] } else { Vec::new() };
        self.tell(Input::Assignments(AssignmentSet::Changes { put, remove }));
    }

    fn something_done(&mut self) {
        let task = self.a_task();
        let Some(operation) = self.underway.remove(&task) else { return };
        let luck = self.dice.below(10);
        // It may be done although the answer is lost.
        let is_done = luck != 0;
        let outcome = self.carry_out(task, operation, is_done);
        let outcome = if luck <= 1 { lose(outcome) } else { outcome };
        self.tell(Input::Finished { task, outcome });
    }

    fn carry_out(&mut self, task: TaskId, operation: Operation, is_done: bool) -> Outcome {
        let gone = || OperationFailure::NoSuchContainer;
        let phase = self.containers.get(&task).cloned();
        match operation {
            Operation::Pull(_) => Outcome::Pulled(Ok(())),
            Operation::Create(_) if phase.is_some() => {
                Outcome::Created(Err(OperationFailure::NameTaken))
            }
            Operation::Create(_) if self.dice.below(4) == 0 => {
                Outcome::Created(Err(OperationFailure::ImageMissing))
            }
            Operation::Create(_) => {
                if is_done {
                    self.containers.insert(task, Phase::Created);
                    self.created.insert(task);
                }
                Outcome::Created(Ok(story::container(task)))
            }
            Operation::Start(_) if phase.is_none() => Outcome::Started(Err(gone())),
            Operation::Start(_) => {
                let health = match phase {
                    Some(Phase::Running(health)) => health,
                    Some(Phase::Created | Phase::Starting | Phase::Exited(_) | Phase::Halted)
                    | None => self.some_health(),
                };
                if is_done {
                    self.start(task, health.clone());
                }
                Outcome::Started(Ok(health))
            }
            Operation::Stop(_) | Operation::Cut(_) if phase.is_none() => {
                Outcome::Stopped(Err(gone()))
            }
            Operation::Stop(_) | Operation::Cut(_) => {
                if is_done && phase.is_some_and(|it| it.is_running()) {
                    self.die(task, 143);
                }
                Outcome::Stopped(Ok(()))
            }
            Operation::Remove(_) if phase.is_none() => Outcome::Removed(Err(gone())),
            Operation::Remove(ContainerId(_)) => {
                if is_done {
                    self.remove(task);
                }
                Outcome::Removed(Ok(()))
            }
        }
    }

    fn some_health(&mut self) -> Health {
        let early_checks = match self.dice.below(3) {
            0 => return Health::Unchecked,
            1 => EarlyChecks::Engine,
            _ => EarlyChecks::Agent { interval: Duration::from_secs(30) },
        };
        Health::Starting(Trial { early_checks, ..story::trial(0, "") })
    }

    fn start(&mut self, task: TaskId, health: Health) {
        if health == Health::Unchecked {
            self.well.insert(task);
        }
        self.containers.insert(task, Phase::Running(health.clone()));
        self.happen(task, ContainerEventKind::Started(health));
    }

    /// The engine's own check.
    fn somebody_is_checked(&mut self) {
        let task = self.a_task();
        let Some(Phase::Running(before)) = self.containers.get(&task).cloned() else { return };
        let unhealthy = Health::Unhealthy { detail: "refused".to_owned() };
        let after = match (before, self.dice.below(4)) {
            (Health::Unchecked, _) | (_, 0) => return,
            (Health::Starting(trial), 1) => {
                // Of failures that do not decide it yet, nothing is told.
                let trial = Trial { failures: 1, words: "refused".to_owned(), ..trial };
                self.containers.insert(task, Phase::Running(Health::Starting(trial)));
                return;
            }
            (Health::Healthy | Health::Starting(_), 2) => unhealthy,
            (Health::Starting(_) | Health::Healthy | Health::Unhealthy { .. }, _) => {
                Health::Healthy
            }
        };
        if after == Health::Healthy {
            self.well.insert(task);
        }
        self.containers.insert(task, Phase::Running(after.clone()));
        self.happen(task, ContainerEventKind::Checked(after));
    }

    /// A probe of ours ends; it may have been overtaken.
    fn look(&mut self) {
        let task = self.a_task();
        let Some(Probe { number, .. }) = self.probes.remove(&task) else { return };
        let away = OperationFailure::EngineAway { detail: String::new() };
        let found = match (self.containers.get(&task), self.dice.below(3)) {
            (Some(Phase::Running(Health::Starting(_))), 0) => {
                self.well.insert(task);
                Ok(Health::Healthy)
            }
            (Some(Phase::Running(health)), 0 | 1) => Ok(health.clone()),
            (Some(_) | None, _) => Err(away),
        };
        self.tell(Input::Probed { task, number, found });
    }

    fn die(&mut self, task: TaskId, code: i64) {
        let exit = Exit { code, out_of_memory: false };
        self.containers.insert(task, Phase::Exited(exit));
        self.happen(task, ContainerEventKind::Died(exit));
    }

    fn remove(&mut self, task: TaskId) {
        self.containers.remove(&task);
        self.created.remove(&task);
        self.happen(task, ContainerEventKind::Removed);
    }

    fn somebody_meddles(&mut self) {
        let task = self.a_task();
        match (self.containers.get(&task).cloned(), self.dice.below(3)) {
            (Some(Phase::Running(_)), 0 | 1) => {
                let code = self.dice.below(2).cast_signed();
                self.die(task, code);
            }
            (Some(Phase::Exited(_)), 0) | (Some(Phase::Created), 2) => {
                let health = self.some_health();
                self.start(task, health);
            }
            (Some(Phase::Exited(_) | Phase::Created), 1) => self.remove(task),
            _ => {}
        }
    }

    /// From here on nothing goes wrong.
    fn calm_down(&mut self) {
        for _ in 0..20 {
            while !self.events.is_empty() {
                self.deliver();
            }
            self.tell(Input::ListingBegun);
            let seen = self.seen();
            self.tell(Input::Listed(seen));
            self.everything_said();
            while let Some((task, operation)) = self.underway.pop_first() {
                let outcome = self.carry_out(task, operation, true);
                self.tell(Input::Finished { task, outcome });
            }
        }
        for task in (1..=TASKS).map(TaskId) {
            let phase = self.containers.get(&task);
            let runs = phase.is_some_and(Phase::is_running);
            let ended = self.reported.get(&task).is_some_and(|it| it.is_terminal());
            match self.wanted.get(&task) {
                Some(DesiredState::Ready) if !ended => assert_eq!(phase, Some(&Phase::Created)),
                Some(DesiredState::Running) if !ended => self.runs_or_is_watched(task, phase),
                Some(DesiredState::Ready | DesiredState::Running | DesiredState::Shutdown) => {
                    assert!(ended && !runs);
                }
                Some(DesiredState::Remove) => assert!(phase.is_none() && ended),
                None => assert_eq!(phase, None),
            }
        }
    }

    /// Where the engine does not look at it for long, we do.
    fn runs_or_is_watched(&self, task: TaskId, phase: Option<&Phase>) {
        let Some(Phase::Running(health)) = phase else { panic!("{phase:?}") };
        let runs = self.reported.get(&task) == Some(&TaskState::Running);
        match health {
            Health::Unchecked | Health::Healthy => assert!(runs),
            Health::Starting(trial) => {
                let is_watched = self.probes.contains_key(&task);
                assert!(runs || is_watched || trial.early_checks == EarlyChecks::Engine);
            }
            Health::Unhealthy { .. } => panic!("{task} goes on although it is unhealthy"),
        }
    }
}

fn lose(outcome: Outcome) -> Outcome {
    let away = OperationFailure::EngineAway { detail: String::new() };
    match outcome {
        Outcome::Pulled(_) => Outcome::Pulled(Err(away)),
        Outcome::Created(_) => Outcome::Created(Err(away)),
        Outcome::Started(_) => Outcome::Started(Err(away)),
        Outcome::Stopped(_) => Outcome::Stopped(Err(away)),
        Outcome::Removed(_) => Outcome::Removed(Err(away)),
    }
}

#[test]
fn no_twins_nothing_backward_and_in_the_end_what_is_wanted() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        let story = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (0..STEPS).for_each(|_| world.step());
            world.calm_down();
        }));
        assert!(story.is_ok(), "seed {seed}");
    }
}
