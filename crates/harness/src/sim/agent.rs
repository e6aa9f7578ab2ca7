//! An agent's process: an outbox, its flusher, and a stream of ops, until all is calm and nothing is
//! left to send.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use share_client::{
    Backoff, FlushOptions, Flusher, FlusherError, FlusherOptions, Heard, Outbox, OutboxError,
    OutboxOptions, Outcomes, Retention, RetryPolicy, RowFilter,
};
use share_model::seam::{Clock, Executor};
use share_model::{ShareId, ShareRef};

use super::link::link;
use super::machine::Machine;
use super::net::SimConnector;
use super::work::Work;
use super::world::World;
use crate::chance::Chance;
use crate::history::What;

/// How often a share with nothing to send is looked at.
const CHECK: Duration = Duration::from_secs(4);
/// How long a connection with nothing to send is kept: so long no check is due.
const IDLE: Duration = Duration::from_secs(3);
/// How long a flush waits for what holds a share up.
const GIVE_UP_AFTER: Duration = Duration::from_secs(30);
/// How long a flush may take before days pass, and how many may give up.
const PATIENCE: Duration = Duration::from_secs(45);
const GIVEN_UP: u32 = 2;
/// Longer than what a restored server rejects is tried again.
const DAYS_MS: i64 = 8 * 24 * 3600 * 1000;
/// Rows of an outbox that are read at a time.
const ROWS_MAX: usize = 1000;

/// Who an agent is.
#[derive(Debug, Clone)]
pub(crate) struct Agent {
    /// As the history and the board call it.
    pub(crate) name: String,
    /// Whose folder it uses: its own, or that of the first process of its machine.
    pub(crate) folder: String,
    /// Whom the refs that it uses were given to.
    pub(crate) refs: String,
}

/// Why an agent's process ends by itself.
enum End {
    /// All is over for it.
    AtRest,
    /// Its outbox failed: it is to be begun anew.
    Failed(String),
}

/// One life of an agent's process.
pub(crate) async fn run(world: Arc<World>, agent: Agent) -> turmoil::Result {
    let machine = world.machine(&agent.folder);
    let process = machine.begin(&world.processes, &agent.name);
    let folder = agent.folder.clone();
    world.push(&agent.name, What::Began { folder });
    let life = Life {
        boot: machine.boots(),
        chance: world.chance(&format!("{}-{}", agent.name, machine.boots())),
        clock: machine.clock(),
        world,
        machine,
        agent,
    };
    let options = life.outbox_options(process);
    let end = match life.open(options).await {
        Ok(outbox) => life.live(&outbox).await,
        Err(end) => end,
    };
    if let End::Failed(why) = end {
        life.world
            .trace(&format!("{} ends: {why}", life.agent.name));
    }
    Ok(())
}

struct Life {
    world: Arc<World>,
    machine: Arc<Machine>,
    agent: Agent,
    boot: u32,
    chance: Chance,
    clock: Arc<dyn Clock>,
}

impl Life {
    fn outbox_options(&self, process: Arc<dyn share_model::seam::Processes>) -> OutboxOptions {
        OutboxOptions {
            executor: Executor::Inline,
            sqlite: self.machine.sqlite(),
            clock: Arc::clone(&self.clock),
            entropy: self.chance.entropy(),
            files: self.machine.files(),
            processes: process,
            batch_ops_max: Some(self.world.plan.batch_ops.max(4)),
            retry: RetryPolicy {
                attempts_max: 4,
                age_max: Duration::from_secs(6),
                delay: Duration::from_millis(200),
                delay_max: Duration::from_secs(2),
            },
            // Clocks jump by days here; what was settled is looked at in the end.
            retention: Retention {
                age_max: Duration::from_secs(100 * 365 * 24 * 3600),
                ..Retention::default()
            },
            ..OutboxOptions::default()
        }
    }

    async fn open(&self, options: OutboxOptions) -> Result<Outbox, End> {
        let path = self.machine.root.join("share.sqlite");
        match Outbox::open(&path, options) {
            Ok(outbox) => Ok(outbox),
            Err(error) => {
                if matches!(
                    error,
                    OutboxError::Damaged { .. }
                        | OutboxError::NotAnOutbox { .. }
                        | OutboxError::Newer { .. }
                        | OutboxError::Unreadable { .. }
                ) {
                    let name = &self.agent.name;
                    let what = format!("outbox-unusable: {name} can't open its outbox: {error:?}");
                    self.world.broken(what);
                }
                self.pause(500).await;
                Err(End::Failed(error.to_string()))
            }
        }
    }

