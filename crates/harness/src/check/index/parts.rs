//! The parts of an index.

use std::collections::HashMap;

use share_client::{Outcome, Recovery, Row};
use share_model::{
    Cursor, Epoch, GrantId, HistoryId, Identity, Incarnation, LoggedOp, Mutation, OpId, OpOutcome,
    OutboxId, RefusalCode, Rights, Seq, ShareId, UnixMs,
};

use crate::history::{Authority, Call, Group, MadeOp, SentEntry, Trouble};

/// The server went back in time.
#[derive(Debug, Clone, Copy)]
pub(in crate::check) struct Restore {
    pub(in crate::check) number: usize,
    pub(in crate::check) at_ms: u64,
    pub(in crate::check) known: bool,
    pub(in crate::check) journal_lost: bool,
}

/// An agent asked its outbox to keep ops.
#[derive(Debug)]
pub(in crate::check) struct Enqueue<'a> {
    pub(in crate::check) number: usize,
    pub(in crate::check) share: ShareId,
    pub(in crate::check) ops: &'a [MadeOp],
    pub(in crate::check) group: Group,
    /// Of the outbox.
    pub(in crate::check) folder: &'a str,
    /// They are kept, as these.
    pub(in crate::check) identities: Option<&'a [Identity]>,
    /// The event that says that none of them is kept.
    pub(in crate::check) refused: Option<usize>,
}

impl Enqueue<'_> {
    pub(in crate::check) fn is_loose(&self) -> bool {
        self.group == Group::Loose
    }
}

/// Whether the op can be applied to any document.
pub(in crate::check) fn is_plain_put(made: &MadeOp) -> bool {
    let Mutation::Put { json, key } = &made.mutation else {
        return false;
    };
    made.depends_on.is_empty()
        && !key.is_empty()
        && serde_json::from_str::<serde_json::Value>(json).is_ok()
}

/// A claim of a lane, and what came of it.
#[derive(Debug)]
pub(in crate::check) struct Claim<'a> {
    pub(in crate::check) number: usize,
    pub(in crate::check) actor: &'a str,
    /// Of the outbox.
    pub(in crate::check) folder: &'a str,
    pub(in crate::check) share: ShareId,
    pub(in crate::check) grant: GrantId,
    pub(in crate::check) epoch: Epoch,
    pub(in crate::check) outbox: OutboxId,
    /// The incarnation that it was given, if it holds.
    pub(in crate::check) given: Option<Incarnation>,
    /// It holds: the event, the ledger's floor and highest.
    pub(in crate::check) held: Option<(usize, Seq, Seq)>,
    /// It is known that nothing came of it, or nobody knows: the event and why.
    pub(in crate::check) failed: Option<(usize, &'a Trouble)>,
}

/// A batch that was sent, and what came of it.
#[derive(Debug)]
pub(in crate::check) struct Sent<'a> {
    pub(in crate::check) number: usize,
    /// On the lane of this claim.
    pub(in crate::check) claim: Call,
    pub(in crate::check) share: ShareId,
    pub(in crate::check) grant: GrantId,
    pub(in crate::check) epoch: Epoch,
    pub(in crate::check) outbox: OutboxId,
    /// Of the outbox.
    pub(in crate::check) folder: &'a str,
    pub(in crate::check) atomic: bool,
    pub(in crate::check) expected: Option<Cursor>,
    pub(in crate::check) entries: &'a [SentEntry],
    pub(in crate::check) settled_through: Seq,
    pub(in crate::check) answer: Option<(usize, Answer<'a>)>,
}

/// What came of a batch.
#[derive(Debug, Clone, Copy)]
pub(in crate::check) enum Answer<'a> {
    Acked {
        cursor: Cursor,
        outcomes: &'a [OpOutcome],
    },
    Failed(&'a Trouble),
}

impl<'a> Sent<'a> {
    /// When it was acked, and what each entry got.
    pub(in crate::check) fn acked(
        &self,
    ) -> Option<(
        usize,
        impl Iterator<Item = (&'a SentEntry, &'a OpOutcome)> + use<'a>,
    )> {
        match self.answer {
            Some((number, Answer::Acked { outcomes, .. })) => {
                Some((number, self.entries.iter().zip(outcomes)))
            }
            Some((_, Answer::Failed(_))) | None => None,
        }
    }

    /// Whether anything was applied, as the ack says.
    pub(in crate::check) fn applied(&self) -> Option<usize> {
        let (number, mut outcomes) = self.acked()?;
        outcomes
            .any(|(_, outcome)| matches!(outcome, OpOutcome::Applied(_)))
            .then_some(number)
    }
}

/// What a share holds in the end.
#[derive(Debug)]
pub(in crate::check) struct Final<'a> {
    pub(in crate::check) number: usize,
    pub(in crate::check) history: HistoryId,
    pub(in crate::check) log: &'a [LoggedOp],
    pub(in crate::check) document: &'a std::collections::BTreeMap<String, String>,
    pub(in crate::check) cursor: Cursor,
    pub(super) places: HashMap<OpId, Vec<Cursor>>,
}

/// What an outbox says of a share in the end.
#[derive(Debug)]
pub(in crate::check) struct Listing<'a> {
    pub(in crate::check) number: usize,
    pub(in crate::check) folder: &'a str,
    pub(in crate::check) share: ShareId,
    pub(in crate::check) rows: &'a [Row],
    pub(in crate::check) recoveries: &'a [Recovery],
    pub(in crate::check) stopped: Option<RefusalCode>,
}

/// An op ended, as its outbox told.
#[derive(Debug)]
pub(in crate::check) struct Ending<'a> {
    pub(in crate::check) number: usize,
    pub(in crate::check) share: ShareId,
    pub(in crate::check) op: OpId,
    pub(in crate::check) folder: &'a str,
    pub(in crate::check) outcome: &'a Outcome,
}

/// A grant that was made.
#[derive(Debug, Clone, Copy)]
pub(in crate::check) struct Grant {
    pub(in crate::check) number: usize,
    pub(in crate::check) parent: Option<GrantId>,
    pub(in crate::check) epoch: Epoch,
    pub(in crate::check) rights: Rights,
    pub(in crate::check) expires_at: Option<UnixMs>,
}

/// An act of authority, and what came of it.
#[derive(Debug)]
pub(in crate::check) struct Act {
    pub(in crate::check) number: usize,
    pub(in crate::check) share: ShareId,
    pub(in crate::check) kind: ActKind,
    /// The event that says that it is done.
    pub(in crate::check) acked: Option<usize>,
    /// The event that says that it is known to have changed nothing.
    pub(in crate::check) refused: Option<usize>,
}

/// What an act asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::check) enum ActKind {
    End(Authority),
    Freeze(bool),
    Delete,
}

/// A share's cursor, at some moment between two events.
#[derive(Debug, Clone, Copy)]
pub(in crate::check) struct CursorRead {
    pub(in crate::check) number: usize,
    pub(in crate::check) share: ShareId,
    pub(in crate::check) cursor: Cursor,
    pub(in crate::check) since: usize,
}

/// An op that a reader was told.
#[derive(Debug)]
pub(in crate::check) struct Told<'a> {
    pub(in crate::check) number: usize,
    pub(in crate::check) actor: &'a str,
    pub(in crate::check) share: ShareId,
    pub(in crate::check) grant: GrantId,
    pub(in crate::check) op: &'a LoggedOp,
}
