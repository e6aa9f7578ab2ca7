//! Why a share's replay stands still until a person does something.

use share_model::{Reaction, RefusalCode, UnixMs};

/// A durable stop of one share's replay. Its ops are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// What stopped it; what the client found itself has the code that the server would give.
    pub code: RefusalCode,
    /// For a person.
    pub message: String,
    /// When.
    pub at: UnixMs,
}

impl Stop {
    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self.code.reaction() {
            Reaction::Person | Reaction::RedeemNewest => {
                "the ops are kept; the replay goes on when the outbox gets a ref that holds"
            }
            Reaction::Stop => "the share was deleted; its unsettled ops are listed as in doubt",
            Reaction::Replan => {
                "the ops are kept; this outbox or its server was copied or restored, and the server \
                 does not take them in this lane"
            }
            Reaction::Upgrade => "the ops are kept; upgrade the side that the message names",
            Reaction::WaitSlowly | Reaction::SettleAndRetry | Reaction::AbandonOp => {
                "the ops are kept; the replay goes on when the outbox gets the ref again"
            }
        }
    }

    /// Whether a ref that is given again or anew lets the replay try again.
    pub(crate) fn ends_with_a_ref(&self) -> bool {
        ends_with_a_ref(self.code)
    }
}

/// Whether a stop with this code ends when a ref is given again or anew.
pub(super) fn ends_with_a_ref(code: RefusalCode) -> bool {
    code.reaction() != Reaction::Stop
}

/// The code with this name. A name that this version does not know reads as `invalidRequest`.
pub(super) fn code_named(name: &str) -> RefusalCode {
    let known = RefusalCode::ALL.iter().find(|code| code.name() == name);
    known.copied().unwrap_or(RefusalCode::InvalidRequest)
}
