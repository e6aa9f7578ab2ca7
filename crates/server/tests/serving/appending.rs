//! Claims and appends over the wire.

use share_model::{Ack, Cursor, Epoch, OpOutcome, RefusalCode, RefusalDetail, Seq};

use super::client::{Outcome, Session};
use super::lane::Lane;
use super::world::{World, connect_tcp, data_in, over_tcp, real_time, simulated};

fn applied(cursors: &[u64]) -> Vec<OpOutcome> {
    let cursors = cursors.iter().map(|cursor| Cursor::new(*cursor));
    cursors.map(OpOutcome::Applied).collect()
}

fn duplicate(cursors: &[u64]) -> Vec<OpOutcome> {
    let cursors = cursors.iter().map(|cursor| Cursor::new(*cursor));
    cursors.map(OpOutcome::Duplicate).collect()
}

#[track_caller]
fn ack(outcome: Outcome<Ack>) -> Ack {
    outcome.unwrap().unwrap()
}

#[track_caller]
fn code(outcome: Outcome<Ack>) -> RefusalCode {
    outcome.unwrap().unwrap_err().code
}

#[test]
fn redeem_claim_and_append_pipeline_without_waiting_for_an_answer() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let mut lane = Lane::new(1);
        let (session, redeemed) = client.redeem(&share_ref);
        let (writer, claimed) = session.claim(&lane.claim());
        let first = writer.append(&lane.puts(&["a", "b"]));
        let second = writer.append(&lane.puts(&["c"]));
        // Asked for in the wrong order: the calls were all made before any answer was there.
        assert_eq!(ack(second.await).outcomes, applied(&[3]));
        assert_eq!(ack(first.await).outcomes, applied(&[1, 2]));
        let claimed = claimed.await.unwrap().unwrap();
        assert_eq!((claimed.incarnation.get(), claimed.writer), (1, None));
        let redeemed = redeemed.await.unwrap().unwrap();
        assert_eq!(redeemed.share, share_ref.share);
        assert_eq!(
            (redeemed.title.as_str(), redeemed.epoch),
            ("share 1", Epoch::new(1))
        );
        assert_eq!(
            session.keys().await,
            (vec!["a".into(), "b".into(), "c".into()], 3)
        );
        let writers = session.writers().await.unwrap().unwrap();
        assert_eq!(writers.len(), 1);
        assert_eq!(
            (writers[0].number.get(), writers[0].highest),
            (1, Seq::new(3))
        );
        world.end().await;
    });
}

#[test]
fn the_same_works_over_tcp_with_a_thread_for_each_part() {
    real_time(async || {
        let folder = tempfile::tempdir().unwrap();
        let server = over_tcp(&data_in(&folder)).await;
        let client = connect_tcp(server.address(), &data_in(&folder)).await;
        let share_ref = client.owner_ref(1).await;
        let mut lane = Lane::new(1);
        let session = client.session(&share_ref);
        let (writer, _claimed) = session.claim(&lane.claim());
        let batches: Vec<_> = (0..50).map(|_| lane.puts(&["a", "b"])).collect();
        let appends: Vec<_> = batches.iter().map(|batch| writer.append(batch)).collect();
        for (at, append) in (0..).zip(appends) {
            assert_eq!(
                ack(append.await).outcomes,
                applied(&[2 * at + 1, 2 * at + 2])
            );
        }
        assert_eq!(session.keys().await.1, 100);
        client.cut().await;
        server.drain().await.unwrap();
    });
}

#[test]
fn a_batch_that_is_sent_again_comes_back_as_duplicates_and_applies_once() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let mut lane = Lane::new(1);
        let session = client.session(&share_ref);
        let (writer, _claimed) = session.claim(&lane.claim());
        let batch = lane.puts(&["a", "b"]);
        let (first, again) = (writer.append(&batch), writer.append(&batch));
        assert_eq!(ack(first.await).outcomes, applied(&[1, 2]));
        assert_eq!(ack(again.await).outcomes, duplicate(&[1, 2]));
        client.cut().await;
        // On another connection, after the same claim again.
        let client = world.connect().await;
        let (writer, claimed) = client.session(&share_ref).claim(&lane.claim_again());
        assert_eq!(
            ack(writer.append(&batch).await).outcomes,
            duplicate(&[1, 2])
        );
        let claimed = claimed.await.unwrap().unwrap();
        assert_eq!(
            (claimed.incarnation.get(), claimed.highest),
            (1, Seq::new(2))
        );
        world.end().await;
    });
}

