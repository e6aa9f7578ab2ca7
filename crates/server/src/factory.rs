//! The factory: who may create shares, and how many.
//!
//! The server keeps the hashes of the factory's grants in one of its records ([`record`]): roots, whose
//! newest ref is in `factory.ref` in the data folder ([`file`]), and those that were made from roots,
//! within quotas ([`usage`]). A grant that is revoked is in the authority journal first. What lies between writing the file
//! and storing the record can't lose anything: at the next start the file is taken as it is, and the
//! record is made to know it.

mod file;
mod ids;
mod minting;
mod record;
mod usage;
mod used;

use std::path::Path;
use std::sync::{Arc, Mutex as PlainMutex, MutexGuard, PoisonError};

use share_model::seam::Clock;
use share_model::{
    FactoryAttenuate, FactoryGrantInfo, FactoryRef, GrantId, Refusal, RefusalCode, Secret,
    SecretHash, Security, UnixMs,
};
use tokio::sync::Mutex;
use tracing::info;

use crate::fault::Fault;
use crate::journal::JournaledStore;
use crate::owner::Outcome;
use crate::seams::Seams;
use crate::server::ServerError;
use crate::store::{Store, StoreError};

pub(crate) use file::{FILE, read_file};
pub(crate) use ids::creation;
pub(crate) use record::rewritten_grants;
pub(crate) use usage::{Creating, FactoryUse, FactoryUses, release};
pub(crate) use used::rewritten_use;

use record::{Child, Grants, Root};

/// Grants in force.
const GRANTS_MAX: usize = 64;
/// Grants that were revoked: their ids are kept for ever. One more than both together is not made.
const REVOKED_MAX: usize = 16_384;
/// How often the record is tried to be stored while somebody else changes it.
const TRIES_MAX: u32 = 3;

/// What refs say of the way to the server.
#[derive(Debug, Clone)]
pub(crate) struct ServedAt {
    /// `HOST:PORT`, or `unix:/PATH`; at least one.
    pub(crate) addresses: Vec<String>,
    /// How the connection is protected.
    pub(crate) security: Security,
    /// Under which URL people reach the HTTP face; `None`: there is none.
    pub(crate) http_url: Option<String>,
}

/// Who may create shares.
#[derive(Debug)]
pub(crate) struct Factory {
    store: Arc<JournaledStore>,
    clock: Arc<dyn Clock>,
    served: ServedAt,
    /// As the record says. Held for look-ups and changes only.
    grants: PlainMutex<Grants>,
    /// Held while the record is changed.
    changing: Mutex<()>,
    uses: Arc<FactoryUses>,
}

impl Factory {
    /// The factory of a store. Writes its ref, as `served`, to the file in `folder`, and mints
    /// a grant for it if there is none. Ends what its journal says was revoked.
    pub(crate) async fn open(
        store: Arc<JournaledStore>,
        seams: &Seams,
        folder: &Path,
        served: ServedAt,
    ) -> Result<Self, ServerError> {
        open_root(&*store, seams, folder, &served).await?;
        let known = store.factory_revoked();
        let revoke = |grants: &mut Grants| {
            let revoked = known.iter().map(|(grant, at)| grants.revoke(*grant, *at));
            revoked.fold(false, |is_any, is_now| is_any | is_now)
        };
        let grants = record::change(&*store, revoke).await?;
        let clock = Arc::clone(&seams.clock);
        let stored: Arc<dyn Store> = Arc::clone(&store) as _;
        let uses = FactoryUses::new(stored, Arc::clone(&clock));
        for (grant, quotas) in grants.quotas() {
            uses.bound(grant, quotas);
        }
        Ok(Self {
            store,
            clock,
            served,
            grants: PlainMutex::new(grants),
            changing: Mutex::default(),
            uses: Arc::new(uses),
        })
    }

    /// What refs say of the way to the server.
    pub(crate) fn served(&self) -> &ServedAt {
        &self.served
    }

    /// The root whose ref lies in the data folder: under which the server itself creates shares for
    /// whoever it lets.
    pub(crate) fn newest_root(&self) -> Option<GrantId> {
        self.grants().roots.last().map(|root| root.id)
    }

    /// What the shares of each grant use.
    pub(crate) fn uses(&self) -> &Arc<FactoryUses> {
        &self.uses
    }

    /// Whether this secret proves this grant.
    pub(crate) fn redeem(&self, grant: GrantId, secret: &Secret) -> Result<GrantId, Refusal> {
        let nobody = SecretHash::from_bytes([0; 32]);
        let known = self.grants().secret_hash(grant);
        // An unknown grant costs the same comparison as a wrong secret.
        let is_proven = known.unwrap_or(nobody) == secret.hash();
        match known {
            Some(_) if is_proven => Ok(grant),
            Some(_) | None => Err(not_authorized()),
        }
    }

