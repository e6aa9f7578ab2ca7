//! Recorded traffic of opencode, against a server.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde_json::Value;
use share_model::Limits;
use share_model::seam::{Entropy as _, SystemEntropy};
use share_opencode::{Recording, Request, RequestKind, compare, expected, is_older};
use tokio::task::JoinSet;

use super::super::world::{World, simulated};
use super::agent::item;

/// Requests that were sent within this time can have been under way together: opencode does not wait
/// for an answer before it sends on.
const OVERLAP_MS: u64 = 3500;

const RECORDINGS: [&str; 5] = ["auto", "long", "restart", "revert", "small"];

/// The requests of a recording up to its end, or to what deletes the share.
fn requests(name: &str) -> Vec<Request> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/recordings");
    let recording = Recording::open(&folder.join(format!("{name}.jsonl.gz"))).unwrap();
    let requests = recording.map(Result::unwrap);
    let requests = requests.take_while(|request| request.kind != RequestKind::Delete);
    requests.collect()
}

/// A sync that is still to be sent.
#[derive(Clone)]
struct Sync {
    t_ms: u64,
    items: Vec<Value>,
    entries: BTreeMap<String, Value>,
}

impl Sync {
    fn of(request: &Request) -> Option<Self> {
        let RequestKind::Sync { items } = &request.kind else {
            return None;
        };
        let entries = items.iter().cloned();
        let entries = entries.flat_map(|it| it.into_entries(&Limits::DEFAULT).unwrap());
        let sent = items.iter().map(|it| item(&it.kind, it.data.clone()));
        Some(Self {
            t_ms: request.t_ms,
            items: sent.collect(),
            entries: entries.collect(),
        })
    }

    /// Whether it would be taken for news, coming after `later`, which was sent after it: of no item
    /// that both have can the older one always be told, for a value may go from A to B and back to A.
    fn must_precede(&self, later: &Self) -> bool {
        let mut both = self.entries.iter().filter_map(|(key, mine)| {
            let theirs = later.entries.get(key)?;
            Some((key, mine, theirs))
        });
        both.any(|(key, mine, theirs)| mine != theirs && !is_older(key, theirs, mine))
    }
}

fn syncs(requests: &[Request]) -> Vec<Sync> {
    requests.iter().filter_map(Sync::of).collect()
}

fn last(requests: &[Request]) -> BTreeMap<String, Value> {
    expected(requests.iter().cloned().map(Ok)).unwrap()
}

#[track_caller]
fn is_same(name: &str, requests: &[Request], entries: &BTreeMap<String, Value>) {
    let differences = compare(&last(requests), entries);
    let shown: Vec<String> = differences.iter().map(ToString::to_string).collect();
    assert!(shown.is_empty(), "{name}: {shown:#?}");
}

/// Promise: what opencode sent is what `data` gives.
#[test]
fn each_recording_gives_its_final_items() {
    simulated(async || {
        let world = World::start().await;
        for name in RECORDINGS {
            let requests = requests(name);
            let share = world.share_session(name).await;
            for sync in syncs(&requests) {
                world.synced(&share, &sync.items).await;
            }
            is_same(name, &requests, &world.entries(&share).await);
            assert_eq!(world.unshare(&share).await.0, 200);
        }
        world.end().await;
    });
}

/// Promise: what was under way together may come in any order, several times, and at once. (Of two values
/// of an item of which nothing tells the older one, the one that was sent first comes first.)
#[test]
fn each_recording_gives_its_final_items_overlapped_repeated_and_reordered() {
    let seed = match std::env::var("SHARE_SEED") {
        Ok(seed) => seed.parse().expect("SHARE_SEED is a number"),
        Err(_) => SystemEntropy::default().below(u64::MAX),
    };
    println!("replay: SHARE_SEED={seed} cargo test -p share-server each_recording_gives");
    simulated(async || {
        let world = Arc::new(World::start().await);
        let mut overtaken = 0;
        for name in RECORDINGS {
            overtaken += play_shuffled(&world, name, seed).await;
        }
        assert!(overtaken > 50, "only {overtaken} requests were overtaken");
        Arc::into_inner(world).unwrap().end().await;
    });
}

/// Sends what could be under way together in a random order, up to four at once and some of it twice;
/// gives how many were overtaken.
async fn play_shuffled(world: &Arc<World>, name: &str, seed: u64) -> usize {
    let mut chance = Chance(ChaCha8Rng::seed_from_u64(seed));
    let requests = requests(name);
    let share = world.share_session(name).await;
    let mut left = syncs(&requests);
    let mut overtaken = 0;
    while !left.is_empty() {
        let together = drawn(&left, &mut chance);
        overtaken += together.iter().filter(|at| **at > 0).count();
        let mut sending = JoinSet::new();
        for at in &together {
            let (world, share, items) = (Arc::clone(world), share.clone(), left[*at].items.clone());
            sending.spawn_local(async move { world.synced(&share, &items).await });
        }
        while let Some(sent) = sending.join_next().await {
            sent.unwrap();
        }
        // What is to be sent again stays in its place.
        let mut at = 0;
        left.retain(|_| {
            let is_sent = together.contains(&at);
            at += 1;
            !is_sent || chance.below(4) == 0
        });
    }
    let name = format!("{name}, SHARE_SEED={seed}");
    is_same(&name, &requests, &world.entries(&share).await);
    overtaken
}

/// Which requests come next, at once.
fn drawn(left: &[Sync], chance: &mut Chance) -> BTreeSet<usize> {
    let end = left[0].t_ms + OVERLAP_MS;
    let together = left.iter().take_while(|sync| sync.t_ms < end).count();
    let mut drawn = BTreeSet::new();
    for _ in 0..=chance.below(4) {
        let at = chance.below(together);
        if !left[..at]
            .iter()
            .any(|before| before.must_precede(&left[at]))
        {
            drawn.insert(at);
        }
    }
    drawn
}

struct Chance(ChaCha8Rng);

impl Chance {
    fn below(&mut self, count: usize) -> usize {
        let drawn = self.0.next_u64() % count as u64;
        usize::try_from(drawn).unwrap()
    }
}
