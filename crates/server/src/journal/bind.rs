//! Start-up: finds the journal that goes with a store, notices a store that went back in time, and
//! applies what the store lacks.
//!
//! Each step may be the last before a crash: the next start-up takes them again from the first.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use share_engine::{Ends, ShareState};
use share_model::seam::Executor;
use share_model::{HistoryId, ShareId, UnixMs};
use tracing::warn;

use super::apply::{apply, load_share};
use super::entry::{Bump, Entry, JournalId};
use super::error::JournalError;
use super::file::folder_of;
use super::guarded::{JournaledStore, Served};
use super::{Journal, new_contents};
use crate::factory::revoked_grants;
use crate::seams::Seams;
use crate::server::ServerError;
use crate::store::{CommitOutcome, Store, StoreError};

/// The name of the server's record. Persisted: keep stable.
const RECORD: &str = "journal";
/// The first byte of the record: which reading follows.
const FORMAT: u8 = 1;
/// How often the record is tried to be stored.
const TRIES_MAX: u32 = 16;
/// Shares that are listed at a time.
const SHARES_PAGE: usize = 1024;

/// Which journal goes with a store, and how often it was served. Persisted: keep stable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Bound {
    journal: Option<JournalId>,
    starts: u64,
}

/// Where a journal is, and what may be done about it.
#[derive(Debug, Clone)]
pub(crate) struct JournalUse {
    pub(crate) path: PathBuf,
    /// The data folder, outside which it must lie.
    pub(crate) data: PathBuf,
    /// The journal that goes with the store is lost: a new one may be begun.
    pub(crate) may_begin_anew: bool,
    pub(crate) executor: Executor,
}

/// Opens the store's journal, or begins one, and gives a store that writes it.
pub(crate) async fn bind(
    store: Arc<dyn Store>,
    place: &JournalUse,
    seams: &Seams,
) -> Result<Arc<JournaledStore>, ServerError> {
    check_outside(place)?;
    let (mut version, mut bound) = read_record(&*store).await?;
    let journal = match Journal::open(&place.path, &seams.files, place.executor)? {
        Some(journal) => {
            check_belongs(&journal, bound, place)?;
            journal
        }
        None if bound.journal.is_some() && !place.may_begin_anew => {
            let path = place.path.clone();
            return Err(JournalError::Missing { path }.into());
        }
        None => begin(&*store, bound.journal, place, seams).await?,
    };
    let has_gone_back = look_for_the_past(&*store, &journal, bound, seams).await?;
    // No guard is held while a share is loaded.
    let contents = journal.contents().clone();
    let history = store.history().await?;
    let is_known = contents.mark(history).is_some();
    let is_looked_at = |share: ShareId| {
        // A store that goes on where it was has everything but what was under way.
        has_gone_back || !is_known || contents.open().contains(&share)
    };
    let now = seams.clock.now();
    apply(&*store, &contents, now, is_looked_at).await?;
    bound.journal = Some(journal.contents().id());
    bound.starts += 1;
    // Besides, after this everything that was found in the store is durable.
    store_record(&*store, &mut version, bound).await?;
    journal.contents().close_all();
    let served = Served {
        history,
        starts: bound.starts,
    };
    let store = Arc::new(JournaledStore::new(store, journal, served));
    store.mark().await?;
    Ok(store)
}

/// The journal with which a store was served last; `None`: it was not, or what it had is given up.
pub(crate) async fn journal_of(store: &dyn Store) -> Result<Option<JournalId>, ServerError> {
    Ok(read_record(store).await?.1.journal)
}

/// Lets the next start-up begin a new journal, or take the one that it finds.
pub(crate) async fn forget_journal(store: &dyn Store) -> Result<(), ServerError> {
    let (mut version, bound) = read_record(store).await?;
    let bound = Bound {
        journal: None,
        ..bound
    };
    store_record(store, &mut version, bound).await
}

/// A journal in the data folder would be put back with it.
fn check_outside(place: &JournalUse) -> Result<(), JournalError> {
    let real = |path: &Path| fs::canonicalize(path);
    let data = real(&place.data).map_err(JournalError::io("look at", &place.data))?;
    let folder = folder_of(&place.path);
    let folder = real(folder).map_err(JournalError::io("look at", folder))?;
    if folder.starts_with(data) {
        let path = place.path.clone();
        return Err(JournalError::Inside { path });
    }
    Ok(())
}

