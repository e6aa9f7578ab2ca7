//! What an answer other than an ack means (`docs/design.md` §6).

use std::time::Duration;

use share_model::{Cursor, Reaction, Refusal, RefusalCode, RefusalDetail};

use crate::connection::ClientError;
use crate::outbox::Standing;

/// Where in the conversation an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Connect,
    Redeem,
    /// With the share's cursor, as the redeem told it.
    Claim(Cursor),
    /// A batch, by its number.
    Append(i64),
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// Connect again, after a back-off; never counted against an op.
    Reconnect(ClientError),
    /// Come back slowly, not before the time that the server named.
    ComeBackSlowly(ClientError, Duration),
    /// The lane is not as believed: claim again, a bounded number of times.
    ClaimAgain(Refusal),
    /// The claim named a history that the server does not have; it stands so.
    Replan(Standing, Refusal),
    /// Another outbox has the lane.
    LaneLost(Refusal),
    /// A bound of the ledger: settle and come back, a bounded number of times.
    SettleAndComeBack(Refusal),
    /// The batch holds what the share will never take: cut its ops again, without that.
    Dissolve(i64, Refusal),
    /// Stand still until a person does something; if a newer ref came meanwhile, go on with it.
    Stop(Refusal),
    /// The share is gone: stop for good.
    Gone(Refusal),
}

impl Next {
    /// Whether the replay would stand still.
    pub(super) fn needs_a_person(&self) -> bool {
        matches!(self, Self::Stop(_) | Self::Gone(_))
    }
}

/// What `error` means.
pub(super) fn next(asked: Asked, error: ClientError) -> Next {
    let refusal = match error {
        ClientError::Refused(refusal) => refusal,
        ClientError::Unimplemented { reason } => {
            let message =
                format!("the server is older than this client: upgrade the server ({reason})");
            return Next::Stop(Refusal::new(RefusalCode::VersionUnsupported, message));
        }
        // A newer ref mends it, or the way to the server does, but not soon.
        error if error.is_about_identity() => return Next::ComeBackSlowly(error, Duration::ZERO),
        error => return Next::Reconnect(error),
    };
    match (refusal.code.reaction(), asked) {
        (Reaction::Person | Reaction::RedeemNewest | Reaction::Upgrade, _) => Next::Stop(refusal),
        (Reaction::Stop, _) => Next::Gone(refusal),
        (Reaction::WaitSlowly, _) => {
            let at_least = refusal.retry_after_ms.unwrap_or(0);
            let at_least = Duration::from_millis(at_least.into());
            Next::ComeBackSlowly(ClientError::Refused(refusal), at_least)
        }
        (Reaction::Replan, asked) => replan(asked, refusal),
        (Reaction::SettleAndRetry, _) => Next::SettleAndComeBack(refusal),
        (Reaction::AbandonOp, Asked::Append(batch)) => Next::Dissolve(batch, refusal),
        (Reaction::AbandonOp, _) => Next::Stop(refusal),
    }
}

/// The lane is not as the client believes.
fn replan(asked: Asked, refusal: Refusal) -> Next {
    match (refusal.code, asked, &refusal.detail) {
        (
            RefusalCode::HistoryChanged,
            Asked::Claim(cursor),
            &RefusalDetail::History {
                history,
                floor,
                highest,
                chain,
            },
        ) => {
            let standing = Standing {
                history,
                floor,
                highest,
                chain,
                cursor,
            };
            Next::Replan(standing, refusal)
        }
        // A claim names the incarnation and nonce that are stored, so what its refusal says is so. An
        // append may be fenced because the writer was idle and gave its place to another.
        (RefusalCode::WriterFenced, Asked::Claim(_), _)
        | (RefusalCode::WriterForked | RefusalCode::AlreadySettled, Asked::Append(_), _) => {
            Next::LaneLost(refusal)
        }
        // Only a claim tells where the server stands.
        _ => Next::ClaimAgain(refusal),
    }
}
