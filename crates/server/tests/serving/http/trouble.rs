//! Syncs through what goes wrong: commits of unknown outcome, restarts, restores, requests that are cut.

use share_server::{RestoreJournal, RestoreOptions, default_journal, restore};

use super::super::client::rest;
use super::super::trouble::Trouble;
use super::super::world::{World, data_in, options, simulated};
use super::agent::{Shared, sync_body, text_part, todo};

/// What the share says of the text that grew, and how many ops that took.
async fn told(world: &World, share: &Shared) -> (String, u64) {
    let entries = world.entries(share).await;
    let text = entries["part/m/p"]["text"].as_str().unwrap().to_owned();
    let client = world.connect().await;
    let session = client.session(&share.owner_ref(&client).await);
    (text, session.keys().await.1)
}

#[test]
fn a_commit_of_unknown_outcome_changes_the_share_once() {
    simulated(async || {
        for trouble in [
            Trouble::UnknownCommitted,
            Trouble::UnknownLost,
            Trouble::Conflict,
        ] {
            // Of the claim, and of the append behind it.
            for before in [0, 1] {
                let world = World::start().await;
                let share = world.share_session("ses_1").await;
                let mut plan = vec![Trouble::None; before];
                plan.push(trouble);
                world.store.plan(&plan);
                world.synced(&share, &[text_part("p", "a")]).await;
                world.synced(&share, &[text_part("p", "ab")]).await;
                assert_eq!(world.store.fired(), 1, "{trouble:?}");
                let told = told(&world, &share).await;
                assert_eq!(told, ("ab".to_owned(), 2), "{trouble:?} {before}");
                world.end().await;
            }
        }
    });
}

#[test]
fn a_full_store_is_told_and_nothing_is_lost_of_what_was_answered() {
    simulated(async || {
        let world = World::start().await;
        let share = world.share_session("ses_1").await;
        world.synced(&share, &[text_part("p", "a")]).await;
        world.store.plan(&[Trouble::Full]);
        let (status, body) = world.sync(&share, &[text_part("p", "ab")]).await;
        assert_eq!(status, 503, "{body}");
        assert_eq!(told(&world, &share).await, ("a".to_owned(), 1));
        world.synced(&share, &[text_part("p", "ab")]).await;
        assert_eq!(told(&world, &share).await, ("ab".to_owned(), 2));
        world.end().await;
    });
}

#[test]
fn a_request_that_is_cut_while_it_commits_changes_the_share_once() {
    simulated(async || {
        let world = World::start().await;
        let share = world.share_session("ses_1").await;
        world.synced(&share, &[text_part("p", "a")]).await;
        world.store.hold(true);
        let stream = world.http_stream().await;
        let (secret, items) = (share.secret.clone(), [text_part("p", "ab")]);
        let path = format!("/api/share/{}/sync", share.id);
        let cut = tokio::task::spawn_local(async move {
            let body = sync_body(&secret, &items);
            super::agent::ask(stream, (http::Method::POST, &path), &[], Some(&body)).await
        });
        world.store.holds_one().await;
        cut.abort();
        assert!(cut.await.unwrap_err().is_cancelled());
        world.store.hold(false);
        world.synced(&share, &[text_part("p", "abc")]).await;
        assert_eq!(told(&world, &share).await, ("abc".to_owned(), 3));
        world.end().await;
    });
}

#[test]
fn a_restart_goes_on_with_the_same_secret_and_writer() {
    simulated(async || {
        let mut world = World::start().await;
        let share = world.share_session("ses_1").await;
        for text in ["a", "ab", "abc"] {
            world.synced(&share, &[text_part("p", text)]).await;
            world = World::on(world.end().await, |_| {}).await;
        }
        assert_eq!(told(&world, &share).await, ("abc".to_owned(), 3));
        let client = world.connect().await;
        let session = client.session(&share.owner_ref(&client).await);
        assert_eq!(session.writers().await.unwrap().unwrap().len(), 1);
        drop((client, session));
        world.end().await;
    });
}

#[test]
fn a_restored_server_goes_on_with_what_is_sent_after() {
    simulated(async || {
        let world = World::start().await;
        let share = world.share_session("ses_1").await;
        let deleted = world.share_session("ses_2").await;
        world
            .synced(&share, &[text_part("p", "a"), todo("t", 1)])
            .await;
        let client = world.connect().await;
        let (backup, _) = client.begin_backup().await.unwrap().unwrap();
        std::fs::write(world.folder.path().join("backup"), rest(&backup).await).unwrap();
        drop((client, backup));
        world
            .synced(&share, &[text_part("p", "ab"), todo("t", 2)])
            .await;
        assert_eq!(world.unshare(&deleted).await.0, 200);
        let folder = world.end().await;
        let data = data_in(&folder);
        let restoring = RestoreOptions {
            file: folder.path().join("backup"),
            journal: RestoreJournal::At(default_journal(&data)),
            advertise: Vec::new(),
            seams: options(&data).seams,
            data,
        };
        restore(restoring).await.unwrap();
        let world = World::on(folder, |_| {}).await;
        assert_eq!(world.entries(&share).await["todo/t"]["value"], 1);
        world.synced(&share, &[text_part("p", "abc")]).await;
        assert_eq!(told(&world, &share).await.0, "abc");
        assert_eq!(world.read(&deleted.id).await.0, 404);
        assert_eq!(world.unshare(&deleted).await.0, 200);
        world.end().await;
    });
}
