//! Table `entry`: one row per share that was opened here.

use rusqlite::{Connection, OptionalExtension, Row, params};
use share_model::{
    Cursor, Epoch, GrantId, HistoryId, Limits, Origin, OriginKind, RequestId, Secret, ShareRef,
    UnixMs,
};

use super::entry::{OpenSession, RegistryEntry, Sighting};
use super::error::RegistryError;
use super::name::SessionName;
use super::place;

/// A row: the entry, and what asks for its share again.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) entry: RegistryEntry,
    pub(super) request: RequestId,
    /// Until there is a ref.
    pub(super) secret: Option<Secret>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT number, project, session, factory, request, owner_secret, title, origin_kind, ",
            "origin_id, ref, state_file, created_at, last_seen_at, seen_history, seen_cursor, ",
            "seen_epoch, seen_at, released_at FROM entry ",
            $rest
        )
    };
}

/// The entry that has the name.
pub(super) const BY_NAME: &str =
    select!("WHERE project = ?1 AND session = ?2 AND released_at IS NULL");
/// One entry.
const BY_NUMBER: &str = select!("WHERE number = ?1");
/// The entries of a share.
pub(super) const BY_SHARE: &str = select!("WHERE share = ?1 ORDER BY number");
/// A page of all entries.
pub(super) const PAGE: &str =
    select!("WHERE number > ?1 AND (?2 OR released_at IS NULL) ORDER BY number LIMIT ?3");

pub(super) fn by_name(
    db: &Connection,
    name: &SessionName,
) -> Result<Option<Stored>, RegistryError> {
    db.prepare_cached(BY_NAME)?
        .query_row(
            [name.project().as_bytes(), name.session().as_bytes()],
            |row| Ok(read(row)),
        )
        .optional()?
        .transpose()
}

pub(super) fn by_number(db: &Connection, number: i64) -> Result<Stored, RegistryError> {
    db.prepare_cached(BY_NUMBER)?
        .query_row([number], |row| Ok(read(row)))
        .optional()?
        .unwrap_or(Err(RegistryError::Unreadable {
            what: "no longer an entry that it held",
        }))
}

pub(super) fn by_share(
    db: &Connection,
    share: share_model::ShareId,
) -> Result<Vec<RegistryEntry>, RegistryError> {
    collect(db, BY_SHARE, &[&share.to_bytes()])
}

/// Up to `limit` entries after `after`, in the order in which their names were reserved.
pub(super) fn page(
    db: &Connection,
    (after, released): (i64, bool),
    limit: usize,
) -> Result<Vec<RegistryEntry>, RegistryError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    collect(db, PAGE, &[&after, &released, &limit])
}

fn collect(
    db: &Connection,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
) -> Result<Vec<RegistryEntry>, RegistryError> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(read(row)?.entry);
    }
    Ok(entries)
}

/// How many entries there are: none is ever deleted, so that the last number says it.
pub(super) fn count(db: &Connection) -> Result<u64, RegistryError> {
    let last = db
        .prepare_cached("SELECT coalesce(max(number), 0) FROM entry")?
        .query_row([], |row| row.get::<_, i64>(0))?;
    Ok(u64::try_from(last).unwrap_or(0))
}

/// A name that nobody has, with what asks for its share; its number.
pub(super) fn insert(
    db: &Connection,
    open: &OpenSession,
    (factory, request, secret): (GrantId, RequestId, &Secret),
    now: UnixMs,
) -> Result<i64, RegistryError> {
    db.prepare_cached(
        "INSERT INTO entry (project, session, factory, request, owner_secret, title, origin_kind, \
         origin_id, state_file, created_at, last_seen_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10)",
    )?
    .execute(params![
        open.name.project().as_bytes(),
        open.name.session().as_bytes(),
        factory.to_bytes(),
        request.to_bytes(),
        secret.expose(),
        open.title,
        kind_number(open.origin.kind()),
        open.origin.id(),
        place::to_bytes(&open.state_file),
        int(now.get()),
    ])?;
    Ok(db.last_insert_rowid())
}

/// The title, as long as no answer of the factory is known.
pub(super) fn set_title(db: &Connection, number: i64, title: &str) -> Result<(), RegistryError> {
    db.prepare_cached("UPDATE entry SET title = ?2 WHERE number = ?1 AND ref IS NULL")?
        .execute(params![number, title])?;
    Ok(())
}

/// Somebody has opened it, there.
pub(super) fn set_place(
    db: &Connection,
    number: i64,
    (state_file, now): (&[u8], UnixMs),
) -> Result<(), RegistryError> {
    db.prepare_cached(
        "UPDATE entry SET state_file = ?2, last_seen_at = max(last_seen_at, ?3) WHERE number = ?1",
    )?
    .execute(params![number, state_file, int(now.get())])?;
    Ok(())
}

