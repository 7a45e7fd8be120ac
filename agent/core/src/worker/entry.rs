//! What is known of one task, and how it changes by what happens.

use super::Action;
use crate::container::{
    ContainerEvent, ContainerEventKind, ContainerId, ImageWish, Operation, OperationFailure,
    Outcome, Phase, Seen,
};
use crate::health::{Health, Probe};
use crate::reports::TaskReport;
use crate::task_machine::{Busy, End, Image, Known, Leave, Step, Wanted};
use common::TaskId;
use common::assignment::Assignment;
use common::container::PullPolicy;
use common::task::{Failure, Observation, TaskState};
use std::sync::Arc;

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) task: TaskId,
    pub(super) assignment: Option<Arc<Assignment>>,
    pub(super) known: Known,
    /// What is known may be wrong until the next listing.
    pub(super) doubted: bool,
    /// Something happened since the listing under way began, which may therefore be behind.
    pub(super) moved: bool,
    /// An operation was refused; it waits for the next listing.
    pub(super) balks: bool,
    image: Image,
    pub(super) busy: Option<Busy>,
    /// What it comes to when the stop under way is through.
    stop: End,
    pub(super) observed: Option<Observation>,
    /// The engine has said once that a container of its name exists.
    name_taken: bool,
    /// The number of the probe under way.
    probing: Option<u64>,
    probes: u64,
}

