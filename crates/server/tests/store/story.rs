//! The story of one share: records as an owner would make them, and beside them, kept in the most
//! obvious way, what the store must answer.

use share_engine::{Appended, Change, Claimed, Record, Recorded, RecordedEntry};
use share_model::{
    BatchId, Cursor, Document, Fingerprint, GrantId, Incarnation, Limits, LoggedOp, Mutation,
    Nonce, Op, OpId, Origin, OriginKind, OutboxId, Seq, ShareId, ShareVersion, UnixMs, WriterId,
};
use share_server::store::{Checkpoint, ShareCommit, Store};

/// One share's history so far.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) share: ShareId,
    pub(crate) records: Vec<Record>,
    /// Every applied op with its fingerprint, in the order of the log.
    pub(crate) log: Vec<(LoggedOp, Fingerprint)>,
    /// Per writer number, the last seq that was used.
    seqs: Vec<u64>,
    /// Records that were erased, from the first.
    pub(crate) erased: u64,
}

impl Story {
    pub(crate) fn new(number: u8) -> Self {
        Self {
            share: ShareId::from_bytes([number; 16]),
            records: Vec::new(),
            log: Vec::new(),
            seqs: vec![0; 4],
            erased: 0,
        }
    }

    pub(crate) fn version(&self) -> ShareVersion {
        ShareVersion::new(self.records.len() as u64)
    }

    pub(crate) fn cursor(&self) -> Cursor {
        Cursor::new(self.log.len() as u64)
    }

    /// A record without ops.
    pub(crate) fn claim(&mut self) -> Record {
        self.record(Change::Claimed(Claimed {
            outbox: OutboxId::from_bytes([1; 16]),
            incarnation: Incarnation::new(self.records.len() as u64),
            nonce: Nonce::from_bytes([2; 16]),
            grant: GrantId::from_bytes([3; 16]),
            retired: Vec::new(),
        }))
    }

    /// A batch of `writer` with one op per text, each followed by a rejected one.
    pub(crate) fn append(&mut self, writer: u32, texts: &[&str]) -> Record {
        let cursor_before = self.cursor();
        let mut entries = Vec::new();
        for text in texts {
            let op = self.op(text);
            let origin = (text.len() % 2 == 1).then(agent_session);
            let seq = self.next_seq(writer);
            let fingerprint = Fingerprint::of(&op, OutboxId::from_bytes([1; 16]));
            self.log.push((
                LoggedOp {
                    cursor: self.cursor().next(),
                    writer: WriterId::new(writer),
                    seq,
                    at: UnixMs::new(self.records.len() as u64 + 1),
                    op: op.clone(),
                    origin: origin.clone(),
                },
                fingerprint,
            ));
            entries.push(entry(seq, fingerprint, Recorded::new_applied(op, origin)));
            let hole = self.next_seq(writer);
            entries.push(entry(hole, fingerprint, Recorded::Rejected));
        }
        self.record(Change::Appended(Appended {
            outbox: OutboxId::from_bytes([1; 16]),
            writer: WriterId::new(writer),
            grant: GrantId::from_bytes([3; 16]),
            batch: BatchId::from_bytes([4; 16]),
            settled_through: Seq::ZERO,
            retired: Vec::new(),
            cursor_before,
            entries,
        }))
    }

    /// The last `count` records as a commit.
    pub(crate) fn commit(&self, count: usize) -> ShareCommit {
        let first = self.records.len() - count;
        ShareCommit {
            share: self.share,
            expected: ShareVersion::new(first as u64),
            records: self.records[first..].to_vec(),
        }
    }

    /// A checkpoint at the present version, with a document of its own.
    pub(crate) fn checkpoint(&self, values: &[(&str, &str)]) -> Checkpoint {
        let mut document = Document::default();
        for (key, json) in values {
            let (key, json) = ((*key).to_owned(), (*json).to_owned());
            document
                .apply(
                    &Mutation::Put {
                        key: key.into(),
                        json: json.into(),
                    },
                    &Limits::DEFAULT,
                )
                .unwrap();
        }
        Checkpoint {
            version: self.version(),
            head: format!("head at {}", self.version()).into_bytes(),
            document,
        }
    }

