//! What the shares of a factory grant may use up, and have: shares, bytes, ops per second.
//!
//! Shares and bytes are counted in a record of the server's ([`super::used`]), always before what they
//! count: a crash in between leaves something counted that is not there, never the other way round. A
//! share is counted by its id until it exists, so that creating it again does not count it again, and
//! taken off by its id when it is deleted. Bytes are reserved in units, so that most appends cost
//! nothing here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex as PlainMutex, PoisonError};

use share_model::seam::Clock;
use share_model::{
    GrantId, Quotas, Refusal, RefusalCode, RefusalDetail, Seq, ShareId, ShareVersion,
};
use tokio::sync::Mutex;

use super::used::{self, PENDING_MAX, Stored, Used};
use crate::fault::Fault;
use crate::owner::Outcome;
use crate::rate::Rate;
use crate::store::Store;

/// Bytes that are reserved at a time.
const UNIT_BYTES: u64 = 1 << 20;

/// What the shares of each factory grant use.
#[derive(Debug)]
pub(crate) struct FactoryUses {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// Of the grants that have quotas. Held for look-ups and changes only.
    bounded: PlainMutex<BTreeMap<GrantId, Arc<FactoryUse>>>,
}

/// What the shares of one factory grant use. Those of a root, and of a grant that nobody knows any
/// more, use what they want.
#[derive(Debug)]
pub(crate) struct FactoryUse {
    bounded: Option<Bounded>,
}

#[derive(Debug)]
struct Bounded {
    grant: GrantId,
    quotas: Quotas,
    store: Arc<dyn Store>,
    appends: Rate,
    /// Held across what is stored; `None` until it was read.
    stored: Mutex<Option<Stored>>,
    /// Units that loaded shares hold. Held for look-ups and changes only.
    held: PlainMutex<BTreeMap<ShareId, u64>>,
    /// Shares that are being created, and how often. Held for look-ups and changes only.
    creating: Arc<PlainMutex<BTreeMap<ShareId, usize>>>,
}

/// A share is being created: while this lives, it stays counted.
#[derive(Debug)]
pub(crate) struct Creating {
    share: ShareId,
    creating: Arc<PlainMutex<BTreeMap<ShareId, usize>>>,
}

impl FactoryUses {
    /// Without quotas until they are told.
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            bounded: PlainMutex::default(),
        }
    }

    /// Sets the quotas of a grant, which never change.
    pub(super) fn bound(&self, grant: GrantId, quotas: Quotas) {
        let mut bounded = lock(&self.bounded);
        bounded.entry(grant).or_insert_with(|| {
            let bounded = Bounded {
                grant,
                quotas,
                store: Arc::clone(&self.store),
                appends: Rate::new(quotas.appends_per_second, Arc::clone(&self.clock)),
                stored: Mutex::default(),
                held: PlainMutex::default(),
                creating: Arc::default(),
            };
            Arc::new(FactoryUse {
                bounded: Some(bounded),
            })
        });
    }

    /// What the shares of a grant use.
    pub(crate) fn of(&self, grant: GrantId) -> Arc<FactoryUse> {
        let known = lock(&self.bounded).get(&grant).cloned();
        known.unwrap_or_else(|| Arc::new(FactoryUse { bounded: None }))
    }
}

impl FactoryUse {
    /// Counts a share that is about to be created, durably; one that is counted, or exists, is not
    /// counted again. `None`: nothing is counted.
    ///
    /// # Errors
    ///
    /// `quotaExceeded`.
    pub(crate) async fn begin_share(&self, share: ShareId) -> Outcome<Option<Arc<Creating>>> {
        let Some(bounded) = &self.bounded else {
            return Ok(Ok(None));
        };
        // From here on nobody takes it for one that was given up.
        let creating = bounded.creating(share);
        let counted = bounded.count_share(share).await?;
        Ok(counted.map(|()| Some(Arc::new(creating))))
    }

