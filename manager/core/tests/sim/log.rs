//! What is committed, as two managers see it: one that was always there, and one that gets
//! everything over the wire and is restored from a snapshot now and then.

use crate::checks;
use crate::world::{Happening, World};
use common::Version;
use manager_core::change::{Applied, Batch, Change};
use manager_core::state::State;
use std::sync::Arc;

#[derive(Debug, Default)]
pub(crate) struct Log {
    state: State,
    follower: State,
    /// Proposals fail until then, as on a full disk.
    fails_until: u64,
    last_commit: u64,
}

impl Log {
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    pub(crate) fn follower(&self) -> &State {
        &self.follower
    }

    pub(crate) fn last_commit(&self) -> u64 {
        self.last_commit
    }

    pub(crate) fn fails(&self, now: u64) -> bool {
        now < self.fails_until
    }

    pub(crate) fn fail_until(&mut self, until: u64) {
        self.fails_until = until;
    }

    fn append(&mut self, batch: &Batch, now: u64) -> (Version, Applied) {
        let version = Version(self.state.version().0 + 1);
        let applied = self.state.apply(version, batch);
        self.follower.apply(version, &over_the_wire(batch));
        self.last_commit = now;
        (version, applied)
    }

    /// As a manager that was away for long.
    fn restore_follower(&mut self) {
        self.follower = State::from(self.follower.tables().clone());
    }
}

impl World {
    pub(crate) fn commit(&mut self, batch: &Batch) -> Version {
        let before = self.log.state.clone();
        let (version, applied) = self.log.append(batch, self.now);
        if self.one_in(16) {
            self.log.restore_follower();
        }
        for change in &batch.changes {
            self.say(|| format!("commit {version}: {change:?}"));
        }
        self.wrong.extend(checks::commit::violations(&before, &self.log, &self.machines));
        if let Some(leading) = &mut self.leader {
            leading.expect_events();
            let term = leading.term;
            let delay = self.chance.below(6);
            self.after(delay, Happening::Published { term, events: applied.events });
        }
        version
    }
}

/// Shares nothing with the original, as if it had been written and read again.
fn over_the_wire(batch: &Batch) -> Batch {
    let mut batch = batch.clone();
    for change in &mut batch.changes {
        if let Change::CreateService { spec, .. } | Change::SetServiceSpec { spec, .. } = change {
            spec.task = Arc::new((*spec.task).clone());
        }
    }
    batch
}
