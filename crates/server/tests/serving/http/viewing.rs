//! Pages that grow, on the server's own backend: what viewers see, and when they see nothing more.

use std::collections::BTreeSet;

use http::{Method, Request};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use share_model::seam::SeededEntropy;
use share_model::{HistoryId, ShareRef};
use share_server::store::Store as _;

use super::super::administrator::{READ, publication};
use super::super::client::Client;
use super::super::lane::Lane;
use super::super::world::{World, data_in, open, options, simulated, soon};
use super::agent::{Shared, item, text_part};

/// A stream of a page.
struct Live {
    body: Incoming,
    text: String,
    /// Where it has got.
    id: String,
    _connection: tokio::task::JoinHandle<Result<(), hyper::Error>>,
}

/// An event: its name, and what it says.
type Event = (String, Value);

impl Live {
    async fn open(world: &World, path: &str) -> Result<Self, u16> {
        Self::with(world, path, "").await
    }

    /// The private page of whoever has the token.
    async fn private(world: &World, token: &str) -> Result<Self, u16> {
        Self::with(world, "/private/live", &format!("Bearer {token}")).await
    }

    async fn with(world: &World, path: &str, authorization: &str) -> Result<Self, u16> {
        let stream = TokioIo::new(world.http_stream().await);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        let request = Request::builder()
            .method(Method::GET)
            .uri(path)
            .header("host", "localhost")
            .header("authorization", authorization);
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        match response.status().as_u16() {
            200 => Ok(Self {
                body: response.into_body(),
                text: String::new(),
                id: String::new(),
                _connection: connection,
            }),
            status => Err(status),
        }
    }

    /// The next event but of how many view; `None`: the stream has ended.
    async fn event(&mut self) -> Option<Event> {
        loop {
            let Some((block, rest)) = self.text.split_once("\n\n") else {
                let frame = soon("an event", self.body.frame()).await?;
                let bytes = frame.unwrap().into_data().unwrap();
                self.text.push_str(str::from_utf8(&bytes).unwrap());
                continue;
            };
            let mut event = (String::new(), Value::Null);
            for line in block.lines() {
                match line.split_once(": ") {
                    Some(("event", name)) => event.0 = name.to_owned(),
                    Some(("id", id)) => self.id = id.to_owned(),
                    Some(("data", data)) => event.1 = serde_json::from_str(data).unwrap(),
                    _ => {}
                }
            }
            self.text = rest.to_owned();
            if !matches!(event.0.as_str(), "" | "viewers") {
                return Some(event);
            }
        }
    }

    async fn change(&mut self) -> Event {
        self.event().await.expect("the stream goes on")
    }
}

impl World {
    /// Where the page of a share stands.
    async fn page_at(&self, id: &str) -> String {
        let path = format!("/share/{id}");
        let (status, page) = self.ask((Method::GET, &path), None).await;
        assert_eq!(status, 200, "{page}");
        let page = page.as_str().unwrap().to_owned();
        let told = |name: &str| {
            let (_, rest) = page.split_once(&format!("data-{name}=\"")).unwrap();
            rest.split('"').next().unwrap().to_owned()
        };
        format!("{}:{}", told("history"), told("cursor"))
    }

    async fn live(&self, id: &str, after: &str) -> Live {
        let path = format!("/share/{id}/live?after={after}");
        Live::open(self, &path).await.unwrap()
    }

    /// A share whose message has begun.
    async fn begun(&self) -> Shared {
        let shared = self.share_session("ses_1").await;
        let message = item("message", json!({"id": "m", "role": "assistant"}));
        self.synced(&shared, &[message, text_part("p", "So")]).await;
        shared
    }
}

