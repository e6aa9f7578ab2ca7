//! What is handed to the storage threads, and answered by them.

use tokio::sync::oneshot;

use share_model::{HistoryId, ShareId, ShareVersion};

use super::checkpoint::{Finished, Generation};
use super::log::PreparedCommit;
use super::shared::Permit;
use crate::store::CommitOutcome;

/// Something to be written, and who waits for it.
#[derive(Debug)]
pub(super) struct Job<W> {
    pub(super) work: W,
    /// Room among what waits; free again once the job is done.
    pub(super) permit: Permit,
    pub(super) reply: oneshot::Sender<CommitOutcome<u64>>,
}

impl<W> Job<W> {
    /// Says what became of it.
    pub(super) fn answer(self, outcome: CommitOutcome<u64>) {
        // Before the answer: who has it finds the room free.
        drop(self.permit);
        // Who asked may have gone; what was committed stands.
        let _ = self.reply.send(outcome);
    }
}

/// What the committer is handed.
#[derive(Debug)]
pub(super) enum Handed {
    /// Records of a share, for the redo log.
    Commit(Job<PreparedCommit>),
    /// What goes to the file itself, behind all that was handed over before.
    Work(Job<Work>),
}

/// What is to be done to the file, besides what is logged.
#[derive(Debug)]
pub(super) enum Work {
    /// Nothing: done once all that was handed over before is in the file.
    Settle,
    /// A record of the server.
    ServerRecord {
        name: String,
        expected: u64,
        content: Vec<u8>,
    },
    /// Begins a checkpoint; a conflict if the share has one as new.
    BeginCheckpoint {
        share: ShareId,
        version: ShareVersion,
        generation: Generation,
    },
    /// One piece of a checkpoint.
    Piece {
        generation: Generation,
        number: u64,
        body: Vec<u8>,
    },
    /// Ends a checkpoint.
    FinishCheckpoint(Finished),
    /// Empties some pieces of a left-over.
    Discard { generation: Generation, pieces: u64 },
    /// Another history id.
    History(HistoryId),
    /// Makes a share's records up to a version unseen.
    BeginErase {
        share: ShareId,
        through: ShareVersion,
    },
    /// Empties some of the records that are unseen; a conflict if there are none.
    EraseRows(ShareId),
    /// Makes the redo log and the write-ahead log begin anew, for they have what was erased; a
    /// conflict if a reader holds on to the latter, or there is no room: then it is done later.
    BeginWal,
}
