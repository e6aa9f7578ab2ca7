//! What clients see when the store is in trouble: the truth, or that there is none yet.

use capnp::ErrorKind;
use share_model::{Cursor, OpOutcome};
use share_server::ServerError;

use super::client::Session;
use super::lane::Lane;
use super::reader::{Reader, beginning};
use super::trouble::Trouble;
use super::world::{World, simulated};

fn cursors(outcomes: &[OpOutcome]) -> Vec<u64> {
    let cursors = outcomes.iter().map(|outcome| outcome.cursor());
    cursors
        .map(|cursor| cursor.map_or(0, Cursor::get))
        .collect()
}

/// Appends one batch per plan of trouble; each is acked as applied once.
async fn survives(plans: &[&[Trouble]]) {
    let world = World::start().await;
    let client = world.connect().await;
    let share_ref = client.owner_ref(1).await;
    let session = client.session(&share_ref);
    let mut lane = Lane::new(1);
    let (writer, claimed) = session.claim(&lane.claim());
    claimed.await.unwrap().unwrap();
    let (reader, sink) = Reader::at(0);
    let _subscribed = session
        .subscribe(&beginning(), sink)
        .await
        .unwrap()
        .unwrap();
    let (mut cursor, mut planned) = (0, 0);
    for plan in plans {
        world.store.plan(plan);
        planned += plan.len() as u64;
        let ack = writer
            .append(&lane.puts(&["a", "b"]))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(cursors(&ack.outcomes), [cursor + 1, cursor + 2], "{plan:?}");
        cursor += 2;
        assert_eq!(session.keys().await.1, cursor, "{plan:?}");
    }
    assert_eq!(world.store.fired(), planned, "not all trouble was made");
    let seen = reader.until("all ops", |seen| seen.cursor == cursor).await;
    assert_eq!(seen.ops, cursor);
    drop(client);
    let world = World::on(world.end().await, |_| {}).await;
    let client = world.connect().await;
    assert_eq!(client.session(&share_ref).keys().await.1, cursor);
    world.end().await;
}

#[test]
fn conflicts_and_unknowns_end_in_the_truth() {
    simulated(async || {
        survives(&[
            &[Trouble::Conflict],
            &[Trouble::UnknownCommitted],
            &[Trouble::UnknownLost],
            &[
                Trouble::Conflict,
                Trouble::UnknownLost,
                Trouble::UnknownCommitted,
            ],
            &[
                Trouble::UnknownLost,
                Trouble::UnknownLost,
                Trouble::Conflict,
            ],
        ])
        .await;
    });
}

#[test]
fn a_claim_and_a_creation_of_unknown_outcome_are_answered_truly() {
    simulated(async || {
        for trouble in [
            Trouble::Conflict,
            Trouble::UnknownCommitted,
            Trouble::UnknownLost,
        ] {
            let world = World::start().await;
            let client = world.connect().await;
            world.store.plan(&[trouble]);
            let share_ref = client.owner_ref(1).await;
            world.store.plan(&[trouble]);
            let mut lane = Lane::new(1);
            let (writer, claimed) = client.session(&share_ref).claim(&lane.claim());
            assert_eq!(claimed.await.unwrap().unwrap().incarnation.get(), 1);
            let ack = writer.append(&lane.puts(&["a"])).await.unwrap().unwrap();
            assert_eq!(ack.outcomes, [OpOutcome::Applied(Cursor::new(1))]);
            assert_eq!(world.store.fired(), 2, "{trouble:?}");
            world.end().await;
        }
    });
}

#[test]
fn endless_conflicts_are_overload_and_nothing_is_acked() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let session = client.session(&share_ref);
        let mut lane = Lane::new(1);
        let (writer, claimed) = session.claim(&lane.claim());
        claimed.await.unwrap().unwrap();
        let batch = lane.puts(&["a"]);
        world.store.plan(&[Trouble::Conflict; 8]);
        let error = writer.append(&batch).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Overloaded, "{error}");
        assert!(error.extra.contains("8 times"), "{error}");
        assert_eq!(session.keys().await.1, 0);
        // The appender has not ended.
        let ack = writer.append(&batch).await.unwrap().unwrap();
        assert_eq!(ack.outcomes, [OpOutcome::Applied(Cursor::new(1))]);
        world.end().await;
    });
}

