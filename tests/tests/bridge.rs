//! A bridge between opencode and a share server, as real processes: whatever becomes of either, the
//! share ends as the agent said.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod bridge {
    pub(crate) mod scene;
}

use std::time::Duration;

use bridge::scene::{PATIENCE, PUBLIC_URL, Scene, Victim, document, expected, syncs};
use http::StatusCode;
use serde_json::json;
use share_client::ClientError;
use share_faults::{FaultProxy, ProxyOptions};
use share_model::RefusalCode;
use share_model::seam::{Clock, Entropy, SeededEntropy, SystemClock, SystemEntropy};
use share_opencode::Item;
use share_tests::{OpencodePlayer, PlayedShare};

const SESSION: &str = "ses_played";

async fn sync_all(agent: &OpencodePlayer, share: &PlayedShare, syncs: &[Vec<Item>]) {
    for items in syncs {
        let answer = agent.sync(share, items).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
}

#[expect(clippy::print_stdout, reason = "the seed of a run that fails")]
fn seeded() -> SeededEntropy {
    let seed = match std::env::var("SHARE_SEED") {
        Ok(seed) => seed.parse().expect("SHARE_SEED is a number"),
        Err(_) => SystemEntropy::default().below(u64::MAX),
    };
    println!("replay: SHARE_SEED={seed} cargo test -p share-tests --test bridge");
    SeededEntropy::new(seed)
}

/// Sends items while something is killed, at a random moment of it.
async fn sync_and_kill(
    scene: &mut Scene,
    (share, items): (&PlayedShare, &[Item]),
    (victim, after): (Victim, Duration),
) {
    let agent = scene.agent();
    let kill = async {
        SystemClock.sleep(after).await;
        scene.kill(victim).await;
    };
    let (answer, ()) = tokio::join!(agent.sync(share, items), kill);
    assert_eq!(answer.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn a_session_is_whole_on_the_server_that_was_there_all_the_time() {
    let mut scene = Scene::started().await;
    for name in ["small", "revert", "restart", "auto"] {
        let share = scene.agent().create(name).await.unwrap();
        assert_eq!(share.url, format!("{PUBLIC_URL}/share/{}", share.id));
        sync_all(&scene.agent(), &share, &syncs(name)).await;
        scene.wait_for(&share, &expected(name)).await;
        let data = scene.agent().data(&share.id).await.unwrap();
        assert_eq!(data.status, StatusCode::TEMPORARY_REDIRECT);
        let elsewhere = format!("{PUBLIC_URL}/api/share/{}/data", share.id);
        assert_eq!(data.headers["location"], elsewhere);
    }
    let listed = scene.share(&["list", "--json"]);
    assert_eq!(listed.lines().count(), 4, "{listed}");
    assert!(listed.contains(r#""session":"restart""#), "{listed}");
    scene.end_bridge().await;
}

#[tokio::test]
async fn a_server_that_is_away_all_the_time_costs_nothing() {
    let mut scene = Scene::with_the_server_away().await;
    let agent = scene.impatient_agent();
    let share = agent.create(SESSION).await.unwrap();
    sync_all(&agent, &share, &syncs("small")).await;
    // A restart of the machine in between.
    scene.kill(Victim::Bridge).await;
    scene.start_server().await;
    scene.wait_for(&share, &expected("small")).await;
}

#[tokio::test]
async fn where_no_rpc_comes_through_all_goes_by_http() {
    let mut scene = Scene::new();
    // What refs name is no server.
    scene.advertise = Some("127.0.0.1:1".parse().unwrap());
    scene.by_http = true;
    scene.start_server().await;
    scene.end_server().await;
    scene.start_bridge().await;
    let agent = scene.impatient_agent();
    let share = agent.create(SESSION).await.unwrap();
    let unshared = agent.create("ses_other").await.unwrap();
    sync_all(&agent, &share, &syncs("small")).await;
    sync_all(&agent, &unshared, &syncs("auto")).await;
    scene.start_server().await;
    scene.wait_for(&share, &expected("small")).await;
    scene.kill(Victim::Server).await;
    scene.wait_for(&unshared, &expected("auto")).await;
    let deleted = scene.agent().delete(&unshared).await.unwrap();
    assert_eq!(deleted.status, StatusCode::OK);
    let reference = scene.owner_ref(&unshared);
    scene.wait_for_refusal(&reference, RefusalCode::Gone).await;
}

#[tokio::test]
async fn a_bridge_that_is_ready_knows_where_the_pages_of_its_server_are() {
    let mut scene = Scene::new();
    scene.by_http = true;
    scene.has_public_url = false;
    scene.start_server().await;
    scene.start_bridge().await;
    let share = scene.impatient_agent().create(SESSION).await.unwrap();
    assert!(share.url.starts_with("http://127.0.0.1:"), "{}", share.url);
}

#[tokio::test]
async fn whoever_is_killed_at_whatever_stage_of_a_share_the_server_has_what_was_sent() {
    let random = seeded();
    let recorded = syncs("auto");
    for victim in [Victim::Bridge, Victim::Server] {
        for stage in 0..=recorded.len() + 1 {
            let after = Duration::from_millis(random.below(40));
            let mut scene = Scene::started().await;
            let mut share = scene.impatient_agent().create("ses_other").await.unwrap();
            let agent = scene.agent();
            if stage == 0 {
                let kill = async {
                    SystemClock.sleep(after).await;
                    scene.kill(victim).await;
                };
                let (created, ()) = tokio::join!(agent.create(SESSION), kill);
                share = created.unwrap();
            }
            for (index, items) in recorded.iter().enumerate() {
                if stage == index + 1 {
                    sync_and_kill(&mut scene, (&share, items), (victim, after)).await;
                } else {
                    sync_all(&agent, &share, std::slice::from_ref(items)).await;
                }
            }
            scene.wait_for(&share, &expected("auto")).await;
            if stage > recorded.len() {
                let reference = scene.owner_ref(&share);
                let kill = async {
                    SystemClock.sleep(after).await;
                    scene.kill(victim).await;
                };
                let (deleted, ()) = tokio::join!(agent.delete(&share), kill);
                assert_eq!(deleted.unwrap().status, StatusCode::OK);
                scene.wait_for_refusal(&reference, RefusalCode::Gone).await;
            }
            assert_eq!(scene.kills.get(), 1);
        }
    }
}

#[tokio::test]
async fn a_long_session_is_whole_after_ten_kills_of_either() {
    let random = seeded();
    let recorded = syncs("long");
    let mut scene = Scene::started().await;
    let share = scene.agent().create(SESSION).await.unwrap();
    let every = recorded.len() / 10;
    for (index, items) in recorded.iter().enumerate() {
        if index % every != every - 1 {
            sync_all(&scene.agent(), &share, std::slice::from_ref(items)).await;
            continue;
        }
        let victim = [Victim::Bridge, Victim::Server][usize::from(random.below(2) == 0)];
        let after = Duration::from_millis(random.below(20));
        sync_and_kill(&mut scene, (&share, items), (victim, after)).await;
    }
    assert!(scene.kills.get() >= 10);
    scene.wait_for(&share, &expected("long")).await;
}

#[tokio::test]
async fn a_server_that_answers_late_holds_no_agent_up() {
    let mut scene = Scene::new();
    scene.start_server().await;
    let options = ProxyOptions::default();
    let proxy = FaultProxy::start(scene.server_at(), options).await.unwrap();
    scene.end_server().await;
    scene.advertise = Some(proxy.local_addr());
    scene.start_server().await;
    scene.start_bridge().await;
    proxy.delay(Duration::from_millis(700));
    let agent = scene.impatient_agent();
    let playing = async {
        let share = agent.create(SESSION).await.unwrap();
        sync_all(&agent, &share, &syncs("small")).await;
        share
    };
    // Thirteen requests, and each would wait for two round trips at least.
    let share = tokio::time::timeout(Duration::from_secs(9), playing).await;
    let share = share.expect("the agent waits for the server");
    scene.wait_for(&share, &expected("small")).await;
    assert!(proxy.counts().connections > 0);
}

#[tokio::test]
async fn a_share_that_was_unshared_before_its_server_came_back_was_never_there() {
    let mut scene = Scene::with_the_server_away().await;
    let agent = scene.impatient_agent();
    let share = agent.create(SESSION).await.unwrap();
    sync_all(&agent, &share, &syncs("auto")).await;
    let reference = scene.owner_ref(&share);
    for _ in 0..2 {
        assert_eq!(agent.delete(&share).await.unwrap().status, StatusCode::OK);
    }
    let answer = agent.sync(&share, &[]).await.unwrap();
    assert_eq!(answer.status, StatusCode::GONE);
    let data = agent.data(&share.id).await.unwrap();
    assert_eq!(data.status, StatusCode::NOT_FOUND);
    scene.kill(Victim::Bridge).await;
    scene.start_server().await;
    // Another share shows that the bridge has come through to the server.
    let other = scene.agent().create(SESSION).await.unwrap();
    sync_all(&scene.agent(), &other, &syncs("auto")).await;
    scene.wait_for(&other, &expected("auto")).await;
    scene.wait_for_ends().await;
    let refused = document(&reference).await.unwrap_err();
    let ClientError::Refused(refusal) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(refusal.code, RefusalCode::NotAuthorized, "it was created");
    // What waited was given up, and nobody has to decide about it.
    scene.wait_for_given_up(reference.share).await;
}

#[tokio::test]
async fn an_unshare_while_the_server_is_away_is_honoured_when_it_is_back() {
    let mut scene = Scene::started().await;
    let agent = scene.agent();
    let share = agent.create(SESSION).await.unwrap();
    sync_all(&agent, &share, &syncs("auto")).await;
    scene.wait_for(&share, &expected("auto")).await;
    let reference = scene.owner_ref(&share);
    scene.end_server().await;
    // What is sent after the server left is given up with the share.
    sync_all(&agent, &share, &syncs("small")[..1]).await;
    assert_eq!(agent.delete(&share).await.unwrap().status, StatusCode::OK);
    scene.kill(Victim::Bridge).await;
    scene.start_server().await;
    scene.wait_for_refusal(&reference, RefusalCode::Gone).await;
    scene.wait_for_ends().await;
    // Weeks later too, and the name is free.
    let agent = scene.agent();
    assert_eq!(agent.delete(&share).await.unwrap().status, StatusCode::OK);
    assert_eq!(scene.share(&["list", "--json"]), "");
}

#[tokio::test]
async fn what_was_shared_elsewhere_before_is_taken_over_by_sharing_again() {
    let scene = Scene::started().await;
    let agent = scene.agent();
    let recorded = syncs("small");
    let (past, rest) = recorded.split_at(recorded.len() / 2);
    let elsewhere = PlayedShare {
        id: "AAAAAAAAAAAAAAAAAAAAAA".into(),
        secret: "A".repeat(43),
        url: String::new(),
    };
    for items in past {
        let answer = agent.sync(&elsewhere, items).await.unwrap();
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        let hint = answer.json()["hint"].as_str().unwrap().to_owned();
        assert!(hint.contains("sharing the session again"), "{hint}");
    }
    let answer = agent.delete(&elsewhere).await.unwrap();
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    // Create, then everything so far in one request, as opencode sends it.
    let share = agent.create(SESSION).await.unwrap();
    sync_all(&agent, &share, &[past.concat()]).await;
    sync_all(&agent, &share, rest).await;
    scene.wait_for(&share, &expected("small")).await;
}

#[tokio::test]
async fn a_session_that_is_shared_again_has_another_share_and_no_one_elses_secret_opens_it() {
    let scene = Scene::started().await;
    let agent = scene.agent();
    let first = agent.create(SESSION).await.unwrap();
    let second = agent.create(SESSION).await.unwrap();
    assert!(first.id != second.id && first.secret != second.secret);
    let crossed = PlayedShare {
        secret: first.secret.clone(),
        ..second.clone()
    };
    let items = [Item {
        kind: "session".into(),
        data: json!({"id": SESSION}),
    }];
    let answer = agent.sync(&crossed, &items).await.unwrap();
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let answer = agent.delete(&crossed).await.unwrap();
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    sync_all(&agent, &second, &[items.to_vec()]).await;
    let said = [("session".to_owned(), json!({"id": SESSION}))];
    scene.wait_for(&second, &said.into()).await;
    let names = scene.share(&["list", "--json"]);
    assert!(names.contains("\"session\":\"ses_played#2\""), "{names}");
}

#[tokio::test]
async fn with_the_ref_of_one_share_one_session_goes_into_it() {
    let mut scene = Scene::new();
    scene.start_server().await;
    let factory = scene.to.clone();
    let owner = scene.share(&["create", "--factory", &factory]);
    std::fs::write(scene.path("owner.ref"), &owner).unwrap();
    scene.to = format!("@{}", scene.path("owner.ref").display());
    scene.start_bridge().await;
    let agent = scene.agent();
    let share = agent.create(SESSION).await.unwrap();
    let create = json!({"sessionID": "ses_2"});
    let second = agent.send(http::Method::POST, "/api/share", &create);
    let second = second.await.unwrap();
    assert_eq!(second.status, StatusCode::FORBIDDEN);
    assert!(
        second.json()["error"]
            .as_str()
            .unwrap()
            .contains("another agent session")
    );
    sync_all(&agent, &share, &syncs("small")).await;
    scene.wait_for(&share, &expected("small")).await;
    assert_eq!(scene.owner_ref(&share).expose(), owner.trim());
    // The same session again, as after an outage.
    let again = agent.create(SESSION).await.unwrap();
    sync_all(&agent, &again, &[syncs("small").concat()]).await;
    scene.wait_for(&again, &expected("small")).await;
}

#[tokio::test]
async fn while_the_public_url_is_not_known_nothing_is_shared_and_it_is_said_what_to_do() {
    let mut scene = Scene::new();
    scene.start_server().await;
    scene.end_server().await;
    scene.has_public_url = false;
    scene.start_bridge().await;
    let create = json!({"sessionID": SESSION});
    let agent = scene.impatient_agent();
    let answer = agent
        .send(http::Method::POST, "/api/share", &create)
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let error = answer.json()["error"].as_str().unwrap().to_owned();
    assert!(error.contains("--public-url"), "{error}");
}

#[tokio::test]
async fn one_bridge_has_an_outbox_and_another_one_is_refused() {
    let scene = Scene::started().await;
    let args = ["bridge", "--to", &scene.to, "--listen", "127.0.0.1:0"];
    let mut other = tokio::process::Command::from(scene.command(&args));
    let ended = tokio::time::timeout(PATIENCE, other.output())
        .await
        .unwrap()
        .unwrap();
    let err = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{err}");
    assert!(err.contains("another bridge has the folder"), "{err}");
}
