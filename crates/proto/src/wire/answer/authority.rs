//! Answers about authority: of a share and of a factory.

use share_model::{
    AuditEntry, Cut, FactoryGrantInfo, GrantId, GrantInfo, Minted, Refusal, ToldEvent,
};

use super::super::audit::{read_audit_entry, write_audit_entry};
use super::super::authority::{read_minted, write_minted};
use super::super::cut::{read_cut, write_cut};
use super::super::error::{WireError, WireFault};
use super::super::factory_grant::{read_factory_grant_info, write_factory_grant_info};
use super::super::field::{bytes, got, items, known, list_len};
use super::super::grant_info::{read_grant_info, write_grant_info};
use super::super::refusal::{read_refusal, write_refusal};
use crate::authority_capnp::{
    audit_outcome, end_outcome, factory_grants_outcome, factory_mint_outcome,
    factory_revoke_outcome, freeze_outcome, grants_outcome, mint_outcome,
};

answers! {
    /// Reads the answer of `attenuate` or `publish`.
    mint_outcome: read_mint_outcome, write_mint_outcome, Minted init_minted -> Minted
        { read_minted, write_minted }
    /// Reads the answer of `revokeCapability` or `delete`.
    end_outcome: read_end_outcome, write_end_outcome, Ended init_ended -> Cut
        { read_cut, write_cut }
}

macro_rules! list_answers {
    ($(
        $(#[$doc:meta])*
        $module:ident: $read:ident, $write:ident, $member:ident $init:ident, at most $max:expr,
            $read_item:ident -> $told:ty, $write_item:ident <- $item:ty;
    )*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        ///
        /// If the answer is malformed or was never set, or has too many items.
        pub fn $read(
            reader: $module::Reader<'_>,
        ) -> Result<Result<Vec<$told>, Refusal>, WireError> {
            match known(reader.which(), "outcome")? {
                $module::Unset(()) => Err(WireError::new("outcome", WireFault::Unset)),
                $module::$member(list) => items(list, $max, "outcome", $read_item).map(Ok),
                $module::Refused(refusal) => Ok(Err(read_refusal(got(refusal, "outcome")?)?)),
            }
        }

        /// Fills the answer.
        ///
        /// # Panics
        ///
        /// If there are more items than a list can hold; no answer has nearly as many.
        pub fn $write(answer: &Result<Vec<$item>, Refusal>, builder: $module::Builder<'_>) {
            match answer {
                Ok(items) => {
                    let mut list = builder.$init(list_len(items.len()));
                    for (index, item) in (0..).zip(items) {
                        $write_item(item, list.reborrow().get(index));
                    }
                }
                Err(refusal) => write_refusal(refusal, builder.init_refused()),
            }
        }
    )*};
}

list_answers! {
    /// Reads the answer of `grants`.
    grants_outcome: read_grants_outcome, write_grants_outcome, Grants init_grants,
        at most GrantInfo::PAGE_MAX,
        read_grant_info -> GrantInfo, write_grant_info <- GrantInfo;
    /// Reads the answer of `audit`.
    audit_outcome: read_audit_outcome, write_audit_outcome, Entries init_entries,
        at most AuditEntry::PAGE_MAX,
        read_audit_entry -> AuditEntry<ToldEvent>, write_audit_entry <- AuditEntry;
    /// Reads the answer of a factory's `grants`.
    factory_grants_outcome: read_factory_grants_outcome, write_factory_grants_outcome,
        Grants init_grants, at most FactoryGrantInfo::COUNT_MAX,
        read_factory_grant_info -> FactoryGrantInfo, write_factory_grant_info <- FactoryGrantInfo;
}

/// Reads the answer of `freeze` or `unfreeze`: whether the share is frozen now.
///
/// # Errors
///
/// If the answer is malformed or was never set.
pub fn read_freeze_outcome(
    reader: freeze_outcome::Reader<'_>,
) -> Result<Result<bool, Refusal>, WireError> {
    match known(reader.which(), "outcome")? {
        freeze_outcome::Unset(()) => Err(WireError::new("outcome", WireFault::Unset)),
        freeze_outcome::Frozen(frozen) => Ok(Ok(frozen)),
        freeze_outcome::Refused(refusal) => Ok(Err(read_refusal(got(refusal, "outcome")?)?)),
    }
}

/// Fills the answer.
pub fn write_freeze_outcome(
    answer: &Result<bool, Refusal>,
    mut builder: freeze_outcome::Builder<'_>,
) {
    match answer {
        Ok(frozen) => builder.set_frozen(*frozen),
        Err(refusal) => write_refusal(refusal, builder.init_refused()),
    }
}

/// Reads the answer of a factory's `attenuate`: the grant.
///
/// # Errors
///
/// If the answer is malformed or was never set.
pub fn read_factory_mint_outcome(
    reader: factory_mint_outcome::Reader<'_>,
) -> Result<Result<GrantId, Refusal>, WireError> {
    match known(reader.which(), "outcome")? {
        factory_mint_outcome::Unset(()) => Err(WireError::new("outcome", WireFault::Unset)),
        factory_mint_outcome::Minted(grant) => {
            Ok(Ok(GrantId::from_bytes(bytes(grant, "outcome.minted")?)))
        }
        factory_mint_outcome::Refused(refusal) => Ok(Err(read_refusal(got(refusal, "outcome")?)?)),
    }
}

/// Fills the answer.
pub fn write_factory_mint_outcome(
    answer: &Result<GrantId, Refusal>,
    mut builder: factory_mint_outcome::Builder<'_>,
) {
    match answer {
        Ok(grant) => builder.set_minted(&grant.to_bytes()),
        Err(refusal) => write_refusal(refusal, builder.init_refused()),
    }
}

/// Reads the answer of a factory's `revoke`: whether the grant was in force until now.
///
/// # Errors
///
/// If the answer is malformed or was never set.
pub fn read_factory_revoke_outcome(
    reader: factory_revoke_outcome::Reader<'_>,
) -> Result<Result<bool, Refusal>, WireError> {
    match known(reader.which(), "outcome")? {
        factory_revoke_outcome::Unset(()) => Err(WireError::new("outcome", WireFault::Unset)),
        factory_revoke_outcome::Revoked(revoked) => Ok(Ok(revoked)),
        factory_revoke_outcome::Refused(refusal) => {
            Ok(Err(read_refusal(got(refusal, "outcome")?)?))
        }
    }
}

/// Fills the answer.
pub fn write_factory_revoke_outcome(
    answer: &Result<bool, Refusal>,
    mut builder: factory_revoke_outcome::Builder<'_>,
) {
    match answer {
        Ok(revoked) => builder.set_revoked(*revoked),
        Err(refusal) => write_refusal(refusal, builder.init_refused()),
    }
}