    async fn pause(&self, ms: u64) {
        self.clock.sleep(Duration::from_millis(ms)).await;
    }

    fn flusher(&self, outbox: &Outbox) -> Running {
        let connector = SimConnector::of(&self.world, &self.machine);
        let options = FlusherOptions {
            connector: Arc::clone(&connector),
            in_flight: self.world.plan.in_flight,
            backoff: Backoff {
                base: Duration::from_millis(100),
                max: Duration::from_secs(2),
            },
            slow_backoff: Backoff {
                base: Duration::from_millis(500),
                max: Duration::from_secs(2),
            },
            answer_timeout: Duration::from_secs(3),
            check_interval: Some(CHECK),
            idle_timeout: IDLE,
            ..FlusherOptions::default()
        };
        let link = link(connector, &self.world, &self.agent.name);
        let (flusher, flushing) = Flusher::run_local_over(outbox, options, Rc::new(link));
        let flushing = tokio::task::spawn_local(flushing);
        let hearing = hear(
            Arc::clone(&self.world),
            self.agent.name.clone(),
            outbox.outcomes(),
        );
        let hearing = tokio::task::spawn_local(hearing);
        Running {
            flusher,
            flushing,
            hearing,
        }
    }

    async fn live(&self, outbox: &Outbox) -> End {
        let running = self.flusher(outbox);
        let worked = self.work(outbox).await;
        let end = match worked {
            Ok(()) => self.rest(outbox, &running.flusher).await,
            Err(end) => Err(end),
        };
        running.end().await;
        end.err().unwrap_or(End::AtRest)
    }

    /// Appends until all is calm.
    async fn work(&self, outbox: &Outbox) -> Result<(), End> {
        let mut work: BTreeMap<ShareId, Work> = BTreeMap::new();
        let mut used: BTreeMap<ShareId, ShareRef> = BTreeMap::new();
        let plan = &self.world.plan;
        let quiet_gap = plan
            .quiet_gap_ms
            .filter(|_| plan.is_quiet(&self.agent.name));
        let gap = quiet_gap.unwrap_or(plan.step_gap_ms);
        while !self.world.is_calm() {
            self.pause(self.chance.between(1, 2 * gap)).await;
            self.use_refs(outbox, &mut used).await?;
            let shares: Vec<ShareId> = used.keys().copied().collect();
            let Some(share) = self.chance.pick(&shares).copied() else {
                continue;
            };
            let work = work
                .entry(share)
                .or_insert_with(|| Work::new(&self.agent.name, self.boot));
            self.enqueue(outbox, share, work).await?;
        }
        Ok(())
    }

    /// Takes refs that were given since.
    async fn use_refs(
        &self,
        outbox: &Outbox,
        used: &mut BTreeMap<ShareId, ShareRef>,
    ) -> Result<(), End> {
        let refs = self.world.board().refs_of(&self.agent.refs);
        for reference in refs {
            if used.get(&reference.share).map(|it| it.grant) != Some(reference.grant) {
                outbox.use_ref(reference.clone()).await.map_err(failed)?;
                used.insert(reference.share, reference);
            }
        }
        Ok(())
    }

    async fn enqueue(&self, outbox: &Outbox, share: ShareId, work: &mut Work) -> Result<(), End> {
        let world = &*self.world;
        let planned = work.next((world, share), (&self.chance, &*self.clock));
        let call = world.history.call();
        let enqueue = What::Enqueue {
            call,
            share,
            ops: planned.made.clone(),
            group: planned.group,
        };
        let name = &self.agent.name;
        world.push(name, enqueue);
        match outbox
            .enqueue_all(share, planned.ops, planned.grouping)
            .await
        {
            Ok(enqueued) => {
                let identities: Vec<_> = enqueued.iter().map(|op| op.identity).collect();
                let ops = enqueued.iter().map(|op| (share, op.id, op.identity));
                world.board().ops.extend(ops);
                world.push(name, What::Enqueued { call, identities });
                work.kept(&planned.made, planned.group);
                Ok(())
            }
            // Nobody knows whether these are kept.
            Err(error @ (OutboxError::Storage(_) | OutboxError::Closed)) => Err(failed(error)),
            Err(error) => {
                let why = error.to_string();
                world.push(name, What::NotEnqueued { call, why });
                Ok(())
            }
        }
    }

