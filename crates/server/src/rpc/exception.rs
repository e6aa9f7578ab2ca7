//! Faults as exceptions, whose type says how to react.

use share_model::{Refusal, RefusalCode};
use tracing::{debug, error};

use crate::fault::{Fault, Reaction};

/// The exception that tells a fault; what a person must look at is logged here.
pub(super) fn exception(fault: &Fault) -> capnp::Error {
    let text = fault.to_string();
    match fault.reaction() {
        Reaction::Later => {
            debug!(%fault, "call put off");
            capnp::Error::overloaded(text)
        }
        Reaction::Reconnect => {
            debug!(%fault, "call cut off");
            capnp::Error::disconnected(text)
        }
        Reaction::Report => {
            let cause = fault as &(dyn std::error::Error + 'static);
            error!(cause, "call failed");
            capnp::Error::failed(text)
        }
    }
}

/// Parameters whose message does not hold together.
pub(super) fn malformed(error: capnp::Error) -> Refusal {
    Refusal::new(
        RefusalCode::InvalidRequest,
        format!("the parameters are malformed: {}", error.kind),
    )
}
