//! The factory: who may create shares, and how many.
//!
//! The server keeps the hashes of the factory's grants in one of its records ([`record`]), and the
//! newest root's ref in `factory.ref` in the data folder ([`file`]). What lies between writing the file
//! and storing the record can't lose anything: at the next start the file is taken as it is, and the
//! record is made to know it.

mod file;
mod ids;
mod record;

use std::path::Path;

use share_model::{FactoryRef, GrantId, Refusal, RefusalCode, Secret, SecretHash, UnixMs};
use tracing::info;

use crate::seams::Seams;
use crate::server::ServerError;
use crate::store::{Store, StoreError};

pub(crate) use file::{FILE, read_file};
pub(crate) use ids::creation;

use record::{Grants, Root};

/// Grants in force.
const GRANTS_MAX: usize = 64;
/// How often the record is tried to be stored while somebody else changes it.
const TRIES_MAX: u32 = 3;

/// Who may create shares.
#[derive(Debug)]
pub(crate) struct Factory {
    grants: Grants,
    addresses: Vec<String>,
}

impl Factory {
    /// The factory of a store. Writes its ref, under `addresses`, to the file in `folder`, and mints
    /// a grant for it if there is none.
    pub(crate) async fn open(
        store: &dyn Store,
        seams: &Seams,
        folder: &Path,
        addresses: Vec<String>,
    ) -> Result<Self, ServerError> {
        let path = folder.join(FILE);
        for _ in 0..TRIES_MAX {
            let (version, mut grants) = record::read(store).await?;
            let kept = read_file(seams, &path)?.filter(|kept| !has_other_secret(&grants, kept));
            let is_new = kept.is_none();
            if is_new && grants.in_force() >= GRANTS_MAX {
                let max = GRANTS_MAX;
                return Err(ServerError::FactoryGrants { file: path, max });
            }
            let current = FactoryRef {
                addresses: addresses.clone(),
                ..kept.unwrap_or_else(|| file::mint(seams))
            };
            file::write_file(seams, &path, &current)?;
            if grants.root(current.grant).is_some() {
                return Ok(Self { grants, addresses });
            }
            // The file first: a grant whose secret nobody has would be of no use.
            grants.roots.push(Root {
                id: current.grant,
                secret_hash: current.secret.hash(),
            });
            if record::write(store, version, &grants).await? {
                info!(grant = %current.grant, file = %path.display(), "factory grant minted");
                return Ok(Self { grants, addresses });
            }
        }
        Err(ServerError::Store(StoreError::Overloaded))
    }

    /// `HOST:PORT` under which refs are handed out.
    pub(crate) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Whether this secret proves this grant.
    pub(crate) fn redeem(&self, grant: GrantId, secret: &Secret) -> Result<GrantId, Refusal> {
        let nobody = SecretHash::from_bytes([0; 32]);
        let known = self.grants.secret_hash(grant);
        // An unknown grant costs the same comparison as a wrong secret.
        let is_proven = known.unwrap_or(nobody) == secret.hash();
        match known {
            Some(_) if is_proven => Ok(grant),
            Some(_) | None => Err(Refusal::new(
                RefusalCode::NotAuthorized,
                "no such factory, or the ref does not open it",
            )),
        }
    }
}

/// The grants of the factory that a store says were revoked, and when each was.
pub(crate) async fn revoked_grants(
    store: &dyn Store,
) -> Result<Vec<(GrantId, UnixMs)>, ServerError> {
    let (_, grants) = record::read(store).await?;
    let revoked = grants.revoked.iter();
    Ok(revoked.map(|revoked| (revoked.id, revoked.at)).collect())
}

/// Ends every grant that was made from a root: whether one had been revoked is not known.
pub(crate) async fn revoke_children(store: &dyn Store, at: UnixMs) -> Result<(), ServerError> {
    let revoke = |grants: &mut Grants| {
        let children: Vec<GrantId> = grants.children.iter().map(|child| child.id).collect();
        for child in &children {
            grants.revoke(*child, at);
        }
        !children.is_empty()
    };
    record::change(store, revoke).await.map(drop)
}

/// Whether the record has the ref's grant, but with another secret, or not as a root.
fn has_other_secret(grants: &Grants, factory: &FactoryRef) -> bool {
    let is_root = grants.root(factory.grant).is_some();
    let known = grants.secret_hash(factory.grant);
    known.is_some_and(|known| !is_root || known != factory.secret.hash())
}
