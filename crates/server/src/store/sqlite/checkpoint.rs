//! Tables `checkpoint`, `checkpoint_piece` and `left_over`: the newest checkpoint of each share, in
//! pieces small enough that a commit need not wait long behind one.
//!
//! The pieces are written under a new generation number, in transactions of their own; then one
//! transaction makes that generation the share's checkpoint. A generation that no checkpoint names
//! is in `left_over` from its first piece until all are empty, so that a crash at any point leaves
//! the old checkpoint or the new one, and nothing that is not found again. Pieces are emptied and not
//! deleted, for the reason of [`super::log::empty`].

use std::io::{self, Read};

use rusqlite::{Connection, OptionalExtension, params};

use share_model::{ShareId, ShareVersion};

use super::checkpoint_stream::{decode, decode_head};
use super::fault::ReadError;
use crate::store::Checkpoint;

/// The tables. Persisted: meanings are for ever. A piece's id is its generation shifted by
/// [`PIECE_BITS`] plus its number: a generation is a range, without an index. An empty body is one
/// that no checkpoint names any more.
pub(super) const SCHEMA: &str = "
    CREATE TABLE checkpoint (
        share BLOB PRIMARY KEY,
        version INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        piece_count INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE checkpoint_piece (
        id INTEGER PRIMARY KEY,
        body_check INTEGER NOT NULL,
        body BLOB NOT NULL
    ) STRICT;
    CREATE TABLE left_over (generation INTEGER PRIMARY KEY) STRICT;";

const PIECE_BITS: u32 = 20;

/// Pieces of one checkpoint.
pub(super) const PIECES_MAX: u64 = 1 << PIECE_BITS;

/// A generation whose pieces are being written or emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Generation(pub(super) u64);

impl Generation {
    fn piece(self, number: u64) -> u64 {
        (self.0 << PIECE_BITS) + number
    }

    /// The generation after this one.
    pub(super) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The newest generation that was ever begun and is still to be seen.
pub(super) fn newest_generation(connection: &Connection) -> rusqlite::Result<Generation> {
    connection.query_row(
        "SELECT max(coalesce((SELECT max(generation) FROM checkpoint), 0),
                    coalesce((SELECT max(generation) FROM left_over), 0),
                    coalesce((SELECT max(id) >> ?1 FROM checkpoint_piece), 0))",
        [PIECE_BITS],
        |row| row.get(0).map(Generation),
    )
}

/// The version and generation of a share's checkpoint.
pub(super) fn current(
    connection: &Connection,
    share: ShareId,
) -> rusqlite::Result<Option<(ShareVersion, Generation)>> {
    connection
        .prepare_cached("SELECT version, generation FROM checkpoint WHERE share = ?1")?
        .query_row([share.to_bytes()], |row| {
            Ok((ShareVersion::new(row.get(0)?), Generation(row.get(1)?)))
        })
        .optional()
}

/// Begins a generation: whatever of it is written is a left-over until [`finish`].
pub(super) fn begin(connection: &Connection, generation: Generation) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO left_over VALUES (?1)")?
        .execute([generation.0])?;
    Ok(())
}

/// CRC-32 over the piece's id and body.
fn piece_check(id: u64, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&id.to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

/// Writes one piece.
pub(super) fn insert_piece(
    connection: &Connection,
    generation: Generation,
    number: u64,
    body: &[u8],
) -> rusqlite::Result<()> {
    let id = generation.piece(number);
    connection
        .prepare_cached("INSERT INTO checkpoint_piece VALUES (?1, ?2, ?3)")?
        .execute(params![id, piece_check(id, body), body])?;
    Ok(())
}

/// A generation with all its pieces.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finished {
    pub(super) share: ShareId,
    pub(super) version: ShareVersion,
    pub(super) generation: Generation,
    pub(super) piece_count: u64,
}

/// Makes a generation the share's checkpoint; the earlier one becomes a left-over.
pub(super) fn finish(connection: &Connection, new: &Finished) -> rusqlite::Result<()> {
    if let Some((_, old)) = current(connection, new.share)? {
        begin(connection, old)?;
    }
    forget(connection, new.generation)?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO checkpoint VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            new.share.to_bytes(),
            new.version.get(),
            new.generation.0,
            new.piece_count
        ])?;
    Ok(())
}

