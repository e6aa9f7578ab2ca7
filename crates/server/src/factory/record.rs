//! The server's record of the factory's grants.

use serde::{Deserialize, Serialize};
use share_model::{GrantId, Origin, Quotas, SecretHash, UnixMs};

use crate::server::ServerError;
use crate::store::{CommitOutcome, Store, StoreError};

/// The name of the record. Persisted: keep stable.
pub(super) const RECORD: &str = "factory";
/// The newest reading of the record; its first byte says which one follows. It is written in the least
/// format that can say it.
///
/// * 1: a list of roots.
/// * 2: children, and what was revoked, as well.
const FORMAT: u8 = 2;

/// The grants: persisted, keep stable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Grants {
    /// Those whose refs lie in the data folder.
    pub(super) roots: Vec<Root>,
    /// Those that were made from roots, and are in force.
    pub(super) children: Vec<Child>,
    /// Those that were revoked: their ids are never given again.
    pub(super) revoked: Vec<Revoked>,
}

/// A grant that may do everything. Persisted: keep stable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Root {
    pub(super) id: GrantId,
    pub(super) secret_hash: SecretHash,
}

/// A grant that may create shares within quotas. Persisted: keep stable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Child {
    pub(super) id: GrantId,
    pub(super) secret_hash: SecretHash,
    pub(super) quotas: Quotas,
    pub(super) label: String,
    pub(super) origin: Origin,
    pub(super) created_at: UnixMs,
}

/// A child that was revoked. Persisted: keep stable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Revoked {
    pub(super) id: GrantId,
    /// `None`: it was made and revoked after the backup from which this server was restored.
    pub(super) secret_hash: Option<SecretHash>,
    /// Its shares stay, within these.
    pub(super) quotas: Quotas,
    pub(super) at: UnixMs,
}

impl Grants {
    /// Grants in force.
    pub(super) fn in_force(&self) -> usize {
        self.roots.len() + self.children.len()
    }

    pub(super) fn child(&self, id: GrantId) -> Option<&Child> {
        self.children.iter().find(|child| child.id == id)
    }

    pub(super) fn root(&self, id: GrantId) -> Option<&Root> {
        self.roots.iter().find(|root| root.id == id)
    }

    /// The hash of a grant in force.
    pub(super) fn secret_hash(&self, id: GrantId) -> Option<SecretHash> {
        let root = self.root(id).map(|root| root.secret_hash);
        root.or_else(|| self.child(id).map(|child| child.secret_hash))
    }

    /// The quotas of all that have some, also where the grant was revoked: its shares stay.
    pub(super) fn quotas(&self) -> impl Iterator<Item = (GrantId, Quotas)> {
        let children = self.children.iter().map(|child| (child.id, child.quotas));
        let revoked = self.revoked.iter();
        children.chain(revoked.map(|revoked| (revoked.id, revoked.quotas)))
    }

    /// Ends a child, or bars its id if it is not known; whether that changes anything. Roots stay.
    pub(super) fn revoke(&mut self, id: GrantId, at: UnixMs) -> bool {
        let is_revoked = self.revoked.iter().any(|revoked| revoked.id == id);
        if is_revoked || self.root(id).is_some() {
            return false;
        }
        let child = self.child(id);
        let secret_hash = child.map(|child| child.secret_hash);
        let quotas = child.map_or(Quotas::default(), |child| child.quotas);
        self.children.retain(|child| child.id != id);
        self.revoked.push(Revoked {
            id,
            secret_hash,
            quotas,
            at,
        });
        true
    }

    fn encode(&self) -> Result<Vec<u8>, ServerError> {
        let encoded = match self.children.is_empty() && self.revoked.is_empty() {
            true => postcard::to_extend(&self.roots, vec![1]),
            false => postcard::to_extend(self, vec![FORMAT]),
        };
        encoded.map_err(|_| ServerError::FactoryRecord)
    }

    fn decode(bytes: &[u8]) -> Result<Self, ServerError> {
        let decoded = match bytes.split_first() {
            Some((1, rest)) => postcard::from_bytes(rest).ok().map(|roots| Self {
                roots,
                ..Self::default()
            }),
            Some((&FORMAT, rest)) => postcard::from_bytes(rest).ok(),
            Some(_) | None => None,
        };
        decoded.ok_or(ServerError::FactoryRecord)
    }
}

/// What the record says, written again; `None`: it is refused.
pub(crate) fn rewritten_grants(bytes: &[u8]) -> Option<Vec<u8>> {
    Grants::decode(bytes).ok()?.encode().ok()
}

