//! Who may enqueue where, and what is stored.

use share_client::{DelegationError, Grouping, OutboxError, RowState};
use share_model::Limits;

use crate::place::{Place, SHARE, put, refused, scope, session};

#[tokio::test(start_paused = true)]
async fn a_child_appends_where_it_claimed_and_the_parent_everywhere_else() {
    let place = Place::new().await;
    place.put("p", "a/x").await.unwrap();
    place.delegate("p", "a").await;
    // Nobody holds it yet.
    place.put("p", "a/x").await.unwrap();
    place.claim("c", "a").await;
    place.put("c", "a").await.unwrap();
    place.put("c", "a/x").await.unwrap();
    place.put("p", "b").await.unwrap();
    place.put("p", "ab/x").await.unwrap();
    let refused = place.put_refused("p", "a/x").await;
    let DelegationError::ScopeHeld { of, holder, .. } = &refused else {
        panic!("{refused:?}");
    };
    assert_eq!((of.parent.id(), holder.id()), ("p", "c"));
    let text = refused.to_string();
    for word in ["`c`", "`a`", "releases", "revokes", "gone"] {
        assert!(text.contains(word), "no {word} in: {text}");
    }
    for outside in ["b", "ab", "a2/x", "c/a/x"] {
        let refused = place.put_refused("c", outside).await;
        let DelegationError::OutsideScope { key, of, .. } = refused else {
            panic!("{refused:?}");
        };
        assert_eq!((key.as_str(), of.scope.as_str()), (outside, "a"));
    }
    assert_eq!(place.rows().await.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_claimed_nothing_keeps_out_of_what_is_delegated() {
    let place = Place::new().await;
    place.put("s", "a/x").await.unwrap();
    place.delegate("p", "a").await;
    assert!(matches!(
        place.put_refused("s", "a/x").await,
        DelegationError::NotClaimed { of, .. } if of.parent == session("p")
    ));
    place.put("s", "b").await.unwrap();
    place.claim("c", "a").await;
    assert!(matches!(
        place.put_refused("s", "a/x").await,
        DelegationError::ScopeHeld { holder, .. } if holder == session("c")
    ));
    // A parent of its own children is bound by its own delegations only.
    place.delegate("s", "z").await;
    place.put("s", "a/x").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_session_left_over_from_an_earlier_cycle_appends_nowhere() {
    let mut place = Place::new().await;
    place.delegate("p", "a").await;
    place.claim("c", "a").await;
    place.agent("c").release(SHARE, &scope("a")).await.unwrap();
    place.restart();
    for key in ["a/x", "b", "session"] {
        assert!(matches!(
            place.put_refused("c", key).await,
            DelegationError::StaleClaim { .. }
        ));
    }
    // A claim elsewhere opens that, and no more.
    place.delegate("p", "b").await;
    place.claim("c", "b").await;
    place.put("c", "b/x").await.unwrap();
    assert!(matches!(
        place.put_refused("c", "a/x").await,
        DelegationError::StaleClaim { of, .. } if of.scope == scope("a")
    ));
    assert!(matches!(
        place.put_refused("c", "d").await,
        DelegationError::OutsideScope { of, .. } if of.scope == scope("b")
    ));
}

#[tokio::test(start_paused = true)]
async fn who_names_no_session_is_never_locked_out() {
    let place = Place::new().await;
    place.delegate("p", "").await;
    place.claim("c", "").await;
    place.outbox.enqueue(SHARE, put("a/x")).await.unwrap();
    assert_eq!(place.rows().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_key_outside_refuses_the_whole_call_and_nothing_of_it_is_stored() {
    let place = Place::new().await;
    place.delegate("p", "a").await;
    place.claim("c", "a").await;
    for grouping in [
        Grouping::Loose,
        Grouping::Atomic {
            expected_cursor: None,
        },
    ] {
        let ops = vec![put("a/x"), put("b/x"), put("c/x")];
        let done = place.agent("c").enqueue_all(SHARE, ops, grouping).await;
        assert!(matches!(
            refused(done),
            DelegationError::OutsideScope { key, .. } if key == "b/x"
        ));
    }
    assert!(place.rows().await.is_empty());
    let events = place.events().await;
    let event = events.last().unwrap();
    assert_eq!(event.kind.name(), "append-refused-outside-scope");
    assert_eq!((event.ops, event.key.as_deref()), (3, Some("b/x")));
    assert_eq!(event.session, Some(session("c")));
    let of_cycle = place.outbox.delegations(0, 10).await.unwrap();
    assert_eq!(of_cycle[0].ops.enqueued, 0);
}

/// Promise 2 on its way: what was good when it was stored is sent, whatever becomes of the claim.
#[tokio::test(start_paused = true)]
async fn what_was_stored_while_the_claim_was_good_stays() {
    let mut place = Place::new().await;
    place.delegate("p", "a").await;
    place.claim("c", "a").await;
    let stored = place.put("c", "a/x").await.unwrap();
    place.delegate("p", "a").await;
    place.restart();
    let rows = place.rows().await;
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].op_id, rows[0].state),
        (stored.id, RowState::Queued)
    );
}

#[tokio::test(start_paused = true)]
async fn ops_are_counted_under_the_claim_that_let_them_in() {
    let place = Place::new().await;
    place.delegate("p", "a").await;
    place.claim("c", "a").await;
    place.put("c", "a/x").await.unwrap();
    place.delegate("c", "a/b").await;
    place.claim("d", "a/b").await;
    let ops = vec![put("a/b/x"), put("a/b/y")];
    let d = place.agent("d");
    d.enqueue_all(SHARE, ops, Grouping::Loose).await.unwrap();
    place.delegate("p", "b").await;
    place.claim("c", "b").await;
    let ops = vec![put("a/x"), put("b/x"), put("b/y")];
    let c = place.agent("c");
    c.enqueue_all(SHARE, ops, Grouping::Loose).await.unwrap();
    place.put("p", "z").await.unwrap();
    let all = place.outbox.delegations(0, 10).await.unwrap();
    let counts: Vec<_> = all.iter().map(|it| it.ops.enqueued).collect();
    assert_eq!(counts, [2, 2, 2]);
    let pending: Vec<_> = all.iter().map(|it| it.ops.pending).collect();
    assert_eq!(pending, counts);
}

#[tokio::test(start_paused = true)]
async fn the_bytes_of_the_sessions_id_count_against_the_batch() {
    let mut place = Place::new().await;
    place.limit(Limits {
        // One of key, one of JSON.
        batch_bytes_max: 4,
        ..Limits::DEFAULT
    });
    place.put("ss", "k").await.unwrap();
    assert!(matches!(
        place.put("sss", "k").await,
        Err(OutboxError::OpTooLarge {
            bytes: 5,
            max: 4,
            ..
        })
    ));
    let pair = vec![put("k"), put("l")];
    let atomic = Grouping::Atomic {
        expected_cursor: None,
    };
    let done = place.agent("s").enqueue_all(SHARE, pair, atomic).await;
    assert!(matches!(
        done,
        Err(OutboxError::GroupTooLarge { bytes: 6, .. })
    ));
}
