//! Copies of a client's folder, snapshots of the server's machine, restarts, kills and cut
//! connections, drawn by a seed: in the end every op is in the document once.
//!
//! `SHARE_SEED=N cargo test -p share-tests --test hard_cases` replays one run, `SHARE_SEEDS=N` runs so
//! many.

#![expect(
    clippy::print_stderr,
    reason = "a failed run tells its story and its seed"
)]

use std::collections::BTreeMap;
use std::rc::Rc;

use share_client::{Flusher, NewOp, Outbox};
use share_model::seam::{Entropy, SeededEntropy};
use share_model::{Mutation, ShareRef};
use share_tests::{Cuts, StagedLink, Stages, World, by_each_way};

const SEEDS: u64 = 25;
const STEPS: u64 = 24;
const CLIENTS_MAX: usize = 4;
const BACKS_MAX: usize = 2;

/// What is drawn by the seed.
struct Chance(SeededEntropy);

impl Chance {
    fn below(&self, bound: usize) -> usize {
        let drawn = self.0.below(bound as u64);
        usize::try_from(drawn).expect("it is below a usize")
    }
}

struct Client {
    name: String,
    outbox: Outbox,
    ops: usize,
}

/// One run.
struct Run {
    seed: u64,
    world: World,
    share: ShareRef,
    chance: Chance,
    clients: Vec<Client>,
    /// Every op that was enqueued, by who enqueued it.
    enqueued: BTreeMap<String, usize>,
    kept: usize,
    backs: usize,
    /// A machine's disk was put back: what no server knows.
    is_machine_back: bool,
    /// What happened.
    story: Vec<String>,
}

impl Run {
    async fn begin(seed: u64) -> Self {
        let cuts = Cuts {
            connections: 20,
            bytes_max: 6000,
        };
        let world = World::start(seed, cuts).await;
        let share = world.create_share().await;
        let outbox = world.outbox("client0");
        outbox
            .use_ref(share.clone())
            .await
            .expect("the ref is kept");
        let put = Mutation::Put {
            key: "log".into(),
            json: "\"\"".into(),
        };
        let first = outbox.enqueue(share.share, NewOp::of(put)).await;
        first.expect("an op is enqueued");
        let client = Client {
            name: "client0".into(),
            outbox,
            ops: 0,
        };
        let mut run = Self {
            seed,
            world,
            share,
            chance: Chance(SeededEntropy::new(seed)),
            clients: vec![client],
            enqueued: BTreeMap::new(),
            kept: 0,
            backs: 0,
            is_machine_back: false,
            story: Vec::new(),
        };
        // Every later step may then count on the text.
        run.flush(0).await;
        run
    }

    async fn step(&mut self) {
        let at = self.chance.below(self.clients.len());
        match self.chance.below(22) {
            0..=7 => self.enqueue(at).await,
            8..=11 => self.flush(at).await,
            12..=15 => self.flush_and_die(at).await,
            16 => self.copy(at),
            17 | 20 => self.keep().await,
            18 | 21 if self.kept > 0 && self.backs < BACKS_MAX => self.put_back().await,
            _ => {
                self.story.push("restart the server".into());
                self.world.restart_server().await;
            }
        }
    }

    /// Backs the server up, and keeps its machine's disk.
    async fn keep(&mut self) {
        self.kept += 1;
        let kept = self.kept;
        self.story.push(format!("keep {kept}"));
        self.world.keep_machine(&format!("machine{kept}")).await;
        self.world.backup(&format!("backup{kept}")).await;
    }

    /// Restores a backup; or puts the machine's disk back, if the folder is never copied: a lane that
    /// another copy went on in may then hide that the server went back in time.
    async fn put_back(&mut self) {
        self.backs += 1;
        let kept = 1 + self.chance.below(self.kept);
        if self.clients.len() == 1 && self.chance.below(2) == 0 {
            self.is_machine_back = true;
            self.story.push(format!("put machine {kept} back"));
            self.world.put_machine_back(&format!("machine{kept}")).await;
        } else {
            self.story.push(format!("restore backup {kept}"));
            self.world.restore(&format!("backup{kept}")).await;
        }
    }

    async fn enqueue(&mut self, at: usize) {
        let count = 1 + self.chance.below(12);
        let client = &mut self.clients[at];
        self.story.push(format!("{} enqueues {count}", client.name));
        for _ in 0..count {
            client.ops += 1;
            let text = format!("{}.{};", client.name, client.ops);
            let append = NewOp::of(Mutation::AppendText {
                key: "log".into(),
                pointer: String::new().into(),
                text: text.into(),
            });
            let enqueued = client.outbox.enqueue(self.share.share, append).await;
            enqueued.expect("an op is enqueued");
        }
        self.enqueued.insert(client.name.clone(), client.ops);
    }

