//! How cycles follow each other, and how each ends.

use share_client::{DelegateOptions, Delegation, DelegationError, Ending, Gone};
use share_model::Cycle;

use crate::place::{Place, SHARE, refused, scope, session};

async fn numbered(place: &Place, cycle: u64) -> Result<Delegation, DelegationError> {
    let options = DelegateOptions {
        cycle: Some(Cycle::new(cycle)),
        ..DelegateOptions::default()
    };
    let done = place.agent("p").delegate(SHARE, &scope("a"), options).await;
    match done {
        Ok(delegation) => Ok(delegation),
        error => Err(refused(error)),
    }
}

#[tokio::test(start_paused = true)]
async fn cycles_count_up_for_each_scope_and_parent() {
    let place = Place::new().await;
    let cycle = |it: Delegation| it.of.cycle.get();
    assert_eq!(cycle(place.delegate("p", "a").await), 1);
    assert_eq!(cycle(place.delegate("p", "a").await), 2);
    assert_eq!(cycle(place.delegate("p", "b").await), 1);
    assert_eq!(cycle(place.delegate("q", "a").await), 1);
    assert_eq!(cycle(place.delegate("p", "a").await), 3);
}

/// A parent that is killed before it hears the answer says it again.
#[tokio::test(start_paused = true)]
async fn a_cycle_that_the_parent_numbers_is_delegated_once() {
    let mut place = Place::new().await;
    let first = numbered(&place, 4).await.unwrap();
    place.restart();
    place.claim("c", "a").await;
    let again = numbered(&place, 4).await.unwrap();
    assert_eq!(again.number, first.number);
    assert_eq!(again.claim.unwrap().child, session("c"), "the claim lives");
    assert_eq!(place.story().await, ["delegated", "claimed"]);
    let behind = numbered(&place, 3).await.unwrap_err();
    assert!(matches!(
        behind,
        DelegationError::CycleBehind { current, .. } if current == Cycle::new(4)
    ));
    let zero = numbered(&place, 0).await.unwrap_err();
    assert!(matches!(zero, DelegationError::CycleBehind { .. }));
    place.agent("c").release(SHARE, &scope("a")).await.unwrap();
    let over = numbered(&place, 4).await.unwrap_err();
    assert!(matches!(over, DelegationError::CycleOver { .. }));
    assert_eq!(numbered(&place, 9).await.unwrap().of.cycle, Cycle::new(9));
}

