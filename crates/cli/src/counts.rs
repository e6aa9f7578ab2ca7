//! What became of the ops that a command has enqueued.

use std::fmt;

use serde::Serialize;
use share_client::{Outbox, Outcome, Row, RowFilter};
use share_model::{Seq, ShareId};

use crate::error::CliError;
use crate::ui;

/// Rows of the outbox that are read at once.
const PAGE: usize = 1000;

/// How many ops ended how.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Counts {
    pub(crate) applied: u64,
    pub(crate) duplicates: u64,
    pub(crate) rejected: u64,
    pub(crate) in_doubt: u64,
    pub(crate) pending: u64,
}

/// Counts the ops from `first` to `last` that `line_of` knows, and names those that were not applied
/// by their lines.
pub(crate) async fn count(
    outbox: &Outbox,
    share: ShareId,
    (first, last): (Seq, Seq),
    line_of: impl Fn(Seq) -> Option<u64>,
) -> Result<Counts, CliError> {
    let mut counts = Counts::default();
    let filter = RowFilter {
        share: Some(share),
        ..RowFilter::default()
    };
    let mut after = None;
    loop {
        let rows = outbox
            .rows(filter.clone(), after, PAGE)
            .await
            .map_err(|error| CliError::refused("read the outbox").caused_by(error))?;
        let Some(end) = rows.last() else { break };
        after = Some(end.position());
        for row in rows.iter().filter(|row| (first..=last).contains(&row.seq)) {
            if let Some(line) = line_of(row.seq)
                && let Some(why) = counts.add(row)
            {
                ui::note(format!("line {line}: {why}"));
            }
        }
    }
    Ok(counts)
}

impl Counts {
    /// Adds a row; says why its op was not applied, if it never will be.
    fn add(&mut self, row: &Row) -> Option<String> {
        match &row.outcome {
            Some(Outcome::Applied(_)) => self.applied += 1,
            Some(Outcome::Duplicate(_)) => self.duplicates += 1,
            Some(Outcome::DeadLetter(failure)) => {
                self.rejected += 1;
                return Some(format!("rejected: {failure}"));
            }
            Some(Outcome::InDoubt) => {
                self.in_doubt += 1;
                return Some(format!(
                    "whether op {} was applied can't be told",
                    row.op_id
                ));
            }
            None => self.pending += 1,
        }
        None
    }

    /// The error to end with if an op was not applied and never will be.
    pub(crate) fn check(&self) -> Result<(), CliError> {
        if self.rejected + self.in_doubt > 0 {
            return Err(CliError::refused("not every op was applied"));
        }
        Ok(())
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            applied,
            duplicates,
            rejected,
            in_doubt,
            pending,
        } = self;
        write!(
            f,
            "applied {applied}, duplicates {duplicates}, rejected {rejected}"
        )?;
        for (count, what) in [(in_doubt, "in doubt"), (pending, "pending")] {
            if *count > 0 {
                write!(f, ", {what} {count}")?;
            }
        }
        Ok(())
    }
}