    /// Whether a grant that was redeemed is in force still: asked at every call.
    pub(crate) fn check(&self, grant: GrantId) -> Result<(), Refusal> {
        match self.grants().secret_hash(grant) {
            Some(_) => Ok(()),
            None => Err(not_authorized()),
        }
    }

    /// Whether it is in force and a root.
    pub(crate) fn check_root(&self, grant: GrantId) -> Result<(), Refusal> {
        self.check(grant)?;
        match self.grants().root(grant) {
            Some(_) => Ok(()),
            None => Err(Refusal::new(
                RefusalCode::RightMissing,
                format!("factory grant {grant} creates shares and nothing else"),
            )),
        }
    }

    /// Makes a grant within quotas. Repeatable.
    pub(crate) async fn attenuate(
        &self,
        by: GrantId,
        request: FactoryAttenuate,
    ) -> Outcome<GrantId> {
        if let Err(refusal) = self.check_root(by) {
            return Ok(Err(refusal));
        }
        let _changing = self.changing.lock().await;
        let child = Child::of(by, request, self.clock.now());
        let mut minted = Ok(());
        let mint = |grants: &mut Grants| {
            let is_new = grants.mint(&child);
            let is_changed = matches!(is_new, Ok(true));
            minted = is_new.map(drop);
            is_changed
        };
        let changed = record::change(&*self.store, mint).await;
        self.know(changed.map_err(fault)?);
        if minted.is_ok() {
            self.uses.bound(child.id, child.quotas);
        }
        Ok(minted.map(|()| child.id))
    }

    /// Ends a grant; whether it was in force until now. Repeatable.
    pub(crate) async fn revoke(&self, by: GrantId, grant: GrantId) -> Outcome<bool> {
        if let Err(refusal) = self.check_root(by) {
            return Ok(Err(refusal));
        }
        let _changing = self.changing.lock().await;
        let known = self.grants().clone();
        if known.root(grant).is_some() {
            return Ok(Err(Refusal::new(
                RefusalCode::InvalidRequest,
                format!("factory grant {grant} is a root, which is not revoked"),
            )));
        }
        if known.child(grant).is_none() {
            let is_revoked = known.revoked.iter().any(|revoked| revoked.id == grant);
            return Ok(match is_revoked {
                true => Ok(false),
                false => Err(Refusal::new(
                    RefusalCode::InvalidRequest,
                    format!("there is no factory grant {grant}"),
                )),
            });
        }
        let now = self.clock.now();
        self.store.revoke_factory(grant, now).await?;
        let revoke = |grants: &mut Grants| grants.revoke(grant, now);
        let changed = record::change(&*self.store, revoke).await;
        self.know(changed.map_err(fault)?);
        info!(%grant, "factory grant revoked");
        Ok(Ok(true))
    }

    /// The grants in force, with what they use.
    pub(crate) async fn list(&self, by: GrantId) -> Outcome<Vec<FactoryGrantInfo>> {
        if let Err(refusal) = self.check_root(by) {
            return Ok(Err(refusal));
        }
        let grants = self.grants().clone();
        let mut list: Vec<_> = grants.roots.iter().map(Root::info).collect();
        for child in &grants.children {
            let (shares, bytes) = self.uses.of(child.id).counted().await?;
            list.push(FactoryGrantInfo {
                shares,
                bytes,
                ..child.info()
            });
        }
        Ok(Ok(list))
    }

    fn grants(&self) -> MutexGuard<'_, Grants> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The record says this now: what it does not have any more is at its end.
    fn know(&self, grants: Grants) {
        *self.grants() = grants;
    }
}

/// Writes the root's ref to the file, and makes the record know it.
async fn open_root(
    store: &dyn Store,
    seams: &Seams,
    folder: &Path,
    served: &ServedAt,
) -> Result<(), ServerError> {
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
            addresses: served.addresses.clone(),
            security: served.security,
            ..kept.unwrap_or_else(|| file::mint(seams))
        };
        file::write_file(seams, &path, &current)?;
        if grants.root(current.grant).is_some() {
            return Ok(());
        }
        // The file first: a grant whose secret nobody has would be of no use.
        grants.roots.push(Root {
            id: current.grant,
            secret_hash: current.secret.hash(),
        });
        if record::write(store, version, &grants).await? {
            info!(grant = %current.grant, file = %path.display(), "factory grant minted");
            return Ok(());
        }
    }
    Err(ServerError::Store(StoreError::Overloaded))
}

fn not_authorized() -> Refusal {
    Refusal::new(
        RefusalCode::NotAuthorized,
        "no such factory, or the ref does not open it",
    )
}

fn fault(error: ServerError) -> Fault {
    match error {
        ServerError::Store(error) => error.into(),
        // Changing the record fails in no other way.
        _ => Fault::ServerRecord {
            name: record::RECORD.to_owned(),
        },
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
