//! The connection against a small Cap'n Proto server in memory.

pub(super) mod server;

use std::rc::Rc;
use std::sync::Arc;

use capnp::message::ReaderOptions;
use capnp_rpc::rpc_capnp::message;
use futures_util::FutureExt;
use share_model::seam::{SeededEntropy, SystemClock};
use share_model::{
    Batch, BatchId, Cursor, Entry, EntryBody, Envelope, Epoch, Fingerprint, HistoryId, Incarnation,
    LogPosition, Nonce, OutboxKey, Refusal, RefusalCode, Security, Seq, Slug,
};
use tokio::io::AsyncReadExt;
use tokio::task::LocalSet;

use self::server::{Pipes, Served, reference};
use super::{ClientError, FollowEvent, Follower, RpcLink, Session, SubscriptionEvent};
use crate::backoff::Backoff;
use crate::link::{LaneRequest, Link};

fn request() -> LaneRequest {
    LaneRequest {
        reference: reference(),
        key: OutboxKey::from_bytes([1; 32]),
        incarnation: Incarnation::new(4),
        nonce: Nonce::from_bytes([2; 16]),
        history: Some(HistoryId::from_bytes([3; 16])),
    }
}

fn batch(seqs: std::ops::RangeInclusive<u64>) -> Batch {
    let abandon = |seq| Entry {
        seq: Seq::new(seq),
        was: None,
        body: EntryBody::Abandon(Fingerprint::from_bytes([1; 16])),
        origin: None,
    };
    Batch {
        id: BatchId::from_bytes([6; 16]),
        atomic: false,
        expected_cursor: None,
        entries: seqs.map(abandon).collect(),
    }
}

const ENVELOPE: Envelope = Envelope {
    capability_epoch: Epoch::ZERO,
    settled_through: Seq::ZERO,
};

#[tokio::test(start_paused = true)]
async fn redeem_claim_and_appends_leave_before_anything_is_answered() {
    LocalSet::new()
        .run_until(async {
            let (pipes, mut accepted) = Pipes::new();
            let link = RpcLink::new(pipes);
            let lane = link.open(request()).await.unwrap();
            let _first = lane.appender.append(&batch(1..=1), ENVELOPE);
            let _second = lane.appender.append(&batch(2..=2), ENVELOPE);
            let mut stream = accepted.recv().await.unwrap();
            let mut bytes = Vec::new();
            let mut calls = 0;
            // Redeem, claim and two appends, without a byte in return.
            while calls < 4 {
                let mut buffer = [0; 4096];
                let read = stream.read(&mut buffer).await.unwrap();
                assert_ne!(read, 0);
                bytes.extend_from_slice(&buffer[..read]);
                calls = count_calls(&bytes);
            }
            assert_eq!(calls, 4);
        })
        .await;
}

fn count_calls(mut bytes: &[u8]) -> usize {
    let mut calls = 0;
    while let Ok(message) = capnp::serialize::read_message(&mut bytes, ReaderOptions::new()) {
        let message = message.get_root::<message::Reader<'_>>().unwrap();
        calls += usize::from(matches!(message.which(), Ok(message::Call(_))));
    }
    calls
}

