//! What became of the ops, added up from the outbox's rows.

use share_client::{Outcome, Row};

/// The sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Ops in the outbox.
    pub(super) enqueued: u64,
    /// Times that an op was sent.
    pub(super) sent: u64,
    /// Of these, beyond its first.
    pub(super) resent: u64,
    /// Ops whose answer was that they had been applied before.
    pub(super) duplicates: u64,
    /// Ops that ended otherwise than applied, or not at all.
    pub(super) failed: u64,
}

impl Tally {
    /// Adds a row.
    pub(super) fn count(&mut self, row: &Row) {
        self.add(row.attempts, row.outcome.as_ref());
    }

    fn add(&mut self, attempts: u32, outcome: Option<&Outcome>) {
        self.enqueued += 1;
        self.sent += u64::from(attempts);
        self.resent += u64::from(attempts.saturating_sub(1));
        match outcome {
            Some(Outcome::Applied(_)) => {}
            Some(Outcome::Duplicate(_)) => self.duplicates += 1,
            Some(Outcome::DeadLetter(_) | Outcome::InDoubt) | None => self.failed += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use share_model::Cursor;

    use super::*;

    #[test]
    fn each_row_counts_once_and_each_attempt_beyond_the_first_as_sent_again() {
        let mut tally = Tally::default();
        let cursor = Cursor::new(1);
        for (attempts, outcome) in [
            (1, Some(Outcome::Applied(cursor))),
            (3, Some(Outcome::Duplicate(cursor))),
            (2, Some(Outcome::InDoubt)),
            (0, None),
        ] {
            tally.add(attempts, outcome.as_ref());
        }
        let expected = Tally {
            enqueued: 4,
            sent: 6,
            resent: 3,
            duplicates: 1,
            failed: 2,
        };
        assert_eq!(tally, expected);
    }
}
