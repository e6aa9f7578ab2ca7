//! What a server is given to redeem.
//!
//! Nothing here is refused, for a refusal that names a field would tell apart what must look the
//! same (`docs/design.md` §5): what is malformed reads as the nil grant, or the nil share, which
//! no server ever gives out, and opens nothing in the way of every other ref that opens nothing.

use share_model::{
    Epoch, FactoryRef, GrantId, OwnerProof, Secret, SecretHash, Security, ShareId, ShareRef, Slug,
};

use super::error::WireError;
use super::field::bytes;
use crate::share_capnp::{factory_ref, share_ref};

/// The grant behind a slug, as a server looks it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlugToRedeem {
    /// The grant that the slug names.
    pub grant: GrantId,
    /// Of the slug, which is its secret.
    pub hash: SecretHash,
}

/// Ids are made as UUIDs of a version, so that this is none of a share.
const NO_SHARE: ShareId = ShareId::from_bytes([0; 16]);
/// Likewise none of a grant.
const NO_GRANT: GrantId = GrantId::from_bytes([0; 16]);

/// Reads the ref of a share, without addresses and security. With a malformed field its grant is none
/// that a share has, and with a malformed share it is none that a server has.
pub fn read_share_ref_to_redeem(reader: share_ref::Reader<'_>) -> ShareRef {
    let share = bytes(reader.get_share(), "ref.share");
    let (grant, secret) = read_grant(
        bytes(reader.get_grant(), "ref.grant"),
        bytes(reader.get_secret(), "ref.secret"),
    );
    ShareRef {
        addresses: Vec::new(),
        share: share.map_or(NO_SHARE, ShareId::from_bytes),
        grant,
        epoch: Epoch::new(reader.get_epoch()),
        security: Security::ByAddress,
        secret,
    }
}

/// Reads the ref of a factory, without addresses and security. With a malformed field its grant is none
/// that a factory has.
pub fn read_factory_ref_to_redeem(reader: factory_ref::Reader<'_>) -> FactoryRef {
    let (grant, secret) = read_grant(
        bytes(reader.get_grant(), "ref.grant"),
        bytes(reader.get_secret(), "ref.secret"),
    );
    FactoryRef {
        addresses: Vec::new(),
        grant,
        security: Security::ByAddress,
        secret,
    }
}

/// Reads a slug. A malformed one names a grant that no share has.
pub fn read_slug_to_redeem(slug: capnp::Result<capnp::data::Reader<'_>>) -> SlugToRedeem {
    match bytes(slug, "slug").map(Slug::from_bytes) {
        Ok(slug) => SlugToRedeem {
            grant: slug.grant(),
            hash: slug.hash(),
        },
        Err(_) => SlugToRedeem {
            grant: NO_GRANT,
            hash: SecretHash::from_bytes([0; 32]),
        },
    }
}

/// Reads the proof of an owner. A malformed one is none, like an empty one: it opens no sealed
/// grant, and is not looked at for another.
pub fn read_owner_proof(proof: capnp::Result<capnp::data::Reader<'_>>) -> Option<OwnerProof> {
    bytes(proof, "ownerProof").ok().map(OwnerProof::from_bytes)
}

/// Grant and secret, or neither: half of what is malformed must not meet a grant that it fits.
fn read_grant(
    grant: Result<[u8; 16], WireError>,
    secret: Result<[u8; 32], WireError>,
) -> (GrantId, Secret) {
    match (grant, secret) {
        (Ok(grant), Ok(secret)) => (GrantId::from_bytes(grant), Secret::from_bytes(secret)),
        (Err(_), _) | (_, Err(_)) => (NO_GRANT, Secret::from_bytes([0; 32])),
    }
}
