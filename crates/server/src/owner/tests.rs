//! What an owner promises that can't be told apart from outside.

use std::sync::Arc;
use std::time::Duration;

use share_engine::{Authority, BumpEpoch, ClaimRequest};
use share_model::seam::{Executor, SeededEntropy, SimulatedClock, SystemFiles};
use share_model::{
    Ack, Batch, BatchId, Cursor, Entry, EntryBody, Envelope, Epoch, FirstLane, GrantId,
    Incarnation, LogPosition, Mutation, Nonce, Op, OpId, OpOutcome, Origin, OriginKind, OutboxId,
    RequestId, Rights, Secret, Seq, ShareId, UnixMs,
};
use tokio::sync::watch;
use tokio::task::LocalSet;

use super::{
    AppendCall, AppenderTicket, BumpCall, ClaimCall, RedeemCall, Reply, ShareHandle, SubscribeCall,
};
use crate::factory::FactoryUses;
use crate::fault::Fault;
use crate::hub::{Hub, HubLimits};
use crate::seams::Seams;
use crate::store::{SqliteStore, SqliteStoreOptions, Store};

const SHARE: ShareId = ShareId::from_bytes([1; 16]);
const OWNER: GrantId = GrantId::from_bytes([2; 16]);
const SECRET: Secret = Secret::from_bytes([3; 32]);

fn origin() -> Origin {
    Origin::new(OriginKind::System, "test".to_owned(), 10).unwrap()
}

/// Runs a test with a share that its owner has loaded.
fn with_share(test: impl AsyncFnOnce(ShareHandle, Authority)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteStoreOptions {
            executor: Executor::Inline,
            ..SqliteStoreOptions::default()
        };
        let entropy = SeededEntropy::new(1);
        let store =
            SqliteStore::open(folder.path(), &options, Arc::new(SystemFiles), &entropy).unwrap();
        let seams = Seams {
            clock: Arc::new(SimulatedClock::starting_at(UnixMs::new(1))),
            entropy: Arc::new(entropy),
            files: Arc::new(SystemFiles),
        };
        let drain = watch::Sender::new(false);
        let limits = HubLimits::default();
        let store: Arc<dyn Store> = Arc::new(store);
        let uses = FactoryUses::new(Arc::clone(&store), Arc::clone(&seams.clock));
        let around = (seams, Arc::new(uses));
        let started = Hub::start(store, around, limits, drain.subscribe()).await;
        let (hub, task) = started.unwrap();
        let running = tokio::task::spawn_local(task.run());
        let request = share_engine::CreateShare {
            share: SHARE,
            factory: GrantId::from_bytes([4; 16]),
            request: RequestId::from_bytes([5; 16]),
            owner_grant: OWNER,
            owner_secret_hash: SECRET.hash(),
            title: String::new(),
            origin: origin(),
        };
        hub.create(request, None).await.unwrap().unwrap();
        let redeem = || RedeemCall {
            grant: OWNER,
            secret: SECRET.hash(),
            client: String::new(),
            proof: None,
            protocol_version: 1,
        };
        let (handle, opened) = hub.redeem(SHARE, redeem).await.unwrap().unwrap();
        assert_eq!(opened.redeemed.unwrap().rights, Rights::ALL);
        test(handle, opened.authority).await;
        drain.send_replace(true);
        running.await.unwrap();
    });
}

fn bump(authority: &Authority) -> BumpCall {
    BumpCall {
        authority: authority.clone(),
        request: BumpEpoch {
            request: RequestId::from_bytes([6; 16]),
            owner_grant: GrantId::from_bytes([7; 16]),
            owner_secret_hash: SECRET.hash(),
            origin: origin(),
        },
    }
}

fn subscribe(authority: &Authority) -> SubscribeCall {
    SubscribeCall {
        authority: authority.clone(),
        from: LogPosition::default(),
    }
}

#[test]
fn a_bump_is_acked_only_when_the_subscriptions_that_it_ended_have_stopped() {
    with_share(async |handle, authority| {
        let subscribed = handle.call(subscribe(&authority), 0).outcome().await;
        let mut registration = subscribed.unwrap().unwrap().registration;
        let mut bumped = Box::pin(handle.call(bump(&authority), 0).outcome());
        let ended = tokio::select! {
            biased;
            _ = &mut bumped => panic!("acked while a subscription can still read"),
            ended = registration.ended() => ended.unwrap(),
        };
        assert_eq!(ended.code.name(), "staleEpoch");
        let early = tokio::time::timeout(Duration::from_secs(4), &mut bumped).await;
        assert!(early.is_err(), "acked while a subscription can still read");
        drop(registration);
        assert_eq!(bumped.await.unwrap().unwrap().0.epoch, Epoch::new(2));
    });
}

