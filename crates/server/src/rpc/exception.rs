//! Faults as exceptions, whose type says how to react.

use share_model::{Refusal, RefusalCode};
use tracing::{debug, error};

use crate::fault::{Fault, Reaction};
use crate::store::StoreError;

/// The exception that tells a fault; what a person must look at is logged here.
pub(super) fn exception(fault: &Fault) -> capnp::Error {
    let text = told(fault);
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

/// What the other side is told: no path of this machine, which is the operator's business and in the
/// log. The same trouble is also told in the same bytes, wherever the data folder is.
pub(crate) fn told(fault: &Fault) -> String {
    match fault {
        Fault::Store(StoreError::Full { .. }) => {
            "the store is full: make room on the server's disk, or raise its bound".to_owned()
        }
        Fault::Store(
            StoreError::Corrupt { .. }
            | StoreError::Newer { .. }
            | StoreError::Foreign { .. }
            | StoreError::Locked { .. }
            | StoreError::Io { .. },
        ) => "the server's store failed: its log says how".to_owned(),
        Fault::Store(StoreError::Stopped { .. }) => {
            "the store has stopped, and the server ends: its log says why".to_owned()
        }
        other => other.to_string(),
    }
}

/// Parameters whose message does not hold together.
pub(super) fn malformed(error: capnp::Error) -> Refusal {
    Refusal::new(
        RefusalCode::InvalidRequest,
        format!("the parameters are malformed: {}", error.kind),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_calls_is_told_no_path_of_the_servers_machine() {
        let file = std::path::PathBuf::from("/srv/secret/shares.sqlite");
        let faults = [
            StoreError::Full { file: file.clone() },
            StoreError::Corrupt {
                file,
                share: None,
                version: None,
                what: "a checksum is wrong".into(),
            },
            StoreError::Stopped {
                what: "a sync of /srv/secret/shares.sqlite failed".into(),
            },
        ];
        for fault in faults.map(Fault::Store) {
            assert!(fault.to_string().contains("/srv/secret"), "{fault}");
            let told = exception(&fault).to_string();
            assert!(!told.contains("/srv"), "{told}");
        }
    }
}
