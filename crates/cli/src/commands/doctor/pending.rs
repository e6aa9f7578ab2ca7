//! Ops without an outcome: they only wait.

use serde::Serialize;
use share_client::{OutboxError, RowFilter, RowState};
use share_model::UnixMs;

use super::Look;
use crate::age;
use crate::counts::ops;

/// Those of a share.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pending {
    share: String,
    count: u64,
    /// When the oldest was enqueued: milliseconds since 1970.
    oldest_at: u64,
    #[serde(skip)]
    command: Option<String>,
}

pub(super) async fn look(look: &Look<'_>) -> Result<Vec<Pending>, OutboxError> {
    let mut found = Vec::new();
    for status in look.shares.iter().filter(|status| status.pending > 0) {
        let is_open = |state: &RowState| !state.is_final();
        let filter = RowFilter {
            share: Some(status.share),
            states: RowState::ALL.into_iter().filter(is_open).collect(),
        };
        let oldest = look.outbox.rows(filter, None, 1).await?.into_iter().next();
        // None: it has ended meanwhile.
        found.extend(oldest.map(|row| {
            Pending {
                share: status.share.to_string(),
                count: status.pending,
                oldest_at: row.enqueued_at.get(),
                command: status
                    .stopped
                    .is_none()
                    .then(|| format!("share replay{}", look.state)),
            }
        }));
    }
    Ok(found)
}

impl Pending {
    pub(super) fn line(&self) -> String {
        let Self { share, count, .. } = self;
        let age = age::between(UnixMs::new(self.oldest_at), age::now());
        let how = self.command.as_ref().map_or(String::new(), |command| {
            format!("; `{command}` sends them, unless an agent that still runs does")
        });
        let ops = ops(*count);
        format!("waiting: {ops} of share {share}, the oldest for {age}{how}")
    }
}