    /// Reserves room for a share whose ops have `stored_bytes` to grow to `needed_bytes`, durably;
    /// gives up to where it may grow without asking again.
    ///
    /// # Errors
    ///
    /// `quotaExceeded`.
    pub(crate) async fn reserve_bytes(
        &self,
        share: ShareId,
        stored_bytes: u64,
        needed_bytes: u64,
    ) -> Outcome<u64> {
        match &self.bounded {
            Some(bounded) => bounded.reserve(share, stored_bytes, needed_bytes).await,
            None => Ok(Ok(u64::MAX)),
        }
    }

    /// Bytes up to which a share whose ops have `stored_bytes` may grow as it is.
    pub(crate) fn held_bytes(&self, share: ShareId, stored_bytes: u64) -> u64 {
        let bounded = self.bounded.as_ref();
        bounded.map_or(u64::MAX, |bounded| {
            bounded.held(share, stored_bytes).saturating_mul(UNIT_BYTES)
        })
    }

    /// Gives back what a share has reserved beyond `stored_bytes`, when it unloads.
    pub(crate) async fn give_back(&self, share: ShareId, stored_bytes: u64) -> Result<(), Fault> {
        let Some(bounded) = &self.bounded else {
            return Ok(());
        };
        let mut stored = bounded.stored.lock().await;
        let spare = bounded
            .held(share, stored_bytes)
            .saturating_sub(units(stored_bytes));
        let give = |used: &mut Used| {
            used.units = used.units.saturating_sub(spare);
            Ok(spare > 0)
        };
        // As above.
        let _ = bounded.change(&mut stored, give).await?;
        lock(&bounded.held).remove(&share);
        Ok(())
    }

    /// Waits until so many ops may be appended, one caller after the other. Dropped while it waits, it
    /// has taken nothing.
    pub(crate) async fn take_appends(&self, ops: u32) {
        if let Some(bounded) = &self.bounded {
            bounded.appends.take(ops).await;
        }
    }

    /// Shares and bytes that are counted.
    pub(super) async fn counted(&self) -> Result<(u64, u64), Fault> {
        let Some(bounded) = &self.bounded else {
            return Ok((0, 0));
        };
        let mut stored = bounded.stored.lock().await;
        *stored = None;
        let used = &bounded.read(&mut stored).await?.used;
        Ok((used.shares, used.units.saturating_mul(UNIT_BYTES)))
    }
}

impl Bounded {
    fn creating(&self, share: ShareId) -> Creating {
        *lock(&self.creating).entry(share).or_default() += 1;
        Creating {
            share,
            creating: Arc::clone(&self.creating),
        }
    }

    async fn count_share(&self, share: ShareId) -> Outcome<()> {
        let mut stored = self.stored.lock().await;
        if self.read(&mut stored).await?.used.pending.contains(&share) {
            return Ok(Ok(()));
        }
        if self.exists(share).await? {
            return Ok(Ok(()));
        }
        let max = self.quotas.shares_max;
        let used = self.read(&mut stored).await?.used.clone();
        let is_full = (max > 0 && used.shares >= max) || used.pending.len() >= PENDING_MAX;
        let (mut exist, mut given_up) = (Vec::new(), Vec::new());
        for pending in used.pending.iter().filter(|_| is_full) {
            if self.exists(*pending).await? {
                exist.push(*pending);
            } else if !lock(&self.creating).contains_key(pending) {
                given_up.push(*pending);
            }
        }
        let mut is_busy = false;
        let count = |used: &mut Used| {
            used.pending.retain(|pending| !exist.contains(pending));
            let before = used.pending.len();
            used.pending.retain(|pending| !given_up.contains(pending));
            let uncounted = before - used.pending.len();
            used.shares = used.shares.saturating_sub(uncounted as u64);
            if max > 0 && used.shares >= max {
                return Err(self.exceeded("shares", used.shares + 1, max));
            }
            is_busy = used.pending.len() >= PENDING_MAX;
            if is_busy {
                return Ok(false);
            }
            used.shares += 1;
            used.pending.push(share);
            Ok(true)
        };
        let counted = self.change(&mut stored, count).await?;
        if is_busy {
            return Err(Fault::TooMany {
                what: "shares that are being created under a factory grant",
                max: PENDING_MAX,
            });
        }
        Ok(counted)
    }

