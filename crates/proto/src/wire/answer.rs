//! Answers: a value, or the refusal in its place.

use share_model::{
    Ack, BackupMade, Bumped, Claimed, CreatedShare, FactoryRedeemed, GrantId, LogPosition,
    Redeemed, Refusal, SnapshotAt, WriterInfo,
};

use super::backup::{read_backup_made, write_backup_made};
use super::error::{WireError, WireFault};
use super::field::{got, known, list_len};
use super::log::{read_log_position, read_snapshot_at, write_log_position, write_snapshot_at};
use super::outcome::{read_ack, write_ack};
use super::refusal::{read_refusal, write_refusal};
use super::session::{
    read_bumped, read_claimed, read_created, read_factory_redeemed, read_redeemed,
    read_redeemed_of, read_writer_info, write_bumped, write_claimed, write_created,
    write_factory_redeemed, write_redeemed, write_writer_info,
};
use crate::share_capnp::{
    append_outcome, backup_outcome, bump_outcome, claim_outcome, create_outcome, factory_outcome,
    redeem_outcome, snapshot_outcome, subscribe_outcome, writers_outcome,
};

macro_rules! answers {
    ($(
        $(#[$doc:meta])*
        $module:ident: $read:ident, $write:ident, $member:ident $init:ident -> $value:ty
            { $read_value:path, $write_value:path }
    )*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        ///
        /// If the answer is malformed or was never set.
        pub fn $read(
            reader: $module::Reader<'_>,
        ) -> Result<Result<$value, Refusal>, WireError> {
            match known(reader.which(), "outcome")? {
                $module::Unset(()) => Err(WireError::new("outcome", WireFault::Unset)),
                $module::$member(value) => Ok(Ok($read_value(got(value, "outcome")?)?)),
                $module::Refused(refusal) => Ok(Err(read_refusal(got(refusal, "outcome")?)?)),
            }
        }

        /// Fills the answer.
        pub fn $write(answer: &Result<$value, Refusal>, builder: $module::Builder<'_>) {
            match answer {
                Ok(value) => $write_value(value, builder.$init()),
                Err(refusal) => write_refusal(refusal, builder.init_refused()),
            }
        }
    )*};
}

// Below the macro that it uses.
mod authority;

pub use authority::{
    read_audit_outcome, read_end_outcome, read_factory_grants_outcome, read_factory_mint_outcome,
    read_factory_revoke_outcome, read_freeze_outcome, read_grants_outcome, read_mint_outcome,
    write_audit_outcome, write_end_outcome, write_factory_grants_outcome,
    write_factory_mint_outcome, write_factory_revoke_outcome, write_freeze_outcome,
    write_grants_outcome, write_mint_outcome,
};

answers! {
    /// Reads the answer of `redeemShare` or `redeemSlug`.
    redeem_outcome: read_redeem_outcome, write_redeem_outcome, Redeemed init_redeemed -> Redeemed
        { read_redeemed, write_redeemed }
    /// Reads the answer of `redeemFactory`.
    factory_outcome: read_factory_outcome, write_factory_outcome, Redeemed init_redeemed
        -> FactoryRedeemed { read_factory_redeemed, write_factory_redeemed }
    /// Reads the answer of `createShare`.
    create_outcome: read_create_outcome, write_create_outcome, Created init_created
        -> CreatedShare { read_created, write_created }
    /// Reads the answer of `claimWriter`.
    claim_outcome: read_claim_outcome, write_claim_outcome, Claimed init_claimed -> Claimed
        { read_claimed, write_claimed }
    /// Reads the answer of `document`.
    snapshot_outcome: read_snapshot_outcome, write_snapshot_outcome, At init_at -> SnapshotAt
        { read_snapshot_at, write_snapshot_at }
    /// Reads the answer of `subscribe`.
    subscribe_outcome: read_subscribe_outcome, write_subscribe_outcome, Subscribed init_subscribed
        -> LogPosition { read_log_position, write_log_position }
    /// Reads the answer of `bumpEpoch`.
    bump_outcome: read_bump_outcome, write_bump_outcome, Bumped init_bumped -> Bumped
        { read_bumped, write_bumped }
    /// Reads the answer of `backup`.
    backup_outcome: read_backup_outcome, write_backup_outcome, Made init_made -> BackupMade
        { read_backup_made, write_backup_made }
}

/// Reads the answer of `redeemShare` or `redeemSlug`, by who redeemed `grant`: as [`read_redeemed_of`].
///
/// # Errors
///
/// As [`read_redeem_outcome`].
pub fn read_redeem_outcome_of(
    reader: redeem_outcome::Reader<'_>,
    grant: GrantId,
) -> Result<Result<Redeemed, Refusal>, WireError> {
    match known(reader.which(), "outcome")? {
        redeem_outcome::Redeemed(redeemed) => {
            Ok(Ok(read_redeemed_of(got(redeemed, "outcome")?, grant)?))
        }
        redeem_outcome::Unset(()) | redeem_outcome::Refused(_) => read_redeem_outcome(reader),
    }
}

/// Reads the answer of `appendOps` to a batch of `entries` entries.
///
/// # Errors
///
/// If the answer is malformed or was never set, or does not fit the batch.
pub fn read_append_outcome(
    reader: append_outcome::Reader<'_>,
    entries: usize,
) -> Result<Result<Ack, Refusal>, WireError> {
    match known(reader.which(), "outcome")? {
        append_outcome::Unset(()) => Err(WireError::new("outcome", WireFault::Unset)),
        append_outcome::Ack(ack) => Ok(Ok(read_ack(got(ack, "outcome")?, entries)?)),
        append_outcome::Refused(refusal) => Ok(Err(read_refusal(got(refusal, "outcome")?)?)),
    }
}

/// Fills the answer.
///
/// # Panics
///
/// As [`write_ack`].
pub fn write_append_outcome(answer: &Result<Ack, Refusal>, builder: append_outcome::Builder<'_>) {
    match answer {
        Ok(ack) => write_ack(ack, builder.init_ack()),
        Err(refusal) => write_refusal(refusal, builder.init_refused()),
    }
}

/// Reads the answer of `writers`.
///
/// # Errors
///
/// If the answer is malformed or was never set.
pub fn read_writers_outcome(
    reader: writers_outcome::Reader<'_>,
) -> Result<Result<Vec<WriterInfo>, Refusal>, WireError> {
    match known(reader.which(), "outcome")? {
        writers_outcome::Unset(()) => Err(WireError::new("outcome", WireFault::Unset)),
        // Collecting results allocates as items are read, not by the length that the peer claims.
        writers_outcome::Writers(list) => got(list, "outcome.writers")?
            .iter()
            .enumerate()
            .map(|(index, writer)| read_writer_info(writer).map_err(|error| error.at(index)))
            .collect::<Result<_, _>>()
            .map(Ok),
        writers_outcome::Refused(refusal) => Ok(Err(read_refusal(got(refusal, "outcome")?)?)),
    }
}

/// Fills the answer.
///
/// # Panics
///
/// If there are more writers than a list can hold; the limits are far below.
pub fn write_writers_outcome(
    answer: &Result<Vec<WriterInfo>, Refusal>,
    builder: writers_outcome::Builder<'_>,
) {
    match answer {
        Ok(writers) => {
            let mut list = builder.init_writers(list_len(writers.len()));
            for (index, writer) in (0..).zip(writers) {
                write_writer_info(writer, list.reborrow().get(index));
            }
        }
        Err(refusal) => write_refusal(refusal, builder.init_refused()),
    }
}