#[test]
fn a_refused_batch_ends_its_appender_for_what_is_pipelined_behind() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let mut lane = Lane::new(1);
        let session = client.session(&share_ref);
        let (writer, _claimed) = session.claim(&lane.claim());
        let (first, second, third) = (lane.puts(&["a"]), lane.puts(&["b"]), lane.puts(&["c"]));
        // The second is missing: the third leaves a gap, and what comes behind it is refused
        // although it would fit by itself.
        let outcomes = [
            writer.append(&first),
            writer.append(&third),
            writer.append(&second),
        ];
        let [first, third, behind] = outcomes;
        assert_eq!(ack(first.await).outcomes, applied(&[1]));
        let refusal = third.await.unwrap().unwrap_err();
        assert_eq!(refusal.code, RefusalCode::OutOfOrder);
        assert_eq!(refusal.detail, RefusalDetail::Expected(Seq::new(2)));
        assert_eq!(behind.await.unwrap().unwrap_err(), refusal);
        let (writer, _claimed) = session.claim(&lane.claim_again());
        assert_eq!(ack(writer.append(&second).await).outcomes, applied(&[2]));
        world.end().await;
    });
}

#[test]
fn a_batch_that_can_not_be_read_ends_its_appender_too() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let mut lane = Lane::new(1);
        let (writer, _claimed) = client.session(&share_ref).claim(&lane.claim());
        let (mut bad, good) = (lane.puts(&["a"]), lane.puts(&["a"]));
        bad.entries[0].seq = Seq::ZERO;
        let (refused, behind) = (writer.append(&bad), writer.append(&good));
        let refusal = refused.await.unwrap().unwrap_err();
        assert_eq!(refusal.code, RefusalCode::InvalidRequest);
        assert!(refusal.message.contains("entry.seq"), "{refusal}");
        assert_eq!(behind.await.unwrap().unwrap_err(), refusal);
        world.end().await;
    });
}

#[test]
fn a_batch_names_the_epoch_of_its_session_or_none() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let mut lane = Lane::new(1);
        let session = client.session(&share_ref);
        let (writer, _claimed) = session.claim(&lane.claim());
        let batch = lane.puts(&["a"]);
        assert_eq!(
            ack(writer.append_settled(&batch, 1, 0).await).outcomes,
            applied(&[1])
        );
        assert_eq!(
            code(writer.append_settled(&batch, 2, 0).await),
            RefusalCode::StaleEpoch
        );
        world.end().await;
    });
}

#[test]
fn the_later_of_two_claims_fences_the_earlier() {
    simulated(async || {
        let world = World::start().await;
        let (one, two) = (world.connect().await, world.connect().await);
        let share_ref = one.owner_ref(1).await;
        let mut lane = Lane::new(1);
        let (first, claimed) = one.session(&share_ref).claim(&lane.claim());
        lane.incarnation = claimed.await.unwrap().unwrap().incarnation;
        let batch = lane.puts(&["a"]);
        let (second, _claimed) = two.session(&share_ref).claim(&lane.claim());
        assert_eq!(ack(second.append(&batch).await).outcomes, applied(&[1]));
        assert_eq!(code(first.append(&batch).await), RefusalCode::WriterFenced);
        world.end().await;
    });
}

#[test]
fn a_claim_of_another_history_gives_no_appender_but_where_the_lane_stands() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let mut lane = Lane::new(1);
        let session = client.session(&share_ref);
        let (writer, claimed) = session.claim(&lane.claim());
        let batch = lane.puts(&["a"]);
        ack(writer.append(&batch).await);
        let history = claimed.await.unwrap().unwrap().history;
        lane.history = Some(share_model::HistoryId::from_bytes([9; 16]));
        let (writer, claimed) = session.claim(&lane.claim());
        let refusal = claimed.await.unwrap().unwrap_err();
        assert_eq!(refusal.code, RefusalCode::HistoryChanged);
        match refusal.detail {
            RefusalDetail::History {
                history: found,
                highest,
                ..
            } => {
                assert_eq!((found, highest), (history, Seq::new(1)));
            }
            other => panic!("no history in {other:?}"),
        }
        assert_eq!(
            code(writer.append(&batch).await),
            RefusalCode::HistoryChanged
        );
        world.end().await;
    });
}

#[test]
fn a_call_that_is_dropped_is_carried_out_all_the_same() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let mut lane = Lane::new(1);
        let session: Session = client.session(&share_ref);
        let (writer, claimed) = session.claim(&lane.claim());
        claimed.await.unwrap().unwrap();
        let watcher = world.connect().await;
        let watching = watcher.session(&share_ref);
        let (reader, sink) = super::reader::Reader::at(0);
        let from = super::reader::beginning();
        let subscription = watching.subscribe(&from, sink).await.unwrap().unwrap();
        world.store.hold(true);
        let batch = lane.puts(&["a"]);
        let mut append = Box::pin(writer.append(&batch));
        tokio::select! {
            biased;
            outcome = &mut append => panic!("acked before it was durable: {outcome:?}"),
            () = world.store.holds_one() => {}
        }
        drop(append);
        client.cut().await;
        assert_eq!(reader.seen().cursor, 0, "seen before it was durable");
        world.store.hold(false);
        reader.until("the op", |seen| seen.cursor == 1).await;
        let client = world.connect().await;
        let (writer, _claimed) = client.session(&share_ref).claim(&lane.claim_again());
        assert_eq!(ack(writer.append(&batch).await).outcomes, duplicate(&[1]));
        drop(subscription);
        world.end().await;
    });
}
