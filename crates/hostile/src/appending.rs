//! A lane of an attacker with a grant, and what it uses up.

use std::io;

use share_model::seam::SystemClock;
use share_model::{Entry, EntryBody, FirstLane, Mutation, Op, OpId, OutboxKey, Seq};

use crate::calls;
use crate::message::{self, Of};
use crate::peer::{Attacker, Peer};
use crate::session::{self, FREE, SESSION};

/// The question for the appender of a connection's only lane.
const APPENDER: u32 = FREE;
/// Entries of a batch that is to use something up.
const ENTRIES: usize = 512;

/// A claimed lane.
pub(crate) struct Lane<'a> {
    peer: Peer<'a>,
    question: u32,
    next: Seq,
}

impl<'a> Lane<'a> {
    /// Redeems the attacker's grant and claims a lane.
    pub(crate) async fn open(mut peer: Peer<'a>) -> io::Result<Self> {
        session::open(&mut peer).await?;
        let entropy = &peer.attacker.entropy;
        let claim = calls::claim(APPENDER, Of::Answer(SESSION), entropy);
        peer.send(&claim).await?;
        Ok(Self {
            peer,
            question: APPENDER,
            next: Seq::new(1),
        })
    }

    /// Appends the mutations as one batch, and waits for the answer, whatever it is.
    pub(crate) async fn append(
        &mut self,
        mutations: impl IntoIterator<Item = Mutation>,
    ) -> io::Result<()> {
        let entropy = &self.peer.attacker.entropy;
        let entries = mutations.into_iter().map(|mutation| {
            let seq = self.next;
            self.next = seq.next();
            entry(seq, OpId::new(&SystemClock, entropy), mutation)
        });
        let entries = entries.collect();
        self.send(entries).await
    }

    /// Appends ops that say that they were first in lanes that nobody has.
    async fn requeue(&mut self) -> io::Result<()> {
        let entropy = &self.peer.attacker.entropy;
        let entries = (0..ENTRIES).map(|_| {
            let seq = self.next;
            self.next = seq.next();
            let put = Mutation::Put {
                key: "requeued".into(),
                json: "1".into(),
            };
            Entry {
                was: Some(FirstLane {
                    outbox: OutboxKey::random(entropy).outbox_id(),
                    seq: Seq::new(1),
                }),
                ..entry(seq, OpId::new(&SystemClock, entropy), put)
            }
        });
        let entries = entries.collect();
        self.send(entries).await
    }

    async fn send(&mut self, entries: Vec<Entry>) -> io::Result<()> {
        self.question += 1;
        let entropy = &self.peer.attacker.entropy;
        let append = calls::append(self.question, Of::Answer(APPENDER), entries, entropy);
        self.peer.send(&append).await?;
        self.peer.answered(self.question).await?;
        self.peer.deed();
        let finish = message::finish(self.question, true);
        self.peer.send(&finish).await
    }
}

/// Claims one lane after the other and appends an op to each, so that it counts.
pub(crate) async fn many_writers(attacker: &Attacker) {
    let one = async |mut peer: Peer<'_>| {
        session::open(&mut peer).await?;
        let entropy = &attacker.entropy;
        let mut question = FREE;
        loop {
            let (claim, append) = (question, question + 1);
            question += 2;
            let claiming = calls::claim(claim, Of::Answer(SESSION), entropy);
            let put = Mutation::Put {
                key: "lane".into(),
                json: "1".into(),
            };
            let entries = vec![entry(Seq::new(1), OpId::new(&SystemClock, entropy), put)];
            let appending = calls::append(append, Of::Answer(claim), entries, entropy);
            peer.send(&[claiming, appending].concat()).await?;
            peer.answered(append).await?;
            peer.deed();
            // The appenders are kept.
            peer.send(&message::finish(claim, false)).await?;
            peer.send(&message::finish(append, true)).await?;
        }
    };
    attacker.swarm(1, one).await;
}

/// Fills what the share remembers of re-queued ops.
pub(crate) async fn many_requeues(attacker: &Attacker) {
    let one = async |peer: Peer<'_>| {
        let mut lane = Lane::open(peer).await?;
        loop {
            lane.requeue().await?;
        }
    };
    attacker.swarm(2, one).await;
}

fn entry(seq: Seq, id: OpId, mutation: Mutation) -> Entry {
    Entry {
        seq,
        was: None,
        body: EntryBody::Op(Op {
            id,
            depends_on: Vec::new(),
            mutation,
        }),
        origin: None,
    }
}
