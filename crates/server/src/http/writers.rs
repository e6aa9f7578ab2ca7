//! The writers that are kept from one sync to the next, so that a sync costs no redeem and no claim.
//!
//! Authority is checked by a share's owner at each call all the same. Who is kept has proven a secret,
//! so that strangers push nobody out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use share_model::{GrantId, SecretHash};

use super::writer::Writer;

/// The slug's grant and the secret's hash.
type Key = (GrantId, [u8; 32]);

/// The writers that are kept. Held for a look or a change only.
#[derive(Debug)]
pub(super) struct Writers {
    kept: Mutex<HashMap<Key, Kept>>,
    max: usize,
}

#[derive(Debug)]
struct Kept {
    writer: Arc<Writer>,
    /// Nobody had it at the last sweep, nor since.
    was_idle: bool,
}

impl Writers {
    /// At most `max`.
    pub(super) fn new(max: usize) -> Self {
        Self {
            kept: Mutex::default(),
            max,
        }
    }

    /// The writer of who has this secret, if it is kept.
    pub(super) fn get(&self, slug: GrantId, secret: &SecretHash) -> Option<Arc<Writer>> {
        let mut kept = self.lock();
        let kept = kept.get_mut(&(slug, secret.to_bytes()))?;
        kept.was_idle = false;
        Some(Arc::clone(&kept.writer))
    }

    /// Keeps a writer; the one that is there already, if another request was faster. For one too many,
    /// one goes that nobody uses, if there is one: else this one is not kept.
    pub(super) fn keep(&self, slug: GrantId, secret: &SecretHash, writer: Writer) -> Arc<Writer> {
        let mut kept = self.lock();
        let key = (slug, secret.to_bytes());
        if let Some(known) = kept.get(&key) {
            return Arc::clone(&known.writer);
        }
        if kept.len() >= self.max {
            let unused = kept.iter().filter(|(_, kept)| kept.is_unused());
            let first = unused.min_by_key(|(_, kept)| !kept.was_idle);
            if let Some(key) = first.map(|(key, _)| *key) {
                kept.remove(&key);
            }
        }
        let writer = Arc::new(writer);
        if kept.len() < self.max {
            let new = Kept {
                writer: Arc::clone(&writer),
                was_idle: false,
            };
            kept.insert(key, new);
        }
        writer
    }

    /// Lets go of a writer that is of no use any more, and of no other that took its place.
    pub(super) fn drop_lost(&self, slug: GrantId, secret: &SecretHash, lost: &Arc<Writer>) {
        let mut kept = self.lock();
        let key = (slug, secret.to_bytes());
        if kept
            .get(&key)
            .is_some_and(|kept| Arc::ptr_eq(&kept.writer, lost))
        {
            kept.remove(&key);
        }
    }

    /// Lets go of whatever is kept of a share.
    pub(super) fn forget(&self, slug: GrantId, secret: &SecretHash) {
        self.lock().remove(&(slug, secret.to_bytes()));
    }

    /// Lets go of what nobody has used since the last sweep, so that its share can unload.
    pub(super) fn sweep(&self) {
        self.lock().retain(|_, kept| {
            let is_idle = kept.is_unused();
            let stays = !(is_idle && kept.was_idle);
            kept.was_idle = is_idle;
            stays
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn is_unused(&self) -> bool {
        Arc::strong_count(&self.writer) == 1
    }
}
