//! The factory: who may create shares, and the ids that creating gives.
//!
//! The server keeps the hashes of the factory's grants in one of its records, and the newest ref in
//! `factory.ref` in the data folder, for whoever may read that folder. What lies between writing
//! the file and storing the record can't lose anything: at the next start the file is taken as it
//! is, and the record is made to know it.

use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ring::digest;
use serde::{Deserialize, Serialize};
use share_model::{
    CreateShare, FactoryRef, GrantId, Refusal, RequestId, Secret, SecretHash, ShareId,
};
use tracing::info;

use crate::seams::Seams;
use crate::server::ServerError;
use crate::store::{CommitOutcome, Store, StoreError};

/// The file's name in the data folder.
pub(crate) const FILE: &str = "factory.ref";
/// Bytes of the file; a ref has fewer.
const FILE_BYTES_MAX: u64 = 8192;
/// The name of the server's record. Persisted: keep stable.
const RECORD: &str = "factory";
/// The first byte of the record: which reading follows.
const FORMAT: u8 = 1;
/// Grants of the factory.
const GRANTS_MAX: usize = 64;
/// How often the record is tried to be stored while somebody else changes it.
const TRIES_MAX: u32 = 3;

/// The record: persisted, keep stable.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Grants(Vec<Grant>);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Grant {
    id: GrantId,
    secret_hash: SecretHash,
}

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
        let file = folder.join(FILE);
        for _ in 0..TRIES_MAX {
            let stored = read_record(store).await?;
            let (version, mut grants) = stored;
            let kept = read_file(seams, &file)?.filter(|kept| !grants.has_other_secret(kept));
            let is_new = kept.is_none();
            if is_new && grants.0.len() >= GRANTS_MAX {
                let max = GRANTS_MAX;
                return Err(ServerError::FactoryGrants { file, max });
            }
            let current = FactoryRef {
                addresses: addresses.clone(),
                ..kept.unwrap_or_else(|| mint(seams))
            };
            write_file(seams, &file, &current)?;
            if grants.know(&current) {
                return Ok(Self { grants, addresses });
            }
            // The file first: a grant whose secret nobody has would be of no use.
            grants.0.push(Grant {
                id: current.grant,
                secret_hash: current.secret.hash(),
            });
            if store_record(store, version, &grants).await? {
                info!(grant = %current.grant, file = %file.display(), "factory grant minted");
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
        let known = self.grants.0.iter().find(|known| known.id == grant);
        // An unknown grant costs the same comparison as a wrong secret.
        let is_proven = known.map_or(nobody, |known| known.secret_hash) == secret.hash();
        match known {
            Some(known) if is_proven => Ok(known.id),
            Some(_) | None => Err(Refusal::new(
                share_model::RefusalCode::NotAuthorized,
                "no such factory, or the ref does not open it",
            )),
        }
    }
}

/// What is asked of the engine for a share that `grant` creates. The ids follow from the request, so
/// that repeating it finds the share again however long it was.
pub(crate) fn creation(grant: GrantId, request: CreateShare) -> share_engine::CreateShare {
    let (share, owner_grant) = ids(grant, request.request);
    share_engine::CreateShare {
        share,
        factory: grant,
        request: request.request,
        owner_grant,
        owner_secret_hash: request.owner_secret_hash,
        title: request.title,
        origin: request.origin,
    }
}

/// The ids of a share and of its owner's grant: the halves of SHA-256 over the factory's grant and
/// the request, shaped as UUIDs of version 8. Persisted by what they name: keep stable.
fn ids(grant: GrantId, request: RequestId) -> (ShareId, GrantId) {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&grant.to_bytes());
    context.update(&request.to_bytes());
    let hash = context.finish();
    let half = |from: usize| {
        let bytes = std::array::from_fn(|at| hash.as_ref()[from + at]);
        uuid::Builder::from_custom_bytes(bytes)
            .into_uuid()
            .into_bytes()
    };
    (ShareId::from_bytes(half(0)), GrantId::from_bytes(half(16)))
}

impl Grants {
    /// Whether the record has the ref's grant with this secret.
    fn know(&self, factory: &FactoryRef) -> bool {
        let hash = factory.secret.hash();
        let mut grants = self.0.iter();
        grants.any(|grant| grant.id == factory.grant && grant.secret_hash == hash)
    }

    /// Whether the record has the ref's grant, but with another secret.
    fn has_other_secret(&self, factory: &FactoryRef) -> bool {
        self.0.iter().any(|grant| grant.id == factory.grant) && !self.know(factory)
    }
}

fn mint(seams: &Seams) -> FactoryRef {
    FactoryRef {
        addresses: Vec::new(),
        grant: GrantId::new(&*seams.clock, &*seams.entropy),
        pin: None,
        secret: Secret::random(&*seams.entropy),
    }
}

pub(crate) fn read_file(seams: &Seams, file: &Path) -> Result<Option<FactoryRef>, ServerError> {
    let bytes = match seams.files.read(file, FILE_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed("read", file, source)),
    };
    let text = String::from_utf8_lossy(&bytes);
    FactoryRef::from_str(text.trim())
        .map(Some)
        .map_err(|source| ServerError::FactoryFile {
            file: file.to_owned(),
            source,
        })
}

fn write_file(seams: &Seams, file: &Path, factory: &FactoryRef) -> Result<(), ServerError> {
    let text = format!("{}\n", factory.expose());
    seams
        .files
        .write_private(file, text.as_bytes())
        .map_err(|source| failed("write", file, source))
}

fn failed(doing: &'static str, path: &Path, source: io::Error) -> ServerError {
    let path: PathBuf = path.to_owned();
    ServerError::File {
        doing,
        path,
        source,
    }
}

async fn read_record(store: &dyn Store) -> Result<(u64, Grants), ServerError> {
    let Some(record) = store.server_record(RECORD).await? else {
        return Ok((0, Grants::default()));
    };
    let grants = match record.bytes.split_first() {
        Some((&FORMAT, rest)) => postcard::from_bytes(rest).ok(),
        Some(_) | None => None,
    };
    Ok((record.version, grants.ok_or(ServerError::FactoryRecord)?))
}

/// Whether it was stored; otherwise read again.
async fn store_record(
    store: &dyn Store,
    version: u64,
    grants: &Grants,
) -> Result<bool, ServerError> {
    let bytes =
        postcard::to_extend(grants, vec![FORMAT]).map_err(|_| ServerError::FactoryRecord)?;
    match store.put_server_record(RECORD, version, bytes).await {
        CommitOutcome::Done => Ok(true),
        CommitOutcome::Conflict { .. } | CommitOutcome::Unknown(_) => Ok(false),
        CommitOutcome::Refused(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_from_grant_and_request() {
        let grant = GrantId::from_bytes([1; 16]);
        let (share, owner) = ids(grant, RequestId::from_bytes([2; 16]));
        // SHA-256 of sixteen 0x01 and sixteen 0x02, by sha256sum; version and variant set.
        assert_eq!(share.to_string(), "f03f702d6016819c96ff011ea60a8f81");
        assert_eq!(owner.to_string(), "081446624f4c82249e099030e36c1f7c");
        let (other, _) = ids(grant, RequestId::from_bytes([3; 16]));
        assert_ne!(share, other);
    }
}
