//! What a revocation must look like from all sides.

use super::*;

const GRANT: GrantId = GrantId::from_bytes([7; 16]);

fn refused(code: RefusalCode) -> Refusal {
    Refusal::new(code, "grant 0707 was revoked")
}

fn try_refused(what: &'static str) -> (&'static str, Result<(), ClientError>) {
    let error = ClientError::Refused(refused(RefusalCode::Revoked));
    (what, Err(error))
}

/// As it must be.
fn seen() -> Seen {
    Seen {
        grant: GRANT,
        cursor: 24,
        title: "a title".to_owned(),
        cut: Cut {
            grants: 1,
            sessions: 1,
            appenders: 0,
            viewers: 1,
            served: vec![Served {
                grant: GRANT,
                cursor: Cursor::new(24),
            }],
        },
        tail_cursor: 24,
        after_ack: 0,
        ended: Some(Some(refused(RefusalCode::Revoked))),
        entries: 0,
        tries: vec![try_refused("the revoked ref"), try_refused("the document")],
    }
}

#[track_caller]
fn assert_wrong(change: impl FnOnce(&mut Seen), words: &str) {
    let mut seen = seen();
    change(&mut seen);
    let wrongs = seen.wrongs();
    assert!(
        wrongs.len() == 1 && wrongs[0].contains(words),
        "{wrongs:?}, not {words:?}"
    );
}

#[test]
fn a_grant_that_ended_in_every_way_is_as_it_must_be() {
    assert_eq!(seen().wrongs(), Vec::<String>::new());
}

#[test]
fn a_ref_that_still_opens_the_share_is_wrong() {
    let words = "the revoked ref still opens the share";
    assert_wrong(|seen| seen.tries[0].1 = Ok(()), words);
    assert_wrong(|seen| seen.entries = 2, "2 keys were read");
}

#[test]
fn a_tail_that_goes_on_or_is_told_of_the_share_after_the_ack_is_wrong() {
    assert_wrong(|seen| seen.ended = None, "the tail goes on");
    assert_wrong(|seen| seen.ended = Some(None), "does not know why");
    let words = "the tail was told of the share 1 times after";
    assert_wrong(|seen| seen.after_ack = 1, words);
    assert_wrong(|seen| seen.tail_cursor = 23, "up to cursor 23 of 24");
}

#[test]
fn an_ack_that_does_not_say_that_the_tail_was_cut_there_is_wrong() {
    let words = "the ack of a revocation says";
    assert_wrong(|seen| seen.cut.viewers = 0, words);
    assert_wrong(|seen| seen.cut.served[0].cursor = Cursor::new(23), words);
}

#[test]
fn a_refusal_that_is_another_or_tells_of_the_share_is_wrong() {
    let expired = ClientError::Refused(refused(RefusalCode::Expired));
    assert_wrong(
        |seen| seen.tries[1].1 = Err(expired),
        "the document: refused as `expired`, not `revoked`",
    );
    let telling = Refusal::new(RefusalCode::Revoked, "`a title` is not yours");
    assert_wrong(
        |seen| seen.ended = Some(Some(telling)),
        "the tail's end: the refusal tells of the share",
    );
    let lost = ClientError::Disconnected {
        reason: "reset".into(),
    };
    assert_wrong(
        |seen| seen.tries[0].1 = Err(lost),
        "the revoked ref: not refused, but",
    );
}

#[test]
fn the_story_says_when_the_tail_heard_of_its_end() {
    let revoked = || Revocation {
        took: Duration::from_micros(3540),
        ended_before_ack: Ok(Duration::from_micros(180)),
        cursor: 24,
        wrongs: vec![],
    };
    let revocation = revoked();
    assert_eq!(revocation.took_ms(), 4);
    assert_eq!(
        revocation.told(),
        "revoked a reader's grant: acked after 3.5 ms, its live tail was cut at cursor 24 before the \
         ack and heard so 0.2 ms before it; the ref opens nothing any more"
    );
    for apart in [Ok(99), Err(99)] {
        let revocation = Revocation {
            ended_before_ack: apart
                .map(Duration::from_micros)
                .map_err(Duration::from_micros),
            ..revoked()
        };
        assert!(revocation.told().contains(" and heard so with it; "));
    }
    let wrong = Revocation {
        wrongs: vec!["the tail goes on under a revoked grant".to_owned()],
        ..revoked()
    };
    assert_eq!(
        wrong.told(),
        "revoked a reader's grant: acked after 3.5 ms, but not all of it has ended"
    );
}