/// Five ways out; after each the parent is in and the child is not.
#[tokio::test(start_paused = true)]
async fn however_a_claim_ends_the_parent_is_in_again_and_the_child_is_out() {
    for ending in [
        Ending::Released,
        Ending::Revoked,
        Ending::Superseded,
        Ending::SessionGone,
        Ending::Expired,
    ] {
        let mut place = Place::new().await;
        let options = DelegateOptions {
            cycle: None,
            idle_max: Some(std::time::Duration::from_secs(60)),
        };
        let parent = place.agent("p");
        let delegated = parent.delegate(SHARE, &scope("a"), options).await;
        let number = delegated.unwrap().number;
        place.claim("c", "a").await;
        place.put("c", "a/x").await.unwrap();
        place.put_refused("p", "a/x").await;
        place.restart();
        let (parent, a) = (place.agent("p"), scope("a"));
        match ending {
            Ending::Released => drop(place.agent("c").release(SHARE, &a).await.unwrap()),
            Ending::Revoked => drop(parent.revoke(SHARE, &a).await.unwrap()),
            Ending::Superseded => drop(parent.delegate(SHARE, &a, options).await.unwrap()),
            Ending::SessionGone => {
                let gone = Gone::Sessions(vec![session("c")]);
                drop(parent.reconcile(SHARE, gone).await.unwrap());
            }
            _ => crate::place::pass(60).await,
        }
        place.put("p", "a/x").await.unwrap();
        let stale = place.put_refused("c", "a/x").await;
        assert!(
            matches!(stale, DelegationError::StaleClaim { ending: found, .. } if found == ending),
            "{stale:?}"
        );
        let all = place.outbox.delegations(0, 100).await.unwrap();
        let ended = all.iter().find(|it| it.number == number).unwrap();
        assert_eq!(ended.ended.unwrap().1, ending);
        assert_eq!((ended.ops.enqueued, ended.ops.pending), (1, 1));
        let events = place.events().await;
        let end = events.iter().find(|it| it.kind.name() == ending.name());
        let by = end.unwrap().session.as_ref().map(|it| it.id().to_owned());
        let expected = match ending {
            Ending::Released => Some("c".to_owned()),
            Ending::Expired => None,
            _ => Some("p".to_owned()),
        };
        assert_eq!((by, end.unwrap().ops), (expected, 1), "{ending:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_of_an_earlier_cycle_blocks_nobody() {
    let place = Place::new().await;
    place.delegate("p", "a").await;
    place.claim("c", "a").await;
    place.delegate("p", "a").await;
    place.put("p", "a/x").await.unwrap();
    place.claim("d", "a").await;
    place.put("d", "a/x").await.unwrap();
    place.put_refused("p", "a/x").await;
    place.put_refused("c", "a/x").await;
    // Its own claim of the current cycle lets it in again.
    place.delegate("p", "a").await;
    place.claim("c", "a").await;
    place.put("c", "a/x").await.unwrap();
    assert!(matches!(
        place.put_refused("d", "a/x").await,
        DelegationError::StaleClaim { of, .. } if of.cycle == Cycle::new(2)
    ));
}

#[tokio::test(start_paused = true)]
async fn a_parents_open_scopes_do_not_overlap() {
    let place = Place::new().await;
    place.delegate("p", "a/b").await;
    for wider in ["", "a", "a/b/c"] {
        let options = DelegateOptions::default();
        let done = place
            .agent("p")
            .delegate(SHARE, &scope(wider), options)
            .await;
        let DelegationError::Overlaps { with, .. } = refused(done) else {
            panic!("{wider} and a/b are delegated both");
        };
        assert_eq!(with.scope, scope("a/b"));
    }
    place.delegate("p", "a/bb").await;
    place.delegate("q", "a").await;
    place.agent("p").revoke(SHARE, &scope("a/b")).await.unwrap();
    place
        .agent("p")
        .revoke(SHARE, &scope("a/bb"))
        .await
        .unwrap();
    place.delegate("p", "").await;
}

#[tokio::test(start_paused = true)]
async fn a_child_delegates_within_what_it_holds_and_no_longer() {
    let place = Place::new().await;
    place.delegate("p", "a").await;
    place.claim("c", "a").await;
    place.delegate("c", "a/b").await;
    place.claim("d", "a/b").await;
    place.put("d", "a/b/x").await.unwrap();
    place.put("c", "a/x").await.unwrap();
    place.put_refused("c", "a/b/x").await;
    let options = DelegateOptions::default();
    let beyond = place.agent("c").delegate(SHARE, &scope("b"), options).await;
    assert!(matches!(refused(beyond), DelegationError::NotHeld { .. }));

    place.agent("p").revoke(SHARE, &scope("a")).await.unwrap();
    assert!(matches!(
        place.put_refused("d", "a/b/x").await,
        DelegationError::StaleClaim {
            ending: Ending::WithItsParent,
            ..
        }
    ));
    let beyond = place
        .agent("c")
        .delegate(SHARE, &scope("a/b"), options)
        .await;
    assert!(matches!(refused(beyond), DelegationError::NotHeld { .. }));
    place.put("p", "a/b/x").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_end_may_be_said_again() {
    let place = Place::new().await;
    let (a, p, c) = (scope("a"), place.agent("p"), place.agent("c"));
    assert!(matches!(
        refused(c.release(SHARE, &a).await),
        DelegationError::NeverClaimed { .. }
    ));
    assert!(matches!(
        refused(p.revoke(SHARE, &a).await),
        DelegationError::NeverDelegated { .. }
    ));
    place.delegate("p", "a").await;
    place.claim("c", "a").await;
    for _ in 0..2 {
        let released = c.release(SHARE, &a).await.unwrap();
        assert_eq!(released.ended.unwrap().1, Ending::Released);
        let revoked = p.revoke(SHARE, &a).await.unwrap();
        assert_eq!(revoked.ended.unwrap().1, Ending::Released);
    }
    assert_eq!(place.story().await, ["delegated", "claimed", "released"]);
}

#[tokio::test(start_paused = true)]
async fn a_parent_ends_the_claims_of_those_it_says_are_gone_and_of_no_other() {
    let mut place = Place::new().await;
    for (parent, scope, child) in [("p", "a", "c"), ("p", "b", "d"), ("q", "a", "e")] {
        place.delegate(parent, scope).await;
        let agent = place.agent(child);
        let (scope, parent) = (crate::place::scope(scope), session(parent));
        agent.claim(SHARE, &scope, Some(&parent)).await.unwrap();
    }
    place.delegate("p", "c").await;
    place.restart();
    let p = place.agent("p");
    let state = |them: &[Delegation]| -> Vec<_> {
        them.iter()
            .map(|it| (it.of.scope.as_str().to_owned(), it.ended.map(|end| end.1)))
            .collect()
    };
    let gone = Some(Ending::SessionGone);
    let seen = p.reconcile(SHARE, Gone::Nobody).await.unwrap();
    let named = |name: &str, ended| (name.to_owned(), ended);
    let all = [named("a", None), named("b", None), named("c", None)];
    assert_eq!(state(&seen), all);
    let one = Gone::Sessions(vec![session("d"), session("e")]);
    let seen = p.reconcile(SHARE, one).await.unwrap();
    let all = [named("a", None), named("b", gone), named("c", None)];
    assert_eq!(state(&seen), all);
    let seen = p.reconcile(SHARE, Gone::Everybody).await.unwrap();
    let all = [named("a", gone), named("b", gone), named("c", None)];
    assert_eq!(state(&seen), all, "what nobody claimed waits");
    place.put("e", "a/x").await.unwrap();
}
