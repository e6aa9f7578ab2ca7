//! The model client's durable state: a small outbox that follows `docs/design.md` §3.

use std::hash::{Hash, Hasher};
use std::rc::Rc;

use share_model::{
    Batch, BatchId, Chain, Entry, EntryBody, Fingerprint, FirstLane, Nonce, Op, OutboxId, Seq,
};

use super::rules::Rules;

/// Names an op: who enqueued it, and its how-manieth it was.
pub(crate) type OpKey = (u8, u8);

/// An op, with what it was enqueued as.
#[derive(Debug)]
pub(crate) struct Enqueued {
    pub(crate) key: OpKey,
    pub(crate) op: Op,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) first: FirstLane,
    pub(crate) depends_on: Vec<OpKey>,
}

/// The world hashes what an op is; here its name is enough.
impl Hash for Enqueued {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

/// What is wanted of an op.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Want {
    Apply,
    Abandon,
}

/// Where an op stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stand {
    /// In no open batch.
    Unsent,
    /// In a stored batch without an answer.
    Stored,
    /// Rejected; tried again, or given up.
    Rejected,
    Applied,
    Dead,
    Doubt,
}

impl Stand {
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::Applied | Self::Dead | Self::Doubt)
    }
}

#[derive(Debug, Clone, Hash)]
pub(crate) struct Row {
    pub(crate) op: Rc<Enqueued>,
    /// Where it was first enqueued, if not here.
    pub(crate) was: Option<(OutboxId, u64)>,
    /// Rows of one atomic group have one number; zero: none.
    pub(crate) group: u8,
    pub(crate) want: Want,
    pub(crate) stand: Stand,
    pub(crate) tries: u8,
    /// The seqs of the batch that it was sent in last.
    pub(crate) mates: (u64, u64),
    /// The server has answered for this seq of this lane.
    pub(crate) is_answered: bool,
    /// It was acked as applied in an earlier history: never given up lightly.
    pub(crate) was_applied: bool,
}

/// A batch as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Stored {
    pub(crate) seqs: Vec<u64>,
    pub(crate) ops: Vec<OpKey>,
    pub(crate) want: Want,
    pub(crate) is_atomic: bool,
}

/// One copy of an outbox.
#[derive(Debug, Clone, Hash)]
pub(crate) struct Client {
    pub(crate) id: u8,
    pub(crate) enqueued: u8,
    pub(crate) outbox: OutboxId,
    lanes_made: u8,
    pub(crate) incarnation: u64,
    pub(crate) nonce: Option<Nonce>,
    nonces: u16,
    pub(crate) history: Option<u8>,
    /// The newest ref that it holds.
    pub(crate) reference: usize,
    /// Seqs up to here were pruned.
    pub(crate) pruned: u64,
    pub(crate) pruned_chain: Chain,
    /// Seqs pruned + 1 and on.
    pub(crate) rows: Vec<Row>,
    /// Settled rows of earlier lanes.
    pub(crate) earlier: Vec<Row>,
    /// Stored, without an answer, in the order of their cut.
    pub(crate) batches: Vec<Stored>,
    /// The largest cursor that it was told.
    pub(crate) cursor: u64,
    /// All ops of this lane, pruned ones too: not the client's knowledge but the check's.
    pub(crate) lane: Vec<OpKey>,
    // What follows is lost with the process or the connection.
    pub(crate) is_connected: bool,
    pub(crate) is_claimed: bool,
    /// So many of the stored batches were sent on this connection.
    pub(crate) sent: usize,
    /// What was told as settled on this connection.
    pub(crate) told: u64,
    /// The server has no room for it now.
    pub(crate) backs_off: bool,
    /// How often it tried for room since it had some.
    pub(crate) calms: u8,
}

pub(crate) fn place(n: u64) -> usize {
    usize::try_from(n).unwrap()
}

impl Client {
    pub(crate) fn new(id: u8) -> Self {
        Self {
            id,
            enqueued: 0,
            outbox: OutboxId::from_bytes([id + 1; 16]),
            lanes_made: 1,
            incarnation: 0,
            nonce: None,
            nonces: 0,
            history: None,
            reference: 0,
            pruned: 0,
            pruned_chain: Chain::EMPTY,
            rows: Vec::new(),
            earlier: Vec::new(),
            batches: Vec::new(),
            cursor: 0,
            lane: Vec::new(),
            is_connected: false,
            is_claimed: false,
            sent: 0,
            told: 0,
            backs_off: false,
            calms: 0,
        }
    }

    /// A copy of the durable state, as if the file had been copied.
    pub(crate) fn copy(&self, id: u8) -> Self {
        let mut copy = Self {
            id,
            enqueued: 0,
            backs_off: false,
            calms: 0,
            ..self.clone()
        };
        copy.leave();
        copy
    }

    /// What a lost connection or a killed process leaves.
    pub(crate) fn leave(&mut self) {
        self.is_connected = false;
        self.is_claimed = false;
        self.sent = 0;
        self.told = 0;
    }

    pub(crate) fn last(&self) -> u64 {
        self.pruned + self.rows.len() as u64
    }

    pub(crate) fn row(&self, seq: u64) -> Option<&Row> {
        self.rows.get(place(seq.checked_sub(self.pruned + 1)?))
    }

