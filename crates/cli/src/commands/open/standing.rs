//! Whether the share of a session that was opened before is still there.

use std::time::Duration;

use share_client::{ClientError, Session, SessionName, TcpConnector};
use share_model::{RefusalCode, ShareRef};
use tokio::time::timeout;

use crate::error::CliError;
use crate::{connect, identity, ui};

/// How long its server may take to say so; one that is away holds nobody up.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// Asks the share's server whether the ref still opens it; says so if it does not.
///
/// # Errors
///
/// If the share was deleted: its name is of no use until it is freed.
pub(super) async fn look(name: &SessionName, reference: &ShareRef) -> Result<(), CliError> {
    let owner = identity::held()?;
    let connector = TcpConnector {
        connect_timeout: ANSWER_MAX,
        ..TcpConnector::default()
    };
    let redeeming = Session::redeem_as(&connector, reference, owner.as_ref());
    let Ok(Err(ClientError::Refused(refusal))) = timeout(ANSWER_MAX, redeeming).await else {
        // It opens, or that can't be known now.
        return Ok(());
    };
    let message = format!("session {name} has a share that does not open");
    let failed = connect::refused(message, &refusal);
    if refusal.code == RefusalCode::Gone {
        return Err(failed.hint(format!(
            "`share release {name}` frees the name; `share open` with `--factory @FILE` then gives \
             the session a new share"
        )));
    }
    ui::warning(failed.to_string());
    Ok(())
}
