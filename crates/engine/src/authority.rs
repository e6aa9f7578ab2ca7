//! Authority: what a redeemed grant allows, checked again on every call (`docs/design.md` §5).

use share_model::{
    Epoch, GrantId, OwnerProof, Refusal, Right, Rights, SecretHash, UnixMs, planted,
};

use crate::grants::Held;
use crate::record::Grant;
use crate::state::{ShareState, Tombstone};

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
    /// Unknown grant, wrong secret, or a seal without proof: one answer for all.
    #[error("unknown grant or wrong secret")]
    Unknown,
    /// The share was deleted.
    #[error("the share was deleted at {at} ms of Unix time")]
    Gone { at: UnixMs },
    /// The epoch was bumped since.
    #[error("the grant is of epoch {found}, the share is at epoch {epoch}")]
    StaleEpoch { found: Epoch, epoch: Epoch },
    /// The grant, or one above it, was revoked.
    #[error("grant {grant} was revoked at {at} ms of Unix time")]
    Revoked { grant: GrantId, at: UnixMs },
    /// The grant ran out.
    #[error("grant {grant} expired at {at} ms of Unix time")]
    Expired { grant: GrantId, at: UnixMs },
    /// The grant lacks the right.
    #[error("grant {grant} does not allow to {}", verb(*.right))]
    RightMissing { grant: GrantId, right: Right },
    /// It takes the owner's grant.
    #[error("grant {grant} is not the owner's")]
    NotOwner { grant: GrantId },
    /// Appends are refused for now.
    #[error("the share was frozen at {at} ms of Unix time")]
    Frozen { at: UnixMs },
}

fn verb(right: Right) -> &'static str {
    match right {
        Right::Read => "read",
        Right::Append => "append",
        Right::Admin => "administer",
    }
}

impl ShareState {
    /// Turns a grant and its secret into authority; a sealed one needs its owner's proof as well.
    ///
    /// # Errors
    ///
    /// `notAuthorized` for an unknown grant, a wrong secret and a missing proof alike; `gone`,
    /// `staleEpoch` (for grants that the last bump ended), `revoked` and `expired` only to who proves
    /// the secret.
    pub fn redeem(
        &self,
        grant: GrantId,
        secret: &SecretHash,
        proof: Option<&OwnerProof>,
        now: UnixMs,
    ) -> Result<Authority, Refusal> {
        let authority = self.prove(grant, secret, proof)?;
        self.standing(&authority, now)?;
        Ok(authority)
    }

    /// Like [`ShareState::redeem`], also for a grant that has ended: the authority allows nothing
    /// then, but a bump or deletion that was made under it can be repeated.
    ///
    /// # Errors
    ///
    /// `notAuthorized`.
    pub fn prove(
        &self,
        grant: GrantId,
        secret: &SecretHash,
        proof: Option<&OwnerProof>,
    ) -> Result<Authority, Refusal> {
        let proven = self.head.grants.prove(grant, secret);
        let held = proven.map(|proven| proven.held());
        let is_open = |held: &&Held| {
            held.sealed_for.is_none_or(|owner| {
                proof.is_some_and(|proof| owner.is_proven(self.id(), grant, secret, proof))
            })
        };
        match held.filter(is_open) {
            Some(held) => Ok(Authority::of(&held.grant)),
            None => Err(AuthorityError::Unknown.into()),
        }
    }

    /// The subtree of grants in which a grant counts against bounds per subtree: what hangs below one
    /// direct child of the owner's grant. `None`: the owner's own, or one that is not known.
    pub fn subtree(&self, grant: GrantId) -> Option<GrantId> {
        self.head.grants.subtree(grant)
    }

    /// Whether the authority still stands and has the right: asked on every call.
    ///
    /// # Errors
    ///
    /// `gone`, `staleEpoch`, `revoked`, `expired`, `rightMissing`.
    pub fn authorize(
        &self,
        authority: &Authority,
        right: Right,
        now: UnixMs,
    ) -> Result<(), Refusal> {
        Ok(self.check_right(authority, right, now).map(drop)?)
    }

    /// Whether the authority still stands, whatever it allows.
    ///
    /// # Errors
    ///
    /// `gone`, `staleEpoch`, `revoked`, `expired`.
    pub fn check_standing(&self, authority: &Authority, now: UnixMs) -> Result<(), Refusal> {
        Ok(self.standing(authority, now).map(drop)?)
    }

    /// The grant behind an authority; `None` once a bump has ended it.
    pub fn grant_of(&self, authority: &Authority) -> Option<&Grant> {
        let held = self.head.grants.get(authority.grant)?;
        (held.grant.epoch == authority.epoch).then_some(&held.grant)
    }

    pub(crate) fn check_right(
        &self,
        authority: &Authority,
        right: Right,
        now: UnixMs,
    ) -> Result<&Grant, AuthorityError> {
        let grant = match self.standing(authority, now) {
            // For an administrator's calls the records would name a grant that is none.
            Err(AuthorityError::StaleEpoch { .. })
                if right != Right::Admin && planted!("epoch-at-redeem-only") =>
            {
                self.head.grants.ended(authority.grant)
            }
            Err(AuthorityError::Revoked { .. }) if planted!("revocation-at-redeem-only") => {
                self.head.grants.get(authority.grant)
            }
            held => Some(held?),
        };
        let grant = &grant.ok_or(AuthorityError::Unknown)?.grant;
        if !grant.rights.has(right) && !planted!("rights-not-checked") {
            return Err(AuthorityError::RightMissing {
                grant: grant.id,
                right,
            });
        }
        Ok(grant)
    }

    /// Whether the authority may claim and append now.
    pub(crate) fn check_append(
        &self,
        authority: &Authority,
        now: UnixMs,
    ) -> Result<&Grant, AuthorityError> {
        let grant = self.check_right(authority, Right::Append, now)?;
        match self.head.frozen_at {
            Some(at) => Err(AuthorityError::Frozen { at }),
            None => Ok(grant),
        }
    }

    /// The grant behind an authority, if it still stands.
    pub(crate) fn standing(
        &self,
        authority: &Authority,
        now: UnixMs,
    ) -> Result<&Held, AuthorityError> {
        if let Some(Tombstone { at, .. }) = self.head.tombstone
            && !planted!("tombstone-forgotten")
        {
            return Err(AuthorityError::Gone { at });
        }
        let epoch = self.epoch();
        if authority.epoch != epoch {
            return Err(AuthorityError::StaleEpoch {
                found: authority.epoch,
                epoch,
            });
        }
        let held = self.head.grants.get(authority.grant);
        let held = held.ok_or(AuthorityError::Unknown)?;
        let grant = held.grant.id;
        if let Some(at) = held.revoked_at {
            return Err(AuthorityError::Revoked { grant, at });
        }
        match held.grant.expires_at {
            Some(at) if held.is_expired(now) && !planted!("expiry-not-checked") => {
                Err(AuthorityError::Expired { grant, at })
            }
            Some(_) | None => Ok(held),
        }
    }
}

#[cfg(test)]
mod tests;
