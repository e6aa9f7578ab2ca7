//! Bumping the epoch: ends every grant and installs a new owner's (`docs/design.md` §5).

use serde::{Deserialize, Serialize};
use share_model::{
    AuditEvent, Bumped, Cut, GrantId, Origin, Refusal, RequestId, Right, Rights, SecretHash,
    UnixMs, planted,
};

use crate::authority::{Authority, AuthorityError};
use crate::label::{LabelError, check_label};
use crate::record::{Change, EpochBumped, Grant, Record};
use crate::state::{Context, ShareState, Tombstone};

/// A request to bump the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BumpEpoch {
    /// Makes the bump repeatable.
    pub request: RequestId,
    /// The new owner's grant; a repeated bump answers the one that it got first.
    pub owner_grant: GrantId,
    /// SHA-256 of the new owner's secret.
    pub owner_secret_hash: SecretHash,
    /// Who asks for it.
    pub origin: Origin,
}

/// The last bump, kept so that it can be repeated also under the authority that it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastBump {
    // The order of the fields is persisted: keep stable.
    pub(crate) request: RequestId,
    pub(crate) by: GrantId,
    pub(crate) owner: GrantId,
    pub(crate) owner_secret_hash: SecretHash,
}

/// Why the epoch was not bumped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BumpError {
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error(transparent)]
    Label(#[from] LabelError),
    #[error("request {request} bumped the epoch with another secret")]
    OtherSecret { request: RequestId },
    #[error("grant {grant} exists")]
    Taken { grant: GrantId },
}

impl ShareState {
    /// Ends all grants and sessions of this epoch and installs a new owner's grant. Repeating a
    /// bump, also under the authority that it ended, gives the same answer, with nothing more cut,
    /// and no record. Of what is cut it counts the grants; the caller knows what is live.
    ///
    /// # Errors
    ///
    /// What [`ShareState::authorize`] refuses for `admin`; `invalidRequest` if the request id was
    /// used with another secret, if the grant's id is taken, or if a text is too long.
    pub fn bump_epoch(
        &mut self,
        context: &Context,
        by: &Authority,
        request: BumpEpoch,
    ) -> Result<(Bumped, Option<Record>), Refusal> {
        if let Some(bumped) = self.repeated_bump(by, &request, context.now)? {
            return Ok((bumped, None));
        }
        let bump = self.plan_bump(context, by, request)?;
        let record = Record {
            version: self.version().next(),
            at: context.now,
            change: Change::EpochBumped(bump.clone()),
        };
        self.head.version = record.version;
        let grants = self.head.grants.in_force(context.now);
        let bumped = Bumped {
            epoch: bump.owner.epoch,
            grant: bump.owner.id,
            cut: Cut {
                grants: u32::try_from(grants).unwrap_or(u32::MAX),
                ..Cut::default()
            },
        };
        self.install_bump(record.at, bump);
        Ok((bumped, Some(record)))
    }

    /// The answer of the last bump, if this is that bump again, by who made it or by who may make
    /// one now.
    fn repeated_bump(
        &self,
        by: &Authority,
        request: &BumpEpoch,
        now: UnixMs,
    ) -> Result<Option<Bumped>, BumpError> {
        let Some(last) = &self.head.last_bump else {
            return Ok(None);
        };
        if let Some(Tombstone { at, .. }) = self.head.tombstone {
            return Err(AuthorityError::Gone { at }.into());
        }
        if last.request != request.request {
            return Ok(None);
        }
        if last.by != by.grant() {
            self.check_right(by, Right::Admin, now)?;
        }
        if last.owner_secret_hash != request.owner_secret_hash {
            return Err(BumpError::OtherSecret {
                request: last.request,
            });
        }
        Ok(Some(Bumped {
            epoch: self.epoch(),
            grant: last.owner,
            cut: Cut::default(),
        }))
    }

    fn plan_bump(
        &self,
        context: &Context,
        by: &Authority,
        request: BumpEpoch,
    ) -> Result<EpochBumped, BumpError> {
        let by = self.check_right(by, Right::Admin, context.now)?;
        check_label("origin id", request.origin.id(), &self.limits)?;
        let grant = request.owner_grant;
        if self.head.grants.is_taken(grant) {
            return Err(BumpError::Taken { grant });
        }
        Ok(EpochBumped {
            request: request.request,
            by: by.id,
            owner: Grant {
                id: grant,
                rights: Rights::ALL,
                epoch: self.epoch().next(),
                expires_at: None,
                label: String::new(),
                parent: None,
                origin: request.origin,
                secret_hash: request.owner_secret_hash,
                created_at: context.now,
            },
        })
    }

    /// What a bump changes: in execution and in replay.
    pub(crate) fn install_bump(&mut self, at: UnixMs, bump: EpochBumped) {
        let (by, owner) = (bump.by, bump.owner.id);
        let event = (AuditEvent::Bumped, Some(owner), Some(by));
        self.audit_change(at, event, bump.owner.origin.clone());
        self.head.epoch = bump.owner.epoch;
        self.head.last_bump = Some(LastBump {
            request: bump.request,
            by: bump.by,
            owner: bump.owner.id,
            owner_secret_hash: bump.owner.secret_hash,
        });
        self.head.grants.bump(bump.owner);
        // Nobody's bump is a restore's.
        if by == GrantId::from_bytes([0; 16]) && planted!("restore-keeps-grants") {
            self.head.grants.take_along(self.head.epoch);
        }
    }
}

#[cfg(test)]
mod tests;
