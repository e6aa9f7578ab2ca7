//! A client with a right to append that tries what an honest one does not: other content at a known
//! seq, seqs that it has settled, batches behind a refusal, an appender that it has fenced itself, and
//! a grant without the right.

use std::sync::Arc;
use std::time::Duration;

use share_client::{Answer, ClientError, LaneRequest, Link, LinkedLane};
use share_model::seam::Clock;
use share_model::{
    Ack, Batch, BatchId, Claimed, Entry, EntryBody, Envelope, Epoch, Incarnation, Mutation, Nonce,
    Op, OutboxKey, Seq, ShareRef,
};

use super::link::link;
use super::net::SimConnector;
use super::world::World;
use crate::chance::Chance;
use crate::history::{Group, MadeOp, What};
use crate::recording::RecordingLink;

/// Its name, and its machine's.
pub(crate) const PROBER: &str = "prober-1";
/// How long it waits for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The prober's process, until all is calm.
pub(crate) async fn run(world: Arc<World>) -> turmoil::Result {
    let machine = world.machine(PROBER);
    let _process = machine.begin(&world.processes, PROBER);
    let connector = SimConnector::of(&world, &machine);
    let mut prober = Prober {
        link: link(connector, &world, PROBER),
        chance: world.chance(PROBER),
        clock: machine.clock(),
        world,
        made: 0,
    };
    while !prober.world.is_calm() {
        let pause = prober.chance.between(50, 900);
        prober.clock.sleep(Duration::from_millis(pause)).await;
        let refs = prober.world.board().refs_of(PROBER);
        if let Some(reference) = prober.chance.pick(&refs) {
            // What it is told is in the history.
            let _ = prober.probe(reference).await;
        }
    }
    Ok(())
}

struct Prober {
    world: Arc<World>,
    link: RecordingLink,
    chance: Chance,
    clock: Arc<dyn Clock>,
    made: u64,
}

/// A lane that the prober has claimed, or is about to.
struct Lane {
    reference: ShareRef,
    key: OutboxKey,
    linked: LinkedLane,
}

impl Prober {
    async fn probe(&mut self, reference: &ShareRef) -> Result<(), ClientError> {
        match self.chance.below(6) {
            0 => self.fork(reference).await,
            1 => self.ask_for_what_is_settled(reference).await,
            2 => self.go_on_after_a_refusal(reference).await,
            3 => self.go_on_when_fenced(reference).await,
            4 => self.trespass(reference).await,
            _ => self.repeat(reference).await,
        }
    }

    /// A lane of a new key.
    async fn open(&self, reference: &ShareRef) -> Result<Lane, ClientError> {
        let key = OutboxKey::random(&*self.chance.entropy());
        self.claim(reference, key, Incarnation::default()).await
    }

    async fn claim(
        &self,
        reference: &ShareRef,
        key: OutboxKey,
        incarnation: Incarnation,
    ) -> Result<Lane, ClientError> {
        let request = LaneRequest {
            reference: reference.clone(),
            key: key.clone(),
            incarnation,
            nonce: Nonce::random(&*self.chance.entropy()),
            history: None,
        };
        Ok(Lane {
            reference: reference.clone(),
            key,
            linked: self.link.open(request).await?,
        })
    }

    /// An op that is not idempotent, invoked and written down.
    fn op(&mut self, lane: &Lane) -> Op {
        self.made += 1;
        let token = format!("{PROBER}.{};", self.made);
        let mutation = Mutation::Put {
            key: format!("probe/{}", self.made).into(),
            json: format!("\"{token}\"").into(),
        };
        let id = self.chance.op_id(&*self.clock);
        let made = MadeOp {
            id,
            mutation: mutation.clone(),
            depends_on: Vec::new(),
        };
        let enqueue = What::Enqueue {
            call: self.world.history.call(),
            share: lane.reference.share,
            ops: vec![made],
            group: Group::Loose,
        };
        self.world.push(PROBER, enqueue);
        Op {
            id,
            depends_on: Vec::new(),
            mutation,
        }
    }

    /// Sends ops at these seqs, having settled so much.
    fn send(&self, lane: &Lane, ops: &[(u64, &Op)], settled: u64) -> Answer<Ack> {
        let entries = ops.iter().map(|(seq, op)| Entry {
            seq: Seq::new(*seq),
            was: None,
            body: EntryBody::Op((*op).clone()),
            origin: None,
        });
        let batch = Batch {
            id: BatchId::new(&*self.clock, &*self.chance.entropy()),
            atomic: false,
            expected_cursor: None,
            entries: entries.collect(),
        };
        let envelope = Envelope {
            // Whatever the capability has.
            capability_epoch: Epoch::default(),
            settled_through: Seq::new(settled),
        };
        lane.linked.appender.append(&batch, envelope)
    }

