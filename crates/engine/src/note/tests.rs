//! Notes of how grants are used.

use share_model::{AuditEvent, Cursor, GrantId, Rights, UnixMs, Usage};

use super::*;
use crate::fixture::*;

pub(crate) fn note(event: NoteEvent, n: Option<u8>, at: u64) -> Note {
    Note {
        at: UnixMs::new(at),
        last_at: UnixMs::new(at + 1),
        count: 2,
        event,
        grant: n.map(grant),
        client: "share/1".into(),
        cursor: Cursor::new(at),
    }
}

#[track_caller]
fn noted(share: &mut Share, notes: Vec<Note>) -> bool {
    share.run(|state, context| {
        let record = state.note(context, notes);
        (record.is_some(), record)
    })
}

fn usage(share: &Share, id: GrantId) -> Usage {
    share.state.head.grants.get(id).unwrap().usage
}

#[test]
fn notes_say_how_often_and_when_a_grant_was_used() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    share.mint(&owner, 2, Rights::ALL);
    assert!(noted(
        &mut share,
        vec![
            note(NoteEvent::Redeemed, Some(2), 10),
            note(NoteEvent::Read, Some(2), 20),
            note(NoteEvent::Refused(4), Some(2), 30),
        ]
    ));
    assert!(noted(
        &mut share,
        vec![
            note(NoteEvent::Redeemed, Some(2), 40),
            // Told late: neither the time nor the cursor goes back.
            note(NoteEvent::Read, Some(2), 15),
        ]
    ));
    let at = |ms| Some(UnixMs::new(ms));
    let expected = Usage {
        redeems: 4,
        first_redeemed_at: at(10),
        last_redeemed_at: at(41),
        first_appended_at: None,
        last_read_at: at(21),
        last_read_cursor: Cursor::new(20),
        refusals: 2,
        last_refused_at: at(31),
    };
    assert_eq!(usage(&share, grant(2)), expected);
    assert_eq!(usage(&share, grant(1)), Usage::default());
}

#[test]
fn notes_of_nobody_who_is_known_make_no_record() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    assert!(!noted(
        &mut share,
        vec![note(NoteEvent::Redeemed, Some(7), 1)]
    ));
    assert!(!noted(&mut share, Vec::new()));
    assert!(noted(
        &mut share,
        vec![note(NoteEvent::RefusedUnproven, None, 1)]
    ));
    share.run(|state, context| state.delete(context, &owner, origin("o")).unwrap());
    assert!(!noted(
        &mut share,
        vec![note(NoteEvent::Redeemed, Some(1), 1)]
    ));
}

#[test]
fn the_first_append_under_a_grant_is_noted_by_itself_and_once() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    let two = share.mint(&owner, 2, Rights::ALL);
    let mut appender = share.claim_by(&two, A);
    let mut send = |share: &mut Share, seq, op| {
        let batch = batch(vec![entry(seq, op)]);
        share.send_by(&two, &mut appender, 0, &batch).unwrap();
    };
    // Rejected: nothing was appended yet.
    send(&mut share, 1, text(1));
    assert_eq!(usage(&share, grant(2)).first_appended_at, None);
    share.context.now = UnixMs::new(1500);
    send(&mut share, 2, put(2));
    share.context.now = UnixMs::new(1600);
    send(&mut share, 3, put(3));
    let first = Some(UnixMs::new(1500));
    assert_eq!(usage(&share, grant(2)).first_appended_at, first);
    let audit = share.state.audit(&share.context, &owner, 0).unwrap();
    let first: Vec<_> = audit
        .iter()
        .filter(|entry| entry.event == AuditEvent::AppendedFirst)
        .map(|entry| (entry.grant, entry.at))
        .collect();
    assert_eq!(first, [(Some(grant(2)), UnixMs::new(1500))]);
}
