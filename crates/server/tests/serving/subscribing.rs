//! Subscriptions: a prefix of the log, without gap or repeat, whatever happens meanwhile.

use share_model::seam::{Entropy, SeededEntropy};
use share_model::{Cursor, HistoryId, LogPosition, RefusalCode};
use share_server::ServerOptions;

use super::lane::Lane;
use super::reader::{Reader, beginning};
use super::world::{World, simulated, soon};

/// Bounds so small that readers fall out of memory and behind.
fn small(options: &mut ServerOptions) {
    let owner = &mut options.limits.hub.owner;
    owner.ring.ops_max = 8;
    owner.checkpoint_records = 5;
    owner.checkpoint_bytes = 1;
    options.limits.rpc.chunk_ops_max = 3;
    options.limits.rpc.chunk_bytes_max = 10;
}

#[test]
fn readers_see_a_gapless_prefix_in_random_interleavings_with_appends() {
    let seeds = match std::env::var("SHARE_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (1..=20).collect(),
    };
    for seed in seeds {
        println!(
            "seed {seed}: replay with SHARE_SEED={seed} cargo test -p share-server --test serving readers"
        );
        simulated(async || interleaving(seed).await);
    }
}

async fn interleaving(seed: u64) {
    let entropy = SeededEntropy::new(seed);
    let world = World::with(small).await;
    let client = world.connect().await;
    let share_ref = client.owner_ref(1).await;
    let session = client.session(&share_ref);
    let mut lane = Lane::new(1);
    let (writer, claimed) = session.claim(&lane.claim());
    let history = claimed.await.unwrap().unwrap().history;
    let (mut readers, mut acked, mut sent) = (Vec::new(), 0, 0_u64);
    let mut appends = Vec::new();
    for _ in 0..60 {
        match entropy.below(6) {
            0..=2 => {
                let keys: Vec<_> = (0..=entropy.below(5))
                    .map(|_| {
                        sent += 1;
                        format!("k{}", sent % 17)
                    })
                    .collect();
                let keys: Vec<_> = keys.iter().map(String::as_str).collect();
                appends.push(writer.append(&lane.puts(&keys)));
            }
            3 => {
                let from = entropy.below(acked + 1);
                let (reader, sink) = Reader::at(from);
                let position = LogPosition {
                    history: (from > 0).then_some(history),
                    cursor: Cursor::new(from),
                };
                let subscribed = session.subscribe(&position, sink).await.unwrap().unwrap();
                readers.push((reader, subscribed));
            }
            4 => {
                for append in appends.drain(..) {
                    acked = append.await.unwrap().unwrap().cursor.get();
                }
            }
            _ => {
                if let Some((reader, _)) = readers.get(usize::try_from(entropy.below(8)).unwrap()) {
                    reader.be_slow(entropy.below(2) == 0);
                }
            }
        }
    }
    for append in appends {
        append.await.unwrap().unwrap();
    }
    assert!(!readers.is_empty(), "seed {seed} tests nothing");
    for (reader, _) in &readers {
        reader.be_slow(false);
        // The sink itself checks that each op follows the one before.
        let seen = reader.until("all ops", |seen| seen.cursor == sent).await;
        assert!(seen.resets.is_empty(), "seed {seed}: {:?}", seen.resets);
    }
    drop(readers);
    world.end().await;
}

#[test]
fn a_subscription_begins_where_it_is_asked_to_or_with_the_document() {
    simulated(async || {
        let world = World::with(small).await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let session = client.session(&share_ref);
        let mut lane = Lane::new(1);
        let (writer, claimed) = session.claim(&lane.claim());
        let history = claimed.await.unwrap().unwrap().history;
        for keys in [["a", "b"], ["c", "d"], ["a", "e"]] {
            writer.append(&lane.puts(&keys)).await.unwrap().unwrap();
        }
        let other = HistoryId::from_bytes([1; 16]);
        for (from, cursor, resets) in [
            (None, 0, vec![]),
            (Some(history), 4, vec![]),
            (Some(history), 6, vec![]),
            (Some(history), 7, vec![(6, false)]),
            (Some(other), 4, vec![(6, false)]),
        ] {
            let position = LogPosition {
                history: from,
                cursor: Cursor::new(cursor),
            };
            let (reader, sink) = Reader::at(cursor);
            let subscribed = session.subscribe(&position, sink).await.unwrap().unwrap();
            assert_eq!(
                subscribed.1,
                LogPosition {
                    history: Some(history),
                    cursor: Cursor::new(6)
                }
            );
            let seen = reader.until("live", |seen| seen.live == [6]).await;
            assert_eq!(seen.resets, resets, "from {from:?} {cursor}");
            let ops = if resets.is_empty() { 6 - cursor } else { 0 };
            assert_eq!(seen.ops, ops);
            if ops == 6 || !resets.is_empty() {
                let keys: Vec<_> = seen.document.keys().map(String::as_str).collect();
                assert_eq!(keys, ["a", "b", "c", "d", "e"]);
            }
        }
        let position = LogPosition {
            history: None,
            cursor: Cursor::new(3),
        };
        let (_reader, sink) = Reader::at(3);
        let refused = session.subscribe(&position, sink).await.unwrap();
        assert!(refused.is_err_and(|refusal| refusal.code == RefusalCode::InvalidRequest));
        world.end().await;
    });
}