/// Refuses the journal of another store.
fn check_belongs(journal: &Journal, bound: Bound, place: &JournalUse) -> Result<(), JournalError> {
    let path = || place.path.clone();
    if place.may_begin_anew {
        return Err(JournalError::Exists { path: path() });
    }
    let contents = journal.contents();
    let is_right = match bound.journal {
        // A store that is new, or was put back without its journal: more can only end more.
        None => true,
        Some(id) => id == contents.id() || Some(id) == contents.replaces(),
    };
    if is_right {
        return Ok(());
    }
    Err(JournalError::OtherFolders { path: path() })
}

/// Begins a journal with what the store says of authority that has ended: an older backup must not
/// bring it back.
async fn begin(
    store: &dyn Store,
    replaces: Option<JournalId>,
    place: &JournalUse,
    seams: &Seams,
) -> Result<Journal, ServerError> {
    let now = seams.clock.now();
    let mut contents = new_contents(&*seams.entropy, replaces, now);
    let mut after = None;
    loop {
        let page = store.shares(after, SHARES_PAGE).await?;
        let Some((last, _)) = page.last() else {
            break;
        };
        after = Some(*last);
        for (share, _) in page {
            if let Some(state) = load_share(store, share).await? {
                entries_of(&state, now).for_each(|entry| contents.take(entry));
            }
        }
    }
    for (grant, at) in revoked_grants(store).await? {
        contents.take(Entry::FactoryRevoked { grant, at });
    }
    let (path, executor) = (&place.path, place.executor);
    Ok(Journal::create(path, contents, &seams.files, executor)?)
}

/// What a journal has to know of a share.
fn entries_of(state: &ShareState, at: UnixMs) -> impl Iterator<Item = Entry> + use<> {
    let share = state.id();
    let Ends {
        bump,
        revoked,
        deleted,
    } = state.ends();
    let bump = bump.map(|bumped| Entry::Bumped(Bump::of(share, &bumped)));
    let revoked = revoked.into_iter().map(move |revoked| Entry::Revoked {
        share,
        epoch: revoked.epoch,
        grant: revoked.grant,
        origin: revoked.origin,
        at,
    });
    let deleted = deleted.map(|deleted| Entry::Deleted {
        share,
        origin: deleted.origin,
        at,
    });
    bump.into_iter().chain(revoked).chain(deleted)
}

/// Whether the store is behind what the journal knows of it; it then has a new history id, durably.
async fn look_for_the_past(
    store: &dyn Store,
    journal: &Journal,
    bound: Bound,
    seams: &Seams,
) -> Result<bool, ServerError> {
    let history = store.history().await?;
    let extent = store.extent().await?;
    let has_gone_back = match journal.contents().mark(history) {
        None => false,
        Some((mark, is_past)) => {
            is_past || bound.starts < mark.starts || extent.records < mark.records
        }
    };
    if has_gone_back {
        let new = HistoryId::random(&*seams.entropy);
        store.renew_history(new).await?;
        warn!(%history, %new, records = extent.records,
            "the data folder was put back from a copy: it has a new history, and clients send again \
             what it lacks");
    }
    Ok(has_gone_back)
}

async fn read_record(store: &dyn Store) -> Result<(u64, Bound), ServerError> {
    let Some(record) = store.server_record(RECORD).await? else {
        return Ok((0, Bound::default()));
    };
    let bound = decode(&record.bytes).ok_or(ServerError::JournalRecord)?;
    Ok((record.version, bound))
}

fn decode(record: &[u8]) -> Option<Bound> {
    match record.split_first() {
        Some((&FORMAT, rest)) => postcard::from_bytes(rest).ok(),
        Some(_) | None => None,
    }
}

fn encode(bound: &Bound) -> Result<Vec<u8>, ServerError> {
    postcard::to_extend(bound, vec![FORMAT]).map_err(|_| ServerError::JournalRecord)
}

/// What the record says, written again; `None`: it is refused.
pub(crate) fn rewritten_record(bytes: &[u8]) -> Option<Vec<u8>> {
    encode(&decode(bytes)?).ok()
}

/// Stores the record; it is durable then.
async fn store_record(
    store: &dyn Store,
    version: &mut u64,
    bound: Bound,
) -> Result<(), ServerError> {
    let bytes = encode(&bound)?;
    for _ in 0..TRIES_MAX {
        match store
            .put_server_record(RECORD, *version, bytes.clone())
            .await
        {
            CommitOutcome::Done => return Ok(()),
            CommitOutcome::Refused(error) => return Err(error.into()),
            CommitOutcome::Conflict { .. } | CommitOutcome::Unknown(_) => {
                // Put again also if it is there: only then is it known to be durable.
                *version = read_record(store).await?.0;
            }
        }
    }
    Err(StoreError::Overloaded.into())
}