/// The record and its version; 0: there is none yet.
pub(super) async fn read(store: &dyn Store) -> Result<(u64, Grants), ServerError> {
    match store.server_record(RECORD).await? {
        Some(record) => Ok((record.version, Grants::decode(&record.bytes)?)),
        None => Ok((0, Grants::default())),
    }
}

/// Whether it was stored; otherwise read again.
pub(super) async fn write(
    store: &dyn Store,
    version: u64,
    grants: &Grants,
) -> Result<bool, ServerError> {
    match store
        .put_server_record(RECORD, version, grants.encode()?)
        .await
    {
        CommitOutcome::Done => Ok(true),
        CommitOutcome::Conflict { .. } | CommitOutcome::Unknown(_) => Ok(false),
        CommitOutcome::Refused(error) => Err(error.into()),
    }
}

/// How often a change of the record is tried.
const TRIES_MAX: u32 = 16;

/// Changes the record, durably; `change` may be run again on another one, and says whether there is
/// anything to store.
pub(super) async fn change(
    store: &dyn Store,
    mut change: impl FnMut(&mut Grants) -> bool,
) -> Result<Grants, ServerError> {
    let mut tried = None;
    for _ in 0..TRIES_MAX {
        let (version, mut grants) = read(store).await?;
        // What is found as it was to be may not be durable: it is put once more.
        let is_there = tried.as_ref() == Some(&grants);
        if (!is_there && !change(&mut grants)) || write(store, version, &grants).await? {
            return Ok(grants);
        }
        tried = Some(grants);
    }
    Err(StoreError::Overloaded.into())
}

#[cfg(test)]
mod tests {
    use share_model::OriginKind;

    use super::*;

    fn root(number: u8) -> Root {
        Root {
            id: GrantId::from_bytes([number; 16]),
            secret_hash: SecretHash::from_bytes([number; 32]),
        }
    }

    fn child(number: u8) -> Child {
        Child {
            id: GrantId::from_bytes([number; 16]),
            secret_hash: SecretHash::from_bytes([number; 32]),
            quotas: Quotas {
                shares_max: 3,
                bytes_max: 300,
                appends_per_second: 7,
            },
            label: "l".to_owned(),
            origin: Origin::new(OriginKind::User, "o".to_owned(), 10).unwrap(),
            created_at: UnixMs::new(5),
        }
    }

    /// By hand: postcard's numbers, ids as a length and their bytes.
    #[test]
    fn the_record_of_an_earlier_version_is_read_and_is_written_the_same() {
        let id = |byte: u8| [&[16][..], &[byte; 16]].concat();
        let bytes = [vec![1, 2], id(1), vec![1; 32], id(2), vec![2; 32]].concat();
        let grants = Grants::decode(&bytes).unwrap();
        assert_eq!(grants.roots, [root(1), root(2)]);
        assert_eq!((grants.children.len(), grants.revoked.len()), (0, 0));
        assert_eq!(grants.encode().unwrap(), bytes);
    }

    #[test]
    fn the_bytes_of_a_record_with_children_are_persisted_and_never_change() {
        let id = |byte: u8| [&[16][..], &[byte; 16]].concat();
        let mut grants = Grants {
            roots: vec![root(1)],
            children: vec![child(2), child(3)],
            revoked: Vec::new(),
        };
        assert!(grants.revoke(GrantId::from_bytes([3; 16]), UnixMs::new(6)));
        assert!(grants.revoke(GrantId::from_bytes([4; 16]), UnixMs::new(7)));
        let expected = [
            vec![2, 1], // format, one root
            id(1),
            vec![1; 32],
            vec![1], // one child
            id(2),
            vec![2; 32],
            vec![3, 0xac, 2, 7],          // quotas
            vec![1, b'l', 0, 1, b'o', 5], // label, a user, time
            vec![2],                      // two revoked
            id(3),
            vec![1],
            vec![3; 32],
            vec![3, 0xac, 2, 7, 6],
            id(4),
            vec![0, 0, 0, 0, 7],
        ]
        .concat();
        assert_eq!(grants.encode().unwrap(), expected);
        assert_eq!(Grants::decode(&expected).unwrap(), grants);
    }

    #[test]
    fn a_root_is_not_revoked_and_nothing_is_twice() {
        let mut grants = Grants {
            roots: vec![root(1)],
            children: vec![child(2)],
            revoked: Vec::new(),
        };
        let revoke = |grants: &mut Grants, number| {
            grants.revoke(GrantId::from_bytes([number; 16]), UnixMs::new(6))
        };
        assert!(!revoke(&mut grants, 1));
        assert!(revoke(&mut grants, 2));
        assert!(!revoke(&mut grants, 2));
        assert_eq!((grants.in_force(), grants.revoked.len()), (1, 1));
        assert!(Grants::decode(&[3, 0]).is_err(), "a newer one is not read");
    }
}
