//! opencode's recorded requests against a real `share serve` that is killed in between.

#![expect(clippy::unwrap_used, reason = "a test fails by its panic")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use share_faults::KillCount;
use share_model::Limits;
use share_model::seam::{Clock as _, Entropy as _, SeededEntropy, SystemClock, SystemEntropy};
use share_opencode::{Item, Recording, RequestKind, compare, expected};
use share_tests::{OpencodePlayer, PlayedShare, Served, share_binary};

/// For whatever comes about in the end.
const PATIENCE: Duration = Duration::from_secs(90);

fn player(served: &Served) -> OpencodePlayer {
    OpencodePlayer::new(served.http).patient(PATIENCE)
}

/// What a recording syncs before its share is deleted.
fn syncs(name: &str) -> (Vec<Vec<Item>>, BTreeMap<String, Value>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings");
    let recording = Recording::open(&folder.join(format!("{name}.jsonl.gz"))).unwrap();
    let requests: Vec<_> = recording.map(Result::unwrap).collect();
    let last = expected(requests.iter().cloned().map(Ok)).unwrap();
    let syncs = requests
        .into_iter()
        .filter_map(|request| match request.kind {
            RequestKind::Sync { items } => Some(items),
            _ => None,
        });
    (syncs.collect(), last)
}

async fn assert_says(player: &OpencodePlayer, share: &PlayedShare, last: &BTreeMap<String, Value>) {
    let read = player.data(&share.id).await.unwrap();
    assert!(read.status.is_success(), "{read:?}");
    let items = read.json();
    let entries = items.as_array().unwrap().iter().flat_map(|item| {
        let item = Item {
            kind: item["type"].as_str().unwrap().to_owned(),
            data: item["data"].clone(),
        };
        item.into_entries(&Limits::DEFAULT).unwrap()
    });
    let differences = compare(last, &entries.collect());
    let shown: Vec<String> = differences.iter().map(ToString::to_string).collect();
    assert!(shown.is_empty(), "{shown:#?}");
}

/// Promise 1: what was answered survives any crash. Who sends again what had no answer has all of it.
#[tokio::test]
async fn a_server_that_is_killed_in_the_middle_of_syncs_says_what_it_was_told() {
    let seed = match std::env::var("SHARE_SEED") {
        Ok(seed) => seed.parse().expect("SHARE_SEED is a number"),
        Err(_) => SystemEntropy::default().below(u64::MAX),
    };
    println!("replay: SHARE_SEED={seed} cargo test -p share-tests --test http");
    let chance = SeededEntropy::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let kills = KillCount::default();
    let mut served = Served::start(&folder, "127.0.0.1:0", &kills).await;
    let address = served.http.to_string();
    for name in ["small", "restart", "revert"] {
        let (syncs, last) = syncs(name);
        let share = player(&served).create(name).await.unwrap();
        for items in &syncs {
            let player = player(&served);
            let sync = player.sync(&share, items);
            let killed = async {
                if chance.below(3) > 0 {
                    return;
                }
                SystemClock
                    .sleep(Duration::from_millis(chance.below(30)))
                    .await;
                served.child.sigkill().await.unwrap();
                served = Served::start(&folder, &address, &kills).await;
            };
            let (synced, ()) = tokio::join!(sync, killed);
            let synced = synced.unwrap();
            assert!(synced.status.is_success(), "{synced:?}");
        }
        assert_says(&player(&served), &share, &last).await;
        // Once more, after a restart in order.
        served.child.sigterm_and_wait(PATIENCE).await.unwrap();
        served = Served::start(&folder, &address, &kills).await;
        assert_says(&player(&served), &share, &last).await;
        let deleted = player(&served).delete(&share).await.unwrap();
        assert!(deleted.status.is_success(), "{deleted:?}");
        let read = player(&served).data(&share.id).await.unwrap();
        assert_eq!(read.status, 404);
    }
    assert!(kills.get() > 0, "nothing was killed");
    served.child.sigterm_and_wait(PATIENCE).await.unwrap();
}

/// The whole of what a start says, and what it serves where HTTP was not asked for.
#[tokio::test]
async fn http_is_served_where_it_is_told_and_not_at_all_if_it_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let kills = KillCount::default();
    let served = Served::start(&folder, "127.0.0.1:0", &kills).await;
    let share = player(&served).create("ses_1").await.unwrap();
    let url = format!("http://{}/share/{}", served.http, share.id);
    assert_eq!(share.url, url);
    // Another server has its port already.
    let mut command = Command::new(share_binary());
    command
        .args(["serve", "--data", "other", "--listen", "127.0.0.1:0"])
        .args(["--http", &served.http.to_string()])
        .current_dir(folder.path())
        .env_clear();
    let ended = command.output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        said.contains("in use") && said.contains("`--http`"),
        "{said}"
    );
    let mut child = served.child;
    child.sigterm_and_wait(PATIENCE).await.unwrap();
}
