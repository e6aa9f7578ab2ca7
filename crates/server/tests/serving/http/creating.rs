//! Who may create a share over HTTP, and what it is.

use serde_json::json;
use share_model::{OriginKind, Quotas, Rights, Secret};
use share_proto::wire;
use share_server::HttpCreate;

use super::super::factory::child_of;
use super::super::world::{World, factory_ref, simulated};
use super::agent::{Shared, todo};

#[test]
fn a_share_is_as_one_that_was_created_over_rpc_and_its_secret_is_the_owners() {
    simulated(async || {
        let world = World::start().await;
        let share = world.share_session("ses_1").await;
        assert_eq!(share.url, format!("http://localhost/share/{}", share.id));
        let client = world.connect().await;
        let owner = share.owner_ref(&client).await;
        let redeemed = client.redeemed(&owner).await.unwrap().unwrap();
        assert!(redeemed.owner && redeemed.rights == Rights::ALL && redeemed.title.is_empty());
        let origin = &redeemed.origin;
        assert_eq!((origin.kind(), origin.id()), (OriginKind::Agent, "ses_1"));
        world.synced(&share, &[todo("t", 1)]).await;
        assert_eq!(client.session(&owner).keys().await.0, ["todo/t"]);
        drop(client);
        world.end().await;
    });
}

#[test]
fn sharing_a_session_again_gives_another_share_and_the_first_one_stays() {
    simulated(async || {
        let world = World::start().await;
        let first = world.share_session("ses_1").await;
        world.synced(&first, &[todo("t", 1)]).await;
        let second = world.share_session("ses_1").await;
        assert!(first.id != second.id && first.secret != second.secret);
        assert!(world.entries(&second).await.is_empty());
        assert_eq!(world.entries(&first).await.len(), 1);
        // Neither secret opens the other.
        let mixed = Shared {
            secret: first.secret.clone(),
            ..second
        };
        assert_eq!(world.sync(&mixed, &[]).await.0, 404);
        world.end().await;
    });
}

#[test]
fn where_creating_needs_a_token_a_factorys_grant_is_one_within_its_quotas() {
    simulated(async || {
        let world = World::with(|options| options.http.create = Some(HttpCreate::Token)).await;
        let root = factory_ref(&world.data());
        let quotas = Quotas {
            shares_max: 1,
            ..Quotas::default()
        };
        let client = world.connect().await;
        let child = child_of(&client, &root, 100, quotas).await;
        let records = world.store.extent_records().await;
        let body = json!({"sessionID": "ses_1"});
        let to = (http::Method::POST, "/api/share");
        assert_eq!(world.ask(to, Some(&body)).await.0, 401);
        let wrong = Secret::from_bytes([9; 32]);
        let wrong = format!("{}.{}", root.grant, wrong.to_text());
        for token in ["", "x", &wrong] {
            assert_eq!(world.ask_with(token, "ses_1").await.0, 401, "{token}");
        }
        assert_eq!(world.store.extent_records().await, records);
        let short = format!("{}.{}", root.grant, root.secret.to_text());
        for token in [root.expose().to_string(), short, child.expose().to_string()] {
            Shared::from_answer(world.ask_with(&token, "ses_1").await);
        }
        let records = world.store.extent_records().await;
        let (status, body) = world.ask_with(&child.expose().to_string(), "ses_1").await;
        assert_eq!(status, 403, "{body}");
        assert_eq!(world.store.extent_records().await, records);
        drop(client);
        world.end().await;
    });
}

#[test]
fn where_anybody_may_create_a_token_of_another_place_does_no_harm() {
    simulated(async || {
        let world = World::start().await;
        Shared::from_answer(world.ask_with("eyJ.of.an-account", "ses_1").await);
        world.end().await;
    });
}

#[test]
fn a_session_without_an_id_makes_nothing() {
    simulated(async || {
        let world = World::start().await;
        let records = world.store.extent_records().await;
        for session in [String::new(), "x".repeat(1025)] {
            let body = json!({"sessionID": session});
            let to = (http::Method::POST, "/api/share");
            assert_eq!(world.ask(to, Some(&body)).await.0, 400);
        }
        assert_eq!(world.store.extent_records().await, records);
        world.end().await;
    });
}

#[test]
fn who_redeems_the_factory_is_told_under_which_url_pages_are() {
    simulated(async || {
        let public = "https://share.example";
        for (said, url) in [(None, "http://localhost"), (Some(public), public)] {
            let world = World::with(|options| {
                options.http.public_url = said.map(str::to_owned);
                options.http.create = Some(HttpCreate::Open);
            })
            .await;
            let client = world.connect().await;
            let mut request = client.bootstrap.redeem_factory_request();
            wire::write_factory_ref(&factory_ref(&world.data()), request.get().init_ref());
            request.get().set_protocol_version(1);
            let response = request.send().promise.await.unwrap();
            let outcome = response.get().unwrap().get_outcome().unwrap();
            let redeemed = wire::read_factory_outcome(outcome).unwrap().unwrap();
            assert_eq!(redeemed.http_url.as_deref(), Some(url));
            let share = world.share_session("ses_1").await;
            assert_eq!(share.url, format!("{url}/share/{}", share.id));
            drop((client, response));
            world.end().await;
        }
    });
}