#[test]
fn a_reader_that_falls_too_far_behind_begins_again_with_the_document() {
    simulated(async || {
        let lagging = |options: &mut ServerOptions| {
            small(options);
            options.limits.rpc.lag_ops_max = 500;
            options.limits.rpc.sink_deadline = std::time::Duration::from_secs(3600);
        };
        let world = World::with(lagging).await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let session = client.session(&share_ref);
        let mut lane = Lane::new(1);
        let (writer, _claimed) = session.claim(&lane.claim());
        let (reader, sink) = Reader::at(0);
        let _subscribed = session
            .subscribe(&beginning(), sink)
            .await
            .unwrap()
            .unwrap();
        reader.until("live", |seen| seen.live == [0]).await;
        reader.be_slow(true);
        let long = "x".repeat(400);
        let keys: Vec<_> = (0..10).map(|key| format!("{long}{key}")).collect();
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        for _ in 0..200 {
            writer.append(&lane.puts(&keys)).await.unwrap().unwrap();
        }
        assert_eq!(reader.seen().cursor, 0);
        reader.be_slow(false);
        let seen = reader
            .until("the end of the log", |seen| seen.cursor == 2000)
            .await;
        assert_eq!(seen.resets, [(2000, true)]);
        assert!(
            seen.ops < 500,
            "{} ops were kept for a reader that did not answer",
            seen.ops
        );
        assert_eq!(seen.document.len(), 10);
        // And it goes on live.
        writer.append(&lane.puts(&["z"])).await.unwrap().unwrap();
        let seen = reader
            .until("the next op", |seen| seen.cursor == 2001)
            .await;
        assert_eq!(seen.document.len(), 11);
        world.end().await;
    });
}

#[test]
fn a_reader_that_does_not_answer_is_given_up() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let session = client.session(&share_ref);
        let (reader, sink) = Reader::at(0);
        let _subscribed = session
            .subscribe(&beginning(), sink)
            .await
            .unwrap()
            .unwrap();
        reader.until("live", |seen| seen.live == [0]).await;
        let (other, sink) = Reader::at(0);
        other.be_slow(true);
        let _other = session
            .subscribe(&beginning(), sink)
            .await
            .unwrap()
            .unwrap();
        let mut lane = Lane::new(1);
        let (writer, _claimed) = session.claim(&lane.claim());
        // Longer than the deadline of 30 seconds; the first reader is not disturbed.
        tokio::time::advance(std::time::Duration::from_secs(31)).await;
        writer.append(&lane.puts(&["a"])).await.unwrap().unwrap();
        reader.until("the op", |seen| seen.cursor == 1).await;
        other.be_slow(false);
        soon("several turns", async {
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(other.seen().cursor, 0, "still subscribed");
        world.end().await;
    });
}

#[test]
fn a_writer_goes_on_while_many_readers_wait_for_their_turn() {
    const READERS: usize = 256;
    const APPENDS: u64 = 6;
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let mut lane = Lane::new(1);
        let (writer, claimed) = client.session(&share_ref).claim(&lane.claim());
        claimed.await.unwrap().unwrap();
        let mut readers = Vec::new();
        for _ in 0..READERS {
            let client = world.connect().await;
            let (reader, sink) = Reader::at(0);
            let session = client.session(&share_ref);
            let subscribed = session.subscribe(&beginning(), sink).await.unwrap();
            readers.push((subscribed.unwrap(), reader, client));
        }
        for (_, reader, _) in &readers {
            reader.until("live", |seen| !seen.live.is_empty()).await;
        }
        for _ in 0..APPENDS {
            writer.append(&lane.puts(&["a"])).await.unwrap().unwrap();
        }
        let served = readers.iter().filter(|reader| reader.1.seen().cursor > 0);
        let served = served.count();
        assert!(
            served < READERS,
            "all had the first op before the last was acked"
        );
        for (_, reader, _) in &readers {
            reader.until("all ops", |seen| seen.cursor == APPENDS).await;
        }
        drop(readers);
        world.end().await;
    });
}

#[test]
fn a_dropped_subscription_ends() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let share_ref = client.owner_ref(1).await;
        let session = client.session(&share_ref);
        let (reader, sink) = Reader::at(0);
        let subscribed = session
            .subscribe(&beginning(), sink)
            .await
            .unwrap()
            .unwrap();
        reader.until("live", |seen| seen.live == [0]).await;
        drop(subscribed);
        let mut lane = Lane::new(1);
        let (writer, _claimed) = session.claim(&lane.claim());
        writer.append(&lane.puts(&["a"])).await.unwrap().unwrap();
        let (witness, sink) = Reader::at(0);
        let _witness = session
            .subscribe(&beginning(), sink)
            .await
            .unwrap()
            .unwrap();
        witness.until("the op", |seen| seen.cursor == 1).await;
        assert_eq!(reader.seen().cursor, 0);
        world.end().await;
    });
}
