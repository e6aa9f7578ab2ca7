//! Checkpoints of format 1: before grants could be revoked, and shares frozen or deleted.

use std::collections::BTreeMap;

use serde::Deserialize;
use share_model::{Cursor, Epoch, GrantId, ShareVersion};

use crate::audit::Audit;
use crate::epoch::LastBump;
use crate::grants::{Grants, Held};
use crate::ledger::Ledger;
use crate::record::{Grant, MintKind};
use crate::state::{self, Creation};

/// Its first byte.
pub(super) const FORMAT: u8 = 1;

/// Persisted: never changes.
#[derive(Deserialize)]
pub(super) struct Head {
    created: Creation,
    version: ShareVersion,
    cursor: Cursor,
    log_start: Cursor,
    epoch: Epoch,
    grants: OldGrants,
    last_bump: Option<LastBump>,
    ledger: Ledger,
}

/// Persisted: never changes.
#[derive(Deserialize)]
struct OldGrants {
    current: BTreeMap<GrantId, Grant>,
    ended: BTreeMap<GrantId, Grant>,
}

impl OldGrants {
    fn into_grants(self) -> Grants {
        let held = |grants: BTreeMap<GrantId, Grant>| {
            let grants = grants.into_values();
            // Nothing but `save` made children then.
            let held = grants.map(|grant| {
                let kind = grant.parent.map(|_| MintKind::Saved);
                Held::new(grant, kind, None)
            });
            held.collect()
        };
        Grants::of(held(self.current), held(self.ended))
    }
}

impl Head {
    /// The head as it is now. What was stored was not counted then: at least what is there.
    pub(super) fn into_head(self, document_bytes: u64) -> state::Head {
        state::Head {
            created: self.created,
            version: self.version,
            cursor: self.cursor,
            log_start: self.log_start,
            epoch: self.epoch,
            grants: self.grants.into_grants(),
            last_bump: self.last_bump,
            ledger: self.ledger,
            frozen_at: None,
            tombstone: None,
            audit: Audit::default(),
            stored_bytes: document_bytes,
        }
    }
}