/// Stores the first ref of an entry; `false` if it has one.
pub(super) fn set_first_ref(
    db: &Connection,
    number: i64,
    reference: &ShareRef,
) -> Result<bool, RegistryError> {
    let changed = db
        .prepare_cached(
            "UPDATE entry SET ref = ?2, share = ?3, owner_secret = NULL \
             WHERE number = ?1 AND ref IS NULL",
        )?
        .execute(params![
            number,
            reference.expose(),
            reference.share.to_bytes()
        ])?;
    Ok(changed == 1)
}

pub(super) fn replace_ref(
    db: &Connection,
    number: i64,
    reference: &ShareRef,
) -> Result<(), RegistryError> {
    db.prepare_cached("UPDATE entry SET ref = ?2 WHERE number = ?1 AND ref IS NOT NULL")?
        .execute(params![number, reference.expose()])?;
    Ok(())
}

pub(super) fn set_sighting(
    db: &Connection,
    number: i64,
    sighting: &Sighting,
) -> Result<(), RegistryError> {
    db.prepare_cached(
        "UPDATE entry SET seen_history = ?2, seen_cursor = ?3, seen_epoch = ?4, seen_at = ?5, \
         last_seen_at = max(last_seen_at, ?5) WHERE number = ?1",
    )?
    .execute(params![
        number,
        sighting.history.to_bytes(),
        int(sighting.cursor.get()),
        int(sighting.epoch.get()),
        int(sighting.at.get()),
    ])?;
    Ok(())
}

pub(super) fn release(db: &Connection, number: i64, now: UnixMs) -> Result<(), RegistryError> {
    db.prepare_cached("UPDATE entry SET released_at = ?2 WHERE number = ?1")?
        .execute(params![number, int(now.get())])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Stored, RegistryError> {
    let reference: Option<String> = row.get(9)?;
    let reference = reference
        .map(|text| text.parse().map_err(|_| unreadable("a ref")))
        .transpose()?;
    let sighting = match bytes_or_null(row, 13)? {
        None => None,
        Some(history) => Some(Sighting {
            history: HistoryId::from_bytes(history),
            cursor: Cursor::new(number(row, 14)?),
            epoch: Epoch::new(number(row, 15)?),
            at: UnixMs::new(number(row, 16)?),
        }),
    };
    let released_at = match row.get::<_, Option<i64>>(17)? {
        None => None,
        Some(_) => Some(UnixMs::new(number(row, 17)?)),
    };
    let origin = Origin::new(
        kind_of(row.get(7)?)?,
        row.get(8)?,
        Limits::DEFAULT.label_bytes_max,
    );
    let entry = RegistryEntry {
        number: row.get(0)?,
        name: SessionName::new(text(row, 1)?, text(row, 2)?).map_err(|_| unreadable("a name"))?,
        factory: GrantId::from_bytes(bytes(row, 3)?),
        title: row.get(6)?,
        origin: origin.map_err(|_| unreadable("an origin"))?,
        reference,
        state_file: place::from_bytes(row.get(10)?),
        created_at: UnixMs::new(number(row, 11)?),
        last_seen_at: UnixMs::new(number(row, 12)?),
        sighting,
        released_at,
    };
    Ok(Stored {
        entry,
        request: RequestId::from_bytes(bytes(row, 4)?),
        secret: bytes_or_null(row, 5)?.map(Secret::from_bytes),
    })
}

fn unreadable(what: &'static str) -> RegistryError {
    RegistryError::Unreadable { what }
}

fn text(row: &Row<'_>, at: usize) -> Result<String, RegistryError> {
    String::from_utf8(row.get(at)?).map_err(|_| unreadable("a name"))
}

/// A number in a column. SQLite's integers are signed; no counter gets that far.
fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn number(row: &Row<'_>, at: usize) -> Result<u64, RegistryError> {
    u64::try_from(row.get::<_, i64>(at)?).map_err(|_| unreadable("a negative number"))
}

fn bytes<const N: usize>(row: &Row<'_>, at: usize) -> Result<[u8; N], RegistryError> {
    bytes_or_null(row, at)?.ok_or(unreadable("an id that is missing"))
}

fn bytes_or_null<const N: usize>(
    row: &Row<'_>,
    at: usize,
) -> Result<Option<[u8; N]>, RegistryError> {
    let Some(stored) = row
        .get_ref(at)?
        .as_blob_or_null()
        .map_err(|_| unreadable("an id"))?
    else {
        return Ok(None);
    };
    let bytes = stored
        .try_into()
        .map_err(|_| unreadable("an id of the wrong length"))?;
    Ok(Some(bytes))
}

// Persisted: keep stable.
fn kind_number(kind: OriginKind) -> i64 {
    match kind {
        OriginKind::User => 1,
        OriginKind::Agent => 2,
        OriginKind::System => 3,
        OriginKind::Import => 4,
    }
}

fn kind_of(number: i64) -> Result<OriginKind, RegistryError> {
    match number {
        1 => Ok(OriginKind::User),
        2 => Ok(OriginKind::Agent),
        3 => Ok(OriginKind::System),
        4 => Ok(OriginKind::Import),
        _ => Err(unreadable("an origin of an unknown kind")),
    }
}