#[test]
fn a_bump_whose_subscriptions_do_not_stop_in_time_is_no_ack_and_can_be_repeated() {
    with_share(async |handle, authority| {
        let subscribed = handle.call(subscribe(&authority), 0).outcome().await;
        let registration = subscribed.unwrap().unwrap().registration;
        let late = handle.call(bump(&authority), 0).outcome().await;
        assert!(
            matches!(late, Err(Fault::Deadline { ms: 5000 })),
            "{late:?}"
        );
        let again = handle.call(bump(&authority), 0).outcome().await;
        assert!(matches!(again, Err(Fault::Deadline { .. })), "{again:?}");
        drop(registration);
        let done = handle.call(bump(&authority), 0).outcome().await;
        assert_eq!(done.unwrap().unwrap().0.epoch, Epoch::new(2));
    });
}

async fn claim(handle: &ShareHandle, authority: &Authority, outbox: OutboxId) -> AppenderTicket {
    let request = ClaimRequest {
        outbox,
        incarnation: Incarnation::ZERO,
        nonce: Nonce::from_bytes([1; 16]),
        history: None,
    };
    let authority = authority.clone();
    let claim = handle.call(ClaimCall { authority, request }, 0);
    claim.outcome().await.unwrap().unwrap().appender
}

/// Appends one op; the op's id and content are the same whatever its seq.
struct Append<'a> {
    handle: &'a ShareHandle,
    authority: &'a Authority,
    appender: &'a AppenderTicket,
}

impl Append<'_> {
    fn op(&self, op: u8, seq: u64, was: Option<FirstLane>, settled: u64) -> Reply<Ack> {
        let entry = Entry {
            seq: Seq::new(seq),
            was,
            body: EntryBody::Op(Op {
                id: OpId::from_bytes([op; 16]),
                depends_on: Vec::new(),
                mutation: Mutation::Put {
                    key: "k".into(),
                    json: op.to_string().into(),
                },
            }),
            origin: None,
        };
        let call = AppendCall {
            authority: self.authority.clone(),
            appender: self.appender.clone(),
            batch: Batch {
                id: BatchId::from_bytes([op; 16]),
                atomic: false,
                expected_cursor: None,
                entries: vec![entry],
            },
            envelope: Envelope {
                capability_epoch: Epoch::new(1),
                settled_through: Seq::new(settled),
            },
        };
        self.handle.call(call.prepare(), 0)
    }
}

#[test]
fn the_log_is_asked_only_when_all_that_was_run_before_is_in_it() {
    with_share(async |handle, authority| {
        let (one, two) = (OutboxId::from_bytes([1; 16]), OutboxId::from_bytes([2; 16]));
        let appender_one = claim(&handle, &authority, one).await;
        let appender_two = claim(&handle, &authority, two).await;
        let lane = |appender| Append {
            handle: &handle,
            authority: &authority,
            appender,
        };
        let (lane_one, lane_two) = (lane(&appender_one), lane(&appender_two));
        let first_lane = FirstLane {
            outbox: one,
            seq: Seq::new(1),
        };
        // All three wait when the owner takes them: the second settles what the first applied, the
        // third brings the first's op again. Only the log still knows it then.
        let replies = [
            lane_one.op(1, 1, None, 0),
            lane_one.op(2, 2, None, 1),
            lane_two.op(1, 1, Some(first_lane), 0),
        ];
        let mut outcomes = Vec::new();
        for reply in replies {
            outcomes.extend(reply.outcome().await.unwrap().unwrap().outcomes);
        }
        assert_eq!(
            outcomes,
            [
                OpOutcome::Applied(Cursor::new(1)),
                OpOutcome::Applied(Cursor::new(2)),
                OpOutcome::Duplicate(Cursor::new(1)),
            ]
        );
    });
}

#[test]
fn a_call_whose_caller_has_gone_before_it_is_run_is_run_all_the_same() {
    with_share(async |handle, authority| {
        let appender = claim(&handle, &authority, OutboxId::from_bytes([1; 16])).await;
        let lane = Append {
            handle: &handle,
            authority: &authority,
            appender: &appender,
        };
        drop(lane.op(1, 1, None, 0));
        let ack = lane.op(2, 2, None, 0).outcome().await.unwrap().unwrap();
        assert_eq!(ack.outcomes, [OpOutcome::Applied(Cursor::new(2))]);
    });
}
