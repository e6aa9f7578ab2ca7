//! The rules of share sessions as a pure state machine.
//!
//! A [`ShareState`] is changed by commands; each yields a [`Record`], which a store makes durable
//! before anyone is answered, and which, applied to the state before, gives the state after. No
//! I/O, no clock but the time handed in, no await. The contract is `docs/design.md` §§3–5.

mod append;
mod appender;
mod audit;
mod authority;
mod checkpoint;
mod claim;
mod create;
mod deletion;
mod epoch;
mod freeze;
mod grants;
mod label;
mod lane;
mod ledger;
mod listing;
mod log_answers;
mod mint;
mod note;
mod record;
mod refusals;
mod remembered;
mod replay;
mod restore;
mod retirement;
mod revocation;
mod state;

pub use append::{AppendOutcome, AppendRequest, PreparedBatch};
pub use appender::Appender;
pub use authority::Authority;
pub use claim::{ClaimAnswer, ClaimRequest};
pub use create::CreateShare;
pub use epoch::BumpEpoch;
pub use log_answers::LogAnswers;
pub use mint::MintChild;
pub use record::{
    Appended, Change, Claimed, Created, EpochBumped, FreezeSet, Grant, GrantRevoked, MintKind,
    MintedGrant, Note, NoteEvent, Record, RecordError, Recorded, RecordedEntry, ShareDeleted,
};
pub use restore::{Ends, RESTORE_EPOCHS};
pub use state::{Context, ShareState};

#[cfg(test)]
mod fixture;
