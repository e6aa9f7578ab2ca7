//! What merges, what does not, and that it comes to the same.

use std::path::PathBuf;
use std::sync::mpsc;

use futures_util::FutureExt;
use futures_util::future::join_all;
use share_model::seam::{Entropy, Executor, SeededEntropy};
use share_model::{Document, Epoch, GrantId, MutationError, OpId, Secret, ShareRef};

use super::*;
use crate::outbox::{DependsOn, Outbox, OutboxOptions, RowFilter};

const SHARE: ShareId = ShareId::from_bytes([9; 16]);

fn put(key: &str, json: &str) -> Mutation {
    Mutation::Put {
        key: key.into(),
        json: json.into(),
    }
}

fn text(key: &str, text: &str) -> Mutation {
    Mutation::AppendText {
        key: key.into(),
        pointer: "/text".into(),
        text: text.into(),
    }
}

fn item(key: &str, json: &str) -> Mutation {
    Mutation::AppendItem {
        key: key.into(),
        pointer: "/items".into(),
        json: json.into(),
    }
}

struct World {
    folder: tempfile::TempDir,
    options: OutboxOptions,
}

impl World {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            options: OutboxOptions::default(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("share.sqlite")
    }

    async fn outbox(&self) -> Outbox {
        let outbox = Outbox::open(&self.path(), self.options.clone()).unwrap();
        outbox.use_ref(reference(SHARE)).await.unwrap();
        outbox
    }

    /// Every op in the file, as its row has it.
    fn rows(&self) -> Vec<Vec<rusqlite::types::Value>> {
        let db = Connection::open(self.path()).unwrap();
        let mut statement = db.prepare("SELECT * FROM op ORDER BY id").unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| (0..columns).map(|at| row.get(at)).collect());
        rows.unwrap().map(Result::unwrap).collect()
    }
}

fn reference(share: ShareId) -> ShareRef {
    ShareRef {
        addresses: vec!["server:1".into()],
        share,
        grant: GrantId::from_bytes([2; 16]),
        epoch: Epoch::new(1),
        security: share_model::Security::ByAddress,
        secret: Secret::from_bytes([7; 32]),
    }
}

/// What each call came to, when all of them waited for the same commit, in this order.
async fn together(
    outbox: &Outbox,
    calls: impl IntoIterator<Item = (ShareId, NewOp)>,
) -> Vec<Result<Enqueued, OutboxError>> {
    let (begin, begun) = mpsc::channel::<()>();
    let (go, going) = mpsc::channel::<()>();
    let mut busy = Box::pin(outbox.run(move |_| {
        begin.send(()).unwrap();
        going.recv().unwrap();
        Ok(())
    }));
    assert!((&mut busy).now_or_never().is_none());
    // Its group is closed once it has begun: what comes now is in the next one, all of it.
    begun.recv().unwrap();
    let mut calls: Vec<_> = calls
        .into_iter()
        .map(|(share, op)| Box::pin(outbox.enqueue(share, op)))
        .collect();
    for call in &mut calls {
        assert!(call.now_or_never().is_none(), "answered before the commit");
    }
    go.send(()).unwrap();
    busy.await.unwrap();
    join_all(calls).await
}

async fn merged(outbox: &Outbox, mutations: &[Mutation]) -> Vec<Enqueued> {
    let calls = mutations.iter().map(|it| (SHARE, NewOp::of(it.clone())));
    let enqueued = together(outbox, calls).await;
    enqueued.into_iter().map(Result::unwrap).collect()
}

fn seqs(enqueued: &[Enqueued]) -> Vec<u64> {
    enqueued.iter().map(|it| it.seq.get()).collect()
}

