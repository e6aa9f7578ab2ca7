//! Owners: persons or machines to which a grant may be sealed (`docs/design.md` §5).
//!
//! An owner is an Ed25519 key pair (RFC 8032). A sealed ref opens only with the owner's signature
//! over the share, the grant and the hash of its secret: a ref that leaks is worth nothing without
//! the key, and a signature that leaks nothing without the ref.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::ids::{GrantId, ShareId};
use crate::seam::Entropy;
use crate::secret::SecretHash;

/// What stands before what is signed, so that a signature means nothing elsewhere.
const DOMAIN: &[u8; 12] = b"share-seal-1";

/// Names an owner: its Ed25519 public key. As text, base64url without padding, 43 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OwnerId([u8; 32]);

/// What an owner proves itself by: the seed of its Ed25519 key.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct OwnerKey([u8; 32]);

/// An owner's signature for one grant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OwnerProof([u8; 64]);

/// A text that names no owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an owner is named by 43 characters of base64url, as `share identity` prints them")]
pub struct OwnerIdError;

impl OwnerId {
    /// The id with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The id's bytes.
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// Whether `proof` is this owner's for the grant. Bytes that are no public key verify nothing.
    pub fn is_proven(
        &self,
        share: ShareId,
        grant: GrantId,
        secret: &SecretHash,
        proof: &OwnerProof,
    ) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, self.0);
        key.verify(&signed(share, grant, secret), &proof.0).is_ok()
    }
}

impl OwnerKey {
    /// A new one from `entropy`.
    pub fn random(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 32];
        entropy.fill(&mut bytes);
        Self(bytes)
    }

    /// The one with this seed.
    pub const fn from_bytes(seed: [u8; 32]) -> Self {
        Self(seed)
    }

    /// The seed, to be stored; never to be logged or sent.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The owner.
    pub fn id(&self) -> OwnerId {
        let mut id = [0; 32];
        id.copy_from_slice(self.pair().public_key().as_ref());
        OwnerId(id)
    }

    /// Proves the owner for one grant.
    pub fn prove(&self, share: ShareId, grant: GrantId, secret: &SecretHash) -> OwnerProof {
        let signature = self.pair().sign(&signed(share, grant, secret));
        let mut proof = [0; 64];
        proof.copy_from_slice(signature.as_ref());
        OwnerProof(proof)
    }

    fn pair(&self) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&self.0).expect("every 32 bytes are a seed")
    }
}

impl OwnerProof {
    /// The proof with these bytes.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The proof's bytes.
    pub const fn to_bytes(self) -> [u8; 64] {
        self.0
    }
}

/// What is signed: the domain, then share, grant and the secret's hash.
fn signed(share: ShareId, grant: GrantId, secret: &SecretHash) -> Vec<u8> {
    [
        DOMAIN.as_slice(),
        &share.to_bytes(),
        &grant.to_bytes(),
        &secret.to_bytes(),
    ]
    .concat()
}

impl fmt::Display for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnerId({self})")
    }
}

impl FromStr for OwnerId {
    type Err = OwnerIdError;

    fn from_str(text: &str) -> Result<Self, OwnerIdError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| OwnerIdError)?;
        bytes.try_into().map(Self).map_err(|_| OwnerIdError)
    }
}

/// Hides the seed.
impl fmt::Debug for OwnerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnerKey(hidden)")
    }
}

/// Hides the signature: it opens a grant to who has its ref.
impl fmt::Debug for OwnerProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnerProof(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: ShareId = ShareId::from_bytes([1; 16]);
    const GRANT: GrantId = GrantId::from_bytes([2; 16]);
    const SECRET: SecretHash = SecretHash::from_bytes([3; 32]);

    #[test]
    fn a_proof_holds_for_its_owner_share_grant_and_secret_only() {
        let (key, other) = (OwnerKey::from_bytes([7; 32]), OwnerKey::from_bytes([8; 32]));
        let proof = key.prove(SHARE, GRANT, &SECRET);
        assert!(key.id().is_proven(SHARE, GRANT, &SECRET, &proof));
        assert!(!other.id().is_proven(SHARE, GRANT, &SECRET, &proof));
        let (share, grant) = (ShareId::from_bytes([9; 16]), GrantId::from_bytes([9; 16]));
        let secret = SecretHash::from_bytes([9; 32]);
        assert!(!key.id().is_proven(share, GRANT, &SECRET, &proof));
        assert!(!key.id().is_proven(SHARE, grant, &SECRET, &proof));
        assert!(!key.id().is_proven(SHARE, GRANT, &secret, &proof));
        let mut forged = proof.to_bytes();
        forged[0] ^= 1;
        let forged = OwnerProof::from_bytes(forged);
        assert!(!key.id().is_proven(SHARE, GRANT, &SECRET, &forged));
    }

    /// RFC 8032, section 7.1, test 1.
    #[test]
    fn an_owners_id_is_the_public_key_of_its_seed() {
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let bytes = |hex: &str| -> [u8; 32] {
            std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
        };
        let id = OwnerKey::from_bytes(bytes(seed)).id();
        assert_eq!(id.to_bytes(), bytes(public));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("x".parse::<OwnerId>(), Err(OwnerIdError));
    }

    #[test]
    fn what_proves_an_owner_is_hidden() {
        let key = OwnerKey::from_bytes([7; 32]);
        let proof = key.prove(SHARE, GRANT, &SECRET);
        assert_eq!(
            format!("{key:?} {proof:?}"),
            "OwnerKey(hidden) OwnerProof(hidden)"
        );
    }
}