    /// Demands that load, follow and lookup say what this story says.
    #[track_caller]
    pub(crate) fn assert_kept<'a>(
        &'a self,
        store: &'a dyn Store,
    ) -> impl Future<Output = ()> + use<'a> {
        let caller = std::panic::Location::caller();
        async move {
            let loaded = store.load(self.share).await.unwrap().unwrap();
            assert_eq!(loaded.version, self.version(), "version, from {caller}");
            let covered = loaded.checkpoint.map_or(0, |c| c.version.get());
            let covered = usize::try_from(covered).unwrap();
            assert_eq!(loaded.records, self.records[covered..], "from {caller}");
            for (ops_max, bytes_max) in [(1, 0), (3, u64::MAX), (1000, 20), (1000, u64::MAX)] {
                let followed = self.follow_all(store, ops_max, bytes_max).await;
                let expected: Vec<_> = self.left().map(|(op, _)| op.clone()).collect();
                assert_eq!(
                    followed, expected,
                    "by {ops_max}/{bytes_max}, from {caller}"
                );
            }
            self.assert_looked_up(store).await;
        }
    }

    /// The ops that were not erased: each says the number of its record as its time.
    fn left(&self) -> impl Iterator<Item = &(LoggedOp, Fingerprint)> {
        let is_left = |op: &LoggedOp| op.at.get() > self.erased;
        self.log.iter().filter(move |(op, _)| is_left(op))
    }

    async fn follow_all(&self, store: &dyn Store, ops_max: usize, bytes_max: u64) -> Vec<LoggedOp> {
        let mut all: Vec<LoggedOp> = Vec::new();
        loop {
            let after = all.last().map_or(Cursor::ZERO, |op| op.cursor);
            let ops = store.follow(self.share, after, ops_max, bytes_max).await;
            let ops = ops.unwrap();
            let bytes: u64 = ops.iter().map(LoggedOp::bytes).sum();
            assert!(ops.len() <= ops_max, "{} ops of {ops_max}", ops.len());
            assert!(ops.len() <= 1 || bytes <= bytes_max, "{bytes}/{bytes_max}");
            if ops.is_empty() {
                return all;
            }
            all.extend(ops);
        }
    }

    async fn assert_looked_up(&self, store: &dyn Store) {
        let mut wanted = Vec::new();
        let mut expected = Vec::new();
        for writer in 1..self.seqs.len() {
            let writer = WriterId::new(u32::try_from(writer).unwrap());
            for seq in 0..=self.seqs[writer.get() as usize] + 1 {
                let seq = Seq::new(seq);
                wanted.push((writer, seq));
                let found = self
                    .left()
                    .find(|(op, _)| (op.writer, op.seq) == (writer, seq));
                expected.push(found.map(|(op, fingerprint)| (*fingerprint, op.cursor)));
            }
        }
        let found = store.lookup(self.share, wanted.clone()).await.unwrap();
        assert_eq!(found, expected, "looked up {wanted:?}");
    }

    fn record(&mut self, change: Change) -> Record {
        let record = Record {
            version: self.version().next(),
            at: UnixMs::new(self.records.len() as u64 + 1),
            change,
        };
        self.records.push(record.clone());
        record
    }

    fn op(&self, text: &str) -> Op {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.cursor().get().to_be_bytes());
        Op {
            id: OpId::from_bytes(id),
            depends_on: Vec::new(),
            mutation: Mutation::AppendText {
                key: "k".into(),
                pointer: String::new().into(),
                text: text.into(),
            },
        }
    }

    fn next_seq(&mut self, writer: u32) -> Seq {
        let seq = &mut self.seqs[writer as usize];
        *seq += 1;
        Seq::new(*seq)
    }
}

/// Whose every op with a text of odd length is.
fn agent_session() -> Origin {
    Origin::new(OriginKind::Agent, "session".into(), 1024).unwrap()
}

fn entry(seq: Seq, fingerprint: Fingerprint, outcome: Recorded) -> RecordedEntry {
    RecordedEntry {
        seq,
        was: None,
        fingerprint,
        outcome,
    }
}