    pub(crate) fn row_mut(&mut self, seq: u64) -> Option<&mut Row> {
        let at = place(seq.checked_sub(self.pruned + 1)?);
        self.rows.get_mut(at)
    }

    pub(crate) fn numbered(&self) -> impl Iterator<Item = (u64, &Row)> {
        (self.pruned + 1..).zip(&self.rows)
    }

    /// Every row that is held.
    pub(crate) fn held(&self) -> impl Iterator<Item = &Row> {
        self.earlier.iter().chain(&self.rows)
    }

    /// The nonce of the claim that is under way, stored before it is sent.
    pub(crate) fn next_nonce(&mut self, rules: &Rules) -> Nonce {
        let is_stored = rules.nonce_is_stored;
        if let Some(nonce) = self.nonce.filter(|_| is_stored) {
            return nonce;
        }
        self.nonces += 1;
        let mut bytes = [self.id; 16];
        bytes[1..3].copy_from_slice(&self.nonces.to_le_bytes());
        let nonce = Nonce::from_bytes(bytes);
        self.nonce = Some(nonce);
        nonce
    }

    /// The last seq before the first one without a final outcome.
    pub(crate) fn settled(&self) -> u64 {
        let settled = self.rows.iter().take_while(|row| row.stand.is_final());
        self.pruned + settled.count() as u64
    }

    /// The lane's own chain, if it can be told.
    pub(crate) fn chain_at(&self, seq: u64) -> Option<Chain> {
        let count = place(seq.checked_sub(self.pruned)?);
        let rows = self.rows.get(..count)?;
        Some(rows.iter().fold(self.pruned_chain, |chain, row| {
            chain.then(row.op.fingerprint)
        }))
    }

    /// The highest seq that the server has answered for.
    pub(crate) fn answered(&self) -> u64 {
        let answered = self.numbered().filter(|(_, row)| row.is_answered);
        answered.map(|(seq, _)| seq).max().unwrap_or(self.pruned)
    }

    pub(crate) fn push(&mut self, row: Row) {
        self.lane.push(row.op.key);
        self.rows.push(row);
    }

    /// The next batch: of rows that are in none, oldest first, at most `max` unless a group is
    /// longer.
    pub(crate) fn cut(&mut self, max: usize) -> bool {
        let unsent = |row: &Row| row.stand == Stand::Unsent;
        let Some(at) = self.rows.iter().position(unsent) else {
            return false;
        };
        let (group, want) = (self.rows[at].group, self.rows[at].want);
        let fits = |row: &&Row| unsent(row) && row.group == group && row.want == want;
        let run = self.rows[at..].iter().take_while(fits).count();
        let run = if group == 0 { run.min(max) } else { run };
        let first = self.pruned + 1 + at as u64;
        let seqs = (first..first + run as u64).collect();
        self.store(seqs, want);
        true
    }

    pub(crate) fn store(&mut self, seqs: Vec<u64>, want: Want) {
        let ends = (seqs[0], seqs[seqs.len() - 1]);
        let (mut ops, mut group) = (Vec::new(), 0);
        for seq in &seqs {
            let row = self.row_mut(*seq).unwrap();
            if !row.stand.is_final() {
                row.stand = Stand::Stored;
            }
            row.mates = ends;
            group = row.group;
            ops.push(row.op.key);
        }
        self.batches.push(Stored {
            seqs,
            ops,
            want,
            is_atomic: group > 0 && want == Want::Apply,
        });
    }

    /// The batch as it goes over the wire.
    pub(crate) fn assemble(&self, stored: &Stored) -> Batch {
        let entries = stored.seqs.iter().filter_map(|seq| {
            let row = self.row(*seq)?;
            Some(Entry {
                seq: Seq::new(*seq),
                was: row.was.map(|(outbox, seq)| FirstLane {
                    outbox,
                    seq: Seq::new(seq),
                }),
                origin: None,
                body: match stored.want {
                    Want::Apply => EntryBody::Op(row.op.op.clone()),
                    Want::Abandon => EntryBody::Abandon(row.op.fingerprint),
                },
            })
        });
        Batch {
            id: BatchId::from_bytes([7; 16]),
            atomic: stored.is_atomic,
            expected_cursor: None,
            entries: entries.collect(),
        }
    }

    /// The seqs of the row's group, or its own.
    pub(crate) fn group_of(&self, seq: u64) -> Vec<u64> {
        let group = self.row(seq).map_or(0, |row| row.group);
        if group == 0 {
            return vec![seq];
        }
        let same = self.numbered().filter(|(_, row)| row.group == group);
        same.map(|(seq, _)| seq).collect()
    }

    /// A new key: a lane of its own.
    pub(crate) fn new_lane(&mut self) {
        self.lanes_made += 1;
        let mut bytes = [self.id + 1; 16];
        bytes[1] = self.lanes_made;
        // Copies of one outbox make different keys.
        bytes[2] = 0xff;
        self.outbox = OutboxId::from_bytes(bytes);
        self.incarnation = 0;
        self.nonce = None;
        self.pruned = 0;
        self.pruned_chain = Chain::EMPTY;
        self.batches.clear();
        self.lane.clear();
        self.leave();
    }
}
