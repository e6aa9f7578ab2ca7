//! What follows from the secret that a share's creator was given over HTTP: so that the secret alone
//! finds it all, after any restart.

use share_model::{GrantId, OutboxKey, Secret, SecretHash};

/// What stands before the hash from which the owner's grant has its id. Persisted by what it names:
/// keep stable.
const OWNER_DOMAIN: &[u8] = b"share-http-owner-1";
/// What stands before the secret in the hash that is the writer's key. Persisted by what it names:
/// keep stable.
const WRITER_DOMAIN: &[u8] = b"share-http-writer-1";

/// The owner's grant of the share whose secret has this hash.
pub(super) fn owner_grant(hash: &SecretHash) -> GrantId {
    GrantId::derived(OWNER_DOMAIN, &[&hash.to_bytes()])
}

/// The key of the outbox whose lane carries what is synced with this secret. Who has the secret may
/// append in any case, so that the key gives nothing to whoever could make it.
pub(super) fn writer_key(secret: &Secret) -> OutboxKey {
    OutboxKey::derived(WRITER_DOMAIN, secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grant_and_writer_follow_from_the_secret() {
        let secret = Secret::from_bytes([0; 32]);
        // By sha256sum, of the domains and 32 zero bytes, or their hash; version and variant set.
        let grant = owner_grant(&secret.hash());
        assert_eq!(grant.to_string(), "57c3f37f28d88aa5b84b85e550f452b7");
        let outbox = writer_key(&secret).outbox_id();
        assert_eq!(outbox.to_string(), "4464afe3988c80fd49b65ca80ff44ba5");
    }
}
