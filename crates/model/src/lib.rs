//! Values of share sessions and their algebra.
//!
//! Ids and counters, secrets, ops with their fingerprints, batches, outcomes, the document, limits,
//! refusals and sturdy refs. Every other crate speaks in these types; `docs/design.md` is the
//! contract behind them. The only I/O in this crate is behind the seams in [`seam`], which a
//! simulation replaces.

pub mod address;
pub mod planted;
pub mod seam;

mod authority;
mod backup;
mod batch;
mod document;
mod fingerprint;
mod grant;
mod ids;
mod json;
mod limits;
mod op;
mod outcome;
mod owner;
mod protocol;
mod refusal;
mod secret;
mod security;
mod session;
mod slug;
mod sturdy_ref;

pub use authority::{
    Attenuate, AuditEntry, AuditEvent, Cut, FactoryAttenuate, FactoryGrantInfo, GrantInfo, Minted,
    Publish, Quotas, Served, ToldEvent, Usage,
};
pub use backup::BackupMade;
pub use batch::{Batch, Entry, EntryBody, Envelope, FirstLane};
pub use document::{Document, MutationError, StoredValue};
pub use fingerprint::{Chain, Fingerprint};
pub use grant::{Origin, OriginError, OriginKind, Right, Rights};
pub use ids::{
    BatchId, Cursor, Cycle, Epoch, GrantId, HistoryId, Incarnation, LeaseEventId, Nonce, OpId,
    OutboxId, RequestId, Seq, ShareId, ShareVersion, UnixMs, WriterId,
};
pub use json::{
    JsonLook, json_bytes, json_depth, json_has_reserved_name, json_text_has_reserved_name,
};
pub use limits::Limits;
pub use op::{Dependency, Identity, Mutation, Op};
pub use outcome::{Ack, OpOutcome, RejectReason};
pub use owner::{OwnerId, OwnerIdError, OwnerKey, OwnerProof};
pub use protocol::{
    PROTOCOL_VERSION, PROTOCOL_VERSION_MIN, version_of_server, version_with_client,
};
pub use refusal::{Reaction, Refusal, RefusalCode, RefusalDetail};
pub use secret::{OutboxKey, Secret, SecretHash};
pub use security::{CertificatePin, CertificatePinError, Protection, Security};
pub use session::{
    BumpEpoch, Bumped, Claimed, CreateShare, CreatedShare, FactoryRedeemed, LogPosition, LoggedOp,
    Redeemed, SnapshotAt, WriterInfo,
};
pub use slug::Slug;
pub use sturdy_ref::{FactoryRef, RefError, ShareRef};