#[test]
fn a_refusal_that_was_seen_in_a_state_that_is_thrown_away_does_not_end_its_appender() {
    simulated(async || {
        let world = World::start().await;
        let (_session, writer, mut lane) = writing(&world).await;
        let batches: Vec<_> = (0..4).map(|_| lane.puts(&["a"])).collect();
        // The first one holds the owner up, so that the next round has the other two together.
        world.store.plan(&[Trouble::None, Trouble::Conflict]);
        world.store.hold(true);
        let first = writer.append(&batches[0]);
        let mut first = Box::pin(first);
        tokio::select! {
            biased;
            outcome = &mut first => panic!("acked while commits are held: {outcome:?}"),
            () = world.store.holds_one() => {}
        }
        let (second, gap) = (writer.append(&batches[1]), writer.append(&batches[3]));
        // Nothing can tell that both have come to the owner's queue; time that stands still can:
        // it goes on only when nothing else does.
        tokio::time::timeout(
            std::time::Duration::from_millis(1),
            std::future::pending::<()>(),
        )
        .await
        .unwrap_err();
        world.store.hold(false);
        first.await.unwrap().unwrap();
        let ack = second.await.unwrap().unwrap();
        assert_eq!(ack.outcomes, [OpOutcome::Applied(Cursor::new(2))]);
        assert_eq!(gap.await.unwrap().unwrap_err().code.name(), "outOfOrder");
        assert_eq!(world.store.fired(), 1);
        world.end().await;
    });
}

async fn writing(world: &World) -> (Session, super::client::Writer, Lane) {
    let client = world.connect().await;
    let share_ref = client.owner_ref(1).await;
    let session = client.session(&share_ref);
    let mut lane = Lane::new(1);
    let (writer, claimed) = session.claim(&lane.claim());
    claimed.await.unwrap().unwrap();
    (session, writer, lane)
}

#[test]
fn no_room_is_overload_that_says_so_and_nothing_is_lost_or_kept() {
    simulated(async || {
        let world = World::start().await;
        let (session, writer, mut lane) = writing(&world).await;
        writer.append(&lane.puts(&["a"])).await.unwrap().unwrap();
        let batch = lane.puts(&["b"]);
        world.store.plan(&[Trouble::Full]);
        let error = writer.append(&batch).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Overloaded, "{error}");
        assert!(error.extra.contains("is full: make room"), "{error}");
        assert_eq!(session.keys().await, (vec!["a".to_owned()], 1));
        let ack = writer.append(&batch).await.unwrap().unwrap();
        assert_eq!(ack.outcomes, [OpOutcome::Applied(Cursor::new(2))]);
        world.end().await;
    });
}

#[test]
fn a_file_at_its_bound_of_pages_is_overload_and_nothing_is_lost() {
    simulated(async || {
        let world = World::with(|options| options.store.settings.pages_max = Some(40)).await;
        let (session, writer, mut lane) = writing(&world).await;
        let text = format!("\"{}\"", "x".repeat(60_000));
        let mut acked = 0;
        let error = loop {
            assert!(acked < 100, "the bound was never met");
            let batch = lane.batch(vec![share_model::Mutation::Put {
                key: format!("k{acked}").into(),
                json: text.clone().into(),
            }]);
            match writer.append(&batch).await {
                Ok(outcome) => acked = outcome.unwrap().cursor.get(),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind, ErrorKind::Overloaded, "{error}");
        assert!(error.extra.contains("is full"), "{error}");
        assert!(acked > 0);
        let (snapshot, at) = session.document().await.unwrap().unwrap();
        assert_eq!(at.position.cursor.get(), acked);
        drop(snapshot);
        let folder = world.end().await;
        let world = World::on(folder, |_| {}).await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let (_, at) = client
            .session(&share_ref)
            .document()
            .await
            .unwrap()
            .unwrap();
        assert_eq!((at.position.cursor.get(), at.keys), (acked, acked));
        world.end().await;
    });
}

#[test]
fn after_a_disk_failure_nothing_is_acked_and_the_server_says_that_it_must_end() {
    simulated(async || {
        let world = World::start().await;
        let (session, writer, mut lane) = writing(&world).await;
        writer.append(&lane.puts(&["a"])).await.unwrap().unwrap();
        let (reader, sink) = Reader::at(0);
        let _subscribed = session
            .subscribe(&beginning(), sink)
            .await
            .unwrap()
            .unwrap();
        reader.until("live", |seen| seen.live == [1]).await;
        world.store.plan(&[Trouble::Stop]);
        let error = writer.append(&lane.puts(&["b"])).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Disconnected, "{error}");
        let error = writer.append(&lane.puts(&["c"])).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Disconnected, "{error}");
        match super::world::soon("the failure", world.server.failed()).await {
            ServerError::Store(error) => {
                assert!(
                    error.to_string().contains("the disk failed, as planned"),
                    "{error}"
                );
            }
            other => panic!("not the store's failure: {other}"),
        }
        let seen = reader.until("the end", |seen| seen.ended.is_some()).await;
        assert_eq!(seen.cursor, 1, "an op was seen that is not durable");
        assert!(seen.ended.unwrap().retry_after_ms.is_some());
        world.end().await;
    });
}
