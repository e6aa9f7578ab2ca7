//! The rules of share sessions as a pure state machine.
//!
//! A [`ShareState`](state) is changed by commands; each yields a [`Record`], which a store makes
//! durable before anyone is answered, and which, applied to the state before, gives the state after.
//! No I/O, no clock but the time handed in, no await. The contract is `docs/design.md` §§3–5.

mod record;

pub use record::{
    Appended, Change, Claimed, Created, EpochBumped, Grant, Record, RecordError, Recorded,
    RecordedEntry,
};
