//! A store whose commits that end authority are in the journal first.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use share_engine::{Change, Record, ShareState};
use share_model::{
    Cursor, Fingerprint, GrantId, HistoryId, Limits, LoggedOp, Seq, ShareId, ShareVersion, UnixMs,
    WriterId, planted,
};

use super::Journal;
use super::contents::Ended;
use super::entry::{Bump, Entry, Mark};
use crate::store::{
    Checkpoint, CommitOutcome, Copied, Extent, Loaded, LoadedAuthority, ServerRecord, ShareCommit,
    Store, StoreError,
};

/// Records after a mark before the next one: how far a store may be put back without being noticed
/// here.
const MARK_RECORDS: u64 = 256;

/// What marks say besides how far the store has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Served {
    pub(super) history: HistoryId,
    pub(super) starts: u64,
}

/// A store whose commits that end authority are in the journal first.
#[derive(Debug)]
pub(crate) struct JournaledStore {
    inner: Arc<dyn Store>,
    journal: Journal,
    served: Served,
    /// Records that the last mark says were there.
    marked: AtomicU64,
}

impl JournaledStore {
    pub(super) fn new(inner: Arc<dyn Store>, journal: Journal, served: Served) -> Self {
        Self {
            inner,
            journal,
            served,
            marked: AtomicU64::new(0),
        }
    }

    /// Marks how far the store has come; durable when this returns.
    pub(crate) async fn mark(&self) -> Result<(), StoreError> {
        let durable = self.inner.extent().await?.durable;
        self.marked.store(durable, Ordering::Relaxed);
        self.journal.append(vec![self.mark_at(durable)]).await
    }

    /// Marks how far the store has come, if it is time; nobody waits for it.
    async fn mark_if_due(&self) {
        let Ok(Extent { durable, .. }) = self.inner.extent().await else {
            return;
        };
        let due = |marked: u64| (durable >= marked.saturating_add(MARK_RECORDS)).then_some(durable);
        let order = Ordering::Relaxed;
        if let Ok(before) = self.marked.try_update(order, order, due)
            && self
                .journal
                .append_later(vec![self.mark_at(durable)])
                .is_err()
        {
            // Overloaded: the next commit tries again. Stopped: the server ends by that.
            self.marked.store(before, order);
        }
    }

    fn mark_at(&self, records: u64) -> Entry {
        Entry::Marked(Mark {
            history: self.served.history,
            starts: self.served.starts,
            records,
            // The journal fills it in.
            open: Vec::new(),
        })
    }

    /// What the commits are about to end, and the journal does not know yet.
    fn news(&self, commits: &[ShareCommit]) -> Vec<Entry> {
        let known = self.journal.contents();
        let ends = commits.iter().flat_map(ends);
        ends.filter(|end| !known.has(end)).collect()
    }

    /// Grants of the factory that the journal knows to be revoked, and when each was.
    pub(crate) fn factory_revoked(&self) -> Vec<(GrantId, UnixMs)> {
        let contents = self.journal.contents();
        let revoked = contents.factory_revoked().iter();
        revoked.map(|(grant, at)| (*grant, *at)).collect()
    }

    /// Notes that a grant of the factory is revoked; durable when this returns. To be done before
    /// its record says so.
    ///
    /// # Errors
    ///
    /// As [`Journal::append`].
    pub(crate) async fn revoke_factory(
        &self,
        grant: GrantId,
        at: UnixMs,
    ) -> Result<(), StoreError> {
        let entry = Entry::FactoryRevoked { grant, at };
        let is_known = self.journal.contents().has(&entry);
        match is_known {
            true => Ok(()),
            false => self.journal.append(vec![entry]).await,
        }
    }

    /// A share that is created is one that the journal may know: it was made after the backup from
    /// which the store was restored. Then the commit also ends what had ended.
    fn end_again(&self, commit: &mut ShareCommit) -> bool {
        let [record] = commit.records.as_slice() else {
            return false;
        };
        if !matches!(record.change, Change::Created(_)) {
            return false;
        }
        let known = self.journal.contents();
        let ends = known.share(commit.share).map(Ended::ends);
        let (Some(ends), Ok(mut state)) = (ends, ShareState::begin(record, Limits::DEFAULT)) else {
            return false;
        };
        let ended = state.catch_up(record.at, &ends);
        let is_ended = !ended.is_empty();
        commit.records.extend(ended);
        is_ended
    }
}

/// What a commit ends.
fn ends(commit: &ShareCommit) -> impl Iterator<Item = Entry> {
    let share = commit.share;
    let records = commit.records.iter();
    records.filter_map(move |record| end(share, record))
}

