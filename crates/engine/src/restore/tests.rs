//! Taking bumps that the state does not know.

use share_model::{Epoch, RefusalCode, Right, Rights, UnixMs};

use crate::fixture::*;
use crate::{BumpEpoch, EpochBumped, Grant, RESTORE_EPOCHS, ShareState};

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

/// Takes the bump; the record gives the same state when it is replayed.
fn catch_up(share: &mut Share, bump: EpochBumped) -> bool {
    share.run(|state, context| {
        let record = state.catch_up(context.now, bump);
        (record.is_some(), record)
    })
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
    let new = share.state.redeem(grant(5), &secret(5), now).unwrap();
    assert_eq!((new.epoch(), new.rights()), (Epoch::new(4), Rights::ALL));
}

#[test]
fn a_bump_of_an_epoch_that_the_state_has_or_has_passed_changes_nothing() {
    let mut share = Share::new();
    assert!(catch_up(&mut share, bump(5, 3)));
    for older in [bump(6, 3), bump(7, 2), bump(8, 1)] {
        assert!(!catch_up(&mut share, older));
    }
    assert_eq!(share.state.last_bump(), Some(bump(5, 3)));
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
    assert_eq!(share.state.last_bump(), None);
    catch_up(&mut share, bump(5, 2));
    let (head, document) = (share.state.checkpoint(), share.state.document().clone());
    let limits = *share.state.limits();
    let loaded = ShareState::from_checkpoint(&head, document, limits).unwrap();
    assert_eq!(loaded.last_bump(), Some(bump(5, 2)));
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
