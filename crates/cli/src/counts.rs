//! What became of the ops that a command has enqueued. Followed by their ids: the seq and the lane of
//! an op may be others by the time it ends.

use std::fmt;

use serde::Serialize;
use share_client::{Outbox, Outcome, Resolution, Row};
use share_model::{OpId, ShareId};

use crate::error::CliError;
use crate::printable::printable;
use crate::ui;

/// Rows of the outbox that are read at once.
const PAGE: usize = 1000;

/// The ops of a command, and on which lines of its input they stand. Sixteen bytes for each op, and
/// a few for each line.
#[derive(Debug, Default)]
pub(crate) struct OpLines {
    ids: Vec<OpId>,
    /// Lines, in the order of their ops: how many ops there are up to the end of each.
    lines: Vec<(u64, usize)>,
}

impl OpLines {
    /// The op stands on this line. Lines come in their order.
    pub(crate) fn note(&mut self, line: u64, op: OpId) {
        self.ids.push(op);
        let through = self.ids.len();
        match self.lines.last_mut() {
            Some(last) if last.0 == line => last.1 = through,
            _ => self.lines.push((line, through)),
        }
    }

    /// The line of the op that was noted after `before` others.
    fn line_of(&self, before: usize) -> u64 {
        let at = self
            .lines
            .partition_point(|(_, through)| *through <= before);
        self.lines.get(at).map_or(0, |(line, _)| *line)
    }
}

/// So many ops, in words.
pub(crate) fn ops(count: u64) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} op{plural}")
}

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

/// Counts how the ops of a share stand, and names those that were not applied by their lines. One
/// that was sent as a new op stands as that does.
pub(crate) async fn count(
    outbox: &Outbox,
    share: ShareId,
    ops: &OpLines,
) -> Result<Counts, CliError> {
    let mut counts = Counts::default();
    let mut before = 0;
    for page in ops.ids.chunks(PAGE) {
        for mut row in rows(outbox, share, page.to_vec()).await? {
            while let Some(Resolution::SentAsNew(new)) = row.as_ref().and_then(|row| row.resolution)
            {
                row = rows(outbox, share, vec![new]).await?.pop().flatten();
            }
            if let Some(why) = counts.add(row.as_ref()) {
                ui::note(format!("line {}: {}", ops.line_of(before), printable(&why)));
            }
            before += 1;
        }
    }
    Ok(counts)
}

async fn rows(
    outbox: &Outbox,
    share: ShareId,
    ops: Vec<OpId>,
) -> Result<Vec<Option<Row>>, CliError> {
    outbox
        .rows_of(share, ops)
        .await
        .map_err(|error| CliError::refused("read the outbox").caused_by(error))
}

impl Counts {
    /// Adds an op; says why it was not applied, if it never will be.
    fn add(&mut self, row: Option<&Row>) -> Option<String> {
        let Some(row) = row else {
            // What has not ended is never let go of, nor what waits for a person: this one was
            // applied, and its retention is over.
            self.applied += 1;
            return None;
        };
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
            return Err(CliError::refused("not every op was applied")
                .hint("`share doctor` says what can be done about it"));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_op_is_on_the_line_that_it_was_noted_with() {
        let mut ops = OpLines::default();
        for (line, op) in [(2, 1), (2, 2), (5, 3), (9, 4), (9, 5)] {
            ops.note(line, OpId::from_bytes([op; 16]));
        }
        let lines: Vec<_> = (0..5).map(|before| ops.line_of(before)).collect();
        assert_eq!(lines, [2, 2, 5, 9, 9]);
        assert_eq!(ops.lines.len(), 3);
    }
}
