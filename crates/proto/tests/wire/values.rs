//! Random values of the model, with the edges of each field more often than chance has them.

use share_model::seam::{Entropy, SeededEntropy};
use share_model::*;

pub(crate) struct Values(SeededEntropy);

impl Values {
    pub(crate) fn new(seed: u64) -> Self {
        Self(SeededEntropy::new(seed))
    }

    pub(crate) fn below(&self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    pub(crate) fn usize_below(&self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).unwrap()
    }

    pub(crate) fn flag(&self) -> bool {
        self.below(2) == 1
    }

    pub(crate) fn bytes<const LEN: usize>(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        if self.below(8) > 0 {
            self.0.fill(&mut bytes);
        }
        bytes
    }

    pub(crate) fn number(&self) -> u64 {
        [0, 1, u64::MAX, self.below(u64::MAX)][self.usize_below(4)]
    }

    pub(crate) fn positive(&self) -> u64 {
        self.number().max(1)
    }

    pub(crate) fn small(&self) -> u32 {
        u32::try_from(self.below(u64::from(u32::MAX))).unwrap()
    }

    pub(crate) fn optional<T>(&self, make: impl Fn(&Self) -> T) -> Option<T> {
        self.flag().then(|| make(self))
    }

    pub(crate) fn many<T>(&self, bound: usize, make: impl Fn(&Self) -> T) -> Vec<T> {
        (0..self.usize_below(bound)).map(|_| make(self)).collect()
    }

    pub(crate) fn text(&self) -> String {
        let pieces = [
            "a",
            "\0",
            "ß",
            "日本",
            "🦀",
            "\u{10ffff}",
            "\"",
            "\n",
            "x y",
        ];
        (0..self.below(6))
            .map(|_| pieces[self.usize_below(pieces.len())])
            .collect()
    }

    pub(crate) fn some_text(&self) -> String {
        format!("k{}", self.text())
    }

    pub(crate) fn outbox(&self) -> OutboxId {
        OutboxId::from_bytes(self.bytes())
    }

    pub(crate) fn seq(&self) -> Seq {
        Seq::new(self.positive())
    }

    pub(crate) fn history(&self) -> HistoryId {
        HistoryId::from_bytes(self.bytes())
    }

    pub(crate) fn grant(&self) -> GrantId {
        GrantId::from_bytes(self.bytes())
    }

    /// A time that is not none.
    pub(crate) fn time(&self) -> UnixMs {
        UnixMs::new(self.positive())
    }

    pub(crate) fn origin(&self) -> Origin {
        let kinds = [
            OriginKind::User,
            OriginKind::Agent,
            OriginKind::System,
            OriginKind::Import,
        ];
        Origin::new(kinds[self.usize_below(4)], self.some_text(), 1024).unwrap()
    }

    pub(crate) fn mutation(&self) -> Mutation {
        let (key, json, pointer) = (self.text(), self.text(), self.text());
        match self.below(5) {
            0 => Mutation::Put {
                key: key.into(),
                json: json.into(),
            },
            1 => Mutation::Merge {
                key: key.into(),
                json: json.into(),
            },
            2 => Mutation::AppendText {
                key: key.into(),
                pointer: pointer.into(),
                text: json.into(),
            },
            3 => Mutation::AppendItem {
                key: key.into(),
                pointer: pointer.into(),
                json: json.into(),
            },
            _ => Mutation::Remove { key: key.into() },
        }
    }

    pub(crate) fn op(&self) -> Op {
        Op {
            id: OpId::from_bytes(self.bytes()),
            depends_on: self.many(4, |values| Dependency {
                outbox: values.optional(Self::outbox),
                seq: values.seq(),
                fingerprint: Fingerprint::from_bytes(values.bytes()),
            }),
            mutation: self.mutation(),
        }
    }

    pub(crate) fn entry(&self) -> Entry {
        let (body, origin) = if self.below(4) > 0 {
            (EntryBody::Op(self.op()), self.optional(Self::origin))
        } else {
            let fingerprint = Fingerprint::from_bytes(self.bytes());
            (EntryBody::Abandon(fingerprint), None)
        };
        Entry {
            seq: self.seq(),
            was: self.optional(|values| FirstLane {
                outbox: values.outbox(),
                seq: values.seq(),
            }),
            body,
            origin,
        }
    }

    pub(crate) fn batch(&self) -> Batch {
        let mut entries = vec![self.entry()];
        entries.extend(self.many(6, Self::entry));
        Batch {
            id: BatchId::from_bytes(self.bytes()),
            atomic: self.flag(),
            expected_cursor: self.optional(|values| Cursor::new(values.number())),
            entries,
        }
    }

    fn identity(&self) -> Identity {
        Identity {
            outbox: self.outbox(),
            seq: self.seq(),
            fingerprint: Fingerprint::from_bytes(self.bytes()),
        }
    }

