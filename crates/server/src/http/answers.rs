//! Refusals and faults, as the HTTP face tells them.

use share_model::{Reaction, Refusal, RefusalCode, RejectReason};
use share_web::BackendError;
use tracing::{debug, error};

use crate::fault::{Fault, Reaction as ToFault};
use crate::owner::Outcome;
use crate::rpc::{PostedError, told};

/// What a refusal is told as. By what one can do about it, so that a code that is added later is told
/// as well.
pub(super) fn refused(refusal: Refusal) -> BackendError {
    let Refusal { code, message, .. } = refusal;
    let reason = message;
    if code == RefusalCode::NotAuthorized {
        return BackendError::NotFound;
    }
    match code.reaction() {
        // The authority that the secret stands for has ended for good.
        Reaction::RedeemNewest | Reaction::Stop => BackendError::Gone { reason },
        Reaction::Person | Reaction::WaitSlowly => BackendError::Refused { reason },
        // The lane is not as the server's own writer believed, or has no room: both pass.
        Reaction::Replan | Reaction::SettleAndRetry => BackendError::Overloaded { reason },
        Reaction::AbandonOp | Reaction::Upgrade => BackendError::Invalid { reason },
    }
}

/// What comes of a call.
pub(super) fn answered<T>(outcome: Outcome<T>) -> Result<T, BackendError> {
    outcome.map_err(|fault| failed(&fault))?.map_err(refused)
}

/// What an op is told as that has no place in the document as it stands.
pub(super) fn rejected(reason: &RejectReason) -> BackendError {
    BackendError::Refused {
        reason: reason.to_string(),
    }
}

/// What a fault is told as; what a person must look at is logged here.
pub(super) fn failed(fault: &Fault) -> BackendError {
    let reason = told(fault);
    match fault.reaction() {
        // Whether it was done is not known after a deadline: it may be done yet.
        ToFault::Later if matches!(fault, Fault::Deadline { .. }) => {
            debug!(%fault, "request without an outcome");
            BackendError::Unknown { reason }
        }
        ToFault::Later => {
            debug!(%fault, "request put off");
            BackendError::Overloaded { reason }
        }
        ToFault::Reconnect => {
            debug!(%fault, "request cut off");
            BackendError::Unknown { reason }
        }
        ToFault::Report => {
            let cause = fault as &(dyn std::error::Error + 'static);
            error!(cause, "request failed");
            BackendError::Unknown { reason }
        }
    }
}

/// What a call of a client library is told as that has no answer; refusals are in answers.
pub(super) fn unanswered(error: &PostedError) -> BackendError {
    match error {
        PostedError::Malformed(_) | PostedError::OtherShare => BackendError::Invalid {
            reason: error.to_string(),
        },
        PostedError::Fault(fault) => failed(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_told_by_what_one_can_do_about_it() {
        use RefusalCode::{
            AlreadySettled, Expired, Frozen, Gone, InvalidRequest, NotAuthorized, QuotaExceeded,
            Revoked, RightMissing, StaleEpoch, ValueTooLarge, WriterFenced, WritersExhausted,
        };
        let reason = || "why".to_owned();
        let of = |code| refused(Refusal::new(code, "why"));
        assert_eq!(of(NotAuthorized), BackendError::NotFound);
        for code in [StaleEpoch, Revoked, Expired, Gone] {
            assert_eq!(of(code), BackendError::Gone { reason: reason() });
        }
        for code in [Frozen, QuotaExceeded, RightMissing] {
            assert_eq!(of(code), BackendError::Refused { reason: reason() });
        }
        for code in [WriterFenced, AlreadySettled, WritersExhausted] {
            assert_eq!(of(code), BackendError::Overloaded { reason: reason() });
        }
        for code in [InvalidRequest, ValueTooLarge] {
            assert_eq!(of(code), BackendError::Invalid { reason: reason() });
        }
    }
}
