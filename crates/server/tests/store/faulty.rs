//! A store that makes conflicts and unknowns around a real one, and the way of an owner through
//! them.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use share_engine::Record;
use share_model::seam::{Entropy, SeededEntropy};
use share_model::{Cursor, Fingerprint, HistoryId, LoggedOp, Seq, ShareId, ShareVersion, WriterId};
use share_server::store::{
    Checkpoint, CommitOutcome, Copied, Extent, Loaded, LoadedAuthority, ServerRecord, ShareCommit,
    Store, StoreError,
};

/// How often each fault was made.
#[derive(Debug, Default)]
pub(crate) struct Fired {
    pub(crate) conflicts: AtomicU64,
    pub(crate) unknown_committed: AtomicU64,
    pub(crate) unknown_not_committed: AtomicU64,
}

/// Makes false conflicts, and unknowns that were committed or not.
#[derive(Debug)]
pub(crate) struct FaultyStore<S> {
    inner: S,
    entropy: SeededEntropy,
    pub(crate) fired: Fired,
}

impl FaultyStore<()> {
    /// The seeds to run: `SHARE_SEED`, else a few.
    pub(crate) fn seeds() -> Vec<u64> {
        match std::env::var("SHARE_SEED") {
            Ok(seed) => vec![seed.parse().unwrap()],
            Err(_) => (1..=8).collect(),
        }
    }
}

enum Fault {
    Conflict,
    UnknownCommitted,
    UnknownNotCommitted,
}

impl<S: Store> FaultyStore<S> {
    pub(crate) fn new(inner: S, seed: u64) -> Self {
        println!("seed {seed}: replay with SHARE_SEED={seed} cargo test -p share-server store::");
        Self {
            inner,
            entropy: SeededEntropy::new(seed),
            fired: Fired::default(),
        }
    }

    /// A fault in every other call.
    fn fault(&self) -> Option<Fault> {
        let (fault, counter) = match self.entropy.below(6) {
            0 => (Fault::Conflict, &self.fired.conflicts),
            1 => (Fault::UnknownCommitted, &self.fired.unknown_committed),
            2 => (
                Fault::UnknownNotCommitted,
                &self.fired.unknown_not_committed,
            ),
            _ => return None,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        Some(fault)
    }

    async fn commit_one(&self, commit: ShareCommit) -> CommitOutcome {
        match self.fault() {
            Some(Fault::Conflict) => {
                let loaded = self.inner.load(commit.share).await.unwrap();
                CommitOutcome::Conflict {
                    actual: loaded.map_or(ShareVersion::ZERO, |loaded| loaded.version),
                }
            }
            Some(Fault::UnknownNotCommitted) => CommitOutcome::Unknown("it was dropped".into()),
            fault => {
                let outcome = self.inner.commit(vec![commit]).await.remove(0);
                match (fault, &outcome) {
                    (Some(Fault::UnknownCommitted), CommitOutcome::Done) => {
                        CommitOutcome::Unknown("its answer was dropped".into())
                    }
                    _ => outcome,
                }
            }
        }
    }
}

#[async_trait]
impl<S: Store> Store for FaultyStore<S> {
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
        self.inner.checkpoint(share, checkpoint).await
    }

    async fn erase(&self, share: ShareId, through: ShareVersion) -> Result<(), StoreError> {
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
        let fault = self.fault();
        if let Some(Fault::UnknownNotCommitted) = fault {
            return CommitOutcome::Unknown("it was dropped".into());
        }
        let outcome = self
            .inner
            .put_server_record(name, expected_version, bytes)
            .await;
        match (fault, &outcome) {
            (Some(Fault::UnknownCommitted), CommitOutcome::Done) => {
                CommitOutcome::Unknown("its answer was dropped".into())
            }
            _ => outcome,
        }
    }

    async fn stopped(&self) -> StoreError {
        self.inner.stopped().await
    }
}

/// Commits as an owner does: after a conflict or an unknown it finds out, and tries again only if
/// its records are not there.
pub(crate) async fn persist(store: &dyn Store, commit: ShareCommit) {
    for _ in 0..100 {
        match store.commit(vec![commit.clone()]).await.remove(0) {
            CommitOutcome::Done => return,
            CommitOutcome::Refused(error) => panic!("refused: {error}"),
            CommitOutcome::Conflict { .. } | CommitOutcome::Unknown(_) => {}
        }
        if is_there(store, commit.share, &commit.records).await {
            return;
        }
    }
    panic!("100 tries of a commit came to nothing");
}

async fn is_there(store: &dyn Store, share: ShareId, records: &[Record]) -> bool {
    let Some(loaded) = store.load(share).await.unwrap() else {
        return false;
    };
    let found = records
        .iter()
        .filter(|record| loaded.records.contains(record));
    let (found, wanted) = (found.count(), records.len());
    assert!(
        found == 0 || found == wanted,
        "{found} of {wanted} records are there"
    );
    found == wanted
}

#[tokio::test]
async fn every_fault_fires_and_no_commit_is_lost_or_doubled() {
    use super::opened::{open, small};
    use super::story::Story;

    for seed in FaultyStore::seeds() {
        let folder = tempfile::tempdir().unwrap();
        let inner = open(folder.path(), &small(share_model::seam::Executor::Inline));
        let store = FaultyStore::new(inner, seed);
        let mut story = Story::new(1);
        for _ in 0..60 {
            story.append(1, &["text"]);
            persist(&store, story.commit(1)).await;
        }
        story.assert_kept(&store).await;
        let fired = &store.fired;
        for fired in [
            &fired.conflicts,
            &fired.unknown_committed,
            &fired.unknown_not_committed,
        ] {
            assert!(fired.load(Ordering::Relaxed) > 0, "{:?}", store.fired);
        }
    }
}
