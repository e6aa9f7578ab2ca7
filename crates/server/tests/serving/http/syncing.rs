//! What a sync changes, and what it does not.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use share_model::seam::Clock as _;
use tokio::task::JoinSet;

use super::super::lane::Lane;
use super::super::world::{World, simulated};
use super::agent::{Shared, text_part, todo, tool_part};

/// How many ops the share has.
async fn cursor(world: &World, share: &Shared) -> u64 {
    let client = world.connect().await;
    let session = client.session(&share.owner_ref(&client).await);
    session.keys().await.1
}

#[test]
fn a_value_that_goes_from_a_to_b_and_back_ends_as_a() {
    simulated(async || {
        let world = World::start().await;
        let share = world.share_session("ses_1").await;
        for value in ["a", "b", "a"] {
            world.synced(&share, &[todo("t", value)]).await;
        }
        let entries = world.entries(&share).await;
        assert_eq!(entries["todo/t"]["value"], "a");
        // Also within one request.
        let both = [
            todo("t", "b"),
            todo("t", "a"),
            todo("u", "b"),
            todo("u", "a"),
        ];
        world.synced(&share, &both).await;
        let entries = world.entries(&share).await;
        assert_eq!(
            (&entries["todo/t"]["value"], &entries["todo/u"]["value"]),
            (&json!("a"), &json!("a"))
        );
        world.end().await;
    });
}

#[test]
fn what_the_share_says_already_is_no_op_and_no_commit() {
    simulated(async || {
        let world = World::start().await;
        let share = world.share_session("ses_1").await;
        let items = [text_part("p", "hello"), todo("t", 1)];
        world.synced(&share, &items).await;
        let (before, commits) = (cursor(&world, &share).await, world.store.commits());
        assert_eq!(before, 2);
        world.synced(&share, &items).await;
        world.synced(&share, &[]).await;
        assert_eq!(world.store.commits(), commits);
        assert_eq!(cursor(&world, &share).await, 2);
        world.end().await;
    });
}

#[test]
fn an_item_that_arrives_late_does_not_replace_a_newer_one() {
    simulated(async || {
        let world = World::start().await;
        let share = world.share_session("ses_1").await;
        world
            .synced(&share, &[tool_part("p", "completed"), todo("t", 2)])
            .await;
        world
            .synced(&share, &[tool_part("p", "running"), todo("u", 1)])
            .await;
        let entries = world.entries(&share).await;
        assert_eq!(entries["part/m/p"]["state"]["status"], "completed");
        assert_eq!(entries.len(), 3);
        world.end().await;
    });
}

#[test]
fn text_that_grows_is_appended_and_models_add_up() {
    simulated(async || {
        let world = World::start().await;
        let share = world.share_session("ses_1").await;
        let model = |id: &str| {
            let models = json!([{"providerID": "p", "id": id}]);
            super::agent::item("model", models)
        };
        world
            .synced(&share, &[text_part("p", "hel"), model("a")])
            .await;
        world
            .synced(&share, &[text_part("p", "hello"), model("b")])
            .await;
        let entries = world.entries(&share).await;
        assert_eq!(entries["part/m/p"]["text"], "hello");
        let models: Vec<&str> = entries
            .keys()
            .filter(|key| key.starts_with("model/"))
            .map(|key| &**key)
            .collect();
        assert_eq!(models, ["model/p/a", "model/p/b"]);
        world.end().await;
    });
}

#[test]
fn a_request_of_more_than_a_batch_takes_comes_whole_in_order() {
    simulated(async || {
        let world = World::with(|options| {
            options.limits.hub.owner.share.batch_ops_max = 4;
            options.limits.http.compared_bytes_max = 100;
        })
        .await;
        let share = world.share_session("ses_1").await;
        let mut items: Vec<Value> = (0..30).map(|n| todo(&n.to_string(), n)).collect();
        items.extend((0..30).map(|n| todo(&n.to_string(), n + 100)));
        world.synced(&share, &items).await;
        let entries = world.entries(&share).await;
        assert_eq!(entries.len(), 30);
        assert!((0..30).all(|n| entries[&format!("todo/{n}")]["value"] == n + 100));
        assert_eq!(cursor(&world, &share).await, 60);
        world.end().await;
    });
}

