//! Making factory grants within quotas.

use share_model::{
    FactoryAttenuate, FactoryGrantInfo, GrantId, Quotas, Refusal, RefusalCode, RefusalDetail, Seq,
    UnixMs,
};

use super::record::{Child, Grants, Root};
use super::{GRANTS_MAX, REVOKED_MAX};

/// What stands before what gives a grant its id. Persisted by what it names: keep stable.
const GRANT_DOMAIN: &[u8] = b"share-factory-grant-1";

impl Root {
    pub(super) fn info(&self) -> FactoryGrantInfo {
        FactoryGrantInfo {
            id: self.id,
            root: true,
            quotas: Quotas::default(),
            shares: 0,
            bytes: 0,
            label: String::new(),
            created_at: None,
        }
    }
}

impl Child {
    /// What a root's request asks for. The id follows from both: repeating it finds the grant.
    pub(super) fn of(by: GrantId, request: FactoryAttenuate, now: UnixMs) -> Self {
        let parts: [&[u8]; 2] = [&by.to_bytes(), &request.request.to_bytes()];
        Self {
            id: GrantId::derived(GRANT_DOMAIN, &parts),
            secret_hash: request.secret_hash,
            quotas: request.quotas,
            label: request.label,
            origin: request.origin,
            created_at: now,
        }
    }

    /// What is seen of it, but for what it uses.
    pub(super) fn info(&self) -> FactoryGrantInfo {
        FactoryGrantInfo {
            id: self.id,
            root: false,
            quotas: self.quotas,
            shares: 0,
            bytes: 0,
            label: self.label.clone(),
            created_at: Some(self.created_at),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        self.secret_hash == other.secret_hash
            && self.quotas == other.quotas
            && self.label == other.label
    }
}

impl Grants {
    /// Adds a child; `false`: it is there, or has been.
    pub(super) fn mint(&mut self, child: &Child) -> Result<bool, Refusal> {
        let revoked = self.revoked.iter().find(|revoked| revoked.id == child.id);
        let is_same = match (self.child(child.id), revoked) {
            (Some(known), _) => known.is_same(child),
            // What it was besides is not known any more.
            (None, Some(revoked)) => revoked
                .secret_hash
                .is_none_or(|hash| hash == child.secret_hash),
            (None, None) => {
                self.check_room()?;
                self.children.push(child.clone());
                return Ok(true);
            }
        };
        match is_same {
            true => Ok(false),
            false => Err(Refusal::new(
                RefusalCode::InvalidRequest,
                format!("factory grant {} exists with other content", child.id),
            )),
        }
    }

    fn check_room(&self) -> Result<(), Refusal> {
        let (in_force, revoked) = (self.in_force(), self.revoked.len());
        let (grants, max) = match revoked >= REVOKED_MAX {
            true => (revoked, REVOKED_MAX),
            false => (in_force, GRANTS_MAX),
        };
        if grants < max {
            return Ok(());
        }
        let detail = RefusalDetail::Limit {
            seq: Seq::ZERO,
            actual: grants as u64 + 1,
            max: max as u64,
        };
        let what = format!("the factory has {grants} grants, limit is {max}: revoke one");
        Err(Refusal::new(RefusalCode::QuotaExceeded, what).with_detail(detail))
    }
}
