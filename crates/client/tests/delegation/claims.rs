//! Who may claim what.

use std::sync::Arc;

use share_client::{AgentSession, DelegateOptions, DelegationError, Ending, OutboxError};
use share_model::{Cycle, ShareId};
use tokio::sync::Barrier;

use crate::place::{Place, SHARE, refused, scope, session};

#[tokio::test(start_paused = true)]
async fn the_first_to_claim_has_the_cycle_and_may_claim_again_after_a_restart() {
    let mut place = Place::new().await;
    place.delegate("p", "a").await;
    let first = place.claim("c", "a").await;
    let DelegationError::Taken { of, holder } = place.claim_refused("d", "a").await else {
        panic!("two sessions have one cycle");
    };
    assert_eq!((of, holder), (first.of.clone(), session("c")));
    place.restart();
    let again = place.claim("c", "a").await;
    let id = |it: &share_client::Delegation| it.claim.as_ref().unwrap().id;
    assert_eq!(id(&again), id(&first), "the claim is the same one");
    let story = ["delegated", "claimed", "claim-refused", "claimed-again"];
    assert_eq!(place.story().await, story);
    assert_eq!(place.events().await[1].id, id(&first), "its event names it");
    assert_eq!(id(&first).to_bytes()[6] >> 4, 7, "a UUIDv7");
}

/// Processes that open the same file, all at once.
#[tokio::test(start_paused = true)]
async fn of_many_that_claim_at_once_one_wins() {
    for _ in 0..10 {
        let place = Place::new().await;
        place.delegate("p", "a").await;
        let barrier = Arc::new(Barrier::new(8));
        let mut claims = Vec::new();
        for at in 0..8 {
            let (outbox, barrier) = (place.open_again(), Arc::clone(&barrier));
            claims.push(tokio::spawn(async move {
                barrier.wait().await;
                let agent = outbox.agent(session(&format!("c{at}")));
                agent.claim(SHARE, &scope("a"), None).await
            }));
        }
        let mut winners = 0;
        for claim in claims {
            match claim.await.unwrap() {
                Ok(_) => winners += 1,
                Err(error) => assert!(matches!(
                    refused::<()>(Err(error)),
                    DelegationError::Taken { .. }
                )),
            }
        }
        assert_eq!(winners, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_claimed_that_was_not_delegated_just_so() {
    let place = Place::new().await;
    place.delegate("p", "a").await;
    for other in ["", "a/b", "b"] {
        let refused = place.claim_refused("c", other).await;
        assert_eq!(
            refused,
            DelegationError::NotDelegated {
                scope: scope(other)
            }
        );
    }
    let unknown = ShareId::from_bytes([8; 16]);
    let claimed = place.agent("c").claim(unknown, &scope("a"), None).await;
    assert!(matches!(claimed, Err(OutboxError::UnknownShare { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_cycle_that_is_over_is_claimed_by_nobody() {
    let place = Place::new().await;
    place.delegate("p", "a").await;
    place.claim("c", "a").await;
    place.agent("c").release(SHARE, &scope("a")).await.unwrap();
    for child in ["c", "d"] {
        let refused = place.claim_refused(child, "a").await;
        let DelegationError::CycleOver { of, ending } = refused else {
            panic!("{refused:?}");
        };
        assert_eq!((of.cycle, ending), (Cycle::new(1), Ending::Released));
    }
}

#[tokio::test(start_paused = true)]
async fn one_of_several_parents_is_named() {
    let place = Place::new().await;
    place.delegate("p", "a").await;
    place.delegate("q", "a").await;
    let DelegationError::SeveralParents { parents, .. } = place.claim_refused("c", "a").await
    else {
        panic!("it was not asked whose");
    };
    assert_eq!(parents, [session("p"), session("q")]);
    let named = place.agent("c");
    let named = named.claim(SHARE, &scope("a"), Some(&session("q"))).await;
    assert_eq!(named.unwrap().of.parent, session("q"));
    // One is left, so there is nothing to ask.
    assert_eq!(place.claim("d", "a").await.of.parent, session("p"));
}

#[tokio::test(start_paused = true)]
async fn a_session_does_not_claim_what_comes_from_itself() {
    let place = Place::new().await;
    place.delegate("p", "a").await;
    let own = |refused| matches!(refused, DelegationError::OwnDelegation { .. });
    assert!(own(place.claim_refused("p", "a").await));
    place.claim("c", "a").await;
    place.delegate("c", "a/b").await;
    assert!(own(place.claim_refused("p", "a/b").await));
    assert!(own(place.claim_refused("c", "a/b").await));
    place.claim("d", "a/b").await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_nothing_is_enqueued_under_runs_out_and_each_enqueue_renews_it() {
    let place = Place::new().await;
    let options = DelegateOptions {
        idle_max: Some(std::time::Duration::from_secs(60)),
        ..DelegateOptions::default()
    };
    let parent = place.agent("p");
    parent.delegate(SHARE, &scope("a"), options).await.unwrap();
    // It begins with the claim, not before.
    crate::place::pass(100).await;
    place.claim("c", "a").await;
    for _ in 0..3 {
        crate::place::pass(59).await;
        place.put("c", "a/x").await.unwrap();
    }
    crate::place::pass(59).await;
    assert!(matches!(
        place.put_refused("p", "a/x").await,
        DelegationError::ScopeHeld { expires_at: Some(at), .. } if at.get() == 1_000_000 + 337_000
    ));
    crate::place::pass(1).await;
    place.put("p", "a/x").await.unwrap();
    let refused = place.put_refused("c", "a/x").await;
    let stale = |ending| matches!(refused, DelegationError::StaleClaim { ending: found, .. } if found == ending);
    assert!(stale(Ending::Expired), "{refused:?}");
    let last = place.events().await.pop().unwrap();
    assert_eq!(last.kind.name(), "append-refused-stale-claim");
    let expired = place.events().await;
    let expired = expired.iter().find(|it| it.kind.name() == "expired");
    assert_eq!(expired.unwrap().session, None, "nobody did that");
}

#[tokio::test(start_paused = true)]
async fn ids_of_sessions_keep_to_their_bounds() {
    assert!(AgentSession::new("").is_err());
    assert!(AgentSession::new("i".repeat(1024)).is_ok());
    assert!(AgentSession::new("i".repeat(1025)).is_err());
    let place = Place::new().await;
    let long = "\u{1b}".repeat(1024);
    place.delegate(&long, "a").await;
    let error = place.claim_refused(&long, "a").await.to_string();
    assert!(!error.contains('\u{1b}'), "no message steers a terminal");
}
