//! A file that can't be opened as an outbox.

use serde::Serialize;
use share_client::OutboxError;

use crate::error::CliError;
use crate::printable::printable;

/// What is wrong with the file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Broken {
    problem: &'static str,
    message: String,
    way_out: &'static str,
}

impl Broken {
    pub(super) fn of(error: &OutboxError) -> Self {
        let (problem, way_out) = match error {
            OutboxError::NotAnOutbox { .. } => (
                "notAnOutbox",
                "name the outbox with `--state FILE`, or move this file away: a new outbox is made \
                 in its place",
            ),
            OutboxError::Newer { .. } => (
                "newer",
                "run the version of `share` that wrote it, or a later one; nothing in it is lost",
            ),
            OutboxError::Damaged { .. } => (
                "damaged",
                "put a copy of it back, if there is one (ops that the share has are not applied \
                 twice); or move it away, with the files beside it whose names begin alike: a new \
                 outbox is made in its place, without the ops that this one held",
            ),
            _ => (
                "notOpened",
                "mend what the message names; the file was left as it was",
            ),
        };
        Self {
            problem,
            message: CliError::refused("the outbox can't be opened")
                .caused_by(error.clone())
                .to_string(),
            way_out,
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        vec![
            format!("needs you: {}", printable(&self.message)),
            format!("  do: {}", self.way_out),
        ]
    }
}
