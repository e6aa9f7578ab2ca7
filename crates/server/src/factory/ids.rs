//! The ids that creating a share gives.

use ring::digest;
use share_model::{CreateShare, GrantId, RequestId, ShareId};

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
