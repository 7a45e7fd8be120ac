//! One task: what is wanted of it and what is known of its container decide the next step and
//! what can be said of it. Nothing here remembers anything.

use crate::container::{ContainerId, Exit};
use crate::health::Health;
use crate::lease::Room;
use common::task::{DesiredState, Failure, Observation, TaskState};

/// What the managers want of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Its container is to be there, and not to be started yet.
    Prepare,
    Run,
    /// Its container stays, for its log.
    Stop,
    /// Neither it nor its container.
    Remove,
    /// No manager has spoken yet, so nothing of it is touched.
    Unsaid,
}

impl From<DesiredState> for Wanted {
    fn from(desired: DesiredState) -> Wanted {
        match desired {
            DesiredState::Ready => Wanted::Prepare,
            DesiredState::Running => Wanted::Run,
            DesiredState::Shutdown => Wanted::Stop,
            DesiredState::Remove => Wanted::Remove,
        }
    }
}

const STARTED_FROM_OUTSIDE: &str = "its container was started from outside, before its turn";

/// What is known of a task's container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// There never was one.
    None,
    Created(ContainerId),
    /// Created, and at any moment it may run: nobody knows what became of its start.
    Starting(ContainerId),
    Running(ContainerId, Health),
    Ended(ContainerId, End),
    /// There was one, and it was removed.
    Gone,
}

impl Known {
    pub fn id(&self) -> Option<&ContainerId> {
        match self {
            Known::Created(id)
            | Known::Starting(id)
            | Known::Running(id, _)
            | Known::Ended(id, _) => Some(id),
            Known::None | Known::Gone => None,
        }
    }
}

/// How a container came to stand still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    ByItself(Exit),
    /// Its machine or its engine went down under it.
    Restart,
    /// We stopped it.
    Stopped,
    /// We stopped it, because its check said so.
    Unhealthy {
        detail: String,
    },
    /// We stopped it, because it ran before its turn.
    OutOfTurn,
    /// It would have run on without a lease.
    CutOff,
}

/// What is known of a task's image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Image {
    /// Nothing; so the quick way is tried, which is to create the container at once.
    Untried,
    Missing,
    Pulled,
}

/// The operation under way; at most one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Busy {
    Pull,
    Create,
    Start,
    Stop,
    Remove,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Nothing,
    Pull,
    Create,
    Start,
    Stop,
    Cut,
    Remove,
}

/// What a step is chosen from, once it is known for sure and no operation is under way.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    pub wanted: Wanted,
    pub known: &'a Known,
    pub image: Image,
    pub leave: Leave,
    /// A task is one attempt: what has ended never begins again.
    pub ended: bool,
}

/// Whether a task may run as far as leases are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// It needs none.
    Free,
    /// It must not run twice.
    ByLease(Room),
}

impl Leave {
    pub fn may_start(self) -> bool {
        match self {
            Leave::Free | Leave::ByLease(Room::ToStart) => true,
            Leave::ByLease(Room::ToRun | Room::None) => false,
        }
    }

    fn may_run(self) -> bool {
        match self {
            Leave::Free | Leave::ByLease(Room::ToStart | Room::ToRun) => true,
            Leave::ByLease(Room::None) => false,
        }
    }
}

/// What a container comes to that runs and is not to, though its task is still wanted. Nothing is
/// said of its end before it has ended: a replacement would run beside it.
pub fn doom(wanted: Wanted, known: &Known, leave: Leave) -> Option<End> {
    match (wanted, known) {
        (Wanted::Run, Known::Running(_, _)) if !leave.may_run() => Some(End::CutOff),
        (Wanted::Run, Known::Running(_, Health::Unhealthy { detail })) => {
            Some(End::Unhealthy { detail: detail.clone() })
        }
        // Whatever has the slot still would have a twin.
        (Wanted::Prepare, Known::Running(_, _)) => Some(End::OutOfTurn),
        (Wanted::Prepare | Wanted::Run | Wanted::Stop | Wanted::Remove | Wanted::Unsaid, _) => None,
    }
}

/// What is said of a container that is doomed, until it has ended.
pub fn last_words(end: &End) -> String {
    match observe_end(end).failure {
        Some(failure) => format!("being stopped: {failure}"),
        None => "being stopped".to_owned(),
    }
}

pub fn next_step(situation: &Situation<'_>) -> Step {
    match situation.wanted {
        Wanted::Unsaid => Step::Nothing,
        Wanted::Prepare | Wanted::Run if situation.ended => stop_if_running(situation.known),
        Wanted::Prepare | Wanted::Run
            if let Some(end) = doom(situation.wanted, situation.known, situation.leave) =>
        {
            if end == End::CutOff { Step::Cut } else { Step::Stop }
        }
        Wanted::Prepare => step_towards_ready(situation.known, situation.image),
        Wanted::Run => step_towards_running(situation),
        Wanted::Stop => stop_if_running(situation.known),
        Wanted::Remove => match situation.known {
            Known::None | Known::Gone => Step::Nothing,
            Known::Running(_, _) => Step::Stop,
            Known::Created(_) | Known::Starting(_) | Known::Ended(_, _) => Step::Remove,
        },
    }
}