    async fn told<T>(&self, answer: Answer<T>) -> Result<T, ClientError> {
        let answered = tokio::time::timeout(PATIENCE, answer).await;
        answered.unwrap_or(Err(ClientError::NoAnswer { timeout_ms: 3_000 }))
    }

    /// The answer to the claim of a lane that is used on.
    async fn claimed(&self, lane: &mut Lane) -> Result<Claimed, ClientError> {
        let never: Answer<Claimed> = Box::pin(std::future::pending());
        let claimed = std::mem::replace(&mut lane.linked.claimed, never);
        self.told(claimed).await
    }

    /// Leaves no lane with something unsettled: there is room for few of them.
    async fn settle(&self, lane: &Lane, through: u64) -> Result<(), ClientError> {
        self.told(self.send(lane, &[], through)).await.map(drop)
    }

    async fn fork(&mut self, reference: &ShareRef) -> Result<(), ClientError> {
        let mut lane = self.open(reference).await?;
        self.claimed(&mut lane).await?;
        let (first, other) = (self.op(&lane), self.op(&lane));
        self.told(self.send(&lane, &[(1, &first)], 0)).await?;
        // Is refused; what is told does not matter here.
        let _ = self.told(self.send(&lane, &[(1, &other)], 0)).await;
        let again = self.claim(reference, lane.key, Incarnation::new(1)).await;
        self.settle(&again?, 1).await
    }

    async fn ask_for_what_is_settled(&mut self, reference: &ShareRef) -> Result<(), ClientError> {
        let mut lane = self.open(reference).await?;
        self.claimed(&mut lane).await?;
        let (first, second, other) = (self.op(&lane), self.op(&lane), self.op(&lane));
        self.told(self.send(&lane, &[(1, &first)], 0)).await?;
        self.told(self.send(&lane, &[(2, &second)], 1)).await?;
        let asked = if self.chance.permille(500) {
            &first
        } else {
            &other
        };
        let _ = self.told(self.send(&lane, &[(1, asked)], 1)).await;
        let again = self.claim(reference, lane.key, Incarnation::new(1)).await;
        self.settle(&again?, 2).await
    }

    async fn go_on_after_a_refusal(&mut self, reference: &ShareRef) -> Result<(), ClientError> {
        let mut lane = self.open(reference).await?;
        self.claimed(&mut lane).await?;
        let (first, late, second) = (self.op(&lane), self.op(&lane), self.op(&lane));
        self.told(self.send(&lane, &[(1, &first)], 0)).await?;
        // A gap, and pipelined behind it what would fit.
        let refused = self.send(&lane, &[(5, &late)], 0);
        let behind = self.send(&lane, &[(2, &second)], 0);
        let empty = self.send(&lane, &[], 1);
        for answer in [refused, behind, empty] {
            let _ = self.told(answer).await;
        }
        let again = self.claim(reference, lane.key, Incarnation::new(1)).await;
        self.settle(&again?, 1).await
    }

    async fn go_on_when_fenced(&mut self, reference: &ShareRef) -> Result<(), ClientError> {
        let mut lane = self.open(reference).await?;
        let claimed = self.claimed(&mut lane).await?;
        let (first, second) = (self.op(&lane), self.op(&lane));
        self.told(self.send(&lane, &[(1, &first)], 0)).await?;
        let key = lane.key.clone();
        let mut newer = self.claim(reference, key, claimed.incarnation).await?;
        self.claimed(&mut newer).await?;
        let _ = self.told(self.send(&lane, &[(2, &second)], 0)).await;
        self.settle(&newer, 1).await
    }

    /// Appends under a grant that only reads.
    async fn trespass(&mut self, reference: &ShareRef) -> Result<(), ClientError> {
        let readers = self.world.board().readers.clone();
        let Some(reader) = self.chance.pick(&readers) else {
            return self.fork(reference).await;
        };
        let refs = self.world.board().refs_of(reader);
        let Some(reference) = self.chance.pick(&refs) else {
            return Ok(());
        };
        let lane = self.open(reference).await?;
        let op = self.op(&lane);
        self.told(self.send(&lane, &[(1, &op)], 0)).await.map(drop)
    }

    /// Sends a batch twice, as a lost answer would have it.
    async fn repeat(&mut self, reference: &ShareRef) -> Result<(), ClientError> {
        let mut lane = self.open(reference).await?;
        self.claimed(&mut lane).await?;
        let (first, second) = (self.op(&lane), self.op(&lane));
        let ops = [(1, &first), (2, &second)];
        let once = self.send(&lane, &ops, 0);
        let twice = self.send(&lane, &ops, 0);
        self.told(once).await?;
        self.told(twice).await?;
        self.settle(&lane, 2).await
    }
}
