//! Minting a child grant: weaker than its parent, never stronger (`docs/design.md` §5).

use share_model::{GrantId, Origin, Refusal, Rights, SecretHash, UnixMs};

use crate::authority::{Authority, AuthorityError};
use crate::label::{LabelError, check_label};
use crate::record::{Change, Grant, Record};
use crate::state::{Context, ShareState};

/// What a child grant is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MintChild {
    /// The new grant's id. Minting is repeatable: the same id with the same content is the same
    /// request.
    pub grant: GrantId,
    /// SHA-256 of the new grant's secret.
    pub secret_hash: SecretHash,
    /// At most the parent's.
    pub rights: Rights,
    /// Not later than the parent's; `None`: the parent's.
    pub expires_at: Option<UnixMs>,
    /// A label for people.
    pub label: String,
    /// Who asks for it.
    pub origin: Origin,
}

/// Why no grant was minted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MintError {
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error(transparent)]
    Label(#[from] LabelError),
    #[error("grant {parent} does not have every right that its child is to have")]
    Stronger { parent: GrantId },
    #[error("the child would expire at {asked} ms, after its parent at {parent} ms of Unix time")]
    LivesLonger { asked: UnixMs, parent: UnixMs },
    #[error("grant {grant} exists with other content")]
    Taken { grant: GrantId },
    #[error("the share has {grants} grants, limit is {max}")]
    TooMany { grants: u64, max: u32 },
}

impl ShareState {
    /// Mints a weaker grant below that of `parent`. Any authority that stands may; repeating it
    /// gives the same grant and no record.
    ///
    /// # Errors
    ///
    /// `rightMissing` if it would have more rights than its parent; `invalidRequest` if it would
    /// live longer, if the id is taken, or if a text is too long; `quotaExceeded`; what
    /// [`ShareState::authorize`] refuses.
    pub fn mint_child(
        &mut self,
        context: &Context,
        parent: &Authority,
        request: MintChild,
    ) -> Result<(Grant, Option<Record>), Refusal> {
        let grant = self.plan_child(context, parent, request)?;
        if self.head.grants.get(grant.id).is_some() {
            return Ok((grant, None));
        }
        let record = Record {
            version: self.version().next(),
            at: context.now,
            change: Change::GrantMinted(grant.clone()),
        };
        self.head.version = record.version;
        self.head.grants.insert(grant.clone());
        Ok((grant, Some(record)))
    }

    /// The grant that the request asks for: a new one, or the one that it asked for before.
    fn plan_child(
        &self,
        context: &Context,
        parent: &Authority,
        request: MintChild,
    ) -> Result<Grant, MintError> {
        let parent = self.standing(parent, context.now)?;
        check_label("label", &request.label, &self.limits)?;
        check_label("origin id", request.origin.id(), &self.limits)?;
        if !parent.rights.contains(request.rights) {
            return Err(MintError::Stronger { parent: parent.id });
        }
        if let (Some(asked), Some(parent)) = (request.expires_at, parent.expires_at)
            && asked > parent
        {
            return Err(MintError::LivesLonger { asked, parent });
        }
        let mut grant = Grant {
            id: request.grant,
            rights: request.rights,
            epoch: self.epoch(),
            expires_at: request.expires_at.or(parent.expires_at),
            label: request.label,
            parent: Some(parent.id),
            origin: request.origin,
            secret_hash: request.secret_hash,
            created_at: context.now,
        };
        if let Some(old) = self.head.grants.get(grant.id) {
            grant.created_at = old.created_at;
            if *old == grant {
                return Ok(grant);
            }
        }
        if self.head.grants.is_taken(grant.id) {
            return Err(MintError::Taken { grant: grant.id });
        }
        let (grants, max) = (self.head.grants.len() as u64, self.limits.grants_max);
        if grants >= u64::from(max) {
            return Err(MintError::TooMany { grants, max });
        }
        Ok(grant)
    }
}

#[cfg(test)]
mod tests;