#[test]
fn a_viewer_sees_each_op_once_across_restarts_and_begins_again_in_another_history() {
    simulated(async || {
        let world = World::start().await;
        let shared = world.begun().await;
        let at = world.page_at(&shared.id).await;
        let mut live = world.live(&shared.id, &at).await;
        let mut cursors = Vec::new();
        let mut text = "So".to_owned();
        for word in [" it", " goes"] {
            text += word;
            world.synced(&shared, &[text_part("p", &text)]).await;
            cursors.push(live.change().await);
        }
        let folder = world.end().await;
        assert_eq!(live.event().await, None, "it comes back by itself");

        let world = World::on(folder, |_| {}).await;
        // What is said while nobody looks.
        world
            .synced(&shared, &[text_part("p", "So it goes on")])
            .await;
        let mut again = world.live(&shared.id, &live.id).await;
        cursors.push(again.change().await);
        world
            .synced(&shared, &[text_part("p", "So it goes on!")])
            .await;
        cursors.push(again.change().await);
        let expected: Vec<u64> = (3..=6).collect();
        let seen = cursors
            .iter()
            .map(|(_, data)| data["cursor"].as_u64().unwrap());
        assert_eq!(seen.collect::<Vec<_>>(), expected);
        let names: BTreeSet<&str> = cursors.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["view"].into());
        assert!(again.id.ends_with(":6"));
        let folder = world.end().await;

        let store = open(&data_in(&folder), &options(&data_in(&folder)).store);
        let history = HistoryId::random(&SeededEntropy::new(9));
        store.renew_history(history).await.unwrap();
        drop(store);
        let world = World::on(folder, |_| {}).await;
        let mut other = world.live(&shared.id, &again.id).await;
        let (name, data) = other.change().await;
        assert_eq!((name.as_str(), &data["cursor"]), ("reset", &json!(6)));
        assert_eq!(other.id, format!("{history}:6"));
        world.end().await;
    });
}

/// Ways in which what a page shows ends.
#[derive(Debug, Clone, Copy)]
enum Way {
    Unpublish,
    Bump,
    Delete,
}

#[test]
fn viewers_are_told_of_the_end_of_their_address_before_it_is_acked_and_see_nothing_after() {
    for way in [Way::Unpublish, Way::Bump, Way::Delete] {
        simulated(async || {
            let world = World::start().await;
            let client: Client = world.connect().await;
            let owner_ref = client.owner_ref(1).await;
            let owner = client.session(&owner_ref);
            let slug = share_model::Slug::from_bytes([7; 16]);
            let published = owner.publish(&publication(&slug, None)).await;
            let grant = published.unwrap().unwrap().grant;
            let id = slug.to_text();
            let mut lane = Lane::new(1);
            let (writer, _claimed) = owner.claim(&lane.claim());
            writer.append(&lane.puts(&["a"])).await.unwrap().unwrap();
            let at = world.page_at(&id).await;
            let mut viewers = Vec::new();
            for _ in 0..3 {
                viewers.push(world.live(&id, &at).await);
            }
            writer.append(&lane.puts(&["b"])).await.unwrap().unwrap();
            for live in &mut viewers {
                assert_eq!(live.change().await.1["cursor"], 2);
            }
            match way {
                Way::Unpublish => {
                    let cut = owner.revoke(grant).await.unwrap().unwrap();
                    assert_eq!((cut.grants, cut.viewers), (1, 1), "one stage for all");
                    assert_eq!(cut.served[0].cursor.get(), 2);
                }
                Way::Bump => {
                    let bump = super::super::client::bump(9);
                    owner.bump(&bump).await.unwrap().unwrap();
                }
                Way::Delete => drop(owner.delete().await.unwrap().unwrap()),
            }
            if let Way::Unpublish = way {
                writer.append(&lane.puts(&["c"])).await.unwrap().unwrap();
            }
            for live in &mut viewers {
                let (name, data) = live.change().await;
                assert_eq!(name, "end", "{way:?}: {data}");
                assert_eq!(live.event().await, None);
            }
            for below in ["", "/live", "/replay"] {
                let path = format!("/share/{id}{below}");
                let (status, _) = world.ask((Method::GET, &path), None).await;
                assert_eq!(status, 404, "{way:?}{below}");
            }
            world.end().await;
        });
    }
}

#[test]
fn a_page_whose_address_runs_out_ends_by_itself() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let owner_ref = client.owner_ref(1).await;
        let owner = client.session(&owner_ref);
        let slug = share_model::Slug::from_bytes([7; 16]);
        let clock = options(&world.data()).seams.clock;
        let soon_over = clock.now().plus_ms(5000);
        let published = owner.publish(&publication(&slug, Some(soon_over))).await;
        published.unwrap().unwrap();
        let id = slug.to_text();
        let at = world.page_at(&id).await;
        let mut live = world.live(&id, &at).await;
        let (name, data) = live.change().await;
        assert_eq!((name.as_str(), &data["reason"]), ("end", &json!("expired")));
        world.end().await;
    });
}

