//! Which share a public address belongs to.
//!
//! A record of the server's for each slug's grant, stored before the grant's commit is tried. One
//! without its grant is harmless: the share does not know the grant. A slug is never given to another
//! share, for its grant's id follows from the slug.

use share_model::{GrantId, ShareId};

use crate::fault::Fault;
use crate::store::{CommitOutcome, Store, StoreError};

/// The first byte of a record: which reading follows, here the share's id. Persisted: keep stable.
const FORMAT: u8 = 1;
/// How often a record is tried to be stored.
const TRIES_MAX: u32 = 16;

/// Notes that a slug's grant is one of `share`; durable when this returns. `false`: it is one of
/// another share.
pub(super) async fn publish(
    store: &dyn Store,
    grant: GrantId,
    share: ShareId,
) -> Result<bool, Fault> {
    let name = name(grant);
    let bytes = [&[FORMAT][..], &share.to_bytes()].concat();
    for _ in 0..TRIES_MAX {
        match store.put_server_record(&name, 0, bytes.clone()).await {
            CommitOutcome::Done => return Ok(true),
            CommitOutcome::Refused(error) => return Err(error.into()),
            CommitOutcome::Conflict { .. } => match resolve(store, grant).await? {
                Some(known) => return Ok(known == share),
                None => continue,
            },
            // Tried again, it conflicts if it is there; what comes after it is durable only with it.
            CommitOutcome::Unknown(_) => {}
        }
    }
    Err(StoreError::Overloaded.into())
}

/// The share that has a slug's grant.
pub(super) async fn resolve(store: &dyn Store, grant: GrantId) -> Result<Option<ShareId>, Fault> {
    let Some(record) = store.server_record(&name(grant)).await? else {
        return Ok(None);
    };
    let share = match record.bytes.split_first() {
        Some((&FORMAT, rest)) => rest.try_into().ok().map(ShareId::from_bytes),
        Some(_) | None => None,
    };
    Ok(share)
}

/// Persisted: keep stable.
fn name(grant: GrantId) -> String {
    format!("slug/{grant}")
}
