//! A server's store.

use std::path::Path;
use std::sync::Arc;

use share_engine::{CreateShare, Record, ShareState};
use share_model::seam::{Executor, SeededEntropy, SystemFiles};
use share_model::{
    Cursor, GrantId, HistoryId, Limits, Origin, OriginKind, RequestId, SecretHash, Seq, ShareId,
    ShareVersion, UnixMs, WriterId,
};
use share_server::store::{
    Checkpoint, Loaded, ShareCommit, SqliteStore, SqliteStoreOptions, Store, StoreError,
};

use super::wait;

/// The one has records only, the other a checkpoint as well.
const SHARES: [ShareId; 2] = [ShareId::from_bytes([1; 16]), ShareId::from_bytes([2; 16])];
const RECORD: &str = "factory";

pub(super) fn fill(folder: &Path) {
    let store = opened(folder).expect("a store is made");
    wait(async {
        for share in SHARES {
            let (state, record) = created(share);
            store.commit(vec![commit(share, record)]).await;
            if share == SHARES[1] {
                let stored = store.checkpoint(share, checkpoint(&state)).await;
                stored.expect("a checkpoint is stored");
            }
        }
        store.put_server_record(RECORD, 0, b"record".to_vec()).await;
    });
}

/// Whether it could be opened.
pub(super) fn is_used(folder: &Path) -> bool {
    let Ok(store) = opened(folder) else {
        return false;
    };
    // Each either works or says what is wrong.
    wait(async {
        _ = store.shares(None, 10).await;
        _ = store.history().await;
        _ = store.extent().await;
        _ = store.server_record(RECORD).await;
        for share in SHARES {
            _ = store.load_authority(share, ShareVersion::ZERO).await;
            _ = store.follow(share, Cursor::ZERO, 10, 1000).await;
            _ = store
                .lookup(share, vec![(WriterId::new(1), Seq::new(1))])
                .await;
            if let Ok(Some(loaded)) = store.load(share).await {
                _ = state(loaded);
            }
            store.commit(vec![commit(share, created(share).1)]).await;
            _ = store.erase(share, ShareVersion::new(1)).await;
        }
        store.put_server_record(RECORD, 1, b"next".to_vec()).await;
        _ = store.renew_history(HistoryId::from_bytes([8; 16])).await;
    });
    true
}

fn opened(folder: &Path) -> Result<SqliteStore, StoreError> {
    let options = SqliteStoreOptions {
        executor: Executor::Inline,
        ..SqliteStoreOptions::default()
    };
    SqliteStore::open(
        folder,
        &options,
        Arc::new(SystemFiles),
        &SeededEntropy::new(1),
    )
}

/// As an owner loads it.
fn state(loaded: Loaded) -> Option<ShareState> {
    let mut records = loaded.records.iter();
    let mut state = match loaded.checkpoint {
        Some(checkpoint) => {
            ShareState::from_checkpoint(&checkpoint.head, checkpoint.document, Limits::DEFAULT)
        }
        None => ShareState::begin(records.next()?, Limits::DEFAULT),
    };
    for record in records {
        state.as_mut().ok()?.apply(record).ok()?;
    }
    state.ok()
}

fn created(share: ShareId) -> (ShareState, Record) {
    let origin = Origin::new(OriginKind::User, "ann".into(), 9);
    let command = CreateShare {
        share,
        factory: GrantId::from_bytes([5; 16]),
        request: RequestId::from_bytes([6; 16]),
        owner_grant: GrantId::from_bytes([7; 16]),
        owner_secret_hash: SecretHash::from_bytes([8; 32]),
        title: "a title".into(),
        origin: origin.expect("an origin is taken"),
    };
    let created = ShareState::create(command, Limits::DEFAULT, UnixMs::new(1_000_000));
    created.expect("a share is created")
}

fn commit(share: ShareId, record: Record) -> ShareCommit {
    ShareCommit {
        share,
        expected: ShareVersion::ZERO,
        records: vec![record],
    }
}

fn checkpoint(state: &ShareState) -> Checkpoint {
    Checkpoint {
        version: state.version(),
        head: state.checkpoint(),
        document: state.document().clone(),
    }
}