#[tokio::test(start_paused = true)]
async fn answers_and_refusals_come_as_values() {
    let (pipes, served) = Served::start();
    served
        .run(async {
            let link = RpcLink::new(pipes);
            let lane = link.open(request()).await.unwrap();
            let first = lane.appender.append(&batch(1..=3), ENVELOPE);
            let redeemed = lane.redeemed.await.unwrap();
            assert_eq!(redeemed.title, "a title");
            let claimed = lane.claimed.await.unwrap();
            assert_eq!(claimed.incarnation, Incarnation::new(5));
            let ack = first.await.unwrap();
            assert_eq!(ack.outcomes.len(), 3);

            served.refuse_appends(Refusal::new(RefusalCode::Frozen, "the share is frozen"));
            let refused = lane
                .appender
                .append(&batch(4..=4), ENVELOPE)
                .await
                .unwrap_err();
            match refused {
                ClientError::Refused(refusal) => assert_eq!(refusal.code, RefusalCode::Frozen),
                other => panic!("{other:?}"),
            }
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_of_the_first_builds_is_replayed_to_and_read_from() {
    let (pipes, served) = Served::start();
    served.speak(None);
    served
        .run(async {
            let link = RpcLink::new(Arc::clone(&pipes) as Arc<_>);
            let lane = link.open(request()).await.unwrap();
            let first = lane.appender.append(&batch(1..=3), ENVELOPE);
            let redeemed = lane.redeemed.await.unwrap();
            assert_eq!(redeemed.grant, reference().grant);
            assert_eq!(redeemed.protocol_version, 1);
            lane.claimed.await.unwrap();
            assert_eq!(first.await.unwrap().outcomes.len(), 3);
            let session = Session::redeem(&*pipes, &reference()).await.unwrap();
            assert_eq!(session.redeemed(), &redeemed);
            let slug = Slug::from_bytes([4; 16]);
            let addresses = reference().addresses;
            let Err(error) =
                Session::redeem_slug(&*pipes, &addresses, Security::ByAddress, &slug).await
            else {
                panic!("this server has no slugs, as the first builds had none");
            };
            assert!(
                matches!(error, ClientError::Unimplemented { .. }),
                "{error}"
            );
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_whose_version_this_client_does_not_speak_is_refused_by_name() {
    let (pipes, served) = Served::start();
    served.speak(Some(3));
    served
        .run(async {
            let Err(ClientError::Refused(refusal)) = Session::redeem(&*pipes, &reference()).await
            else {
                panic!("it speaks what nobody knows");
            };
            assert_eq!(refusal.code, RefusalCode::VersionUnsupported);
            assert_eq!(
                refusal.message,
                "the server speaks protocol version 3, this client 1 to 2: upgrade the client"
            );
            let link = RpcLink::new(pipes);
            let lane = link.open(request()).await.unwrap();
            let error = lane.redeemed.await.unwrap_err();
            assert!(matches!(error, ClientError::Refused(found) if found == refusal));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_ends_every_answer_that_is_due() {
    LocalSet::new()
        .run_until(async {
            let (pipes, mut accepted) = Pipes::new();
            let link = RpcLink::new(pipes);
            let lane = link.open(request()).await.unwrap();
            let append = lane.appender.append(&batch(1..=1), ENVELOPE);
            drop(accepted.recv().await.unwrap());
            for lost in [
                lane.redeemed.map(|answer| answer.err()).boxed_local(),
                lane.claimed.map(|answer| answer.err()).boxed_local(),
                append.map(|answer| answer.err()).boxed_local(),
            ] {
                let error = lost.await.unwrap();
                assert!(
                    matches!(error, ClientError::Disconnected { .. }),
                    "{error:?}"
                );
            }
        })
        .await;
}

#[test]
fn each_kind_of_exception_says_how_to_react() {
    let of = |error: capnp::Error| ClientError::from(error);
    let reason = || String::from("r");
    let expected = ClientError::Disconnected { reason: reason() };
    assert_eq!(of(capnp::Error::disconnected(reason())), expected);
    let expected = ClientError::Overloaded { reason: reason() };
    assert_eq!(of(capnp::Error::overloaded(reason())), expected);
    let expected = ClientError::Unimplemented { reason: reason() };
    assert_eq!(of(capnp::Error::unimplemented(reason())), expected);
    assert!(matches!(
        of(capnp::Error::failed(reason())),
        ClientError::Failed { .. }
    ));
}

#[tokio::test(start_paused = true)]
async fn a_document_is_read_page_by_page_to_its_end() {
    let (pipes, served) = Served::start();
    served
        .run(async {
            let session = Session::redeem(&*pipes, &reference()).await.unwrap();
            let mut seen = Vec::new();
            let at = session
                .document(|key, json| seen.push(format!("{key}={json}")))
                .await
                .unwrap();
            assert_eq!(seen, ["k1=1", "k2=2", "k3=3", "k4=4", "k5=5"]);
            assert_eq!((at.keys, at.position.cursor), (5, Cursor::new(7)));
        })
        .await;
}

/// A server that stops paging half-way must not be asked for ever.
#[tokio::test(start_paused = true)]
async fn a_document_whose_pages_do_not_go_on_is_a_fault() {
    let (pipes, served) = Served::start();
    served
        .run(async {
            served.repeat_pages();
            let session = Session::redeem(&*pipes, &reference()).await.unwrap();
            let error = session.document(|_, _| ()).await.unwrap_err();
            assert!(matches!(error, ClientError::Failed { .. }), "{error:?}");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_subscription_tells_what_the_server_calls_in_order() {
    let (pipes, served) = Served::start();
    served
        .run(async {
            let session = Session::redeem(&*pipes, &reference()).await.unwrap();
            let mut subscription = session.subscribe(LogPosition::default()).await.unwrap();
            let mut cursors = Vec::new();
            loop {
                match subscription.next().await.unwrap() {
                    SubscriptionEvent::Ops(ops) => {
                        cursors.extend(ops.iter().map(|op| op.cursor.get()));
                    }
                    SubscriptionEvent::Live(position) => {
                        assert_eq!(position.cursor, Cursor::new(20));
                        break;
                    }
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(cursors, (1..=20).collect::<Vec<_>>());
        })
        .await;
}

/// A reader that takes nothing holds the server back: no more than the flow window is on its way.
#[tokio::test(start_paused = true)]
async fn a_slow_reader_holds_the_server_back() {
    let (pipes, served) = Served::start();
    served
        .run(async {
            served.log_length(10_000);
            let session = Session::redeem(&*pipes, &reference()).await.unwrap();
            let mut subscription = session.subscribe(LogPosition::default()).await.unwrap();
            for _ in 0..100_000 {
                tokio::task::yield_now().await;
            }
            let delivered = served.delivered();
            assert!(
                delivered < 2_000,
                "{delivered} ops were delivered to nobody"
            );
            let mut last = 0;
            while last < 10_000 {
                if let Some(SubscriptionEvent::Ops(ops)) = subscription.next().await {
                    last = ops.last().unwrap().cursor.get();
                }
            }
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_follower_goes_on_from_its_cursor_over_lost_connections() {
    let (pipes, served) = Served::start();
    served
        .run(async {
            // Each connection is cut after so many ops.
            served.cut_after([3, 0, 9]);
            let mut follower = Follower::new(pipes, reference(), LogPosition::default())
                .with_seams(
                    Arc::new(SystemClock),
                    Arc::new(SeededEntropy::new(1)),
                    Backoff::TRANSPORT,
                );
            let (mut cursors, mut lost) = (Vec::new(), 0);
            while cursors.len() < 20 {
                match follower.next().await.unwrap() {
                    FollowEvent::Ops(ops) => cursors.extend(ops.iter().map(|op| op.cursor.get())),
                    FollowEvent::Lost(_) => lost += 1,
                    FollowEvent::Live(_) => {}
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(cursors, (1..=20).collect::<Vec<_>>());
            assert_eq!(lost, 3);
            assert_eq!(follower.position().cursor, Cursor::new(20));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_follower_whose_ref_was_revoked_ends_with_the_refusal() {
    let (pipes, served) = Served::start();
    served
        .run(async {
            served.refuse_redeem(Refusal::new(RefusalCode::Revoked, "the grant was revoked"));
            let mut follower = Follower::new(pipes, reference(), LogPosition::default());
            match follower.next().await {
                Err(ClientError::Refused(refusal)) => {
                    assert_eq!(refusal.code, RefusalCode::Revoked);
                }
                other => panic!("{other:?}"),
            }
        })
        .await;
}

#[tokio::test]
async fn work_on_an_own_thread_is_send_and_has_a_local_set() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let work = super::on_own_thread(|| async {
        let local = Rc::new(41);
        let task = tokio::task::spawn_local(async move { *local + 1 });
        Ok(task.await.unwrap())
    });
    assert_eq!(is_send(work).await.unwrap(), 42);
}
