//! The audit's ring.

use share_model::{RefusalCode, Right, Rights};

use super::*;
use crate::fixture::*;

/// A use of grant `n`, by `client`.
fn used(event: NoteEvent, n: Option<u8>, client: &str) -> Note {
    Note {
        at: UnixMs::new(5),
        last_at: UnixMs::new(6),
        count: 1,
        event,
        grant: n.map(grant),
        client: client.into(),
        cursor: Cursor::ZERO,
    }
}

#[track_caller]
fn note(share: &mut Share, note: Note) {
    share.run(|state, context| ((), state.note(context, vec![note])));
}

/// Events with their grants and counts.
fn told(share: &Share) -> Vec<(&'static str, Option<GrantId>, u64)> {
    let entries = share.state.audit(&share.context, &share.owner, 0).unwrap();
    entries
        .iter()
        .map(|entry| (entry.event.name(), entry.grant, entry.count))
        .collect()
}

#[test]
fn every_change_of_authority_has_its_entry_with_who_made_it() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    share.mint(&owner, 2, Rights::ALL);
    share.run(|state, context| {
        state
            .revoke(context, &owner, grant(2), origin("r"))
            .unwrap()
    });
    share.run(|state, context| {
        state
            .set_frozen(context, &owner, true, origin("f"))
            .unwrap()
    });
    share.run(|state, context| {
        state
            .set_frozen(context, &owner, false, origin("u"))
            .unwrap()
    });
    let two = Some(grant(2));
    assert_eq!(
        told(&share),
        [
            ("created", Some(grant(1)), 1),
            ("granted", two, 1),
            ("revoked", two, 1),
            ("frozen", None, 1),
            ("unfrozen", None, 1),
        ]
    );
    let entries = share.state.audit(&share.context, &owner, 2).unwrap();
    let revoked = &entries[0];
    assert_eq!((revoked.number, revoked.by), (3, Some(grant(1))));
    assert_eq!(revoked.origin, Some(origin("r")));
}

#[test]
fn who_only_uses_a_grant_or_has_none_pushes_no_other_entry_out() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    share.mint(&owner, 2, Rights::of(&[Right::Read]));
    for n in 0..2000_u32 {
        // A stranger who takes another name each time, and a grant's holder who does.
        let client = format!("client {n}");
        note(&mut share, used(NoteEvent::RefusedUnproven, None, &client));
        note(&mut share, used(NoteEvent::Redeemed, Some(2), &client));
        let code = u8::try_from(n % 7).unwrap();
        note(&mut share, used(NoteEvent::Refused(code), Some(2), &client));
    }
    let told = told(&share);
    assert_eq!(told[0], ("created", Some(grant(1)), 1));
    assert_eq!(told[1], ("granted", Some(grant(2)), 1));
    assert_eq!(told.len(), 2 + 1 + 2 * USES_MAX);
    let sum = |event| {
        let counts = told.iter().filter(|told| told.0 == event);
        counts.map(|told| told.2).sum::<u64>()
    };
    for event in ["refusedUnproven", "redeemed", "refused"] {
        assert_eq!(sum(event), 2000, "{event}");
    }
}

#[test]
fn the_ring_keeps_the_newest_and_numbers_go_on() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    for n in 0..1030 {
        let frozen = n % 2 == 0;
        share.run(|state, context| {
            state
                .set_frozen(context, &owner, frozen, origin("f"))
                .unwrap()
        });
    }
    let first = share.state.audit(&share.context, &owner, 0).unwrap();
    // One for the creation and 1030 more; the first 7 were overwritten.
    assert_eq!((first.len(), first[0].number), (256, 8));
    let last = share.state.audit(&share.context, &owner, 1030).unwrap();
    assert_eq!((last.len(), last[0].number), (1, 1031));
}

#[test]
fn only_the_owner_sees_the_audit() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    let admin = share.mint(&owner, 2, Rights::ALL);
    let refused = share.state.audit(&share.context, &admin, 0).unwrap_err();
    assert_eq!(refused.code, RefusalCode::RightMissing);
}

#[test]
fn a_clients_name_is_cut_where_it_is_too_long() {
    let mut share = Share::new();
    let long = format!("{}ä", "x".repeat(127));
    note(&mut share, used(NoteEvent::Redeemed, Some(1), &long));
    let entries = share.state.audit(&share.context, &share.owner, 1).unwrap();
    assert_eq!(entries[0].client, "x".repeat(127));
}
