//! What is noted of a container that is started under a lease, and what that adds to the engine's
//! word: the engine cannot know who ended something, nor that a start is still on its way.

use crate::container::{ContainerEvent, ContainerEventKind, Phase, Seen};
use crate::container::{OperationFailure, Outcome};

/// How far a container is. The agent notes the first two, the watchdog makes the last two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The engine is about to be asked, or has been asked and has not answered.
    Starting,
    Running,
    /// It ran, and the lease was over.
    Halted,
    /// It was to start, and the lease was over.
    Barred,
}

impl Standing {
    fn was_halted(self) -> bool {
        match self {
            Standing::Halted | Standing::Barred => true,
            Standing::Starting | Standing::Running => false,
        }
    }

    /// An engine carries on with a request of which nobody awaits the answer any more.
    fn is_starting(self) -> bool {
        match self {
            Standing::Starting | Standing::Barred => true,
            Standing::Running | Standing::Halted => false,
        }
    }
}

/// What happened to a container that stands so; none where it was started without a lease.
#[must_use]
pub fn event(standing: Option<Standing>, mut event: ContainerEvent) -> ContainerEvent {
    let ends = match &event.kind {
        ContainerEventKind::Died(_) | ContainerEventKind::Removed => true,
        ContainerEventKind::Started(_)
        | ContainerEventKind::Checked(_)
        | ContainerEventKind::Halted => false,
    };
    if ends && standing.is_some_and(Standing::was_halted) {
        event.kind = ContainerEventKind::Halted;
    }
    event
}

/// What was seen of a container that stands so.
#[must_use]
pub fn seen(standing: Option<Standing>, mut seen: Seen) -> Seen {
    let Some(standing) = standing else { return seen };
    match &seen.phase {
        Phase::Exited(_) if standing.was_halted() => seen.phase = Phase::Halted,
        Phase::Created if standing.is_starting() => seen.phase = Phase::Starting,
        Phase::Exited(_) | Phase::Created | Phase::Starting | Phase::Running(_) | Phase::Halted => {
        }
    }
    seen
}

/// Whether a start failed because the watchdog was there before it.
pub fn is_forestalled(standing: Option<Standing>, outcome: &Outcome) -> bool {
    let is_gone = *outcome == Outcome::Started(Err(OperationFailure::NoSuchContainer));
    is_gone && standing.is_some_and(Standing::was_halted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::{ContainerId, Exit};

    #[test]
    fn what_the_watchdog_ended_did_not_end_by_itself() {
        let exit = Exit { code: 137, out_of_memory: false };
        let died = |standing| {
            let kind = ContainerEventKind::Died(exit);
            let (task, id) = ("000000000000d".parse().unwrap(), ContainerId("c1".to_owned()));
            event(standing, ContainerEvent { task, id, kind }).kind
        };
        assert_eq!(died(Some(Standing::Halted)), ContainerEventKind::Halted);
        assert_eq!(died(Some(Standing::Barred)), ContainerEventKind::Halted);
        assert_eq!(died(Some(Standing::Running)), ContainerEventKind::Died(exit));
        assert_eq!(died(None), ContainerEventKind::Died(exit));
    }

    #[test]
    fn a_container_that_is_gone_was_forestalled_only_by_the_watchdog() {
        let is_gone = Outcome::Started(Err(OperationFailure::NoSuchContainer));
        assert!(is_forestalled(Some(Standing::Barred), &is_gone));
        assert!(!is_forestalled(Some(Standing::Starting), &is_gone));
        assert!(!is_forestalled(None, &is_gone));
    }
}