impl Entry {
    pub(super) fn new(task: TaskId, known: Known, doubted: bool) -> Entry {
        Entry {
            task,
            assignment: None,
            known,
            doubted,
            moved: false,
            balks: false,
            image: Image::Untried,
            busy: None,
            stop: End::Stopped,
            observed: None,
            name_taken: false,
            probing: None,
            probes: 0,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.observed.as_ref().is_some_and(|it| it.state.is_terminal())
    }

    pub(super) fn may_run(&self) -> bool {
        let begins = match self.busy {
            Some(Busy::Create | Busy::Start) => true,
            Some(Busy::Pull | Busy::Stop | Busy::Remove) | None => false,
        };
        let may_begin = matches!(self.known, Known::Starting(_));
        self.known_to_run() || begins || may_begin || !self.has_ended()
    }

    /// While it is in doubt, nobody knows what it does.
    pub(super) fn may_run_in(&self, id: &ContainerId) -> bool {
        let begins = self.busy == Some(Busy::Start) || matches!(self.known, Known::Starting(_));
        self.known.id() == Some(id) && (self.known_to_run() || begins || self.doubted)
    }

    pub(super) fn is_at_most_one(&self) -> bool {
        self.assignment.as_ref().is_some_and(|it| it.spec.at_most_one)
    }

    /// Whether it is only a lease that it waits for.
    pub(super) fn is_held_by(&self, leave: Leave) -> bool {
        matches!(self.known, Known::Created(_) | Known::Starting(_))
            && self.busy.is_none()
            && !leave.may_start()
    }

    /// What is known of its image, as far as its service cares: who always pulls takes what is
    /// there for nothing.
    pub(super) fn image(&self) -> Image {
        match (self.image, self.pull_policy()) {
            (Image::Untried, PullPolicy::Always) => Image::Missing,
            (image, PullPolicy::Always | PullPolicy::Missing | PullPolicy::Never) => image,
        }
    }

    fn pull_policy(&self) -> PullPolicy {
        self.assignment.as_ref().map_or_else(Default::default, |it| it.spec.container.pull_policy)
    }

    /// Only ever forward; a report comes out where it is news.
    pub(super) fn advance(&mut self, observation: Observation) -> Option<Action> {
        self.assignment.as_ref()?;
        let is_news = match &self.observed {
            None => true,
            Some(before) if before.state.is_terminal() => false,
            Some(before) => {
                let has_word = !observation.message.is_empty();
                observation.state > before.state
                    || observation.state == before.state
                        && has_word
                        && observation.message != before.message
            }
        };
        is_news.then(|| {
            self.observed = Some(observation.clone());
            Action::Report(TaskReport { task: self.task, observation })
        })
    }

    /// What the stop under way comes to that nobody but this agent wanted.
    pub(super) fn is_ending(&self, wanted: Wanted) -> Option<End> {
        let is_own_wish = wanted == Wanted::Run && self.stop != End::Stopped;
        (is_own_wish && self.busy == Some(Busy::Stop) && self.known_to_run())
            .then(|| self.stop.clone())
    }

    fn known_to_run(&self) -> bool {
        match &self.known {
            Known::Running(_, _) => true,
            Known::None
            | Known::Created(_)
            | Known::Starting(_)
            | Known::Ended(_, _)
            | Known::Gone => false,
        }
    }

    /// Says something of it that changes nothing of where it stands.
    pub(super) fn remark(&mut self, message: String) -> Option<Action> {
        let state = self.observed.as_ref().map_or(TaskState::Accepted, |it| it.state);
        self.advance(Observation { message, ..Observation::of(state) })
    }

    /// Marks the operation of a step as under way; `end` is what it comes to by a stop.
    pub(super) fn begin(&mut self, step: Step, end: End) -> Option<Operation> {
        let id = self.known.id().cloned();
        let (busy, operation) = match step {
            Step::Nothing => return None,
            Step::Pull => {
                let container = &self.assignment.as_ref()?.spec.container;
                let (image, platform) = (container.image.clone(), container.platform.clone());
                (Busy::Pull, Operation::Pull(ImageWish { image, platform }))
            }
            Step::Create => {
                (Busy::Create, Operation::Create(Arc::clone(self.assignment.as_ref()?)))
            }
            Step::Start => (Busy::Start, Operation::Start(id?)),
            Step::Stop => (Busy::Stop, Operation::Stop(id?)),
            Step::Cut => (Busy::Stop, Operation::Cut(id?)),
            Step::Remove => (Busy::Remove, Operation::Remove(id?)),
        };
        if busy == Busy::Stop {
            self.stop = end;
        }
        self.busy = Some(busy);
        self.moved = true;
        Some(operation)
    }

    /// What a listing says, unless more is known since it began.
    pub(super) fn listed(&mut self, seen: Option<Seen>, interrupted: bool) {
        self.balks = false;
        if self.busy.is_some() || self.moved {
            return;
        }
        self.doubted = false;
        let was_there = self.known.id().is_some();
        self.known = match seen {
            None if was_there => Known::Gone,
            None => return,
            Some(Seen { id, phase: Phase::Created, .. }) => Known::Created(id),
            Some(Seen { id, phase: Phase::Starting, .. }) => Known::Starting(id),
            Some(Seen { id, phase: Phase::Running(health), .. }) => self.running(id, health),
            Some(Seen { id, phase: Phase::Halted, .. }) => Known::Ended(id, End::CutOff),
            Some(Seen { id, phase: Phase::Exited(exit), .. }) => {
                let end = if interrupted { End::Restart } else { End::ByItself(exit) };
                match &self.known {
                    Known::Ended(known, end) if *known == id => Known::Ended(id, end.clone()),
                    Known::None
                    | Known::Created(_)
                    | Known::Starting(_)
                    | Known::Running(_, _)
                    | Known::Ended(_, _)
                    | Known::Gone => Known::Ended(id, end),
                }
            }
        };
    }

    /// An engine that comes back tells late of what it went down with.
    pub(super) fn happened(&mut self, event: ContainerEvent, interrupted: bool) {
        let ContainerEvent { id, kind, .. } = event;
        if self.known.id().is_some_and(|known| *known != id) {
            return;
        }
        self.known = match (&self.known, kind) {
            // Its creation has not been answered yet: the next step finds out.
            (Known::None, ContainerEventKind::Removed) => return,
            // An old word: what was removed does not come back under its old id.
            (Known::Gone, _) => return,
            // And what has ended is not checked any more.
            (
                Known::Ended(_, _),
                ContainerEventKind::Died(_)
                | ContainerEventKind::Halted
                | ContainerEventKind::Checked(_),
            ) => return,
            (_, ContainerEventKind::Removed) => Known::Gone,
            (_, ContainerEventKind::Started(health) | ContainerEventKind::Checked(health)) => {
                self.running(id, health)
            }
            (_, ContainerEventKind::Died(_)) if self.busy == Some(Busy::Stop) => {
                Known::Ended(id, self.stop.clone())
            }
            (_, ContainerEventKind::Halted) => Known::Ended(id, End::CutOff),
            (_, ContainerEventKind::Died(_)) if interrupted => Known::Ended(id, End::Restart),
            (_, ContainerEventKind::Died(exit)) => Known::Ended(id, End::ByItself(exit)),
        };
        self.moved = true;
        self.doubted = false;
    }

    pub(super) fn finished(&mut self, outcome: Outcome) -> Option<Action> {
        let done = busy_with(&outcome);
        if self.busy != Some(done) {
            return None;
        }
        self.busy = None;
        self.moved = true;
        match outcome {
            Outcome::Pulled(Err(failure))
            | Outcome::Created(Err(failure))
            | Outcome::Started(Err(failure))
            | Outcome::Stopped(Err(failure))
            | Outcome::Removed(Err(failure)) => return self.failed(failure, done),
            Outcome::Pulled(Ok(())) => {
                self.image = Image::Pulled;
                return None;
            }
            Outcome::Created(Ok(id)) => {
                if self.known == Known::None {
                    self.known = Known::Created(id);
                }
            }
            // It may have ended before the engine's answer came.
            Outcome::Started(Ok(health)) => {
                if let Known::Created(id) | Known::Starting(id) = &self.known {
                    self.known = Known::Running(id.clone(), health);
                }
            }
            Outcome::Stopped(Ok(())) => {
                if let Known::Running(id, _) = &self.known {
                    self.known = Known::Ended(id.clone(), self.stop.clone());
                }
            }
            Outcome::Removed(Ok(())) => self.known = Known::Gone,
        }
        self.doubted = false;
        None
    }

    /// The engine keeps what its own checks said, and we what ours said.
    fn running(&self, id: ContainerId, health: Health) -> Known {
        match (&self.known, health) {
            (Known::Running(_, Health::Starting(before)), Health::Starting(mut trial))
                if trial.words.is_empty() =>
            {
                trial.words.clone_from(&before.words);
                Known::Running(id, Health::Starting(trial))
            }
            (_, health) => Known::Running(id, health),
        }
    }

    /// Looks at a container that starts, again and again until it was healthy once. None is begun
    /// after that, whatever the engine says before its own next check.
    pub(super) fn begin_probe(&mut self) -> Option<Probe> {
        let Known::Running(id, Health::Starting(trial)) = &self.known else { return None };
        let has_run = self.observed.as_ref().is_some_and(|it| it.state >= TaskState::Running);
        if self.probing.is_some() || has_run {
            return None;
        }
        let after = trial.probe_after(self.assignment.as_ref()?.spec.container.health.as_ref())?;
        let id = id.clone();
        self.probes += 1;
        self.probing = Some(self.probes);
        Some(Probe { task: self.task, id, number: self.probes, after })
    }

    /// A failure counts for nothing; the next probe follows it.
    pub(super) fn probed(&mut self, number: u64, found: Result<Health, OperationFailure>) {
        if self.probing != Some(number) {
            return;
        }
        self.probing = None;
        if let (Known::Running(id, Health::Starting(_)), Ok(health)) = (&self.known, found) {
            self.known = self.running(id.clone(), health);
            self.moved = true;
        }
    }

    fn failed(&mut self, failure: OperationFailure, done: Busy) -> Option<Action> {
        match failure {
            OperationFailure::EngineAway { .. } => {
                self.doubted = true;
                Some(Action::List)
            }
            // It waits for the next one.
            OperationFailure::NoLease => None,
            OperationFailure::NoSuchContainer => {
                self.known = Known::Gone;
                None
            }
            OperationFailure::NameTaken if !self.name_taken => {
                self.name_taken = true;
                self.doubted = true;
                Some(Action::List)
            }
            OperationFailure::ImageMissing if self.image == Image::Untried => {
                match self.pull_policy() {
                    PullPolicy::Always | PullPolicy::Missing => {
                        self.image = Image::Missing;
                        None
                    }
                    PullPolicy::Never => {
                        let detail = "this node has not got it, and it is never pulled".to_owned();
                        self.refused(OperationFailure::NoSuchImage { detail }, done)
                    }
                }
            }
            OperationFailure::NameTaken
            | OperationFailure::ImageMissing
            | OperationFailure::NoSuchImage { .. }
            | OperationFailure::RegistryUnreachable { .. }
            | OperationFailure::BindSourceMissing { .. }
            | OperationFailure::Refused { .. } => self.refused(failure, done),
        }
    }

    /// Where it was to run, that was its one attempt.
    fn refused(&mut self, failure: OperationFailure, done: Busy) -> Option<Action> {
        let is_refusal = matches!(failure, OperationFailure::Refused { .. });
        let state = match done {
            Busy::Stop | Busy::Remove => {
                self.balks = true;
                return Some(Action::ListLater);
            }
            Busy::Start if is_refusal => TaskState::Failed,
            Busy::Pull | Busy::Create | Busy::Start => TaskState::Rejected,
        };
        let assignment = Arc::clone(self.assignment.as_ref()?);
        match Wanted::from(assignment.desired) {
            Wanted::Prepare | Wanted::Run => {
                let image = assignment.spec.container.image.as_given();
                self.advance(Observation::failed(state, reason(failure, image)))
            }
            Wanted::Stop | Wanted::Remove | Wanted::Unsaid => None,
        }
    }
}

fn busy_with(outcome: &Outcome) -> Busy {
    match outcome {
        Outcome::Pulled(_) => Busy::Pull,
        Outcome::Created(_) => Busy::Create,
        Outcome::Started(_) => Busy::Start,
        Outcome::Stopped(_) => Busy::Stop,
        Outcome::Removed(_) => Busy::Remove,
    }
}

/// The same in the words of the cluster.
fn reason(failure: OperationFailure, image: &str) -> Failure {
    let image = image.to_owned();
    match failure {
        OperationFailure::ImageMissing => Failure::NoSuchImage {
            image,
            detail: "it was pulled, and yet the engine has not got it".to_owned(),
        },
        OperationFailure::NoSuchImage { detail } => Failure::NoSuchImage { image, detail },
        OperationFailure::RegistryUnreachable { detail } => {
            Failure::RegistryUnreachable { image, detail, tries: 0 }
        }
        OperationFailure::BindSourceMissing { path } => Failure::BindSourceMissing { path },
        OperationFailure::Refused { detail } => Failure::EngineRefused { detail },
        OperationFailure::EngineAway { .. }
        | OperationFailure::NameTaken
        | OperationFailure::NoLease
        | OperationFailure::NoSuchContainer => {
            Failure::EngineRefused { detail: failure.to_string() }
        }
    }
}