    async fn exists(&self, share: ShareId) -> Result<bool, Fault> {
        let newest = ShareVersion::new(u64::MAX);
        Ok(self.store.load_authority(share, newest).await?.is_some())
    }

    async fn reserve(&self, share: ShareId, stored_bytes: u64, needed_bytes: u64) -> Outcome<u64> {
        let mut stored = self.stored.lock().await;
        let held = self.held(share, stored_bytes);
        let needed = units(needed_bytes);
        if needed <= held {
            return Ok(Ok(held.saturating_mul(UNIT_BYTES)));
        }
        let max = self.quotas.bytes_max;
        let reserve = |used: &mut Used| {
            let units = used.units.saturating_add(needed - held);
            let bytes = units.saturating_mul(UNIT_BYTES);
            if max > 0 && bytes > max {
                return Err(self.exceeded("bytes", bytes, max));
            }
            used.units = units;
            Ok(true)
        };
        let reserved = self.change(&mut stored, reserve).await?;
        if reserved.is_ok() {
            lock(&self.held).insert(share, needed);
        }
        Ok(reserved.map(|()| needed.saturating_mul(UNIT_BYTES)))
    }

    /// Units that a share holds: at least those that it needs, for they were reserved before.
    fn held(&self, share: ShareId, stored_bytes: u64) -> u64 {
        let held = lock(&self.held).get(&share).copied();
        held.unwrap_or(0).max(units(stored_bytes))
    }

    async fn read<'a>(&self, stored: &'a mut Option<Stored>) -> Result<&'a Stored, Fault> {
        if stored.is_none() {
            *stored = Some(used::read(&*self.store, self.grant).await?);
        }
        Ok(stored.get_or_insert_default())
    }

    async fn change(
        &self,
        stored: &mut Option<Stored>,
        mut change: impl FnMut(&mut Used) -> Result<bool, Refusal>,
    ) -> Outcome<()> {
        let was_known = stored.is_some();
        self.read(stored).await?;
        // Read again if this is dropped half-way: nobody knows then what is stored.
        let mut known = stored.take().unwrap_or_default();
        let mut changed = used::change(&*self.store, self.grant, &mut known, &mut change).await?;
        if changed.is_err() && was_known {
            // Shares that were deleted meanwhile are taken off in the store, past what is known here.
            known = used::read(&*self.store, self.grant).await?;
            changed = used::change(&*self.store, self.grant, &mut known, change).await?;
        }
        *stored = Some(known);
        Ok(changed)
    }

    fn exceeded(&self, what: &str, actual: u64, max: u64) -> Refusal {
        let grant = self.grant;
        Refusal::new(
            RefusalCode::QuotaExceeded,
            format!("factory grant {grant} would have {actual} {what}, its quota is {max}"),
        )
        .with_detail(RefusalDetail::Limit {
            seq: Seq::ZERO,
            actual,
            max,
        })
    }
}

/// A share of a factory grant was deleted: it does not count any more, nor what its ops took up.
/// Repeatable.
pub(crate) async fn release(
    store: &dyn Store,
    grant: GrantId,
    (share, stored_bytes): (ShareId, u64),
) -> Result<(), Fault> {
    used::release(store, grant, (share, units(stored_bytes))).await
}

impl Drop for Creating {
    fn drop(&mut self) {
        let mut creating = lock(&self.creating);
        if let Some(count) = creating.get_mut(&self.share) {
            *count -= 1;
            if *count == 0 {
                creating.remove(&self.share);
            }
        }
    }
}

/// Units that so many bytes take.
fn units(bytes: u64) -> u64 {
    bytes.div_ceil(UNIT_BYTES)
}

fn lock<T>(mutex: &PlainMutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