#[test]
fn a_replay_has_each_op_of_the_log_and_its_time() {
    simulated(async || {
        let world = World::start().await;
        let shared = world.begun().await;
        for text in ["So it", "So it goes"] {
            world.synced(&shared, &[text_part("p", text)]).await;
        }
        let path = format!("/share/{}/replay", shared.id);
        let (status, lines) = world.ask((Method::GET, &path), None).await;
        assert_eq!(status, 200);
        let lines: Vec<Value> = lines
            .as_str()
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let begin = &lines[0]["begin"];
        assert_eq!(
            (&begin["cursor"], &begin["end_cursor"]),
            (&json!(0), &json!(4))
        );
        assert_eq!(begin["truncated"], false);
        assert_eq!(begin["at"], lines[1]["at"]);
        assert_eq!(begin["end_at"], lines[4]["at"]);
        let cursors: Vec<u64> = lines[1..]
            .iter()
            .map(|line| line["cursor"].as_u64().unwrap())
            .collect();
        assert_eq!(cursors, [1, 2, 3, 4]);
        world.end().await;
    });
}

#[test]
fn a_private_page_dies_with_its_grant_which_its_owner_ends_by_the_owners_page() {
    simulated(async || {
        let world = World::start().await;
        let client = world.connect().await;
        let owner_ref = client.owner_ref(1).await;
        let owner = client.session(&owner_ref);
        let child_ref = owner.grant(&owner_ref, 2, READ).await;
        let mut lane = Lane::new(1);
        let (writer, _claimed) = owner.claim(&lane.claim());
        writer.append(&lane.puts(&["a"])).await.unwrap().unwrap();

        let post =
            async |path: &str, body: Value| world.ask((Method::POST, path), Some(&body)).await;
        let by = |of: &ShareRef| json!({"ref": of.expose()});
        let (status, page) = post("/private/open", by(&child_ref)).await;
        assert_eq!(status, 200, "{page}");
        let token = page["token"].as_str().unwrap().to_owned();
        let mut live = Live::private(&world, &token).await.unwrap();
        assert_eq!(live.change().await.0, "reset");
        let mut other = Live::private(&world, &token).await.unwrap();
        assert_eq!(other.change().await.0, "reset");
        writer.append(&lane.puts(&["b"])).await.unwrap().unwrap();
        assert_eq!(live.change().await.1["cursor"], 2);

        // Who may only read, sees no grants and ends none but its own.
        let (status, refused) = post("/owner/share", by(&child_ref)).await;
        assert_eq!(status, 403, "{refused}");
        let (status, share) = post("/owner/share", by(&owner_ref)).await;
        assert_eq!(status, 200, "{share}");
        assert_eq!((&share["ops"], &share["viewers"]), (&json!(2), &json!(2)));
        let grants = share["grants"].as_array().unwrap();
        let child = grants
            .iter()
            .find(|grant| grant["id"] == child_ref.grant.to_string());
        let child = child.unwrap();
        assert_eq!(
            (&child["viewers"], &child["label"]),
            (&json!(2), &json!("grant 2"))
        );
        assert!(child["last_access_at"].is_number() && child["revoked_at"].is_null());

        let mut body = by(&owner_ref);
        body["grant"] = child["id"].clone();
        let (status, ended) = post("/owner/revoke", body.clone()).await;
        assert_eq!(status, 200, "{ended}");
        assert_eq!(
            (&ended["grants"], &ended["viewers"]),
            (&json!(1), &json!(1))
        );
        writer.append(&lane.puts(&["c"])).await.unwrap().unwrap();
        for live in [&mut live, &mut other] {
            let (name, data) = loop {
                let event = live.change().await;
                if event.1["cursor"] != 2 {
                    break event;
                }
            };
            assert_eq!((name.as_str(), &data["reason"]), ("end", &json!("revoked")));
        }
        assert_eq!(Live::private(&world, &token).await.err(), Some(404));
        let (status, _) = post("/private/open", by(&child_ref)).await;
        assert_eq!(status, 404);
        let (status, again) = post("/owner/revoke", body).await;
        assert_eq!((status, &again["grants"]), (200, &json!(0)), "a repeat");
        world.end().await;
    });
}
