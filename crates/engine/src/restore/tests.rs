//! Ending what the state does not know to have ended.

use share_model::{Epoch, RefusalCode, Right, Rights, UnixMs};

use crate::fixture::*;
use crate::{
    BumpEpoch, Ends, EpochBumped, Grant, GrantRevoked, MintChild, MintKind, RESTORE_EPOCHS,
    ShareDeleted, ShareState,
};

/// The bump that gave the owner with this number epoch `epoch`.
fn bump(n: u8, epoch: u64) -> EpochBumped {
    EpochBumped {
        request: request(n),
        by: grant(1),
        owner: Grant {
            id: grant(n),
            rights: Rights::ALL,
            epoch: Epoch::new(epoch),
            expires_at: None,
            label: String::new(),
            parent: None,
            origin: origin("owner"),
            secret_hash: secret(n),
            created_at: UnixMs::new(3),
        },
    }
}

/// Catches up; the records give the same state when they are replayed.
#[track_caller]
fn caught_up(share: &mut Share, ends: &Ends) -> usize {
    share.run(|state, context| {
        let records = state.catch_up(context.now, ends);
        (records.len(), records)
    })
}

/// Takes the bump; the record gives the same state when it is replayed.
fn catch_up(share: &mut Share, bump: EpochBumped) -> bool {
    let ends = Ends {
        bump: Some(bump),
        ..Ends::default()
    };
    caught_up(share, &ends) > 0
}

#[test]
fn a_bump_that_the_state_lacks_ends_all_grants_also_over_epochs_that_are_left_out() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    let now = share.context.now;
    assert!(catch_up(&mut share, bump(5, 4)));
    assert_eq!(share.state.epoch(), Epoch::new(4));
    let refused = share.state.authorize(&owner, Right::Read, now).unwrap_err();
    assert_eq!(refused.code, RefusalCode::StaleEpoch);
    let new = share.state.redeem(grant(5), &secret(5), None, now).unwrap();
    assert_eq!((new.epoch(), new.rights()), (Epoch::new(4), Rights::ALL));
}

#[test]
fn a_bump_of_an_epoch_that_the_state_has_or_has_passed_changes_nothing() {
    let mut share = Share::new();
    assert!(catch_up(&mut share, bump(5, 3)));
    for older in [bump(6, 3), bump(7, 2), bump(8, 1)] {
        assert!(!catch_up(&mut share, older));
    }
    assert_eq!(share.state.ends().bump, Some(bump(5, 3)));
}

#[test]
fn whoever_made_the_bump_gets_its_answer_again_after_it_was_taken() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    catch_up(&mut share, bump(5, 2));
    let again = BumpEpoch {
        request: request(5),
        owner_grant: grant(9),
        owner_secret_hash: secret(5),
        origin: origin("owner"),
    };
    let bumped = share.state.bump_epoch(&share.context, &owner, again);
    let (bumped, record) = bumped.unwrap();
    assert_eq!(
        (bumped.epoch, bumped.grant, record),
        (Epoch::new(2), grant(5), None)
    );
}

#[test]
fn the_last_bump_is_told_as_it_was_and_a_share_without_one_has_none() {
    let mut share = Share::new();
    assert_eq!(share.state.ends().bump, None);
    catch_up(&mut share, bump(5, 2));
    let (head, document) = (share.state.checkpoint(), share.state.document().clone());
    let limits = *share.state.limits();
    let loaded = ShareState::from_checkpoint(&head, document, limits).unwrap();
    assert_eq!(loaded.ends().bump, Some(bump(5, 2)));
}

#[test]
fn a_restore_without_a_journal_leaves_every_epoch_behind_that_may_be_lost() {
    let mut share = Share::new();
    assert_eq!(
        share.state.epoch_after_restore(),
        Epoch::new(1 + RESTORE_EPOCHS)
    );
    catch_up(&mut share, bump(5, u64::MAX));
    assert_eq!(share.state.epoch_after_restore(), Epoch::new(u64::MAX));
}

fn revoked(n: u8, epoch: u64) -> GrantRevoked {
    GrantRevoked {
        grant: grant(n),
        epoch: Epoch::new(epoch),
        by: None,
        origin: origin("revoker"),
    }
}

#[test]
fn a_revocation_that_the_state_lacks_ends_its_grant_and_is_taken_once() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    let two = share.mint(&owner, 2, Rights::ALL);
    share.mint(&two, 3, Rights::ALL);
    let ends = Ends {
        revoked: vec![revoked(2, 1)],
        ..Ends::default()
    };
    assert_eq!(caught_up(&mut share, &ends), 2, "and that it was restored");
    for n in [2, 3] {
        assert_eq!(share.redeem(n).unwrap_err().code, RefusalCode::Revoked);
    }
    assert_eq!(caught_up(&mut share, &ends), 0);
    let entries = share.state.audit(&share.context, &owner, 0).unwrap();
    let last = entries.last().unwrap();
    assert_eq!(last.event.name(), "restored");
}

#[test]
fn a_revoked_grant_that_the_state_does_not_know_is_not_made_again() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    let ends = Ends {
        revoked: vec![revoked(2, 1), revoked(3, 7)],
        ..Ends::default()
    };
    assert_eq!(caught_up(&mut share, &ends), 2, "not that of another epoch");
    let child = MintChild {
        kind: MintKind::Attenuated,
        grant: grant(2),
        secret_hash: secret(2),
        rights: Rights::ALL,
        expires_at: None,
        label: String::new(),
        sealed_for: None,
        origin: origin("child"),
    };
    let refused = share.state.mint_child(&share.context, &owner, child);
    assert_eq!(refused.unwrap_err().code, RefusalCode::Revoked);
    share.mint(&owner, 3, Rights::ALL);
    // A journal that begins with this state knows it too.
    assert_eq!(share.state.ends().revoked.len(), 1);
}

#[test]
fn a_deletion_that_the_state_lacks_deletes_it_whatever_else_ended() {
    let mut share = Share::new();
    let deleted = ShareDeleted {
        by: None,
        origin: origin("deleter"),
    };
    let ends = Ends {
        bump: Some(bump(5, 4)),
        revoked: vec![revoked(2, 1)],
        deleted: Some(deleted.clone()),
    };
    assert_eq!(caught_up(&mut share, &ends), 1);
    assert!(share.state.is_deleted());
    assert_eq!(caught_up(&mut share, &ends), 0);
    assert_eq!(share.state.ends().deleted, Some(deleted));
}