/// The oldest generation that no checkpoint names.
pub(super) fn left_over(connection: &Connection) -> rusqlite::Result<Option<Generation>> {
    connection
        .prepare_cached("SELECT min(generation) FROM left_over")?
        .query_row([], |row| Ok(row.get::<_, Option<u64>>(0)?.map(Generation)))
}

/// Empties up to `pieces` pieces of a left-over, and forgets it once all are.
pub(super) fn discard(
    connection: &Connection,
    generation: Generation,
    pieces: u64,
) -> rusqlite::Result<()> {
    let emptied = connection
        .prepare_cached(
            "UPDATE checkpoint_piece SET body_check = 0, body = x'' WHERE id IN (
                SELECT id FROM checkpoint_piece
                WHERE id >= ?1 AND id < ?2 AND length(body) > 0 LIMIT ?3)",
        )?
        .execute(params![
            generation.piece(0),
            generation.next().piece(0),
            pieces
        ])?;
    if (emptied as u64) < pieces {
        forget(connection, generation)?;
    }
    Ok(())
}

fn forget(connection: &Connection, generation: Generation) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM left_over WHERE generation = ?1")?
        .execute([generation.0])?;
    Ok(())
}

/// The share's checkpoint, verified.
pub(super) fn read(
    connection: &Connection,
    share: ShareId,
) -> Result<Option<Checkpoint>, ReadError> {
    let read = read_with(connection, share, |pieces| decode(pieces))?;
    Ok(read.map(|(version, (head, document))| Checkpoint {
        version,
        head,
        document,
    }))
}

/// Version and head of the share's checkpoint; of its document nothing is read.
pub(super) fn read_head(
    connection: &Connection,
    share: ShareId,
) -> Result<Option<(ShareVersion, Vec<u8>)>, ReadError> {
    read_with(connection, share, |pieces| decode_head(pieces))
}

fn read_with<T>(
    connection: &Connection,
    share: ShareId,
    decode: impl FnOnce(&mut dyn Read) -> io::Result<T>,
) -> Result<Option<(ShareVersion, T)>, ReadError> {
    let Some((version, generation)) = current(connection, share)? else {
        return Ok(None);
    };
    let piece_count: u64 = connection
        .prepare_cached("SELECT piece_count FROM checkpoint WHERE share = ?1")?
        .query_row([share.to_bytes()], |row| row.get(0))?;
    let mut pieces = Pieces {
        connection,
        next: generation.piece(0),
        end: generation.piece(piece_count),
        body: io::Cursor::new(Vec::new()),
        failed: None,
    };
    let decoded = decode(&mut pieces);
    if let Some(error) = pieces.failed {
        return Err(error.into());
    }
    let decoded = decoded.map_err(|error| ReadError::Damaged {
        share: Some(share),
        version: Some(version),
        what: format!("the checkpoint is unusable: {error}"),
    })?;
    Ok(Some((version, decoded)))
}

/// The pieces of a generation, one after the other.
struct Pieces<'a> {
    connection: &'a Connection,
    next: u64,
    end: u64,
    body: io::Cursor<Vec<u8>>,
    /// What SQLite said when reading ended early.
    failed: Option<rusqlite::Error>,
}

impl Pieces<'_> {
    fn fetch(&mut self) -> io::Result<()> {
        let found = self
            .connection
            .prepare_cached("SELECT body_check, body FROM checkpoint_piece WHERE id = ?1")
            .and_then(|mut statement| {
                statement
                    .query_row([self.next], |row| {
                        Ok((row.get::<_, u32>(0)?, row.get::<_, Vec<u8>>(1)?))
                    })
                    .optional()
            });
        match found {
            Ok(Some((check, body))) if check == piece_check(self.next, &body) => {
                self.body = io::Cursor::new(body);
                self.next += 1;
                Ok(())
            }
            Ok(Some(_)) => Err(io::Error::other("a piece's checksum does not match")),
            Ok(None) => Err(io::Error::other("a piece is missing")),
            Err(error) => {
                self.failed = Some(error);
                Err(io::Error::other("a piece can't be read"))
            }
        }
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.body.read(buffer)?;
            if read > 0 || buffer.is_empty() || self.next >= self.end {
                return Ok(read);
            }
            self.fetch()?;
        }
    }
}
