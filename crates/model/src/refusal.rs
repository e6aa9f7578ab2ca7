//! Refusals: expected outcomes that are no success, each with a code and what to do about it.

use crate::fingerprint::Chain;
use crate::ids::{HistoryId, Seq};

macro_rules! refusal_codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal => $reaction:ident,)*) => {
        /// Why something was refused; one enum for every operation, on the wire and in the library.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum RefusalCode {
            $($(#[$doc])* $name,)*
        }

        impl RefusalCode {
            /// Every code, in the order of the schema.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code as it is written in the schema and in messages.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What a client does about it.
            pub const fn reaction(self) -> Reaction {
                match self { $(Self::$name => Reaction::$reaction,)* }
            }
        }
    };
}

refusal_codes! {
    /// Unknown share or grant, wrong secret: one answer for all.
    NotAuthorized = "notAuthorized" => Person,
    /// The epoch was bumped. Only told to who proves the secret.
    StaleEpoch = "staleEpoch" => RedeemNewest,
    /// The grant was revoked. Only told to who proves the secret.
    Revoked = "revoked" => RedeemNewest,
    /// The grant ran out. Only told to who proves the secret.
    Expired = "expired" => RedeemNewest,
    /// The grant does not have the right.
    RightMissing = "rightMissing" => Person,
    /// The grant's quota is used up.
    QuotaExceeded = "quotaExceeded" => Person,
    /// The share is frozen.
    Frozen = "frozen" => WaitSlowly,
    /// The share was deleted.
    Gone = "gone" => Stop,
    /// The server's history is another one than the client knows.
    HistoryChanged = "historyChanged" => Replan,
    /// The writer was claimed by someone else since.
    WriterFenced = "writerFenced" => Replan,
    /// A seq is known with other content.
    WriterForked = "writerForked" => Replan,
    /// A seq at or below the floor was sent.
    AlreadySettled = "alreadySettled" => Replan,
    /// There is a gap before the batch.
    OutOfOrder = "outOfOrder" => Replan,
    /// Too many seqs between floor and highest.
    WindowExceeded = "windowExceeded" => SettleAndRetry,
    /// Too many writers.
    WritersExhausted = "writersExhausted" => SettleAndRetry,
    /// Too many remembered identities.
    RequeueLimit = "requeueLimit" => SettleAndRetry,
    /// Too many abandoned ops.
    AbandonLimit = "abandonLimit" => SettleAndRetry,
    /// A key over its limit.
    KeyTooLong = "keyTooLong" => AbandonOp,
    /// A value over its limit.
    ValueTooLarge = "valueTooLarge" => AbandonOp,
    /// A batch over its limits.
    BatchTooLarge = "batchTooLarge" => AbandonOp,
    /// A document over its limit.
    DocumentTooLarge = "documentTooLarge" => AbandonOp,
    /// A malformed field, named in the message.
    InvalidRequest = "invalidRequest" => AbandonOp,
    /// The other side speaks another version.
    VersionUnsupported = "versionUnsupported" => Upgrade,
}

/// What a client does about a refusal (`docs/design.md` §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// Only a person can mend it: stop that share's replay and say so.
    Person,
    /// Redeem with the newest ref that is held; if that is what was refused, a person.
    RedeemNewest,
    /// Wait, with slow back-off.
    WaitSlowly,
    /// Stop for good; the rows are in doubt.
    Stop,
    /// The lane is not as the client believes: claim, compare, plan again.
    Replan,
    /// A bound of the ledger: settle outcomes and try again; if nothing can be settled, a person.
    SettleAndRetry,
    /// Give up the op and report it.
    AbandonOp,
    /// Upgrade; the message says which side.
    Upgrade,
}

/// Facts that come with some codes, so that no client reads them out of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RefusalDetail {
    /// Nothing further.
    #[default]
    None,
    /// With `outOfOrder`: the seq that is expected.
    Expected(Seq),
    /// With `historyChanged`: where the server stands.
    History {
        /// The server's history.
        history: HistoryId,
        /// The writer's floor there; zero if the writer is unknown.
        floor: Seq,
        /// The writer's highest there; zero if the writer is unknown.
        highest: Seq,
        /// The chain at `highest`.
        chain: Chain,
    },
    /// With a limit: which seq broke it (zero: none), the value and the bound.
    Limit {
        /// The op that broke it, or zero.
        seq: Seq,
        /// What was asked for.
        actual: u64,
        /// What is allowed.
        max: u64,
    },
}

/// An expected outcome that is no success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({})", code.name())]
pub struct Refusal {
    /// What a program decides by.
    pub code: RefusalCode,
    /// What a person reads; never parsed.
    pub message: String,
    /// When a retry makes sense, in milliseconds; `None`: not said.
    pub retry_after_ms: Option<u32>,
    /// Facts that come with the code.
    pub detail: RefusalDetail,
}

impl Refusal {
    /// A refusal without further facts.
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after_ms: None,
            detail: RefusalDetail::None,
        }
    }

    /// The same refusal with its facts.
    #[must_use]
    pub fn with_detail(self, detail: RefusalDetail) -> Self {
        Self { detail, ..self }
    }

    /// The one answer to an unknown share, an unknown grant and a wrong secret.
    pub fn not_authorized() -> Self {
        Self::new(
            RefusalCode::NotAuthorized,
            "no such share, or the ref does not open it",
        )
    }
}
