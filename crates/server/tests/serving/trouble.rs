//! A store that can be told what trouble to make.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use share_model::{Cursor, Fingerprint, HistoryId, LoggedOp, Seq, ShareId, ShareVersion, WriterId};
use share_server::store::{
    Checkpoint, CommitOutcome, Copied, Extent, Loaded, LoadedAuthority, ServerRecord, ShareCommit,
    SqliteStore, Store, StoreError,
};
use tokio::sync::watch;

/// What happens to a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing.
    None,
    /// A conflict is reported; nothing is committed.
    Conflict,
    /// Committed, but nobody knows.
    UnknownCommitted,
    /// Not committed, but nobody knows.
    UnknownLost,
    /// There is no room.
    Full,
    /// The disk fails: the store stops.
    Stop,
}

/// Passes everything on to SQLite but for the trouble that it is told to make.
#[derive(Debug)]
pub(crate) struct TroubledStore {
    inner: SqliteStore,
    next: Mutex<VecDeque<Trouble>>,
    fired: AtomicU64,
    /// While true, commits wait.
    held: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
    stopped: watch::Sender<bool>,
    checkpoints: watch::Sender<u64>,
    /// While true, erasing fails.
    keeps_all: AtomicBool,
    commits: AtomicU64,
    loads: AtomicU64,
    authorities: AtomicU64,
}

impl TroubledStore {
    pub(crate) fn new(inner: SqliteStore) -> Self {
        Self {
            inner,
            next: Mutex::default(),
            fired: AtomicU64::new(0),
            held: watch::Sender::new(false),
            waiting: watch::Sender::new(0),
            stopped: watch::Sender::new(false),
            checkpoints: watch::Sender::new(0),
            keeps_all: AtomicBool::new(false),
            commits: AtomicU64::new(0),
            loads: AtomicU64::new(0),
            authorities: AtomicU64::new(0),
        }
    }

    /// From now on nothing is erased.
    pub(crate) fn never_erase(&self) {
        self.keeps_all.store(true, Ordering::SeqCst);
    }

    /// The next commits get this trouble, each its own.
    pub(crate) fn plan(&self, troubles: &[Trouble]) {
        self.next.lock().unwrap().extend(troubles);
    }

    /// How much planned trouble was made.
    pub(crate) fn fired(&self) -> u64 {
        self.fired.load(Ordering::SeqCst)
    }

    /// How many records the store has.
    pub(crate) async fn extent_records(&self) -> u64 {
        self.inner.extent().await.unwrap().records
    }

    /// How often grants were read of a share that was not loaded.
    pub(crate) fn authorities_read(&self) -> u64 {
        self.authorities.load(Ordering::SeqCst)
    }

    /// How many commits were tried.
    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }

    /// How often a share was loaded.
    pub(crate) fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }

    /// How many checkpoints were stored.
    pub(crate) fn checkpoints(&self) -> watch::Receiver<u64> {
        self.checkpoints.subscribe()
    }

    /// Lets commits wait, or go on.
    pub(crate) fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }

    /// Waits until a commit waits.
    pub(crate) async fn holds_one(&self) {
        self.holds(1).await;
    }

    /// Waits until so many commits wait.
    pub(crate) async fn holds(&self, count: usize) {
        let mut waiting = self.waiting.subscribe();
        waiting.wait_for(|waiting| *waiting >= count).await.unwrap();
    }

    fn stop_error() -> StoreError {
        StoreError::Stopped {
            what: "the disk failed, as planned".into(),
        }
    }

    async fn commit_one(&self, commit: ShareCommit) -> CommitOutcome {
        self.commits.fetch_add(1, Ordering::SeqCst);
        self.waiting.send_modify(|waiting| *waiting += 1);
        self.held.subscribe().wait_for(|held| !*held).await.unwrap();
        self.waiting.send_modify(|waiting| *waiting -= 1);
        let trouble = self.next.lock().unwrap().pop_front();
        if trouble.is_some_and(|trouble| trouble != Trouble::None) {
            self.fired.fetch_add(1, Ordering::SeqCst);
        }
        match trouble.unwrap_or(Trouble::None) {
            Trouble::None => self.inner.commit(vec![commit]).await.remove(0),
            Trouble::Conflict => CommitOutcome::Conflict {
                actual: ShareVersion::new(u64::MAX),
            },
            Trouble::UnknownCommitted => {
                let outcome = self.inner.commit(vec![commit]).await.remove(0);
                assert!(matches!(outcome, CommitOutcome::Done), "{outcome:?}");
                CommitOutcome::Unknown("the answer was lost, as planned".to_owned())
            }
            Trouble::UnknownLost => {
                CommitOutcome::Unknown("the commit was lost, as planned".to_owned())
            }
            Trouble::Full => CommitOutcome::Refused(StoreError::Full {
                file: "share.sqlite".into(),
            }),
            Trouble::Stop => {
                self.stopped.send_replace(true);
                CommitOutcome::Unknown(Self::stop_error().to_string())
            }
        }
    }

    fn check(&self) -> Result<(), StoreError> {
        if *self.stopped.borrow() {
            return Err(Self::stop_error());
        }
        Ok(())
    }
}

#[async_trait]
impl Store for TroubledStore {
    async fn load(&self, share: ShareId) -> Result<Option<Loaded>, StoreError> {
        self.check()?;
        self.loads.fetch_add(1, Ordering::SeqCst);
        self.inner.load(share).await
    }

    async fn load_authority(
        &self,
        share: ShareId,
        since: ShareVersion,
    ) -> Result<Option<LoadedAuthority>, StoreError> {
        self.check()?;
        let loaded = self.inner.load_authority(share, since).await;
        let has_read =
            |loaded: &LoadedAuthority| loaded.head.is_some() || !loaded.records.is_empty();
        if matches!(&loaded, Ok(Some(loaded)) if has_read(loaded)) {
            self.authorities.fetch_add(1, Ordering::SeqCst);
        }
        loaded
    }

    async fn commit(&self, commits: Vec<ShareCommit>) -> Vec<CommitOutcome> {
        let mut outcomes = Vec::new();
        for commit in commits {
            outcomes.push(self.commit_one(commit).await);
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
        let stored = self.inner.checkpoint(share, checkpoint).await;
        self.checkpoints.send_modify(|count| *count += 1);
        stored
    }

    async fn erase(&self, share: ShareId, through: ShareVersion) -> Result<(), StoreError> {
        if self.keeps_all.load(Ordering::SeqCst) {
            return Err(StoreError::Overloaded);
        }
        self.inner.erase(share, through).await
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
        self.check()?;
        self.inner.renew_history(history).await
    }

    async fn extent(&self) -> Result<Extent, StoreError> {
        self.check()?;
        self.inner.extent().await
    }

    async fn copy_to(&self, to: &Path) -> Result<Copied, StoreError> {
        self.check()?;
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
        let mut stopped = self.stopped.subscribe();
        stopped.wait_for(|stopped| *stopped).await.unwrap();
        Self::stop_error()
    }
}
