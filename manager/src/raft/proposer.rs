//! Gathers what is proposed at the same time into one log entry, so that it shares one sync.

use super::types::Command;
use super::{Raft, encode_batches};
use common::{NodeId, Version};
use manager_core::change::{Batch, Conflict};
use openraft::error::{ClientWriteError, RaftError};
use shell::supervisor::{OnFailure, Scope};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Proposals that wait while one entry is being written; more of them wait in their callers.
const QUEUE_MAX: usize = 1_024;
/// One entry holds no more batches than this, so that entries stay small.
const BATCHES_MAX: usize = 256;

/// Nor more of configs and secrets: an entry travels in one message.
const FILES_BYTES_MAX: usize = 4 << 20;

type Refusals = Vec<(usize, Conflict)>;

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub version: Version,
    pub refused: Refusals,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    #[error("this manager does not lead any more; try again")]
    NotLeader,
    #[error(
        "no quorum: too few managers answer for a change to be made. Start the missing managers; \
         `skep node ls` shows which they are"
    )]
    NoQuorum,
    #[error(
        "no quorum: too few managers answer, and the change may still be made once they do. Start \
         the missing managers; `skep node ls` shows which they are"
    )]
    QuorumLost,
    #[error(
        "the change was not confirmed in time; it may still be made. Look before you repeat it"
    )]
    Unconfirmed,
    #[error("this manager's storage failed: {0}")]
    Storage(String),
}

#[derive(Debug)]
struct Proposal {
    batch: Batch,
    answer: oneshot::Sender<Result<Committed, ProposeError>>,
}

#[derive(Debug, Clone)]
pub struct Proposer {
    queue: mpsc::Sender<Proposal>,
}

impl Proposer {
    pub fn start(scope: &Scope, raft: Raft) -> Proposer {
        let (queue, proposals) = mpsc::channel(QUEUE_MAX);
        let token = scope.token();
        scope.spawn("proposer", OnFailure::StopScope, async move {
            tokio::select! {
                () = write(raft, proposals) => {}
                () = token.cancelled() => {}
            }
            Ok::<(), Infallible>(())
        });
        Proposer { queue }
    }

    /// Answers once the batch is committed and applied, however long that takes.
    pub async fn propose(&self, batch: Batch) -> Result<Committed, ProposeError> {
        let (answer, answered) = oneshot::channel();
        let proposal = Proposal { batch, answer };
        self.queue.send(proposal).await.map_err(|_| ProposeError::NotLeader)?;
        answered.await.map_err(|_| ProposeError::NotLeader)?
    }

    pub async fn propose_within(
        &self,
        batch: Batch,
        limit: Duration,
    ) -> Result<Committed, ProposeError> {
        match tokio::time::timeout(limit, self.propose(batch)).await {
            Ok(result) => result,
            Err(_) => Err(ProposeError::Unconfirmed),
        }
    }
}

async fn write(raft: Raft, mut proposals: mpsc::Receiver<Proposal>) {
    let mut gathered = Vec::new();
    while proposals.recv_many(&mut gathered, BATCHES_MAX).await > 0 {
        while !gathered.is_empty() {
            let rest = gathered.split_off(how_many_fit(&gathered));
            write_and_answer(&raft, std::mem::replace(&mut gathered, rest)).await;
        }
    }
}

/// Of these proposals, in one entry: one without files is small.
fn how_many_fit(proposals: &[Proposal]) -> usize {
    let mut bytes = 0;
    let fit = proposals.iter().take_while(|it| {
        bytes += it.batch.files_bytes();
        bytes <= FILES_BYTES_MAX
    });
    fit.count().max(1)
}

async fn write_and_answer(raft: &Raft, proposals: Vec<Proposal>) {
    let (batches, answers): (Vec<Batch>, Vec<_>) =
        proposals.into_iter().map(|it| (it.batch, it.answer)).unzip();
    let result = write_entry(raft, &batches).await;
    for (position, answer) in answers.into_iter().enumerate() {
        let result = result.as_ref().map(|(version, refused)| Committed {
            version: *version,
            refused: refused.get(position).cloned().unwrap_or_default(),
        });
        // The caller may have given up; the entry is committed all the same.
        drop(answer.send(result.map_err(Clone::clone)));
    }
}

async fn write_entry(
    raft: &Raft,
    batches: &[Batch],
) -> Result<(Version, Vec<Refusals>), ProposeError> {
    let command: Command =
        encode_batches(batches).map_err(|error| ProposeError::Storage(error.to_string()))?;
    let written = raft.client_write(command).await.map_err(explain)?;
    Ok((Version(written.log_id.index), written.data.refused))
}

fn explain(error: RaftError<NodeId, ClientWriteError<NodeId, super::types::Peer>>) -> ProposeError {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(_)) => ProposeError::NotLeader,
        RaftError::APIError(error @ ClientWriteError::ChangeMembershipError(_)) => {
            ProposeError::Storage(error.to_string())
        }
        RaftError::Fatal(fatal) => ProposeError::Storage(fatal.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::file::{CONFIG_BYTES_MAX, Content, Digest, NewFile};
    use common::{IdGen, Stamp};
    use manager_core::change::Unity;
    use manager_core::file_requests;
    use manager_core::state::State;

    fn proposal(bytes: usize) -> Proposal {
        let new = NewFile {
            name: "app.conf".parse().unwrap(),
            labels: std::collections::BTreeMap::new(),
            stack: None,
            digest: Digest([0; 32]),
            content: Content::Config(vec![0; bytes].into()),
        };
        let created = file_requests::create(&State::default(), new, &mut IdGen::from_seed(1));
        let (_, changes) = created.unwrap();
        let batch = Batch { stamp: Stamp::default(), unity: Unity::AllOrNothing, changes };
        Proposal { batch, answer: oneshot::channel().0 }
    }

    #[test]
    fn an_entry_holds_as_many_files_as_travel_in_one_message() {
        for (bytes, proposals, fit) in [(1, 256, 256), (CONFIG_BYTES_MAX, 6, 4), (100, 1, 1)] {
            let proposals: Vec<Proposal> = (0..proposals).map(|_| proposal(bytes)).collect();
            assert_eq!(how_many_fit(&proposals), fit, "{bytes}");
        }
    }
}
