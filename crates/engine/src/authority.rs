//! Authority: what a redeemed grant allows, checked again on every call (`docs/design.md` §5).

use share_model::{Epoch, GrantId, Refusal, Right, Rights, SecretHash, UnixMs};

use crate::grants::Proven;
use crate::record::Grant;
use crate::state::ShareState;

/// What a redeem gave: names the grant under which calls are made.
///
/// Holding one proves nothing by itself: each call asks [`ShareState::authorize`] whether the grant
/// still stands. Only [`ShareState::redeem`] and [`ShareState::prove`] make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    grant: GrantId,
    epoch: Epoch,
    rights: Rights,
}

impl Authority {
    /// The grant that was redeemed.
    pub fn grant(&self) -> GrantId {
        self.grant
    }

    /// The epoch under which the grant was given.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// What the grant allows.
    pub fn rights(&self) -> Rights {
        self.rights
    }

    fn of(grant: &Grant) -> Self {
        Self {
            grant: grant.id,
            epoch: grant.epoch,
            rights: grant.rights,
        }
    }
}

/// Why a call is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AuthorityError {
    /// Unknown grant or wrong secret: one answer for both.
    #[error("unknown grant or wrong secret")]
    Unknown,
    /// The epoch was bumped since.
    #[error("the grant is of epoch {found}, the share is at epoch {epoch}")]
    StaleEpoch { found: Epoch, epoch: Epoch },
    /// The grant ran out.
    #[error("grant {grant} expired at {at} ms of Unix time")]
    Expired { grant: GrantId, at: UnixMs },
    /// The grant lacks the right.
    #[error("grant {grant} does not allow to {}", verb(*.right))]
    RightMissing { grant: GrantId, right: Right },
}

fn verb(right: Right) -> &'static str {
    match right {
        Right::Read => "read",
        Right::Append => "append",
        Right::Admin => "administer",
    }
}

impl ShareState {
    /// Turns a grant and its secret into authority.
    ///
    /// # Errors
    ///
    /// `notAuthorized` for an unknown grant as for a wrong secret, with the same work; `staleEpoch`
    /// (for grants that the last bump ended) and `expired` only to who proves the secret.
    pub fn redeem(
        &self,
        grant: GrantId,
        secret: &SecretHash,
        now: UnixMs,
    ) -> Result<Authority, Refusal> {
        let authority = self.prove(grant, secret)?;
        self.standing(&authority, now)?;
        Ok(authority)
    }

    /// Like [`ShareState::redeem`], also for a grant that ran out or that the last bump ended: the
    /// authority allows nothing then, but [`ShareState::bump_epoch`] knows the bump made under it
    /// when it is repeated.
    ///
    /// # Errors
    ///
    /// `notAuthorized`.
    pub fn prove(&self, grant: GrantId, secret: &SecretHash) -> Result<Authority, Refusal> {
        match self.head.grants.prove(grant, secret) {
            Some(Proven::Current(grant) | Proven::Ended(grant)) => Ok(Authority::of(grant)),
            None => Err(AuthorityError::Unknown.into()),
        }
    }

    /// Whether the authority still stands and has the right: asked on every call.
    ///
    /// # Errors
    ///
    /// `staleEpoch`, `expired`, `rightMissing`.
    pub fn authorize(
        &self,
        authority: &Authority,
        right: Right,
        now: UnixMs,
    ) -> Result<(), Refusal> {
        Ok(self.check_right(authority, right, now).map(drop)?)
    }

    pub(crate) fn check_right(
        &self,
        authority: &Authority,
        right: Right,
        now: UnixMs,
    ) -> Result<&Grant, AuthorityError> {
        let grant = self.standing(authority, now)?;
        if !grant.rights.has(right) {
            return Err(AuthorityError::RightMissing {
                grant: grant.id,
                right,
            });
        }
        Ok(grant)
    }

    /// The grant behind an authority, if it still stands.
    pub(crate) fn standing(
        &self,
        authority: &Authority,
        now: UnixMs,
    ) -> Result<&Grant, AuthorityError> {
        let epoch = self.epoch();
        if authority.epoch != epoch {
            return Err(AuthorityError::StaleEpoch {
                found: authority.epoch,
                epoch,
            });
        }
        let grant = self
            .head
            .grants
            .get(authority.grant)
            .ok_or(AuthorityError::Unknown)?;
        match grant.expires_at {
            Some(at) if at <= now => Err(AuthorityError::Expired {
                grant: grant.id,
                at,
            }),
            Some(_) | None => Ok(grant),
        }
    }
}

#[cfg(test)]
mod tests;
