//! Acks, and the runs in which they tell outcomes.

use share_model::{Ack, Cursor, Epoch, OpOutcome, RejectReason};

use super::error::{WireError, WireFault};
use super::field::{from_one, got, known, list_len};
use super::mutation_error::{read_mutation_error, write_mutation_error};
use super::op::{read_identity, write_identity};
use crate::op_capnp::{ack, outcome_run, rejection};

const OUTCOMES: &str = "ack.outcomes";

/// Reads the ack of a batch of `entries` entries.
///
/// # Errors
///
/// If a field is malformed, or the outcomes are not as many as the entries.
pub fn read_ack(reader: ack::Reader<'_>, entries: usize) -> Result<Ack, WireError> {
    let mut outcomes = Vec::with_capacity(entries);
    for run in got(reader.get_outcomes(), OUTCOMES)? {
        read_run(run, entries, &mut outcomes)?;
    }
    check_count(outcomes.len() as u64, entries, outcomes.len() == entries)?;
    Ok(Ack {
        cursor: Cursor::new(reader.get_cursor()),
        epoch: Epoch::new(reader.get_epoch()),
        outcomes,
    })
}

fn check_count(actual: u64, expected: usize, holds: bool) -> Result<(), WireError> {
    if holds {
        return Ok(());
    }
    Err(WireError::new(
        OUTCOMES,
        WireFault::Count { actual, expected },
    ))
}

fn read_run(
    run: outcome_run::Reader<'_>,
    entries: usize,
    outcomes: &mut Vec<OpOutcome>,
) -> Result<(), WireError> {
    let count = from_one(run.get_count(), "ack.outcomes.count")?;
    let total = outcomes.len() as u64 + u64::from(count);
    check_count(total, entries, total <= entries as u64)?;
    match known(run.which(), OUTCOMES)? {
        outcome_run::Unset(()) => return Err(WireError::new(OUTCOMES, WireFault::Unset)),
        outcome_run::Applied(first) => {
            outcomes.extend(cursors(first, count)?.map(OpOutcome::Applied));
        }
        outcome_run::Duplicate(first) => {
            outcomes.extend(cursors(first, count)?.map(OpOutcome::Duplicate));
        }
        outcome_run::Rejected(reason) => {
            let reason = read_rejection(got(reason, "ack.outcomes.rejected")?)?;
            let outcome = OpOutcome::Rejected(reason);
            outcomes.extend(std::iter::repeat_n(outcome, count as usize));
        }
        outcome_run::InDoubt(()) => {
            outcomes.extend(std::iter::repeat_n(OpOutcome::InDoubt, count as usize));
        }
        outcome_run::Abandoned(()) => {
            outcomes.extend(std::iter::repeat_n(OpOutcome::Abandoned, count as usize));
        }
    }
    Ok(())
}

/// `count` cursors from `first`, which is at least 1.
fn cursors(first: u64, count: u32) -> Result<impl Iterator<Item = Cursor>, WireError> {
    let first = from_one(first, "ack.outcomes.cursor")?;
    let last = first.checked_add(u64::from(count) - 1);
    let last = last.ok_or_else(|| WireError::new(OUTCOMES, WireFault::CursorOverflow))?;
    Ok((first..=last).map(Cursor::new))
}

/// Fills an ack; equal outcomes next to each other share a run.
///
/// # Panics
///
/// If there are more outcomes than a list can hold; a batch's limits are far below.
pub fn write_ack(ack: &Ack, mut builder: ack::Builder<'_>) {
    builder.set_cursor(ack.cursor.get());
    builder.set_epoch(ack.epoch.get());
    let runs: Vec<&[OpOutcome]> = ack.outcomes.chunk_by(follows).collect();
    let mut list = builder.init_outcomes(list_len(runs.len()));
    for (index, run) in (0..).zip(runs) {
        let mut builder = list.reborrow().get(index);
        builder.set_count(list_len(run.len()));
        match &run[0] {
            OpOutcome::Applied(first) => builder.set_applied(first.get()),
            OpOutcome::Duplicate(first) => builder.set_duplicate(first.get()),
            OpOutcome::Rejected(reason) => write_rejection(reason, builder.init_rejected()),
            OpOutcome::InDoubt => builder.set_in_doubt(()),
            OpOutcome::Abandoned => builder.set_abandoned(()),
        }
    }
}

/// Whether `next` continues a run that `outcome` is in.
fn follows(outcome: &OpOutcome, next: &OpOutcome) -> bool {
    match (outcome, next) {
        (OpOutcome::Applied(at), OpOutcome::Applied(next))
        | (OpOutcome::Duplicate(at), OpOutcome::Duplicate(next)) => {
            at.get().checked_add(1) == Some(next.get())
        }
        (OpOutcome::Rejected(_), _)
        | (OpOutcome::InDoubt, _)
        | (OpOutcome::Abandoned, _)
        | (OpOutcome::Applied(_), _)
        | (OpOutcome::Duplicate(_), _) => outcome == next && outcome.cursor().is_none(),
    }
}

fn read_rejection(reader: rejection::Reader<'_>) -> Result<RejectReason, WireError> {
    let field = "ack.outcomes.rejected";
    Ok(match known(reader.which(), field)? {
        rejection::Unset(()) => return Err(WireError::new(field, WireFault::Unset)),
        rejection::Abandoned(()) => RejectReason::Abandoned,
        rejection::DependencyMissing(identity) => {
            RejectReason::DependencyMissing(read_identity(got(identity, field)?)?)
        }
        rejection::DependencyAbandoned(identity) => {
            RejectReason::DependencyAbandoned(read_identity(got(identity, field)?)?)
        }
        rejection::DependencyUnknown(identity) => {
            RejectReason::DependencyUnknown(read_identity(got(identity, field)?)?)
        }
        rejection::InvalidMutation(error) => {
            RejectReason::InvalidMutation(read_mutation_error(got(error, field)?)?)
        }
        rejection::AtomicGroupFailed(()) => RejectReason::AtomicGroupFailed,
        rejection::CursorMismatch(mismatch) => {
            let mismatch = got(mismatch, field)?;
            RejectReason::CursorMismatch {
                expected: Cursor::new(mismatch.get_expected()),
                actual: Cursor::new(mismatch.get_actual()),
            }
        }
    })
}

fn write_rejection(reason: &RejectReason, mut builder: rejection::Builder<'_>) {
    match reason {
        RejectReason::Abandoned => builder.set_abandoned(()),
        RejectReason::DependencyMissing(identity) => {
            write_identity(identity, builder.init_dependency_missing());
        }
        RejectReason::DependencyAbandoned(identity) => {
            write_identity(identity, builder.init_dependency_abandoned());
        }
        RejectReason::DependencyUnknown(identity) => {
            write_identity(identity, builder.init_dependency_unknown());
        }
        RejectReason::InvalidMutation(error) => {
            write_mutation_error(error, builder.init_invalid_mutation());
        }
        RejectReason::AtomicGroupFailed => builder.set_atomic_group_failed(()),
        RejectReason::CursorMismatch { expected, actual } => {
            let mut mismatch = builder.init_cursor_mismatch();
            mismatch.set_expected(expected.get());
            mismatch.set_actual(actual.get());
        }
    }
}
