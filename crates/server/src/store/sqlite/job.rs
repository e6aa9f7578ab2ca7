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
    pub(super) reply: oneshot::Sender<Answer>,
}

impl<W> Job<W> {
    /// Says what became of it.
    pub(super) fn answer(self, outcome: CommitOutcome<u64>) {
        answer_together([(self, outcome)]);
    }
}

/// What became of a job, and with it what became of others that were done together with it.
///
/// Whoever waits on another thread is woken by a call of the operating system. One is, and gives the
/// others theirs where they wait.
#[derive(Debug)]
pub(super) struct Answer {
    outcome: CommitOutcome<u64>,
    others: Others,
}

impl Answer {
    /// What became of the job; gives the others theirs.
    pub(super) fn into_outcome(self) -> CommitOutcome<u64> {
        drop(self.others);
        self.outcome
    }
}

/// Answers that are given when this is dropped, whoever does that: no one's wait depends on another's.
#[derive(Debug, Default)]
struct Others(Vec<(oneshot::Sender<Answer>, CommitOutcome<u64>)>);

impl Drop for Others {
    fn drop(&mut self) {
        for (reply, outcome) in self.0.drain(..) {
            let others = Self::default();
            // Who asked may have gone; what was committed stands.
            let _ = reply.send(Answer { outcome, others });
        }
    }
}

/// Says what became of jobs that were done together.
pub(super) fn answer_together<W>(jobs: impl IntoIterator<Item = (Job<W>, CommitOutcome<u64>)>) {
    let mut jobs = jobs.into_iter().map(|(job, outcome)| {
        // Before the answer: who has it finds the room free.
        drop(job.permit);
        (job.reply, outcome)
    });
    let Some((reply, outcome)) = jobs.next() else {
        return;
    };
    let others = Others(jobs.collect());
    // As above: then the others are answered here.
    let _ = reply.send(Answer { outcome, others });
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
    /// A checkpoint of one piece; a conflict if the share has one as new.
    Checkpoint { finished: Finished, body: Vec<u8> },
    /// Begins a checkpoint of more; a conflict if the share has one as new.
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

impl Work {
    /// Whether somebody waits for it. Nobody does for a checkpoint: while there are commits, it goes along
    /// with what SQLite takes of them next, for a sync of its own would be in the way of theirs.
    pub(super) fn is_urgent(&self) -> bool {
        match self {
            Self::Checkpoint { .. } => false,
            Self::Settle
            | Self::ServerRecord { .. }
            | Self::BeginCheckpoint { .. }
            | Self::Piece { .. }
            | Self::FinishCheckpoint(_)
            | Self::Discard { .. }
            | Self::History(_)
            | Self::BeginErase { .. }
            | Self::EraseRows(_)
            | Self::BeginWal => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::super::shared::Shared;
    use super::super::tail::Tail;
    use super::*;

    type Waits = oneshot::Receiver<Answer>;
    type Done = Vec<(Job<()>, CommitOutcome<u64>)>;

    /// Three jobs that were done together, with who waits for each.
    fn done() -> (Done, [Waits; 3], Arc<Shared>) {
        let shared = Arc::new(Shared::new(PathBuf::new(), Tail::at(0), 3));
        let mut jobs = Vec::new();
        let waits = [0, 1, 2].map(|actual| {
            let (reply, waits) = oneshot::channel();
            let permit = shared.admit(1).unwrap();
            let job = Job {
                work: (),
                permit,
                reply,
            };
            jobs.push((job, CommitOutcome::Conflict { actual }));
            waits
        });
        (jobs, waits, shared)
    }

    fn told(waits: &mut Waits) -> Option<u64> {
        match waits.try_recv().ok()?.into_outcome() {
            CommitOutcome::Conflict { actual } => Some(actual),
            _ => None,
        }
    }

    #[test]
    fn the_first_has_its_answer_and_gives_the_others_theirs() {
        let (jobs, [mut first, mut second, mut third], shared) = done();
        assert!(shared.admit(1).is_err());
        answer_together(jobs);
        assert!(
            shared.admit(3).is_ok(),
            "the room is free before anybody is told"
        );
        assert_eq!((told(&mut second), told(&mut third)), (None, None));
        assert_eq!(told(&mut first), Some(0));
        assert_eq!((told(&mut second), told(&mut third)), (Some(1), Some(2)));
    }

    #[test]
    fn the_others_have_their_answers_although_the_first_went_before_it_had_its_own_or_looked_at_it()
    {
        let (jobs, [first, mut second, mut third], _) = done();
        drop(first);
        answer_together(jobs);
        assert_eq!((told(&mut second), told(&mut third)), (Some(1), Some(2)));

        let (jobs, [first, second, mut third], _) = done();
        drop(second);
        answer_together(jobs);
        drop(first);
        assert_eq!(told(&mut third), Some(2));
    }
}