    /// Waits until nothing is left to send but for a person, and writes down what the outbox says.
    async fn rest(&self, outbox: &Outbox, flusher: &Flusher) -> Result<(), End> {
        while !self.world.board().refs_are_final {
            self.pause(200).await;
        }
        let mut used = BTreeMap::new();
        self.use_refs(outbox, &mut used).await?;
        // Until every share was looked at, whose server may have gone back in time.
        self.clock.sleep(2 * (CHECK + IDLE)).await;
        let mut held_up = 0;
        loop {
            let flush = flusher.flush_with(FlushOptions {
                give_up_after: Some(GIVE_UP_AFTER),
                ..FlushOptions::default()
            });
            let report = tokio::select! {
                biased;
                report = flush => report,
                () = self.clock.sleep(PATIENCE) => {
                    self.days_pass();
                    continue;
                }
            };
            let report = report.map_err(|error: FlusherError| End::Failed(error.to_string()))?;
            let stopped: u64 = report.stopped.iter().map(|share| share.pending).sum();
            if report.blocked.is_empty() && report.pending == stopped {
                break;
            }
            let what = format!("{} is not at rest: {report:?}", self.agent.name);
            self.world.trace(&what);
            held_up += 1;
            if held_up % GIVEN_UP == 0 {
                self.days_pass();
            }
            self.pause(500).await;
        }
        self.tell(outbox).await?;
        self.world.board().at_rest.insert(self.agent.name.clone());
        Ok(())
    }

    /// What was applied before a server went back in time, and is rejected since, is tried for days.
    fn days_pass(&self) {
        if self.world.board().went_back {
            self.machine.jump_clock(DAYS_MS);
        }
    }

    /// Writes down what the outbox says of every share.
    async fn tell(&self, outbox: &Outbox) -> Result<(), End> {
        let folder = self.agent.folder.clone();
        let recoveries = outbox.recoveries(0, ROWS_MAX).await.map_err(failed)?;
        for status in outbox.shares().await.map_err(failed)? {
            let share = status.share;
            let filter = RowFilter {
                share: Some(share),
                states: Vec::new(),
            };
            let mut rows = Vec::new();
            loop {
                let after = rows.last().map(share_client::Row::position);
                let more = outbox.rows(filter.clone(), after, ROWS_MAX).await;
                let more = more.map_err(failed)?;
                if more.is_empty() {
                    break;
                }
                rows.extend(more);
            }
            let of_share = recoveries.iter().filter(|event| event.share == share);
            let told = What::Rows {
                folder: folder.clone(),
                share,
                rows,
                recoveries: of_share.map(|event| event.recovery.clone()).collect(),
                stopped: status.stopped.map(|stop| stop.code),
            };
            self.world.push(&self.agent.name, told);
        }
        let rested = What::AtRest {
            folder,
            rested: true,
            detail: String::new(),
        };
        self.world.push(&self.agent.name, rested);
        Ok(())
    }
}

fn failed(error: OutboxError) -> End {
    End::Failed(format!("{error:?}"))
}

/// A flusher and what belongs to it.
struct Running {
    flusher: Flusher,
    flushing: tokio::task::JoinHandle<()>,
    hearing: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn end(self) {
        // Why it ended, if it had, was told to whoever asked it for something.
        let _ = self.flusher.stop().await;
        let _ = self.flushing.await;
        self.hearing.abort();
    }
}

/// Writes down what the outbox tells of the ends of ops.
async fn hear(world: Arc<World>, name: String, mut outcomes: Outcomes) {
    while let Some(heard) = outcomes.next().await {
        let Heard::Outcome(event) = heard else {
            continue;
        };
        let ended = What::Ended {
            share: event.share,
            seq: event.seq,
            op: event.op_id,
            outcome: event.outcome,
        };
        world.push(&name, ended);
    }
}
