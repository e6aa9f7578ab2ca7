//! Talking to a server: one way to say what went wrong.

use share_client::{ClientError, Session, TcpConnector};
use share_model::{Reaction, Refusal, RefusalCode, ShareId, ShareRef};

use crate::error::{CliError, Kind};
use crate::identity;

/// Redeems a ref at the first of its addresses that answers; one that is sealed to this machine too.
pub(crate) async fn redeem(share_ref: &ShareRef) -> Result<Session, CliError> {
    let owner = identity::held()?;
    Session::redeem_as(&TcpConnector::default(), share_ref, owner.as_ref())
        .await
        .map_err(|error| failed("open", share_ref.share, error))
}

/// The error of something that was attempted on a share.
pub(crate) fn failed(attempted: &str, share: ShareId, error: ClientError) -> CliError {
    failed_at(&format!("{attempted} share {share}"), error)
}

/// The error of something that was attempted at a server.
pub(crate) fn failed_at(attempted: &str, error: ClientError) -> CliError {
    let message = attempted.to_owned();
    match error {
        ClientError::Refused(refusal) => refused(message, &refusal),
        error if error.is_transport() => CliError::new(Kind::NotNow, message)
            .caused_by(error)
            .hint("it is safe to try again once the server is back"),
        error @ ClientError::WrongCertificate { .. } => CliError::refused(message)
            .caused_by(error)
            .hint(WRONG_CERTIFICATE),
        error @ ClientError::NotTrusted { .. } => CliError::refused(message)
            .caused_by(error)
            .hint(NOT_TRUSTED),
        error => CliError::refused(message).caused_by(error),
    }
}

/// What to do where a server has another certificate than the ref pins.
pub(crate) const WRONG_CERTIFICATE: &str = "ask who runs the server, by another way than this one,      whether its certificate was made anew: then its owner's new ref, with the new pin, goes on where      this one ends; if not, somebody else answers in its place";
/// What to do where nobody vouches for a server.
pub(crate) const NOT_TRUSTED: &str = "name its authority's certificate in SSL_CERT_FILE, or ask for a      ref with the server's pin";

/// The error of a refusal, with what its reaction means to a person.
pub(crate) fn refused(message: String, refusal: &Refusal) -> CliError {
    let error = CliError::refused(message).caused_by(refusal.clone());
    match refusal.code.reaction() {
        Reaction::RedeemNewest => {
            error.hint("ask the owner for a newer ref, then `share use @FILE`")
        }
        Reaction::Person => error.hint(match refusal.code {
            // All that a server tells to who proves nothing.
            RefusalCode::NotAuthorized => {
                "copy the ref whole, or ask who gave it to you for another; a sealed one opens only \
                 where its owner's key is"
            }
            RefusalCode::QuotaExceeded => "make room, or ask who gave you the ref for more",
            _ => "ask the owner for a ref that allows this",
        }),
        Reaction::Stop => error.hint("nothing brings it back; `share create` makes a new one"),
        Reaction::Upgrade => error.hint("upgrade the side that the message names"),
        Reaction::WaitSlowly
        | Reaction::Replan
        | Reaction::SettleAndRetry
        | Reaction::AbandonOp => error,
    }
}