/// The mutations that are stored, in the order of their seqs.
async fn stored(outbox: &Outbox) -> Vec<Mutation> {
    let rows = outbox.rows(RowFilter::default(), None, 1000).await.unwrap();
    let ids = rows.iter().map(|row| row.op_id).collect::<Vec<OpId>>();
    let mut mutations = Vec::new();
    for id in ids {
        let mutation = outbox.run(move |db| {
            let lane = lanes::get(db, SHARE)?;
            let (seq, _) = crate::outbox::ops::by_op_id(db, lane.number, id)?.unwrap();
            let (entry, _) = crate::outbox::ops::entry_at(db, lane.number, seq)?;
            match entry.body {
                share_model::EntryBody::Op(op) => Ok(op.mutation),
                share_model::EntryBody::Abandon(_) => panic!("nothing was abandoned"),
            }
        });
        mutations.push(mutation.await.unwrap());
    }
    mutations
}

#[tokio::test]
async fn neighbours_that_wait_for_the_same_commit_are_one_op_and_return_together() {
    let world = World::new();
    let outbox = world.outbox().await;
    let calls = [
        text("a", "one "),
        text("a", "two "),
        text("a", "three"),
        put("b", "1"),
        put("b", "2"),
    ];
    let enqueued = merged(&outbox, &calls).await;
    assert_eq!(seqs(&enqueued), [1, 1, 1, 2, 2]);
    assert!(enqueued.iter().all(|it| it.coalesced));
    assert_eq!((enqueued[0], enqueued[3]), (enqueued[2], enqueued[4]));
    assert_eq!(outbox.coalesced(), 3);
    let one_two_three = text("a", "one two three");
    assert_eq!(stored(&outbox).await, [one_two_three, put("b", "2")]);
}