fn stop_if_running(known: &Known) -> Step {
    match known {
        Known::Running(_, _) => Step::Stop,
        // Then it cannot start any more.
        Known::Starting(_) => Step::Remove,
        Known::None | Known::Created(_) | Known::Ended(_, _) | Known::Gone => Step::Nothing,
    }
}

fn step_towards_ready(known: &Known, image: Image) -> Step {
    match (known, image) {
        (Known::None, Image::Missing) => Step::Pull,
        (Known::None, Image::Untried | Image::Pulled) => Step::Create,
        (
            Known::Created(_)
            | Known::Starting(_)
            | Known::Running(_, _)
            | Known::Ended(_, _)
            | Known::Gone,
            _,
        ) => Step::Nothing,
    }
}

fn step_towards_running(situation: &Situation<'_>) -> Step {
    match situation.known {
        Known::Created(_) | Known::Starting(_) if situation.leave.may_start() => Step::Start,
        Known::Created(_) | Known::Starting(_) => Step::Nothing,
        Known::None | Known::Running(_, _) | Known::Ended(_, _) | Known::Gone => {
            step_towards_ready(situation.known, situation.image)
        }
    }
}

/// What can be said of a task, as far as its container tells it.
pub fn observe(wanted: Wanted, known: &Known, busy: Option<Busy>) -> Observation {
    let ends = match wanted {
        Wanted::Prepare | Wanted::Run | Wanted::Unsaid => false,
        Wanted::Stop | Wanted::Remove => true,
    };
    match known {
        Known::Ended(_, _) if wanted == Wanted::Prepare => observe_end(&End::OutOfTurn),
        Known::Running(_, health) if ends => observe_leaving(health),
        Known::Running(_, health) => observe_health(health),
        Known::Ended(_, _) | Known::Gone if ends => Observation::of(TaskState::Shutdown),
        Known::Ended(_, end) => observe_end(end),
        Known::Gone => Observation::failed(TaskState::Failed, Failure::ContainerGone),
        Known::None | Known::Created(_) if ends && !may_run_soon(busy) => {
            Observation::of(TaskState::Shutdown)
        }
        Known::Created(_) if wanted == Wanted::Prepare => Observation::of(TaskState::Ready),
        Known::Created(_) | Known::Starting(_) => Observation::of(TaskState::Starting),
        Known::None if busy == Some(Busy::Pull) => Observation::of(TaskState::Preparing),
        Known::None => Observation::of(TaskState::Accepted),
    }
}

fn observe_health(health: &Health) -> Observation {
    match health {
        Health::Unchecked | Health::Healthy => Observation::of(TaskState::Running),
        Health::Starting(trial) => {
            Observation { message: trial.to_string(), ..Observation::of(TaskState::Starting) }
        }
        // Doomed, or nobody has said yet what is wanted.
        Health::Unhealthy { .. } => Observation::of(TaskState::Starting),
    }
}

/// Who is being stopped as was wished has not failed, whatever its check says of that.
fn observe_leaving(health: &Health) -> Observation {
    match health {
        Health::Unchecked | Health::Healthy => Observation::of(TaskState::Running),
        Health::Starting(_) | Health::Unhealthy { .. } => Observation::of(TaskState::Starting),
    }
}

/// Whether an operation is under way after which there may be more than we know of.
fn may_run_soon(busy: Option<Busy>) -> bool {
    match busy {
        Some(Busy::Create | Busy::Start) => true,
        Some(Busy::Pull | Busy::Stop | Busy::Remove) | None => false,
    }
}

fn observe_end(end: &End) -> Observation {
    match end {
        End::Stopped => Observation::of(TaskState::Shutdown),
        End::Restart => Observation::failed(TaskState::Failed, Failure::MachineRestarted),
        End::ByItself(Exit { code: 0, .. }) => Observation::of(TaskState::Complete),
        End::ByItself(Exit { code, out_of_memory }) => {
            let (code, out_of_memory) = (*code, *out_of_memory);
            Observation::failed(TaskState::Failed, Failure::Exited { code, out_of_memory })
        }
        End::Unhealthy { detail } => {
            let detail = detail.clone();
            Observation::failed(TaskState::Failed, Failure::Unhealthy { detail })
        }
        End::OutOfTurn => {
            let detail = STARTED_FROM_OUTSIDE.to_owned();
            Observation::failed(TaskState::Failed, Failure::EngineRefused { detail })
        }
        End::CutOff => Observation::failed(TaskState::Failed, Failure::CutOff),
    }
}
