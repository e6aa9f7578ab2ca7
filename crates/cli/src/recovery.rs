//! What the client did by itself about a copied outbox or a restored server, in words.

use serde::Serialize;
use share_client::{LostOps, Outbox, Recovery, RecoveryEvent};

use crate::counts::ops as counted;
use crate::error::CliError;
use crate::printable::printable;
use crate::ui;

/// Events that are read at once: more than an outbox keeps.
const PAGE: usize = 2000;

/// An event as a person, or a program, is told.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Told {
    number: u64,
    share: String,
    /// Milliseconds since 1970.
    at: u64,
    what: &'static str,
    reason: String,
    ops: u64,
    /// What the server may have lost for good.
    lost: Vec<Seqs>,
    /// What was not looked at.
    unchecked: Vec<Seqs>,
    #[serde(skip)]
    words: String,
}

/// Seqs of one lane.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Seqs {
    outbox: String,
    first: u64,
    last: u64,
}

impl Seqs {
    fn of(lost: &[LostOps]) -> Vec<Self> {
        let seqs = lost.iter().map(|lost| Self {
            outbox: lost.outbox.to_string(),
            first: lost.first.get(),
            last: lost.last.get(),
        });
        seqs.collect()
    }
}

fn listed(seqs: &[Seqs]) -> String {
    let parts = seqs.iter().map(|seqs| {
        format!(
            "seqs {} to {} of outbox {}",
            seqs.first, seqs.last, seqs.outbox
        )
    });
    parts.collect::<Vec<_>>().join(", ")
}

impl Told {
    fn of(event: &RecoveryEvent) -> Self {
        let (what, reason, ops, words) = match &event.recovery {
            Recovery::Requeued { reason, ops } => (
                "requeued",
                reason,
                *ops,
                format!(
                    "this outbox is a copy, or was restored: {}; what had no outcome goes \
                     on in a lane of its own: {}",
                    printable(reason),
                    counted(*ops)
                ),
            ),
            Recovery::FedAgain {
                reason, after, ops, ..
            } => (
                "fedAgain",
                reason,
                *ops,
                format!(
                    "the server went back in time: {}; what it did not have after seq {after} was \
                     sent again, {} that had ended among it",
                    printable(reason),
                    counted(*ops)
                ),
            ),
            Recovery::RequeuedAll { reason, ops, .. } => (
                "requeuedAll",
                reason,
                *ops,
                format!(
                    "the server went back in time: {}; all that this outbox holds goes on in a \
                     new lane: {}",
                    printable(reason),
                    counted(*ops)
                ),
            ),
        };
        let (lost, unchecked): (&[LostOps], &[LostOps]) = match &event.recovery {
            Recovery::Requeued { .. } => (&[], &[]),
            Recovery::FedAgain { lost, .. } => (lost, &[]),
            Recovery::RequeuedAll {
                lost, unchecked, ..
            } => (lost, unchecked),
        };
        let mut told = Self {
            number: event.number,
            share: event.share.to_string(),
            at: event.at.get(),
            what,
            reason: reason.clone(),
            ops,
            lost: Seqs::of(lost),
            unchecked: Seqs::of(unchecked),
            words,
        };
        told.add_lost();
        told
    }

    fn add_lost(&mut self) {
        if !self.lost.is_empty() {
            self.words += &format!(
                "; {} were applied once, are not held here any more, and may be lost on the server",
                listed(&self.lost)
            );
        }
        if !self.unchecked.is_empty() {
            self.words += &format!(
                "; {} are not held here any more, and whether the server has them was not looked at",
                listed(&self.unchecked)
            );
        }
    }

    /// When it was done: milliseconds since 1970.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// On one line.
    pub(crate) fn text(&self) -> String {
        format!("share {}: {}", self.share, self.words)
    }

    /// Says it on standard error; louder where something may be lost.
    pub(crate) fn say(&self) {
        if self.lost.is_empty() && self.unchecked.is_empty() {
            ui::note(self.text());
        } else {
            ui::warning(self.text());
        }
    }
}

/// What was done after the event with this number, oldest first.
pub(crate) async fn after(outbox: &Outbox, number: u64) -> Result<Vec<Told>, CliError> {
    let events = outbox
        .recoveries(number, PAGE)
        .await
        .map_err(|error| CliError::refused("read the outbox").caused_by(error))?;
    Ok(events.iter().map(Told::of).collect())
}

/// The number of the newest event; zero if there is none.
pub(crate) async fn newest(outbox: &Outbox) -> Result<u64, CliError> {
    let all = after(outbox, 0).await?;
    Ok(all.last().map_or(0, |told| told.number))
}

impl Told {
    /// Its place among the events.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use share_model::{OutboxId, Seq, ShareId, UnixMs};

    use super::*;

    fn told(recovery: Recovery) -> Told {
        Told::of(&RecoveryEvent {
            number: 3,
            share: ShareId::from_bytes([9; 16]),
            at: UnixMs::new(5),
            recovery,
        })
    }

    #[test]
    fn what_may_be_lost_is_told_with_its_exact_seqs_and_a_reason_steers_no_terminal() {
        let lost = |first, last| {
            vec![LostOps {
                outbox: OutboxId::from_bytes([1; 16]),
                first: Seq::new(first),
                last: Seq::new(last),
            }]
        };
        let told = told(Recovery::RequeuedAll {
            reason: "new\u{1b}history".into(),
            ops: 7,
            lost: lost(3, 9),
            unchecked: lost(1, 2),
        });
        assert_eq!(
            told.text(),
            "share 09090909090909090909090909090909: the server went back in time: \
             new\\u{1b}history; all that this outbox holds goes on in a new lane: 7 ops; seqs 3 to 9 of \
             outbox 01010101010101010101010101010101 were applied once, are not held here any more, \
             and may be lost on the server; seqs 1 to 2 of outbox 01010101010101010101010101010101 \
             are not held here any more, and whether the server has them was not looked at"
        );
    }
}
