//! The one conversion between messages and the values of `share_model`, both ways.
//!
//! A `read_…` checks every field before it copies it: lengths of ids, text that is UTF-8, unions
//! and enumerants that this version knows, counts and bytes against the limits. What it returns
//! is a whole value or a [`WireError`] that names the field; no bytes of a peer make it panic, and
//! nothing is allocated by a number of the peer's before that number was checked.
//!
//! A `write_…` takes a value and fills a message that its `read_…` turns into the same value.

mod answer;
mod audit;
mod authority;
mod backup;
mod batch;
mod cut;
mod document;
mod error;
mod factory_grant;
mod field;
mod grant;
mod grant_info;
mod limits;
mod log;
mod mutation_error;
mod op;
mod outcome;
mod posted;
mod refusal;
mod request;
mod security;
mod session;
mod sturdy_ref;
mod to_redeem;

pub use answer::{
    read_append_outcome, read_audit_outcome, read_backup_outcome, read_bump_outcome,
    read_claim_outcome, read_create_outcome, read_end_outcome, read_factory_grants_outcome,
    read_factory_mint_outcome, read_factory_outcome, read_factory_revoke_outcome,
    read_freeze_outcome, read_grants_outcome, read_mint_outcome, read_redeem_outcome,
    read_redeem_outcome_of, read_snapshot_outcome, read_subscribe_outcome, read_writers_outcome,
    write_append_outcome, write_audit_outcome, write_backup_outcome, write_bump_outcome,
    write_claim_outcome, write_create_outcome, write_end_outcome, write_factory_grants_outcome,
    write_factory_mint_outcome, write_factory_outcome, write_factory_revoke_outcome,
    write_freeze_outcome, write_grants_outcome, write_mint_outcome, write_redeem_outcome,
    write_snapshot_outcome, write_subscribe_outcome, write_writers_outcome,
};
pub use audit::{read_audit_entry, write_audit_entry};
pub use authority::{
    RevokeRequest, read_attenuate, read_grants_request, read_minted, read_publish,
    read_revoke_request, read_seal_for, write_attenuate, write_grants_request, write_minted,
    write_publish, write_revoke_request,
};
pub use backup::{read_backup_made, write_backup_made};
pub use batch::{read_batch, read_entry, read_envelope, write_batch, write_entry, write_envelope};
pub use cut::{read_cut, write_cut};
pub use document::{
    DocumentEntry, read_document_entries, read_document_entry, write_document_entry,
};
pub use error::{WireError, WireFault};
pub use factory_grant::{
    read_factory_attenuate, read_factory_grant_info, read_factory_revoke, read_quotas,
    write_factory_attenuate, write_factory_grant_info, write_factory_revoke, write_quotas,
};
pub use grant::{read_origin, read_rights, write_origin, write_rights};
pub use grant_info::{read_grant_info, read_usage, write_grant_info, write_usage};
pub use limits::{read_limits, write_limits};
pub use log::{
    read_log_position, read_logged_op, read_logged_ops, read_snapshot_at, write_log_position,
    write_logged_op, write_logged_ops, write_snapshot_at,
};
pub use op::{read_op, write_op};
pub use outcome::{read_ack, write_ack};
pub use posted::{
    POSTED_BATCHES_MAX, POSTED_BYTES_MAX, Part, Posted, PostedAnswer, PostedAppend, PostedAppended,
    PostedCall, Proven, posted_answer_bytes, posted_answer_of, posted_call_bytes, posted_call_of,
    read_posted_answer, read_posted_call, write_posted_answer, write_posted_call,
};
pub use refusal::{read_refusal, write_refusal};
pub use request::{
    ClaimRequest, read_bump_epoch, read_claim_request, read_client_name, read_create_share,
    write_bump_epoch, write_claim_request, write_create_share,
};
pub use session::{
    read_bumped, read_claimed, read_created, read_factory_redeemed, read_redeemed,
    read_redeemed_of, read_writer_info, write_bumped, write_claimed, write_created,
    write_factory_redeemed, write_redeemed, write_writer_info,
};
pub use sturdy_ref::{read_factory_ref, read_share_ref, write_factory_ref, write_share_ref};
pub use to_redeem::{
    SlugToRedeem, read_factory_ref_to_redeem, read_owner_proof, read_share_ref_to_redeem,
    read_slug_to_redeem,
};
