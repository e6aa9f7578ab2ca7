//! What creating a share asks of the engine.

use share_model::{CreateShare, GrantId};

/// What is asked of the engine for a share that `grant` creates.
pub(crate) fn creation(grant: GrantId, request: CreateShare) -> share_engine::CreateShare {
    let (share, owner_grant) = request.ids(grant);
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
