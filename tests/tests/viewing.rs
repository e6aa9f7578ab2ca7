//! Pages that are open while a real `share serve` is killed and started again.

#![expect(clippy::unwrap_used, reason = "a test fails by its panic")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use share_faults::KillCount;
use share_model::seam::{Clock as _, Entropy as _, SeededEntropy, SystemClock, SystemEntropy};
use share_opencode::Item;
use share_tests::{OpencodePlayer, Served};
use tokio::net::TcpStream;

/// For whatever comes about in the end.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two tries to connect.
const PAUSE: Duration = Duration::from_millis(20);
const VIEWERS: usize = 5;
const PARTS: usize = 120;

/// What a page shows, as its viewer was told.
#[derive(Debug, Default)]
struct Page {
    /// Where it has got.
    id: String,
    cursor: u64,
    parts: BTreeSet<String>,
    connections: u64,
    resets: u64,
}

impl Page {
    /// Reads events until the page shows so many parts, over as many connections as it takes.
    async fn read(&mut self, http: SocketAddr, path: &str) {
        while self.parts.len() < PARTS {
            match self.connection(http, path).await {
                Some(body) => self.events(body).await,
                None => SystemClock.sleep(PAUSE).await,
            }
        }
    }

    async fn connection(&mut self, http: SocketAddr, path: &str) -> Option<Incoming> {
        let stream = TokioIo::new(TcpStream::connect(http).await.ok()?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.ok()?;
        tokio::spawn(connection);
        let request = Request::builder()
            .uri(path)
            .header("host", http.to_string())
            .header("last-event-id", &self.id)
            .body(Empty::<Bytes>::new());
        let response = sender.send_request(request.unwrap()).await.ok()?;
        self.connections += 1;
        response.status().is_success().then(|| response.into_body())
    }

    async fn events(&mut self, mut body: Incoming) {
        let mut text = Vec::new();
        while self.parts.len() < PARTS
            && let Some(Ok(frame)) = body.frame().await
        {
            text.extend(frame.into_data().unwrap());
            while let Some(at) = text.windows(2).position(|window| window == b"\n\n") {
                let block: Vec<u8> = text.drain(..at + 2).collect();
                self.event(str::from_utf8(&block).unwrap());
            }
        }
    }

    fn event(&mut self, block: &str) {
        let field = |name: &str| {
            let mut lines = block.lines().filter_map(|line| line.split_once(": "));
            lines.find_map(|(field, value)| (field == name).then_some(value))
        };
        let name = field("event").unwrap_or_default();
        if !matches!(name, "view" | "reset") {
            assert_ne!(name, "end");
            return;
        }
        let data: Value = serde_json::from_str(field("data").unwrap()).unwrap();
        let cursor = data["cursor"].as_u64().unwrap();
        if name == "reset" {
            self.resets += 1;
            self.parts.clear();
        } else {
            assert!(
                cursor > self.cursor,
                "{cursor} after {}: a repeat",
                self.cursor
            );
        }
        self.cursor = cursor;
        self.id = field("id").unwrap().to_owned();
        for id in parts_in(&data["patches"].to_string()) {
            assert!(self.parts.insert(id.clone()), "{id} was shown twice");
        }
    }
}

/// The parts that patches put on a page.
fn parts_in(patches: &str) -> Vec<String> {
    let ids = patches.split("id=\\\"p-m.").skip(1);
    let ids = ids.filter_map(|rest| rest.split_once("\\\"").map(|(id, _)| id.to_owned()));
    ids.collect()
}

fn item(kind: &str, data: Value) -> Item {
    Item {
        kind: kind.to_owned(),
        data,
    }
}

/// Promise 3: a reader sees a prefix of the log, never a gap; and no op twice.
#[tokio::test]
async fn pages_show_each_part_once_although_the_server_is_killed_again_and_again() {
    let seed = match std::env::var("SHARE_SEED") {
        Ok(seed) => seed.parse().expect("SHARE_SEED is a number"),
        Err(_) => SystemEntropy::default().below(u64::MAX),
    };
    println!("replay: SHARE_SEED={seed} cargo test -p share-tests --test viewing");
    let chance = SeededEntropy::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let kills = KillCount::default();
    let mut served = Served::start(&folder, "127.0.0.1:0", &kills).await;
    let http = served.http;
    let player = OpencodePlayer::new(http).patient(PATIENCE);
    let share = player.create("ses_1").await.unwrap();
    let message = item("message", json!({"id": "m", "role": "assistant"}));
    player.sync(&share, &[message]).await.unwrap();
    let path = format!("/share/{}/live", share.id);
    let mut viewing = Vec::new();
    for _ in 0..VIEWERS {
        let path = path.clone();
        viewing.push(tokio::spawn(async move {
            let mut page = Page::default();
            let reading = page.read(http, &path);
            let read = tokio::time::timeout(PATIENCE, reading).await;
            assert!(read.is_ok(), "{page:?}");
            page
        }));
    }
    for number in 0..PARTS {
        let id = format!("part{number:03}");
        let part = json!({"id": id, "messageID": "m", "type": "text", "text": "so"});
        let items = [item("part", part)];
        let sync = player.sync(&share, &items);
        let killed = async {
            if chance.below(20) == 0 || number == PARTS / 2 {
                SystemClock
                    .sleep(Duration::from_millis(chance.below(10)))
                    .await;
                served.child.sigkill().await.unwrap();
                served = Served::start(&folder, &http.to_string(), &kills).await;
            }
        };
        let (synced, ()) = tokio::join!(sync, killed);
        assert!(synced.unwrap().status.is_success());
    }
    let mut least_resets = u64::MAX;
    for page in viewing {
        let page = page.await.unwrap();
        assert_eq!(page.cursor, 1 + u64::try_from(PARTS).unwrap());
        assert!(
            page.connections > 1 && page.resets < page.connections,
            "{page:?}"
        );
        least_resets = least_resets.min(page.resets);
    }
    // The first connection begins with the whole page. Who comes back first goes on where it was;
    // another one may have been told less than that one when both were cut off.
    assert!(least_resets < kills.get() + 1, "nobody went on");
    assert!(kills.get() > 0, "nothing was killed");
    served.child.sigterm_and_wait(PATIENCE).await.unwrap();
}