    fn mutation_error(&self) -> MutationError {
        let (bytes, max) = (self.number(), self.number());
        match self.below(10) {
            0 => MutationError::NotJson,
            1 => MutationError::KeyEmpty,
            2 => MutationError::KeyTooLong { bytes, max },
            3 => MutationError::KeyAbsent,
            4 => MutationError::PointerAbsent,
            5 => MutationError::NotAString,
            6 => MutationError::NotAnArray,
            7 => MutationError::ValueTooLarge { bytes, max },
            8 => MutationError::DocumentTooLarge { bytes, max },
            _ => MutationError::TooDeep { levels: bytes, max },
        }
    }

    fn rejection(&self) -> RejectReason {
        match self.below(7) {
            0 => RejectReason::Abandoned,
            1 => RejectReason::DependencyMissing(self.identity()),
            2 => RejectReason::DependencyAbandoned(self.identity()),
            3 => RejectReason::DependencyUnknown(self.identity()),
            4 => RejectReason::InvalidMutation(self.mutation_error()),
            5 => RejectReason::AtomicGroupFailed,
            _ => RejectReason::CursorMismatch {
                expected: Cursor::new(self.number()),
                actual: Cursor::new(self.number()),
            },
        }
    }

    /// Outcomes of which many continue the one before.
    pub(crate) fn ack(&self, entries: usize) -> Ack {
        let mut outcomes: Vec<OpOutcome> = Vec::new();
        for _ in 0..entries {
            let cursor = Cursor::new(self.positive());
            let fresh = match self.below(5) {
                0 => OpOutcome::Applied(cursor),
                1 => OpOutcome::Duplicate(cursor),
                2 => OpOutcome::Rejected(self.rejection()),
                3 => OpOutcome::InDoubt,
                _ => OpOutcome::Abandoned,
            };
            outcomes.push(match outcomes.last() {
                Some(OpOutcome::Applied(at)) if self.flag() => OpOutcome::Applied(at.next()),
                Some(OpOutcome::Duplicate(at)) if self.flag() => OpOutcome::Duplicate(at.next()),
                Some(last) if last.cursor().is_none() && self.flag() => last.clone(),
                _ => fresh,
            });
        }
        Ack {
            cursor: Cursor::new(self.number()),
            epoch: Epoch::new(self.number()),
            outcomes,
        }
    }

    pub(crate) fn refusal(&self) -> Refusal {
        let detail = match self.below(4) {
            0 => RefusalDetail::None,
            1 => RefusalDetail::Expected(Seq::new(self.number())),
            2 => RefusalDetail::History {
                history: self.history(),
                floor: Seq::new(self.number()),
                highest: Seq::new(self.number()),
                chain: Chain::from_bytes(self.bytes()),
            },
            _ => RefusalDetail::Limit {
                seq: Seq::new(self.number()),
                actual: self.number(),
                max: self.number(),
            },
        };
        Refusal {
            code: RefusalCode::ALL[self.usize_below(RefusalCode::ALL.len())],
            message: self.text(),
            retry_after_ms: self.optional(|values| values.small().max(1)),
            detail,
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            key_bytes_max: self.small().max(1),
            value_bytes_max: self.positive(),
            batch_ops_max: self.small().max(1),
            batch_bytes_max: self.positive(),
            document_bytes_max: self.positive(),
            depth_max: self.small(),
            dependencies_max: self.small(),
            window: self.small().max(1),
            ..Limits::DEFAULT
        }
    }

    pub(crate) fn rights(&self) -> Rights {
        let all = [Right::Read, Right::Append, Right::Admin];
        let held: Vec<_> = all.into_iter().filter(|_| self.flag()).collect();
        Rights::of(&held)
    }

    pub(crate) fn position(&self) -> LogPosition {
        let history = self.optional(Self::history);
        LogPosition {
            history,
            cursor: Cursor::new(history.map_or(0, |_| self.number())),
        }
    }

    pub(crate) fn addresses(&self) -> Vec<String> {
        let mut addresses = vec![format!("host-{}:7420", self.below(9))];
        addresses.extend(self.many(16, |values| format!("[::{}]:1", values.below(9))));
        addresses
    }

    pub(crate) fn security(&self) -> Security {
        match self.below(4) {
            0 => Security::ByAddress,
            1 => Security::Pinned(CertificatePin::from_bytes(self.bytes())),
            2 => Security::Authorities,
            _ => Security::Plain,
        }
    }

    pub(crate) fn logged_op(&self) -> LoggedOp {
        LoggedOp {
            cursor: Cursor::new(self.positive()),
            writer: WriterId::new(self.small().max(1)),
            seq: self.seq(),
            at: UnixMs::new(self.number()),
            op: self.op(),
            origin: self.optional(Self::origin),
        }
    }
}
