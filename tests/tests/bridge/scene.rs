//! A server and a bridge as processes of their own, and an agent before them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use share_client::{ClientError, Session, TcpConnector};
use share_faults::{Child, KillCount};
use share_model::seam::{Clock, SystemClock};
use share_model::{RefusalCode, ShareId, ShareRef};
use share_opencode::{Item, Recording, RequestKind, compare};
use share_tests::{OpencodePlayer, PlayedShare, share_binary};
use tempfile::TempDir;
use tokio::task::LocalSet;

/// For whoever says nothing: generous, for machines that have much else to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The server's pages, as the bridge hands them out.
pub(crate) const PUBLIC_URL: &str = "https://share.example";

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Victim {
    Bridge,
    Server,
}

pub(crate) struct Scene {
    folder: TempDir,
    pub(crate) kills: KillCount,
    server: Option<Child>,
    bridge: Option<Child>,
    /// Where each listens, once it has.
    server_at: Option<SocketAddr>,
    bridge_at: Option<SocketAddr>,
    /// Where the server speaks HTTP, once it has; `None` also where it does not.
    http_at: Option<SocketAddr>,
    /// The bridge knows the server's HTTP face only.
    pub(crate) by_http: bool,
    /// What the server writes into its refs, if not where it listens.
    pub(crate) advertise: Option<SocketAddr>,
    /// What the bridge's `--to` is.
    pub(crate) to: String,
    pub(crate) has_public_url: bool,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The outbox goes under the nearest folder with .git: this one.
        std::fs::create_dir_all(folder.path().join("work/.git")).unwrap();
        Self {
            to: format!("@{}", folder.path().join("server/factory.ref").display()),
            folder,
            kills: KillCount::default(),
            server: None,
            bridge: None,
            server_at: None,
            bridge_at: None,
            http_at: None,
            by_http: false,
            advertise: None,
            has_public_url: true,
        }
    }

    /// Both are there.
    pub(crate) async fn started() -> Self {
        let mut scene = Self::new();
        scene.start_server().await;
        scene.start_bridge().await;
        scene
    }

    /// The server was there once, so that there is a factory's ref; now it is away.
    pub(crate) async fn with_the_server_away() -> Self {
        let mut scene = Self::new();
        scene.start_server().await;
        scene.end_server().await;
        scene.start_bridge().await;
        scene
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(share_binary());
        command
            .args(args)
            .current_dir(self.path("work"))
            .env_clear()
            .env("HOME", self.folder.path())
            .env("USER", "tester");
        command
    }

    /// What a command prints that ends well.
    #[track_caller]
    pub(crate) fn share(&self, args: &[&str]) -> String {
        let ended = self.command(args).output().unwrap();
        let err = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{args:?}: {err}");
        String::from_utf8(ended.stdout).unwrap()
    }

    pub(crate) fn server_at(&self) -> SocketAddr {
        self.server_at.expect("the server was started")
    }

    pub(crate) async fn start_server(&mut self) {
        let data = self.path("server").display().to_string();
        let listen = at_or_free(self.server_at);
        let mut args = vec!["serve", "--data", &data, "--listen", &listen];
        let http = at_or_free(self.http_at);
        match self.by_http {
            true => args.extend(["--http", &http]),
            false => args.push("--no-http"),
        }
        let advertise = self.advertise.map(|address| address.to_string());
        if let Some(address) = &advertise {
            args.extend(["--advertise", address]);
        }
        let mut child = Child::start(self.command(&args), &self.kills).unwrap();
        self.server_at = Some(address_behind(&mut child, "listening on ").await);
        if self.by_http {
            self.http_at = Some(address_behind(&mut child, "http on http://").await);
        }
        self.server = Some(child);
    }

    pub(crate) async fn start_bridge(&mut self) {
        let listen = at_or_free(self.bridge_at);
        let mut args = vec!["bridge", "--to", &self.to, "--listen", &listen];
        args.extend(["--retry-max-ms", "100"]);
        if self.has_public_url {
            args.extend(["--public-url", PUBLIC_URL]);
        }
        let http = self.http_at.map(|address| format!("http://{address}"));
        if let Some(url) = http.as_deref().filter(|_| self.by_http) {
            args.extend(["--http", url]);
        }
        let mut child = Child::start(self.command(&args), &self.kills).unwrap();
        self.bridge_at = Some(address_behind(&mut child, "bridge on http://").await);
        self.bridge = Some(child);
    }

    pub(crate) async fn end_server(&mut self) {
        let mut child = self.server.take().expect("the server runs");
        let status = child.sigterm_and_wait(PATIENCE).await.unwrap();
        assert!(status.success(), "{status}");
    }

    pub(crate) async fn end_bridge(&mut self) {
        let mut child = self.bridge.take().expect("the bridge runs");
        let status = child.sigterm_and_wait(PATIENCE).await.unwrap();
        assert!(status.success(), "{status}: {:?}", child.transcript());
    }

    /// Kills it, and starts it again.
    pub(crate) async fn kill(&mut self, victim: Victim) {
        let child = match victim {
            Victim::Bridge => self.bridge.take(),
            Victim::Server => self.server.take(),
        };
        child.expect("it runs").sigkill().await.unwrap();
        match victim {
            Victim::Bridge => self.start_bridge().await,
            Victim::Server => self.start_server().await,
        }
    }

    /// An agent that loses nothing: it sends again what had no answer.
    pub(crate) fn agent(&self) -> OpencodePlayer {
        self.impatient_agent().patient(PATIENCE)
    }

    /// An agent that sends once, as opencode does.
    pub(crate) fn impatient_agent(&self) -> OpencodePlayer {
        OpencodePlayer::new(self.bridge_at.expect("the bridge was started"))
    }

    /// The owner's ref of a share, as the bridge keeps it.
    pub(crate) fn owner_ref(&self, share: &PlayedShare) -> ShareRef {
        let folder = self.path("work/.opencode/state/bridge");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|ending| ending != "share") {
                continue;
            }
            let record: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            if record["slug"] == share.id {
                let reference: ShareRef = record["reference"].as_str().unwrap().parse().unwrap();
                // Who looks is not cut off as the bridge is.
                let addresses = match self.by_http {
                    true => vec![self.server_at().to_string()],
                    false => reference.addresses.clone(),
                };
                return ShareRef {
                    addresses,
                    ..reference
                };
            }
        }
        panic!("the bridge has no record of the share");
    }

    /// Waits until the share on the server says just this.
    pub(crate) async fn wait_for(&self, share: &PlayedShare, expected: &BTreeMap<String, Value>) {
        let reference = self.owner_ref(share);
        let mut last = String::new();
        let there = async {
            loop {
                last = match document(&reference).await {
                    Ok(actual) => match compare(expected, &actual).first() {
                        None => return,
                        Some(difference) => difference.to_string(),
                    },
                    Err(error) => format!("{error:?}"),
                };
                SystemClock.sleep(LOOK_AGAIN).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, there).await;
        assert!(in_time.is_ok(), "the share never said it: {last}");
    }

    /// Waits until the server refuses the share with this code.
    pub(crate) async fn wait_for_refusal(&self, reference: &ShareRef, code: RefusalCode) {
        let mut last = String::new();
        let there = async {
            loop {
                match document(reference).await {
                    Err(ClientError::Refused(refusal)) if refusal.code == code => return,
                    other => last = format!("{:?}", other.map(|values| values.len())),
                }
                SystemClock.sleep(LOOK_AGAIN).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, there).await;
        assert!(in_time.is_ok(), "the server never said {code:?}: {last}");
    }

    /// Waits until every op of the share was let go.
    pub(crate) async fn wait_for_given_up(&self, share: ShareId) {
        let mut last = String::new();
        let there = async {
            loop {
                let rows = self.share(&["outbox", "--json"]);
                let rows = rows.lines().map(|row| serde_json::from_str(row).unwrap());
                let mut rows = rows.filter(|row: &Value| row["share"] == share.to_string());
                let Some(waits) = rows.find(|row| row["resolution"]["decision"] != "dropped")
                else {
                    return;
                };
                last = waits.to_string();
                SystemClock.sleep(LOOK_AGAIN).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, there).await;
        assert!(in_time.is_ok(), "an op was not let go: {last}");
    }

    /// Waits until the bridge has nothing left to end.
    pub(crate) async fn wait_for_ends(&self) {
        let folder = self.path("work/.opencode/state/bridge");
        let is_over = || {
            let paths = std::fs::read_dir(&folder).unwrap();
            let records = paths.map(|entry| std::fs::read_to_string(entry.unwrap().path()));
            // A file may be replaced meanwhile.
            let mut wanted = records
                .flatten()
                .filter(|record| record.contains("\"wanted\""));
            wanted.next().is_none()
        };
        let there = async {
            while !is_over() {
                SystemClock.sleep(LOOK_AGAIN).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, there).await;
        assert!(in_time.is_ok(), "something is still to be ended");
    }
}

/// What the share says, as its owner sees it.
pub(crate) async fn document(reference: &ShareRef) -> Result<BTreeMap<String, Value>, ClientError> {
    let reading = async {
        let session = Session::redeem(&TcpConnector::default(), reference).await?;
        let mut values = BTreeMap::new();
        let took = session.document(|key, value| {
            let value = serde_json::from_str(value).expect("a value is JSON");
            values.insert(key.to_owned(), value);
        });
        took.await?;
        Ok(values)
    };
    LocalSet::new().run_until(reading).await
}

/// The syncs of a recording, in order.
pub(crate) fn syncs(name: &str) -> Vec<Vec<Item>> {
    let requests = recording(name).map(|request| match request.unwrap().kind {
        RequestKind::Sync { items } => Some(items),
        _ => None,
    });
    requests.flatten().collect()
}

/// What the recording says that the share must say.
pub(crate) fn expected(name: &str) -> BTreeMap<String, Value> {
    share_opencode::expected(recording(name)).unwrap()
}

fn recording(name: &str) -> Recording<'static> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings");
    Recording::open(&root.join(format!("{name}.jsonl.gz"))).unwrap()
}

fn at_or_free(address: Option<SocketAddr>) -> String {
    address.map_or("127.0.0.1:0".to_owned(), |address| address.to_string())
}

async fn address_behind(child: &mut Child, start: &str) -> SocketAddr {
    let line = child.wait_for_line(|line| line.starts_with(start), PATIENCE);
    let line = line.await.unwrap();
    line.strip_prefix(start).unwrap().parse().unwrap()
}
