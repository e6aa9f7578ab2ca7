//! Minting a child grant: weaker than its parent, never stronger (`docs/design.md` §5).

use share_model::{
    AuditEvent, GrantId, Minted, Origin, OwnerId, Refusal, Right, Rights, SecretHash, UnixMs,
};

use crate::authority::{Authority, AuthorityError};
use crate::grants::Held;
use crate::label::{LabelError, check_label};
use crate::record::{Change, Grant, MintKind, MintedGrant, Record};
use crate::state::{Context, ShareState};

/// Children that a grant without `admin` may have: what its holder saves.
const GRANTS_SAVED_MAX: u32 = 64;

/// Grants on the way from one up to the owner's: what is asked of a grant goes up this way.
const DEPTH_MAX: u32 = 32;

/// What a child grant is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MintChild {
    /// How it is made.
    pub kind: MintKind,
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
    /// Who alone may redeem it; what is saved has its parent's seal, if that has one.
    pub sealed_for: Option<OwnerId>,
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
    #[error("a grant without any right is of no use")]
    NoRight,
    #[error("a public address has the right to read, and no other")]
    NotARead,
    #[error("grant {parent} does not have every right that its child is to have")]
    Stronger { parent: GrantId },
    #[error("the child would expire at {asked} ms, after its parent at {parent} ms of Unix time")]
    LivesLonger { asked: UnixMs, parent: UnixMs },
    #[error("the child would have expired at {asked} ms of Unix time, it is {now} ms")]
    Expired { asked: UnixMs, now: UnixMs },
    #[error("grant {grant} exists with other content")]
    Taken { grant: GrantId },
    #[error("grant {grant} was revoked before the server was restored")]
    Barred { grant: GrantId },
    #[error("the share has {grants} grants in this epoch, limit is {max}: bump the epoch")]
    TooMany { grants: u64, max: u32 },
    #[error("grant {parent} hangs {depth} grants below the owner's, no child may hang below {max}")]
    TooDeep {
        parent: GrantId,
        depth: u64,
        max: u32,
    },
    #[error("grant {parent} has {children} children, limit without `admin` is {max}")]
    TooManySaved {
        parent: GrantId,
        children: u64,
        max: u32,
    },
}

impl ShareState {
    /// Mints a weaker grant below that of `parent`: an administrator for others, anyone by saving.
    /// Repeating it gives the same answer and no record, also when the grant has ended since.
    ///
    /// # Errors
    ///
    /// `rightMissing` without `admin` (but for saving), and if it would have more rights than its
    /// parent; `invalidRequest` if it would live longer or not at all, has no right, if the id is
    /// taken, or if a text is too long; `quotaExceeded`; `revoked` if a journal says so of the id;
    /// what [`ShareState::authorize`] refuses.
    pub fn mint_child(
        &mut self,
        context: &Context,
        parent: &Authority,
        request: MintChild,
    ) -> Result<(Minted, Option<Record>), Refusal> {
        let minted = self.plan_child(context, parent, request)?;
        let answer = Minted {
            grant: minted.grant.id,
            epoch: minted.grant.epoch,
            expires_at: minted.grant.expires_at,
        };
        if self.head.grants.get(answer.grant).is_some() {
            return Ok((answer, None));
        }
        let record = Record {
            version: self.version().next(),
            at: context.now,
            change: Change::Minted(minted.clone()),
        };
        self.head.version = record.version;
        self.install_mint(record.at, minted);
        Ok((answer, Some(record)))
    }

    /// Whether [`ShareState::mint_child`] would mint it, or has: to be asked before anything else is
    /// done for it.
    ///
    /// # Errors
    ///
    /// As [`ShareState::mint_child`].
    pub fn check_mint(
        &self,
        context: &Context,
        parent: &Authority,
        request: MintChild,
    ) -> Result<(), Refusal> {
        Ok(self.plan_child(context, parent, request).map(drop)?)
    }