    async fn flush(&mut self, at: usize) {
        let client = &self.clients[at];
        self.story.push(format!("{} flushes", client.name));
        let options = self.world.flusher_options();
        let (flusher, flushing) = Flusher::run_local(&client.outbox, options);
        let flushing = tokio::task::spawn_local(flushing);
        let report = flusher.flush().await.expect("the flusher runs");
        let left = (report.pending, report.stopped.len());
        assert_eq!(left, (0, 0), "{}: {report:?}", client.name);
        flusher.stop().await.expect("the flusher ends");
        flushing.await.expect("the flusher's task ends");
    }

    /// Dies at some stage of its replay; what it had sent may arrive much later.
    async fn flush_and_die(&mut self, at: usize) {
        let client = &self.clients[at];
        let stage = 1 + self.chance.below(16);
        let stages = Stages::held_at(stage);
        let options = self.world.flusher_options();
        let link = self.world.link();
        let link = Rc::new(StagedLink::new(link, Rc::clone(&stages)));
        let (flusher, flushing) = Flusher::run_local_over(&client.outbox, options, link);
        let flushing = tokio::task::spawn_local(flushing);
        tokio::select! {
            biased;
            () = stages.held() => {}
            report = flusher.flush() => drop(report.expect("the flusher runs")),
        }
        flushing.abort();
        let _ = flushing.await;
        let name = client.name.clone();
        self.story.push(format!("{name} dies at stage {stage}"));
        self.clients[at].outbox = self.world.outbox(&name);
    }

    fn copy(&mut self, at: usize) {
        if self.clients.len() < CLIENTS_MAX && !self.is_machine_back {
            let (from, to) = (
                &self.clients[at].name,
                format!("client{}", self.clients.len()),
            );
            self.story.push(format!("{from} is copied as {to}"));
            self.world.copy_state(from, &to);
            let outbox = self.world.outbox(&to);
            self.clients.push(Client {
                name: to,
                outbox,
                ops: 0,
            });
        }
    }

    /// All come to their end, twice, so that what one does to another is mended too.
    async fn end(&mut self) {
        for _ in 0..2 {
            for at in 0..self.clients.len() {
                self.flush(at).await;
            }
            let log = self.log().await;
            self.check(&log);
        }
        for client in &self.clients {
            let shares = client.outbox.shares().await.expect("the outbox is read");
            let left = (
                shares[0].pending,
                shares[0].in_doubt,
                shares[0].dead_letters,
            );
            assert_eq!(left, (0, 0, 0), "{}", client.name);
        }
    }

    async fn log(&self) -> String {
        // Also these connections may be cut.
        for _ in 0..100 {
            let session = self.world.redeem(&self.share).await;
            let mut log = None;
            let read = session.document(|_, json| log = Some(json.to_owned()));
            match read.await {
                Ok(_) => {
                    let log = log.expect("the share has a log");
                    return serde_json::from_str(&log).expect("it is a text");
                }
                Err(error) => assert!(error.is_transport(), "{error}"),
            }
        }
        panic!("the document was not read in a hundred tries");
    }

    /// Each op once, and those of one client in their order.
    fn check(&self, log: &str) {
        for (name, count) in &self.enqueued {
            let own: Vec<_> = log
                .split_terminator(';')
                .filter(|token| token.starts_with(&format!("{name}.")))
                .collect();
            let expected: Vec<_> = (1..=*count).map(|op| format!("{name}.{op}")).collect();
            assert_eq!(own, expected);
        }
        let all: usize = self.enqueued.values().sum();
        assert_eq!(log.split_terminator(';').count(), all);
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let seed = self.seed;
            eprintln!("seed {seed}: {:#?}", self.story);
            eprintln!("replay: SHARE_SEED={seed} cargo test -p share-tests --test hard_cases");
        }
    }
}

fn run(seed: u64) {
    share_tests::simulate(seed, async {
        let mut run = Run::begin(seed).await;
        for _ in 0..STEPS {
            run.step().await;
        }
        run.end().await;
        run.clients.clear();
        run.world.stop_server().await;
    });
}

#[test]
fn every_op_is_applied_once_whatever_is_copied_and_whatever_goes_back_in_time() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seeds = match number("SHARE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SHARE_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        by_each_way(|| run(seed));
    }
}
