//! `open_session` against a factory, dropped anywhere, with answers lost.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use share_client::{OpenAnswer, OpenError, OpenedSession, Registry, RegistryOptions};
use share_model::seam::{Executor, SeededEntropy};
use share_model::{Refusal, RefusalCode};
use tokio::task::LocalSet;

use crate::factory::{Factory, Fate, Pipes};
use crate::folder::{Folder, all, factory, open};

/// Runs; `SHARE_SEED=n` runs that one only.
const RUNS: u64 = 25;

async fn open_over(registry: &Registry, pipes: &Pipes) -> Result<OpenedSession, OpenError> {
    registry.open_session(pipes, &factory(), open("s")).await
}

/// Polls `future` up to `polls` times, then drops it where it is.
async fn for_some_polls<T>(future: impl Future<Output = T>, mut polls: u64) -> Option<T> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        if polls == 0 {
            return Poll::Ready(None);
        }
        polls -= 1;
        if let Poll::Ready(done) = future.as_mut().poll(context) {
            return Poll::Ready(Some(done));
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn wherever_opening_is_dropped_and_whatever_is_lost_there_is_one_share() {
    let seeds = match std::env::var("SHARE_SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().unwrap();
            seed..seed + 1
        }
        Err(_) => 0..RUNS,
    };
    let (mut dropped, mut lost) = (0, 0);
    for seed in seeds {
        println!("replay with: SHARE_SEED={seed} cargo test -p share-client --test registry drop");
        let (drops, losses) = LocalSet::new().run_until(one_run(seed)).await;
        dropped += drops;
        lost += losses;
    }
    if std::env::var("SHARE_SEED").is_err() {
        assert!(dropped > 20 && lost > 20, "{dropped} drops, {lost} losses");
    }
}

async fn one_run(seed: u64) -> (u32, u32) {
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    let folder = Folder::new();
    let server = Factory::default();
    let pipes = server.listen();
    let (mut drops, mut losses, mut created) = (0, 0, 0);
    for tried in 0.. {
        let options = RegistryOptions {
            executor: Executor::Inline,
            entropy: std::sync::Arc::new(SeededEntropy::new(seed * 1000 + tried)),
            ..RegistryOptions::default()
        };
        let registry = Registry::open(&folder.path(), options).unwrap();
        let fate = match random.next_u32() % 3 {
            0 => Fate::LostRequest,
            1 => Fate::LostReply,
            _ => Fate::Answered,
        };
        server.fates((tried < 6).then_some(fate));
        let polls = match tried {
            0..6 => u64::from(random.next_u32() % 10),
            _ => u64::MAX,
        };
        let ended = for_some_polls(open_over(&registry, &pipes), polls).await;
        match &ended {
            None => drops += 1,
            Some(Err(error)) => {
                assert!(matches!(error, OpenError::NotCreated { .. }), "{error:?}");
                losses += 1;
            }
            Some(Ok(opened)) => created += u32::from(opened.answer == OpenAnswer::Created),
        }
        if let (6.., Some(Ok(opened))) = (tried, ended) {
            assert_eq!(server.shares(), [opened.reference.share]);
            break;
        }
    }
    let entries = all(&folder.registry()).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].share(), server.shares().first().copied());
    assert!(
        created <= 1,
        "{created} calls were told that they created it"
    );
    (drops, losses)
}

#[tokio::test(start_paused = true)]
async fn many_who_open_at_once_over_a_server_get_one_share() {
    LocalSet::new()
        .run_until(async {
            let folder = Folder::new();
            let server = Factory::default();
            let pipes = server.listen();
            let opening = (0..10).map(|_| {
                let (registry, pipes) = (folder.registry(), pipes.clone());
                tokio::task::spawn_local(async move { open_over(&registry, &pipes).await.unwrap() })
            });
            let opened = futures_util::future::join_all(opening.collect::<Vec<_>>()).await;
            let opened: Vec<_> = opened.into_iter().map(Result::unwrap).collect();
            let created = opened
                .iter()
                .filter(|opened| opened.answer == OpenAnswer::Created);
            assert_eq!(created.count(), 1);
            let share = opened[0].reference.expose();
            assert!(opened.iter().all(|one| one.reference.expose() == share));
            assert_eq!(server.shares().len(), 1);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn who_gets_no_answer_takes_the_share_that_another_has_stored_meanwhile() {
    LocalSet::new()
        .run_until(async {
            let folder = Folder::new();
            let server = Factory::default();
            let pipes = server.listen();
            server.fates([Fate::LostReply]);
            let registry = folder.registry();
            // Both are asked; the first one's answer is lost, the second one's is stored first.
            let slow = crate::folder::reserve(&registry, "s").await;
            let (created, served) = crate::folder::answer(slow.request.request);
            let opening = open_over(&registry, &pipes);
            let storing = async {
                tokio::task::yield_now().await;
                registry.complete(&slow, &created, &served).await.unwrap()
            };
            let (opened, stored) = tokio::join!(opening, storing);
            assert_eq!(stored.answer, OpenAnswer::Created);
            let opened = opened.unwrap();
            assert_eq!(opened.answer, OpenAnswer::Reused);
            assert_eq!(opened.reference.expose(), stored.reference.expose());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_and_the_name_stays_reserved_for_the_same_request() {
    LocalSet::new()
        .run_until(async {
            let folder = Folder::new();
            let server = Factory::default();
            let pipes = server.listen();
            let refusal = Refusal::new(RefusalCode::QuotaExceeded, "enough for today");
            server.fates([Fate::Refused(refusal)]);
            let registry = folder.registry();
            let before = crate::folder::reserve(&registry, "s").await;
            let error = open_over(&registry, &pipes).await.unwrap_err();
            assert!(matches!(error, OpenError::NotCreated { .. }), "{error:?}");
            let after = crate::folder::reserve(&registry, "s").await;
            assert_eq!(before.request, after.request);
            let opened = open_over(&registry, &pipes).await.unwrap();
            assert_eq!(opened.answer, OpenAnswer::Created);
        })
        .await;
}
