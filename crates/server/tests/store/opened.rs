//! SQLite stores in temporary folders.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use share_model::seam::{Executor, SeededEntropy, SystemFiles};
use share_server::store::{RedoOptions, SqliteStore, SqliteStoreOptions, StoreError};

/// Bounds so small that a few commits cross each of them.
pub(crate) fn small(executor: Executor) -> SqliteStoreOptions {
    SqliteStoreOptions {
        executor,
        index_rows: 5,
        group_bytes: 400,
        wal_pages: 8,
        piece_bytes: 64,
        redo: RedoOptions {
            segments: 3,
            segment_bytes: 8 << 10,
            apply_bytes: 1 << 10,
            apply_delay: Duration::from_millis(5),
        },
        ..SqliteStoreOptions::default()
    }
}

pub(crate) fn try_open(
    folder: &Path,
    options: &SqliteStoreOptions,
) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(
        folder,
        options,
        Arc::new(SystemFiles),
        &SeededEntropy::new(1),
    )
}

#[track_caller]
pub(crate) fn open(folder: &Path, options: &SqliteStoreOptions) -> SqliteStore {
    try_open(folder, options).unwrap()
}