#[tokio::test]
async fn an_op_of_the_same_share_in_between_keeps_neighbours_apart_and_in_order() {
    let world = World::new();
    let outbox = world.outbox().await;
    let calls = [
        put("a", "1"),
        put("b", "1"),
        put("a", "2"),
        text("a", "x"),
        text("b", "y"),
        text("a", "z"),
        item("a", "1"),
        item("a", "2"),
    ];
    let enqueued = merged(&outbox, &calls).await;
    assert_eq!(seqs(&enqueued), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert!(enqueued.iter().all(|it| !it.coalesced));
    assert_eq!(
        (stored(&outbox).await, outbox.coalesced()),
        (calls.into(), 0)
    );
}

#[tokio::test]
async fn an_op_of_another_share_in_between_does_not_keep_neighbours_apart() {
    let world = World::new();
    let outbox = world.outbox().await;
    let other = ShareId::from_bytes([3; 16]);
    outbox.use_ref(reference(other)).await.unwrap();
    let calls = [SHARE, other, SHARE, other].map(|share| (share, NewOp::of(text("a", "x"))));
    let enqueued = together(&outbox, calls).await;
    let enqueued: Vec<_> = enqueued.into_iter().map(Result::unwrap).collect();
    assert_eq!(seqs(&enqueued), [1, 1, 1, 1]);
    assert_eq!(enqueued[0], enqueued[2]);
    assert_ne!(enqueued[0].identity, enqueued[1].identity);
    assert_eq!(outbox.coalesced(), 2);
}

#[tokio::test]
async fn an_op_that_others_may_name_or_that_names_others_is_an_op_of_its_own() {
    let world = World::new();
    let outbox = world.outbox().await;
    let id = OpId::from_bytes([5; 16]);
    let named = NewOp {
        id: Some(id),
        ..NewOp::of(text("a", "x"))
    };
    let naming = NewOp {
        depends_on: vec![DependsOn::Op(id)],
        ..NewOp::of(text("a", "x"))
    };
    let free = || NewOp::of(text("a", "x"));
    let calls = [free(), named, free(), naming, free()].map(|op| (SHARE, op));
    let enqueued = together(&outbox, calls).await;
    let enqueued: Vec<_> = enqueued.into_iter().map(Result::unwrap).collect();
    assert_eq!(seqs(&enqueued), [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn ops_of_two_agent_sessions_do_not_merge() {
    let world = World::new();
    let outbox = world.outbox().await;
    let agent = |id: &str| outbox.agent(AgentSession::new(id).unwrap());
    let (one, two) = (agent("one"), agent("two"));
    let (go, going) = mpsc::channel::<()>();
    let mut busy = Box::pin(outbox.run(move |_| {
        going.recv().unwrap();
        Ok(())
    }));
    assert!((&mut busy).now_or_never().is_none());
    let op = || NewOp::of(text("a", "x"));
    let mut calls = vec![];
    for agent in [&one, &one, &two] {
        calls.push(agent.enqueue(SHARE, op()).boxed());
    }
    calls.push(outbox.enqueue(SHARE, op()).boxed());
    for call in &mut calls {
        assert!(call.now_or_never().is_none());
    }
    go.send(()).unwrap();
    busy.await.unwrap();
    let enqueued: Vec<_> = join_all(calls)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(seqs(&enqueued), [1, 1, 2, 3]);
}

#[tokio::test]
async fn a_neighbour_that_is_refused_is_refused_alone() {
    let world = World::new();
    let outbox = world.outbox().await;
    let mutations = [put("a", "1"), put("a", "not JSON"), put("a", "2")];
    let calls = mutations.map(|mutation| (SHARE, NewOp::of(mutation)));
    let enqueued = together(&outbox, calls).await;
    let not_json = MutationError::NotJson;
    assert!(
        matches!(&enqueued[1], Err(OutboxError::InvalidOp { error, .. }) if *error == not_json),
        "{enqueued:?}"
    );
    let [first, _, last] = &enqueued[..] else {
        panic!("{enqueued:?}");
    };
    assert_eq!(first.as_ref().unwrap(), last.as_ref().unwrap());
    assert_eq!(stored(&outbox).await, [put("a", "2")]);
}

#[tokio::test]
async fn a_neighbour_for_which_there_is_no_room_takes_no_other_with_it() {
    let mut world = World::new();
    // Of these an eighth is kept free.
    world.options.sqlite.pages_max = Some(256);
    let outbox = world.outbox().await;
    let large = "x".repeat(205 * 4096);
    let calls = [text("a", "x"), text("a", &large)].map(|it| (SHARE, NewOp::of(it)));
    let enqueued = together(&outbox, calls).await;
    assert!(
        matches!(enqueued[1], Err(OutboxError::Full)),
        "{enqueued:?}"
    );
    assert!(!enqueued[0].as_ref().unwrap().coalesced);
    assert_eq!(stored(&outbox).await, [text("a", "x")]);
    assert_eq!(outbox.coalesced(), 0);
}

#[tokio::test]
async fn what_is_joined_stays_within_the_limits_of_a_value_and_of_a_batch() {
    let ten = "0123456789";
    for limits in [
        Limits {
            value_bytes_max: 25,
            ..Limits::DEFAULT
        },
        Limits {
            // Key and pointer count as well.
            batch_bytes_max: 25 + 6,
            ..Limits::DEFAULT
        },
    ] {
        let mut world = World::new();
        world.options.limits = limits;
        let outbox = world.outbox().await;
        let calls = [ten, ten, ten, "01234"].map(|it| text("a", it));
        let enqueued = merged(&outbox, &calls).await;
        assert_eq!(seqs(&enqueued), [1, 1, 2, 2]);
        let twice = text("a", &ten.repeat(2));
        assert_eq!(stored(&outbox).await, [twice, text("a", "012345678901234")]);
    }
}

#[tokio::test]
async fn what_is_durable_never_changes() {
    let world = World::new();
    let outbox = world.outbox().await;
    merged(&outbox, &[text("a", "1"), text("a", "2")]).await;
    let before = world.rows();
    assert_eq!(before.len(), 1);
    merged(&outbox, &[text("a", "3"), text("a", "4"), put("a", "5")]).await;
    let after = world.rows();
    assert_eq!((&after[..1], after.len()), (&before[..], 3));
}

#[tokio::test]
async fn nothing_merges_where_it_is_switched_off_or_where_each_call_is_a_commit_of_its_own() {
    let mut world = World::new();
    world.options.coalesce = false;
    let outbox = world.outbox().await;
    let calls = [text("a", "1"), text("a", "2")];
    assert_eq!(seqs(&merged(&outbox, &calls).await), [1, 2]);
    drop(outbox);
    world.options.coalesce = true;
    world.options.executor = Executor::Inline;
    let outbox = world.outbox().await;
    for (call, seq) in calls.into_iter().zip([3, 4]) {
        let enqueued = outbox.enqueue(SHARE, NewOp::of(call)).await.unwrap();
        assert_eq!((enqueued.seq.get(), enqueued.coalesced), (seq, false));
    }
    assert_eq!(outbox.coalesced(), 0);
}

/// Any mutation, valid or not, on one of few places.
fn any_mutation(lots: &SeededEntropy) -> Mutation {
    let one_of = |from: &[&str]| {
        let at = lots.below(from.len() as u64);
        from[usize::try_from(at).unwrap()].to_owned()
    };
    let key = one_of(&["a", "b"]);
    let pointer = one_of(&["/text", "/other", "", "/absent"]);
    let json = one_of(&[
        r#"{"text":"t","other":"","items":[]}"#,
        r#"{"text":1,"other":"é"}"#,
        "\"whole\"",
        "[1]",
    ]);
    match lots.below(10) {
        0..3 => Mutation::Put {
            key: key.into(),
            json: json.into(),
        },
        3..7 => Mutation::AppendText {
            key: key.into(),
            pointer: pointer.into(),
            text: one_of(&["", "x", "é\"\\", "🦀 and more"]).into(),
        },
        7 => Mutation::Merge {
            key: key.into(),
            json: json.into(),
        },
        8 => Mutation::AppendItem {
            key: key.into(),
            pointer: "/items".into(),
            json: json.into(),
        },
        _ => Mutation::Remove { key: key.into() },
    }
}

/// As few mutations as come to the same.
fn as_few(mutations: &[Mutation]) -> Vec<Mutation> {
    let mut few: Vec<Mutation> = Vec::new();
    for mutation in mutations {
        let is_merged = few
            .last_mut()
            .is_some_and(|last| merge(last, mutation).is_some());
        if !is_merged {
            few.push(mutation.clone());
        }
    }
    few
}

fn applied(before: &Document, mutations: &[Mutation]) -> Document {
    let mut document = before.clone();
    for mutation in mutations {
        // What is rejected changes nothing.
        let _ = document.apply(mutation, &Limits::DEFAULT);
    }
    document
}

#[test]
fn merged_mutations_make_the_document_that_they_make_one_by_one() {
    let seed = std::env::var("SHARE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seeds = seed.map_or(0..3000, |seed| seed..seed + 1);
    let mut merges = 0;
    for seed in seeds {
        let lots = SeededEntropy::new(seed);
        let any =
            |count: u64| -> Vec<Mutation> { (0..count).map(|_| any_mutation(&lots)).collect() };
        let before = applied(&Document::default(), &any(6));
        let mutations = any(12);
        let few = as_few(&mutations);
        merges += mutations.len() - few.len();
        assert_eq!(
            applied(&before, &few),
            applied(&before, &mutations),
            "SHARE_SEED={seed} cargo test -p share-client --lib merged_mutations: {mutations:?}"
        );
    }
    assert!(merges > 0);
}

#[test]
fn a_merge_that_is_undone_leaves_what_was_there() {
    for (first, second) in [
        (put("a", "1"), put("a", "2")),
        (text("a", "é"), text("a", "🦀")),
    ] {
        let mut whole = first.clone();
        merge(&mut whole, &second).unwrap().undo(&mut whole);
        assert_eq!(whole, first);
    }
}
