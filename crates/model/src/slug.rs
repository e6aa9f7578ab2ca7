//! Slugs: public addresses of published shares (`docs/design.md` §5).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::ids::GrantId;
use crate::seam::Entropy;
use crate::secret::{SecretHash, sha256};

/// What stands before the hash from which a slug's grant has its id. Persisted by what it names:
/// keep stable.
const GRANT_DOMAIN: &[u8] = b"share-slug-grant-1";

/// The public address of a published share, and the secret of its read grant at the same time: 128
/// random bits. Whoever has it may read; it is in no log.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Slug([u8; 16]);

impl Slug {
    /// A new one from `entropy`.
    pub fn random(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        Self(bytes)
    }

    /// The one with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes, to be stored or sent; never to be logged.
    pub const fn expose(&self) -> &[u8; 16] {
        &self.0
    }

    /// SHA-256 of the slug: what the server keeps.
    pub fn hash(&self) -> SecretHash {
        SecretHash::from_bytes(sha256(&[&self.0]))
    }

    /// The grant behind the slug.
    pub fn grant(&self) -> GrantId {
        Self::grant_of(&self.hash())
    }

    /// The grant behind the slug with this hash.
    pub fn grant_of(hash: &SecretHash) -> GrantId {
        GrantId::derived(GRANT_DOMAIN, &[&hash.to_bytes()])
    }

    /// The slug in base64url without padding, 22 characters.
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Reads what [`Slug::to_text`] wrote; `None` if it is anything else.
    pub fn from_text(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }
}

/// Hides the bytes.
impl fmt::Debug for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slug(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_reads_back_and_is_hidden() {
        let slug = Slug::from_bytes([0xff; 16]);
        assert_eq!(slug.to_text(), "_____________________w");
        let back = Slug::from_text("_____________________w").unwrap();
        assert_eq!(back.expose(), &[0xff; 16]);
        assert!(Slug::from_text("____________________w").is_none());
        assert_eq!(format!("{slug:?}"), "Slug(hidden)");
    }

    #[test]
    fn the_grant_of_a_slug_follows_from_its_hash() {
        let slug = Slug::from_bytes([0; 16]);
        // By sha256sum: of 16 zero bytes, then of the domain and that; version and variant set.
        assert_eq!(slug.grant().to_string(), "afef6c89cb748db6af8ac9cf6143a966");
        assert_eq!(Slug::grant_of(&slug.hash()), slug.grant());
    }
}
