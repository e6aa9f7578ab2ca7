//! What a person is told afterwards.

use share_client::{LeaseEventKind, Outbox};

use crate::place::{Place, SHARE, scope, session};

#[tokio::test(start_paused = true)]
async fn events_say_who_did_what_when_and_on_whose_account() {
    let mut place = Place::new().await;
    place.delegate("p", "a").await;
    crate::place::pass(1).await;
    place.claim("c", "a").await;
    crate::place::pass(1).await;
    place.put("c", "a/x").await.unwrap();
    place.put_refused("p", "a/x").await;
    crate::place::pass(1).await;
    place.agent("p").revoke(SHARE, &scope("a")).await.unwrap();
    place.put_refused("c", "a/x").await;
    place.restart();
    let events = place.events().await;
    let told: Vec<_> = events
        .iter()
        .map(|it| {
            let by = it.session.as_ref().map(|it| it.id());
            (it.kind.name(), by, it.at.get() - 1_000_000, it.ops)
        })
        .collect();
    let expected = [
        ("delegated", Some("p"), 0, 0),
        ("claimed", Some("c"), 1000, 0),
        ("append-refused-scope-held", Some("p"), 2000, 1),
        ("revoked", Some("p"), 3000, 1),
        ("append-refused-stale-claim", Some("c"), 3000, 1),
    ];
    assert_eq!(told, expected);
    for event in &events {
        assert_eq!((event.share, &event.of.scope), (SHARE, &scope("a")));
        assert_eq!(event.child, Some(session("c")));
    }
    let mut ids: Vec<_> = events.iter().map(|it| it.id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn events_and_delegations_are_read_in_parts() {
    let place = Place::new().await;
    for _ in 0..3 {
        place.delegate("p", "a").await;
    }
    let outbox: &Outbox = &place.outbox;
    let mut after = 0;
    let mut kinds = Vec::new();
    while let [event] = outbox.lease_events(after, 1).await.unwrap().as_slice() {
        after = event.number;
        kinds.push(event.kind);
    }
    let superseded = LeaseEventKind::Ended(share_client::Ending::Superseded);
    let delegated = LeaseEventKind::Delegated;
    assert_eq!(
        kinds,
        [delegated, superseded, delegated, superseded, delegated]
    );
    let mut after = 0;
    let mut cycles = Vec::new();
    while let [it] = outbox.delegations(after, 1).await.unwrap().as_slice() {
        after = it.number;
        cycles.push((it.of.cycle.get(), it.ended.is_some()));
    }
    assert_eq!(cycles, [(1, true), (2, true), (3, false)]);
}
