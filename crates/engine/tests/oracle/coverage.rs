//! What really happened in a run: a rule that no run reaches proves nothing.

use std::collections::BTreeMap;

use share_model::{MutationError, OpOutcome, RejectReason};

/// How often each kind of event was seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Coverage(BTreeMap<String, u64>);

/// Everything that a range of seeds must reach.
const WANTED: &[&str] = &[
    "op applied",
    "op duplicate",
    "op abandoned",
    "op rejected: abandoned",
    "op rejected: dependency missing",
    "op rejected: dependency abandoned",
    "op rejected: atomic group failed",
    "op rejected: cursor mismatch",
    "op rejected: not JSON",
    "op rejected: key too long",
    "op rejected: key absent",
    "op rejected: pointer absent",
    "op rejected: not a string",
    "op rejected: not an array",
    "op rejected: value too large",
    "op rejected: document too large",
    "batch refused: staleEpoch",
    "batch refused: expired",
    "batch refused: rightMissing",
    "batch refused: historyChanged",
    "batch refused: writerFenced",
    "batch refused: writerForked",
    "batch refused: alreadySettled",
    "batch refused: outOfOrder",
    "batch refused: windowExceeded",
    "batch refused: requeueLimit",
    "batch refused: abandonLimit",
    "batch refused: batchTooLarge",
    "batch refused: invalidRequest",
    "batch refused by an appender that had ended",
    "batch refused that moved the floor",
    "batch that changed nothing",
    "batch of an atomic group applied",
    "batch that filled a hole",
    "batch repeated, all duplicates",
    "requeued op applied",
    "requeued op duplicate",
    "requeued op duplicate in its first lane",
    "dependency on another lane applied",
    "log asked",
    "claim of a new lane",
    "claim again",
    "claim that opened a retired writer",
    "claim that retired a writer",
    "claim that let go of a lane without appends",
    "claim refused: historyChanged",
    "claim refused: writerFenced",
    "claim refused: writersExhausted",
    "claim refused: staleEpoch",
    "claim refused: expired",
    "claim refused: rightMissing",
    "epoch bumped",
    "epoch bump repeated",
    "checkpoint loaded",
];

impl Coverage {
    pub(crate) fn saw(&mut self, event: impl Into<String>) {
        *self.0.entry(event.into()).or_default() += 1;
    }

    pub(crate) fn saw_outcome(&mut self, outcome: &OpOutcome) {
        let kind = match outcome {
            OpOutcome::Applied(_) => "applied",
            OpOutcome::Duplicate(_) => "duplicate",
            OpOutcome::InDoubt => "in doubt",
            OpOutcome::Abandoned => "abandoned",
            OpOutcome::Rejected(reason) => rejected(reason),
        };
        self.saw(format!("op {kind}"));
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (event, count) in other.0 {
            *self.0.entry(event).or_default() += count;
        }
    }

    /// Panics if something that is wanted was never seen.
    pub(crate) fn assert_complete(&self) {
        let is_missing = |event: &&&str| !self.0.contains_key(**event);
        let missing: Vec<_> = WANTED.iter().filter(is_missing).collect();
        assert!(
            missing.is_empty(),
            "never seen: {missing:?}; seen: {:#?}",
            self.0
        );
    }
}

fn rejected(reason: &RejectReason) -> &'static str {
    match reason {
        RejectReason::Abandoned => "rejected: abandoned",
        RejectReason::DependencyMissing(_) => "rejected: dependency missing",
        RejectReason::DependencyAbandoned(_) => "rejected: dependency abandoned",
        RejectReason::DependencyUnknown(_) => "rejected: dependency unknown",
        RejectReason::AtomicGroupFailed => "rejected: atomic group failed",
        RejectReason::CursorMismatch { .. } => "rejected: cursor mismatch",
        RejectReason::InvalidMutation(error) => match error {
            MutationError::NotJson => "rejected: not JSON",
            MutationError::KeyEmpty => "rejected: key empty",
            MutationError::KeyTooLong { .. } => "rejected: key too long",
            MutationError::KeyAbsent => "rejected: key absent",
            MutationError::PointerAbsent => "rejected: pointer absent",
            MutationError::NotAString => "rejected: not a string",
            MutationError::NotAnArray => "rejected: not an array",
            MutationError::ValueTooLarge { .. } => "rejected: value too large",
            MutationError::DocumentTooLarge { .. } => "rejected: document too large",
            MutationError::TooDeep { .. } => "rejected: too deep",
        },
    }
}
