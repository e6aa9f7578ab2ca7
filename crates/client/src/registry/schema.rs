//! The table, and the marks by which a file is known. Persisted, keep stable.

use rusqlite::Connection;

use crate::sqlite_file::Format;

/// Of a registry.
pub(super) const FORMAT: Format = Format {
    // The bytes "ShRg". For ever.
    application_id: 0x5368_5267,
    // Of the table below; counts up with each migration.
    version: 1,
    // It holds the owners' refs.
    is_private: true,
    create,
    // There is no older version.
    migrate: |_| Ok(()),
};

/// One row per share that was opened here; none is ever deleted. Names are bytes, compared as such.
/// The owner's secret stands for itself until there is a ref, which holds it.
const ENTRY: &str = "CREATE TABLE entry (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    project BLOB NOT NULL,
    session BLOB NOT NULL,
    factory BLOB NOT NULL,
    request BLOB NOT NULL,
    owner_secret BLOB,
    title TEXT NOT NULL,
    origin_kind INTEGER NOT NULL,
    origin_id TEXT NOT NULL,
    share BLOB,
    ref TEXT,
    state_file BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    seen_history BLOB,
    seen_cursor INTEGER,
    seen_epoch INTEGER,
    seen_at INTEGER,
    released_at INTEGER,
    CHECK ((ref IS NULL) = (share IS NULL) AND (ref IS NULL) = (owner_secret IS NOT NULL))
) STRICT";

/// A name is taken once, until it is released.
const NAME: &str = "CREATE UNIQUE INDEX name ON entry (project, session) WHERE released_at IS NULL";

/// Finds a share's entry.
const SHARE: &str = "CREATE INDEX share ON entry (share) WHERE share IS NOT NULL";

fn create(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch("BEGIN IMMEDIATE")?;
    for table in [ENTRY, NAME, SHARE] {
        db.execute_batch(table)?;
    }
    db.pragma_update(None, "application_id", FORMAT.application_id)?;
    db.pragma_update(None, "user_version", FORMAT.version)?;
    db.execute_batch("COMMIT")
}
