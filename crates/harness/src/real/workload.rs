//! What an agent does, by its seed: mostly ops that are wrong if they are applied twice.

use share_client::{DependsOn, Grouping, NewOp};
use share_model::seam::{Clock, Entropy};
use share_model::{Mutation, OpId};

use crate::history::{Group, MadeOp};

/// Keys that all agents write to: another's `put` or `remove` comes between.
const SHARED_KEYS: u64 = 3;
/// Ops of an atomic group.
const GROUP_OPS: u64 = 3;

/// The work of one agent's process.
#[derive(Debug)]
pub(super) struct Workload<'a> {
    pub(super) name: &'a str,
    pub(super) entropy: &'a dyn Entropy,
    pub(super) clock: &'a dyn Clock,
    /// Counts what was made: each op has a content of its own.
    made: u64,
    last: Option<OpId>,
}

/// What is enqueued in one call.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) ops: Vec<MadeOp>,
    pub(super) group: Group,
}

impl Work {
    /// As the outbox takes it.
    pub(super) fn as_new(&self) -> (Vec<NewOp>, Grouping) {
        let ops = self.ops.iter().map(|op| NewOp {
            id: Some(op.id),
            depends_on: op.depends_on.iter().copied().map(DependsOn::Op).collect(),
            mutation: op.mutation.clone(),
        });
        let grouping = match self.group {
            Group::Loose => Grouping::Loose,
            Group::Atomic { expected } => Grouping::Atomic {
                expected_cursor: expected,
            },
        };
        (ops.collect(), grouping)
    }
}

impl<'a> Workload<'a> {
    pub(super) fn new(name: &'a str, entropy: &'a dyn Entropy, clock: &'a dyn Clock) -> Self {
        Self {
            name,
            entropy,
            clock,
            made: 0,
            last: None,
        }
    }

    /// What an agent begins a share with: its own document, and those that all share.
    pub(super) fn first(&mut self) -> Work {
        let own = Mutation::Put {
            key: format!("part/{}", self.name).into(),
            json: r#"{"text":"","items":[]}"#.into(),
        };
        let shared = (0..SHARED_KEYS).map(|number| Mutation::Put {
            key: format!("shared/{number}").into(),
            json: r#"{"text":"","items":[]}"#.into(),
        });
        let mutations: Vec<_> = std::iter::once(own).chain(shared).collect();
        self.work(mutations, Group::Loose)
    }

    /// What it does next.
    pub(super) fn next(&mut self) -> Work {
        match self.entropy.below(20) {
            0 | 1 => {
                let ops = 2 + self.entropy.below(GROUP_OPS - 1);
                let mutations = (0..ops).map(|_| self.mutation()).collect();
                self.work(mutations, Group::Atomic { expected: None })
            }
            2..=4 => {
                let last = self.last;
                let mutation = self.mutation();
                let mut work = self.work(vec![mutation], Group::Loose);
                work.ops[0].depends_on.extend(last);
                work
            }
            5 => {
                let mutations = (0..4).map(|_| self.mutation()).collect();
                self.work(mutations, Group::Loose)
            }
            _ => {
                let mutation = self.mutation();
                self.work(vec![mutation], Group::Loose)
            }
        }
    }

    fn work(&mut self, mutations: Vec<Mutation>, group: Group) -> Work {
        let ops = mutations.into_iter().map(|mutation| MadeOp {
            id: OpId::new(self.clock, self.entropy),
            mutation,
            depends_on: Vec::new(),
        });
        let ops: Vec<_> = ops.collect();
        self.last = ops.last().map(|op| op.id);
        Work { ops, group }
    }

    fn mutation(&mut self) -> Mutation {
        self.made += 1;
        let word = format!("{}.{} ", self.name, self.made);
        let key = match self.entropy.below(2) {
            0 => format!("part/{}", self.name),
            _ => format!("shared/{}", self.entropy.below(SHARED_KEYS)),
        };
        match self.entropy.below(20) {
            0..=9 => Mutation::AppendText {
                key: key.into(),
                pointer: "/text".into(),
                text: word.into(),
            },
            10..=14 => Mutation::AppendItem {
                key: key.into(),
                pointer: "/items".into(),
                json: format!("\"{}\"", word.trim()).into(),
            },
            15..=16 => Mutation::Merge {
                key: key.into(),
                json: format!(r#"{{"by":"{}","gone":null}}"#, word.trim()).into(),
            },
            17..=18 => Mutation::Put {
                key: format!("shared/{}", self.entropy.below(SHARED_KEYS)).into(),
                json: format!(r#"{{"text":"{word}","items":[]}}"#).into(),
            },
            _ => Mutation::Remove {
                key: format!("shared/{}", self.entropy.below(SHARED_KEYS)).into(),
            },
        }
    }
}
