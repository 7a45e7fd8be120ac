//! Applies the log to the cluster's state and publishes what came of it.

#![expect(clippy::result_large_err, reason = "openraft's own error is as large as that")]

use super::snapshots::SnapshotStore;
use super::types::{Answer, Peer, TypeConfig};
use super::{decode_batches, unreadable};
use common::{NodeId, Version};
use manager_core::change::Event;
use manager_core::state::{State, Tables};
use openraft::storage::RaftStateMachine;
use openraft::{
    Entry, EntryPayload, LogId, RaftSnapshotBuilder, Snapshot, SnapshotMeta, StorageError,
    StorageIOError, StoredMembership,
};
use shell::threads::at_length;
use std::io::Cursor;
use std::sync::Arc;
use tokio::sync::{broadcast, watch};

/// A reader that falls further behind than this reads everything anew.
const EVENTS_MAX: usize = 256;

/// How the rest of the manager sees the state: values to read, and keys that moved.
#[derive(Debug, Clone)]
pub struct Feed {
    state: watch::Sender<Arc<State>>,
    events: broadcast::Sender<Arc<[Event]>>,
}

impl Feed {
    fn new(state: State) -> Feed {
        Feed {
            state: watch::Sender::new(Arc::new(state)),
            events: broadcast::Sender::new(EVENTS_MAX),
        }
    }

    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.borrow())
    }

    pub fn states(&self) -> watch::Receiver<Arc<State>> {
        self.state.subscribe()
    }

    /// The state is always at least as new as the events that were received.
    pub fn events(&self) -> broadcast::Receiver<Arc<[Event]>> {
        self.events.subscribe()
    }

    fn publish(&self, state: &State, events: Vec<Event>) {
        self.state.send_replace(Arc::new(state.clone()));
        // Nobody may be listening: only leaders do.
        drop(self.events.send(events.into()));
    }
}

#[derive(Debug)]
pub struct StateMachine {
    state: State,
    applied: Option<LogId<NodeId>>,
    membership: StoredMembership<NodeId, Peer>,
    snapshots: SnapshotStore,
    feed: Feed,
}

impl StateMachine {
    /// Begins where the newest snapshot ends; openraft applies the log behind it again.
    pub fn open(snapshots: SnapshotStore) -> Result<StateMachine, StorageError<NodeId>> {
        let stored = snapshots.load().map_err(unreadable)?;
        let (state, applied, membership) = match stored {
            Some((meta, data)) => {
                let tables: Tables = shell::codec::decode(&data).map_err(unreadable)?;
                (State::from(tables), meta.last_log_id, meta.last_membership)
            }
            None => (State::default(), None, StoredMembership::default()),
        };
        let feed = Feed::new(state.clone());
        Ok(StateMachine { state, applied, membership, snapshots, feed })
    }

    pub fn feed(&self) -> Feed {
        self.feed.clone()
    }

    fn apply_entry(
        &mut self,
        entry: Entry<TypeConfig>,
        events: &mut Vec<Event>,
    ) -> Result<Answer, StorageError<NodeId>> {
        let version = Version(entry.log_id.index);
        self.applied = Some(entry.log_id);
        match entry.payload {
            EntryPayload::Blank => self.state.skip_to(version),
            EntryPayload::Membership(membership) => {
                self.state.skip_to(version);
                self.membership = StoredMembership::new(Some(entry.log_id), membership);
            }
            EntryPayload::Normal(command) => {
                let batches = decode_batches(&command).map_err(|error| StorageError::IO {
                    source: StorageIOError::apply(entry.log_id, &error),
                })?;
                let mut refused = Vec::with_capacity(batches.len());
                for batch in &batches {
                    let applied = self.state.apply(version, batch);
                    events.extend(applied.events);
                    refused.push(applied.refused);
                }
                return Ok(Answer { refused });
            }
        }
        Ok(Answer::default())
    }
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotBuilder = Builder;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogId<NodeId>>, StoredMembership<NodeId, Peer>), StorageError<NodeId>> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Answer>, StorageError<NodeId>>
    where
        I: IntoIterator<Item = Entry<TypeConfig>> + Send,
        I::IntoIter: Send,
    {
        let mut answers = Vec::new();
        let mut events = Vec::new();
        for entry in entries {
            answers.push(self.apply_entry(entry, &mut events)?);
        }
        self.feed.publish(&self.state, events);
        Ok(answers)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder {
            state: self.state.clone(),
            applied: self.applied,
            membership: self.membership.clone(),
            snapshots: self.snapshots.clone(),
        }
    }

    async fn begin_receiving_snapshot(
        &mut self,
    ) -> Result<Box<Cursor<Vec<u8>>>, StorageError<NodeId>> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta<NodeId, Peer>,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError<NodeId>> {
        let data = snapshot.into_inner();
        let tables: Tables = at_length(|| shell::codec::decode(&data)).map_err(unreadable)?;
        self.snapshots.save(meta.clone(), data).await.map_err(unreadable)?;
        self.state = at_length(|| State::from(tables));
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.feed.publish(&self.state, vec![Event::Resync]);
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<Snapshot<TypeConfig>>, StorageError<NodeId>> {
        let stored = at_length(|| self.snapshots.load()).map_err(unreadable)?;
        Ok(stored.map(|(meta, data)| Snapshot { meta, snapshot: Box::new(Cursor::new(data)) }))
    }
}

/// Writes one snapshot of the state as it was when this was made.
#[derive(Debug)]
pub struct Builder {
    state: State,
    applied: Option<LogId<NodeId>>,
    membership: StoredMembership<NodeId, Peer>,
    snapshots: SnapshotStore,
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    async fn build_snapshot(&mut self) -> Result<Snapshot<TypeConfig>, StorageError<NodeId>> {
        let data = at_length(|| shell::codec::encode(self.state.tables())).map_err(unreadable)?;
        let index = self.applied.map_or(0, |it| it.index);
        let term = self.applied.map_or(0, |it| it.leader_id.term);
        let meta = SnapshotMeta {
            last_log_id: self.applied,
            last_membership: self.membership.clone(),
            snapshot_id: format!("{term}-{index}"),
        };
        self.snapshots.save(meta.clone(), data.clone()).await.map_err(unreadable)?;
        Ok(Snapshot { meta, snapshot: Box::new(Cursor::new(data)) })
    }
}
