//! Secrets, and what is kept of them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::ids::OutboxId;
use crate::seam::Entropy;

macro_rules! secret_bytes {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Zeroize, ZeroizeOnDrop)]
        pub struct $name([u8; 32]);

        impl $name {
            /// A new one from `entropy`.
            pub fn random(entropy: &dyn Entropy) -> Self {
                let mut bytes = [0; 32];
                entropy.fill(&mut bytes);
                Self(bytes)
            }

            /// The one with these bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// Its bytes, to be stored or sent; never to be logged.
            pub const fn expose(&self) -> &[u8; 32] {
                &self.0
            }
        }

        /// Hides the bytes.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(hidden)"))
            }
        }
    };
}

secret_bytes! {
    /// What proves a grant: 32 random bytes, the fragment of a sturdy ref.
    ///
    /// The server keeps only [`SecretHash`].
    Secret
}
secret_bytes! {
    /// What proves that a lane is one's own: minted with the outbox, before anything is enqueued.
    /// In no op, log or error.
    OutboxKey
}

impl Secret {
    /// SHA-256 of the secret: what the server keeps.
    pub fn hash(&self) -> SecretHash {
        SecretHash(sha256(&[&self.0]))
    }

    /// The secret in base64url without padding, 43 characters.
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Reads what [`Secret::to_text`] wrote; `None` if it is anything else.
    pub fn from_text(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }
}

impl OutboxKey {
    /// The key that follows from a secret within `domain`: of a writer that keeps nothing but the
    /// secret.
    pub fn derived(domain: &[u8], secret: &Secret) -> Self {
        Self(sha256(&[domain, secret.expose()]))
    }

    /// The public name of the outbox: the first 16 bytes of SHA-256 over the key.
    pub fn outbox_id(&self) -> OutboxId {
        let hash = sha256(&[&self.0]);
        OutboxId::from_bytes(std::array::from_fn(|at| hash[at]))
    }
}

/// SHA-256 of a [`Secret`].
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// The hash with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash's bytes.
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }
}

/// Takes the same time whatever the bytes are.
impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretHash {}

/// Hides the bytes.
impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(hidden)")
    }
}

/// SHA-256 over the parts, one after the other.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_secret_hides_its_bytes() {
        let secret = Secret::from_bytes([0xab; 32]);
        let shown = format!(
            "{secret:?} {:?} {:?}",
            secret.hash(),
            OutboxKey::from_bytes([0xab; 32])
        );
        assert_eq!(shown, "Secret(hidden) SecretHash(hidden) OutboxKey(hidden)");
    }

    #[test]
    fn text_of_a_secret_is_base64url_and_reads_back() {
        let secret = Secret::from_bytes([0xff; 32]);
        assert_eq!(
            secret.to_text(),
            "__________________________________________8"
        );
        let back = Secret::from_text(&secret.to_text()).unwrap();
        assert_eq!(back.expose(), secret.expose());
        assert!(Secret::from_text("__________________________________________").is_none());
        assert!(Secret::from_text("_________________________________________+8").is_none());
    }

    #[test]
    fn a_key_follows_from_domain_and_secret() {
        let secret = Secret::from_bytes([0; 32]);
        // SHA-256 of `a`, `b` and 32 zero bytes, by sha256sum.
        let expected = "ce4e607f49517e8fc03f26ddab84a33be674328e1f7ef00d2a953097071786b5";
        let key = OutboxKey::derived(b"ab", &secret);
        let shown: String = key.expose().iter().map(|it| format!("{it:02x}")).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn outbox_id_is_the_first_half_of_the_keys_hash() {
        // SHA-256 of 32 zero bytes begins 66687aadf862bd776c8fc18b8e9f8e20.
        let id = OutboxKey::from_bytes([0; 32]).outbox_id();
        assert_eq!(id.to_string(), "66687aadf862bd776c8fc18b8e9f8e20");
    }
}