    /// The grant that the request asks for: a new one, or the one that it asked for before.
    fn plan_child(
        &self,
        context: &Context,
        by: &Authority,
        request: MintChild,
    ) -> Result<MintedGrant, MintError> {
        let parent = self.standing(by, context.now)?;
        if request.kind != MintKind::Saved {
            self.check_right(by, Right::Admin, context.now)?;
        }
        self.check_child(&parent.grant, &request)?;
        let sealed_for = match request.kind {
            MintKind::Saved => parent.sealed_for.or(request.sealed_for),
            MintKind::Attenuated | MintKind::Published => request.sealed_for,
        };
        let mut minted = MintedGrant {
            grant: Grant {
                id: request.grant,
                rights: request.rights,
                epoch: self.epoch(),
                expires_at: request.expires_at.or(parent.grant.expires_at),
                label: request.label,
                parent: Some(parent.grant.id),
                origin: request.origin,
                secret_hash: request.secret_hash,
                created_at: context.now,
            },
            kind: request.kind,
            sealed_for,
            evicted: Vec::new(),
        };
        let grant = minted.grant.id;
        if let Some(old) = self.head.grants.get(grant) {
            minted.grant.created_at = old.grant.created_at;
            let is_same = old.grant == minted.grant
                && (old.kind, old.sealed_for) == (Some(minted.kind), minted.sealed_for);
            return if is_same {
                Ok(minted)
            } else {
                Err(MintError::Taken { grant })
            };
        }
        if self.head.grants.is_taken(grant) {
            return Err(MintError::Taken { grant });
        }
        if self.head.grants.is_barred(grant) {
            return Err(MintError::Barred { grant });
        }
        if let Some(asked) = minted.grant.expires_at.filter(|at| *at <= context.now) {
            let now = context.now;
            return Err(MintError::Expired { asked, now });
        }
        minted.evicted = self.room_for_child(&parent.grant, context.now)?;
        Ok(minted)
    }

    /// Whether the child is no more than its parent, and something at all.
    fn check_child(&self, parent: &Grant, request: &MintChild) -> Result<(), MintError> {
        check_label("label", &request.label, &self.limits)?;
        check_label("origin id", request.origin.id(), &self.limits)?;
        if request.kind != MintKind::Saved && request.rights == Rights::NONE {
            return Err(MintError::NoRight);
        }
        if request.kind == MintKind::Published && request.rights != Rights::of(&[Right::Read]) {
            return Err(MintError::NotARead);
        }
        if !parent.rights.contains(request.rights) {
            return Err(MintError::Stronger { parent: parent.id });
        }
        if let (Some(asked), Some(parent)) = (request.expires_at, parent.expires_at)
            && asked > parent
        {
            return Err(MintError::LivesLonger { asked, parent });
        }
        Ok(())
    }

    /// The grants that go to make room for one more.
    fn room_for_child(&self, parent: &Grant, now: UnixMs) -> Result<Vec<GrantId>, MintError> {
        let grants = &self.head.grants;
        let depth = grants.depth(parent.id) as u64;
        if depth >= u64::from(DEPTH_MAX) {
            return Err(MintError::TooDeep {
                parent: parent.id,
                depth,
                max: DEPTH_MAX,
            });
        }
        let children = grants.children(parent.id);
        if !parent.rights.has(Right::Admin) && children >= GRANTS_SAVED_MAX as usize {
            return Err(MintError::TooManySaved {
                parent: parent.id,
                children: children as u64,
                max: GRANTS_SAVED_MAX,
            });
        }
        let max = self.limits.grants_max;
        let evicted = grants.to_evict(now, max);
        if grants.len() - evicted.len() >= max as usize {
            let grants = grants.len() as u64;
            return Err(MintError::TooMany { grants, max });
        }
        Ok(evicted)
    }

    /// What minting changes: in execution and in replay.
    pub(crate) fn install_mint(&mut self, at: UnixMs, minted: MintedGrant) {
        let MintedGrant {
            grant,
            kind,
            sealed_for,
            evicted,
        } = minted;
        let event = match kind {
            MintKind::Published => AuditEvent::Published,
            MintKind::Attenuated | MintKind::Saved => AuditEvent::Granted,
        };
        self.audit_change(
            at,
            (event, Some(grant.id), grant.parent),
            grant.origin.clone(),
        );
        self.head.grants.evict(&evicted);
        let held = Held::new(grant, Some(kind), sealed_for);
        self.head.grants.insert(held);
    }
}

#[cfg(test)]
mod tests;