#[test]
fn requests_at_once_and_another_writer_between_them_lose_nothing() {
    simulated(async || {
        let world = Arc::new(World::start().await);
        let share = world.share_session("ses_1").await;
        let client = world.connect().await;
        let session = client.session(&share.owner_ref(&client).await);
        let mut lane = Lane::new(1);
        let (writer, claimed) = session.claim(&lane.claim());
        claimed.await.unwrap().unwrap();
        let mut asking = JoinSet::new();
        for n in 0..12 {
            let (world, share) = (Arc::clone(&world), share.clone());
            asking
                .spawn_local(async move { world.synced(&share, &[todo(&n.to_string(), n)]).await });
            let batch = lane.puts(&[&format!("other/{n}")]);
            asking.spawn_local({
                let appended = writer.append(&batch);
                async move { drop(appended.await.unwrap().unwrap()) }
            });
        }
        while let Some(asked) = asking.join_next().await {
            asked.unwrap();
        }
        let (keys, cursor) = session.keys().await;
        assert_eq!((keys.len(), cursor), (24, 24));
        // One writer of the server's own, and the other one.
        assert_eq!(session.writers().await.unwrap().unwrap().len(), 2);
        drop((client, session, writer));
        Arc::into_inner(world).unwrap().end().await;
    });
}

#[test]
fn a_sync_that_others_always_forestall_is_put_off_and_leaves_nothing() {
    simulated(async || {
        for (tries_max, expected) in [(1, 503), (2, 200)] {
            let world =
                Arc::new(World::with(|options| options.limits.http.tries_max = tries_max).await);
            let share = world.share_session("ses_1").await;
            world.synced(&share, &[todo("t", 1)]).await;
            let client = world.connect().await;
            let session = client.session(&share.owner_ref(&client).await);
            let mut lane = Lane::new(1);
            let (writer, claimed) = session.claim(&lane.claim());
            claimed.await.unwrap().unwrap();
            // While a commit is held, the sync's look at the share waits, and behind it another op.
            world.store.hold(true);
            let first = writer.append(&lane.puts(&["first"]));
            world.store.holds_one().await;
            let asking = tokio::task::spawn_local({
                let (world, share) = (Arc::clone(&world), share.clone());
                async move { world.sync(&share, &[todo("t", 2)]).await.0 }
            });
            // Virtual time goes on when all of them wait.
            share_model::seam::SystemClock
                .sleep(Duration::from_millis(1))
                .await;
            let second = writer.append(&lane.puts(&["second"]));
            share_model::seam::SystemClock
                .sleep(Duration::from_millis(1))
                .await;
            world.store.hold(false);
            for appended in [first.await, second.await] {
                appended.unwrap().unwrap();
            }
            assert_eq!(asking.await.unwrap(), expected);
            let value = if expected == 200 { 2 } else { 1 };
            assert_eq!(world.entries(&share).await["todo/t"]["value"], value);
            drop((client, session, writer));
            Arc::into_inner(world).unwrap().end().await;
        }
    });
}

#[test]
fn a_writer_that_nobody_uses_lets_its_share_unload_and_goes_on_where_it_was() {
    simulated(async || {
        let world = World::start().await;
        let share = world.share_session("ses_1").await;
        world.synced(&share, &[text_part("p", "a")]).await;
        let loads = world.store.loads();
        share_model::seam::SystemClock
            .sleep(Duration::from_secs(1000))
            .await;
        world.synced(&share, &[text_part("p", "ab")]).await;
        assert!(world.store.loads() > loads, "the share stayed loaded");
        assert_eq!(world.entries(&share).await["part/m/p"]["text"], "ab");
        assert_eq!(cursor(&world, &share).await, 2);
        world.end().await;
    });
}

#[test]
fn of_writers_as_many_are_kept_as_may_be_and_one_too_many_costs_a_redeem_and_nothing_else() {
    simulated(async || {
        let world = World::with(|options| options.limits.http.writers_max = 1).await;
        let shares = [
            world.share_session("ses_1").await,
            world.share_session("ses_2").await,
        ];
        for text in ["a", "ab", "abc"] {
            for share in &shares {
                world.synced(share, &[text_part("p", text)]).await;
            }
        }
        for share in &shares {
            assert_eq!(world.entries(share).await["part/m/p"]["text"], "abc");
            assert_eq!(cursor(&world, share).await, 3);
        }
        world.end().await;
    });
}