fn end(share: ShareId, record: &Record) -> Option<Entry> {
    let at = record.at;
    match &record.change {
        Change::EpochBumped(bumped) => Some(Entry::Bumped(Bump::of(share, bumped))),
        Change::Revoked(_) if planted!("revocation-not-in-journal") => None,
        Change::Revoked(revoked) => Some(Entry::Revoked {
            share,
            epoch: revoked.epoch,
            grant: revoked.grant,
            origin: revoked.origin.clone(),
            at,
        }),
        Change::Deleted(deleted) => Some(Entry::Deleted {
            share,
            origin: deleted.origin.clone(),
            at,
        }),
        Change::Created(_)
        | Change::Claimed(_)
        | Change::Appended(_)
        | Change::GrantMinted(_)
        | Change::Minted(_)
        | Change::Frozen(_)
        | Change::Noted(_) => None,
    }
}

/// What was added to a commit, or is in it.
struct Ends {
    share: ShareId,
    /// The commit ends authority, and nothing is left to be done then: a deleted share's content is
    /// still to be erased.
    is_end: bool,
    /// More was committed than was asked for: the version that the share has then.
    grown_to: Option<ShareVersion>,
}

#[async_trait]
impl Store for JournaledStore {
    async fn load(&self, share: ShareId) -> Result<Option<Loaded>, StoreError> {
        self.inner.load(share).await
    }

    async fn load_authority(
        &self,
        share: ShareId,
        since: ShareVersion,
    ) -> Result<Option<LoadedAuthority>, StoreError> {
        self.inner.load_authority(share, since).await
    }

    async fn commit(&self, mut commits: Vec<ShareCommit>) -> Vec<CommitOutcome> {
        let news = self.news(&commits);
        if !news.is_empty()
            && let Err(error) = self.journal.append(news).await
        {
            let refused = commits
                .iter()
                .map(|_| CommitOutcome::Refused(error.clone()));
            return refused.collect();
        }
        let ended: Vec<Ends> = commits
            .iter_mut()
            .map(|commit| {
                let is_grown = self.end_again(commit);
                let last = commit.records.last().map(|record| record.version);
                let is_deleted = ends(commit).any(|end| matches!(end, Entry::Deleted { .. }));
                Ends {
                    share: commit.share,
                    is_end: !is_deleted && (is_grown || ends(commit).next().is_some()),
                    grown_to: last.filter(|_| is_grown),
                }
            })
            .collect();
        let outcomes = self.inner.commit(commits).await;
        let mut is_done = false;
        let outcomes = outcomes.into_iter().zip(ended).map(|(outcome, ends)| {
            if !matches!(outcome, CommitOutcome::Done) {
                return outcome;
            }
            is_done = true;
            if ends.is_end {
                self.journal.contents().close(ends.share);
            }
            match ends.grown_to {
                // As if somebody else had bumped it right after: the owner looks again.
                Some(actual) => CommitOutcome::Conflict { actual },
                None => outcome,
            }
        });
        let outcomes = outcomes.collect();
        if is_done {
            self.mark_if_due().await;
        }
        outcomes
    }

    async fn follow(
        &self,
        share: ShareId,
        after: Cursor,
        ops_max: usize,
        bytes_max: u64,
    ) -> Result<Vec<LoggedOp>, StoreError> {
        self.inner.follow(share, after, ops_max, bytes_max).await
    }

    async fn lookup(
        &self,
        share: ShareId,
        wanted: Vec<(WriterId, Seq)>,
    ) -> Result<Vec<Option<(Fingerprint, Cursor)>>, StoreError> {
        self.inner.lookup(share, wanted).await
    }

    async fn checkpoint(&self, share: ShareId, checkpoint: Checkpoint) -> Result<(), StoreError> {
        self.inner.checkpoint(share, checkpoint).await
    }

    async fn erase(&self, share: ShareId, through: ShareVersion) -> Result<(), StoreError> {
        self.inner.erase(share, through).await?;
        // Only what is deleted is erased, and nothing is left to be done for it.
        self.journal.contents().close(share);
        Ok(())
    }

    async fn shares(
        &self,
        after: Option<ShareId>,
        limit: usize,
    ) -> Result<Vec<(ShareId, ShareVersion)>, StoreError> {
        self.inner.shares(after, limit).await
    }

    async fn history(&self) -> Result<HistoryId, StoreError> {
        self.inner.history().await
    }

    async fn renew_history(&self, history: HistoryId) -> Result<(), StoreError> {
        self.inner.renew_history(history).await
    }

    async fn extent(&self) -> Result<Extent, StoreError> {
        self.inner.extent().await
    }

    async fn copy_to(&self, to: &Path) -> Result<Copied, StoreError> {
        self.inner.copy_to(to).await
    }

    async fn server_record(&self, name: &str) -> Result<Option<ServerRecord>, StoreError> {
        self.inner.server_record(name).await
    }

    async fn put_server_record(
        &self,
        name: &str,
        expected_version: u64,
        bytes: Vec<u8>,
    ) -> CommitOutcome<u64> {
        self.inner
            .put_server_record(name, expected_version, bytes)
            .await
    }

    async fn stopped(&self) -> StoreError {
        tokio::select! {
            biased;
            stopped = self.inner.stopped() => stopped,
            stopped = self.journal.stopped() => stopped,
        }
    }
}
