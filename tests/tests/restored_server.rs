//! A server goes back in time; its clients bring their shares back (`docs/design.md` §3).

use std::collections::BTreeMap;
use std::time::Duration;

use share_client::{Flusher, Grouping, LostOps, NewOp, Outbox, OutboxOptions, Recovery, Retention};
use share_model::{Mutation, Seq, ShareRef};
use share_tests::{Cuts, World, by_each_way};

const NO_CUTS: Cuts = Cuts {
    connections: 0,
    bytes_max: 1,
};

/// A client with a share of its own.
struct Client {
    name: &'static str,
    share: ShareRef,
    outbox: Outbox,
}

impl Client {
    async fn new(world: &World, name: &'static str, options: OutboxOptions) -> Self {
        let share = world.create_share().await;
        let outbox = world.outbox_with(name, options);
        outbox
            .use_ref(share.clone())
            .await
            .expect("the ref is kept");
        Self {
            name,
            share,
            outbox,
        }
    }

    /// Ops that are not idempotent: each that is lost or doubled is seen.
    async fn enqueue(&self, numbers: std::ops::RangeInclusive<usize>) {
        let ops = numbers.map(|number| {
            let put = Mutation::Put {
                key: "log".into(),
                json: "\"\"".into(),
            };
            let append = Mutation::AppendText {
                key: "log".into(),
                pointer: String::new().into(),
                text: format!("{number};").into(),
            };
            NewOp::of(if number == 0 { put } else { append })
        });
        let enqueued = self
            .outbox
            .enqueue_all(self.share.share, ops.collect(), Grouping::Loose);
        enqueued.await.expect("ops are enqueued");
    }

    async fn flush(&self, world: &World) {
        let (flusher, flushing) = Flusher::run_local(&self.outbox, world.flusher_options());
        let flushing = tokio::task::spawn_local(flushing);
        let report = flusher.flush().await.expect("the flusher runs");
        let name = self.name;
        assert_eq!(
            (report.pending, report.stopped.len()),
            (0, 0),
            "{name}: {report:?}"
        );
        flusher.stop().await.expect("the flusher ends");
        flushing.await.expect("the flusher's task ends");
    }

    async fn document(&self, world: &World) -> BTreeMap<String, String> {
        let session = world.redeem(&self.share).await;
        let mut document = BTreeMap::new();
        let read = session.document(|key, json| {
            document.insert(key.to_owned(), json.to_owned());
        });
        read.await.expect("the document is read");
        document
    }

    async fn recoveries(&self) -> Vec<Recovery> {
        let events = self.outbox.recoveries(0, 100).await.expect("it is read");
        events.into_iter().map(|event| event.recovery).collect()
    }
}

/// Ops before the server is kept, and after.
const BEFORE: usize = 500;
const AFTER: usize = 2_500;

/// How a server goes back in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// `share backup`, `share restore`: with a new history.
    Backup,
    /// All that its machine has on disk, with the history that it has: nothing of it knows.
    Machine,
}

impl Way {
    async fn keep(self, world: &mut World) {
        match self {
            Self::Backup => world.backup("kept").await,
            Self::Machine => world.keep_machine("kept").await,
        }
    }

    async fn put_back(self, world: &mut World) {
        match self {
            Self::Backup => world.restore("kept").await,
            Self::Machine => world.put_machine_back("kept").await,
        }
    }
}

#[test]
fn every_client_brings_its_share_back_after_a_restored_backup() {
    by_each_way(|| every_client_brings_its_share_back(Way::Backup));
}

#[test]
fn every_client_brings_its_share_back_after_a_snapshot_of_the_machine() {
    by_each_way(|| every_client_brings_its_share_back(Way::Machine));
}

/// 10,000 ops of four clients are acked after the backup.
fn every_client_brings_its_share_back(way: Way) {
    share_tests::simulate(1, async {
        let mut world = World::start(1, NO_CUTS).await;
        let mut clients = Vec::new();
        for name in ["connected", "drained", "pending", "short"] {
            let mut options = world.outbox_options();
            options.batch_ops_max = Some(100);
            if name == "short" {
                options.retention = Retention {
                    ops_max: 1000,
                    ..Retention::default()
                };
            }
            clients.push(Client::new(&world, name, options).await);
        }
        for client in &clients {
            client.enqueue(0..=BEFORE - 1).await;
            client.flush(&world).await;
        }
        way.keep(&mut world).await;
        let mut documents = Vec::new();
        for client in &clients {
            client.enqueue(BEFORE..=BEFORE + AFTER - 1).await;
            client.flush(&world).await;
            documents.push(client.document(&world).await);
        }
        // One stays connected while its server goes back.
        let options = world.flusher_options();
        let often = share_client::FlusherOptions {
            check_interval: Some(Duration::from_secs(20)),
            ..options
        };
        let (flusher, flushing) = Flusher::run_local(&clients[0].outbox, often);
        let flushing = tokio::task::spawn_local(flushing);
        flusher.flush().await.expect("the flusher runs");
        way.put_back(&mut world).await;
        // It looks by itself.
        let mut progress = flusher.progress();
        let is_back = |progress: &share_client::Progress| progress.ended() >= AFTER as u64;
        let came = progress.wait_for(is_back).await;
        came.expect("the flusher runs");
        flusher.stop().await.expect("the flusher ends");
        flushing.await.expect("the flusher's task ends");
        clients[2].enqueue(BEFORE + AFTER..=BEFORE + AFTER).await;
        for client in &clients[1..] {
            client.flush(&world).await;
        }
        for (client, before) in clients.iter().zip(&documents).take(2) {
            assert_eq!(client.document(&world).await, *before, "{}", client.name);
            let told = client.recoveries().await;
            assert!(matches!(&told[..], [Recovery::FedAgain { lost, .. }] if lost.is_empty()));
        }
        let mut with_one_more = documents[2]["log"].clone();
        with_one_more.truncate(with_one_more.len() - 1);
        with_one_more.push_str(&format!("{};\"", BEFORE + AFTER));
        assert_eq!(clients[2].document(&world).await["log"], with_one_more);
        says_what_is_gone(&clients[3]).await;
        drop(clients);
        world.stop_server().await;
    });
}

async fn says_what_is_gone(client: &Client) {
    let told = client.recoveries().await;
    let [Recovery::RequeuedAll { ops, lost, .. }] = &told[..] else {
        panic!("{told:?}");
    };
    let [LostOps { first, last, .. }] = lost[..] else {
        panic!("{lost:?}");
    };
    // Ops are numbered from 0, seqs from 1.
    assert_eq!(first, Seq::new(BEFORE as u64 + 1));
    assert_eq!(last.get() + ops, (BEFORE + AFTER) as u64);
}
