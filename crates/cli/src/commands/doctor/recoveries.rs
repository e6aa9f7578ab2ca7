//! What the client did by itself about a copied outbox or a restored server.

use share_model::UnixMs;

use super::Look;
use crate::age;
use crate::error::CliError;
use crate::recovery::{self, Told};

/// Events that a person is shown: the newest.
const SHOWN: usize = 10;

pub(super) async fn look(look: &Look<'_>) -> Result<Vec<Told>, CliError> {
    recovery::after(look.outbox, 0).await
}

pub(super) fn lines(recoveries: &[Told]) -> Vec<String> {
    let now = age::now();
    let earlier = recoveries.len().saturating_sub(SHOWN);
    let mut lines = Vec::new();
    if earlier > 0 {
        lines.push(format!(
            "done: {earlier} more, earlier; `--json` tells them"
        ));
    }
    lines.extend(recoveries[earlier..].iter().map(|told| {
        let age = age::between(UnixMs::new(told.at()), now);
        format!("done {age} ago: {}", told.text())
    }));
    lines
}
