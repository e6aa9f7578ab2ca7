//! Many outboxes that each say a little and go: the bounds of `docs/design.md` §3 are on open
//! writers, and a writer with nothing unsettled gives its place.

use share_client::{Flusher, NewOp};
use share_model::{Limits, Mutation};
use share_tests::{Cuts, World, by_each_way};

#[test]
fn writers_that_are_done_give_their_place_to_later_ones() {
    by_each_way(|| share_tests::simulate(1, many_writers()));
}

async fn many_writers() {
    let mut world = World::start(
        1,
        Cuts {
            connections: 0,
            bytes_max: 1,
        },
    )
    .await;
    let share_ref = world.create_share().await;
    let writers = Limits::DEFAULT.open_writers_max + 6;
    for number in 0..writers {
        let outbox = world.outbox(&format!("client {number}"));
        outbox
            .use_ref(share_ref.clone())
            .await
            .expect("the outbox keeps the ref");
        let put = Mutation::Put {
            key: format!("writer/{number}").into(),
            json: "1".into(),
        };
        outbox
            .enqueue(share_ref.share, NewOp::of(put))
            .await
            .expect("an op is enqueued");
        let (flusher, flushing) = Flusher::run_local(&outbox, world.flusher_options());
        let flushing = tokio::task::spawn_local(flushing);
        let report = flusher.flush().await.expect("the flusher runs");
        assert_eq!(
            (report.progress.applied, report.pending),
            (1, 0),
            "writer {number}: {report:?}"
        );
        flusher.stop().await.expect("the flusher ends");
        flushing.await.expect("the flusher's task ends");
    }
    let session = world.redeem(&share_ref).await;
    let at = session
        .document(|_, _| ())
        .await
        .expect("the document is read");
    assert_eq!(at.position.cursor.get(), u64::from(writers));
    let infos = session.writers().await.expect("the writers are read");
    let retired = infos.iter().filter(|info| info.retired).count();
    assert_eq!((infos.len(), retired), (70, 6));
    drop(session);
    world.stop_server().await;
}
