//! Random choices, ops and bounds.

use share_model::seam::{Entropy, SeededEntropy};
use share_model::{Limits, Mutation, OpId};

/// The choices of one seed.
#[derive(Debug)]
pub(crate) struct Chance(SeededEntropy);

const KEYS: &[&str] = &["a", "a", "b"];
const JSON: &[&str] = &[
    "\"\"",
    "[]",
    "{\"t\":\"\",\"l\":[]}",
    "{\"t\":\"\",\"l\":[]}",
    "7",
    "{",
    "{\"t\":\"a longer text that fills a document\",\"l\":[1]}",
    "\"a value that is too large for every bound that is set in here\"",
];
const PATCHES: &[&str] = &[
    "{\"t\":\"x\"}",
    "{\"t\":null}",
    "{\"o\":{\"p\":1}}",
    "{\"o\":{\"p\":null}}",
    "8",
];
const POINTERS: &[&str] = &["", "/t", "/l", "/o/p", "/l/0"];

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(SeededEntropy::new(seed))
    }

    pub(crate) fn below(&self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    /// Below the length of a list.
    pub(crate) fn index(&self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap()
    }

    pub(crate) fn percent(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes);
        bytes
    }

    pub(crate) fn pick<'a, T: ?Sized>(&self, of: &[&'a T]) -> &'a T {
        of[self.index(of.len())]
    }

    pub(crate) fn op_id(&self) -> OpId {
        OpId::from_bytes(self.bytes())
    }

    pub(crate) fn mutation(&self) -> Mutation {
        let key = match self.below(40) {
            0 => "toolong".to_owned(),
            _ => self.pick(KEYS).to_owned(),
        };
        let pointer = self.pick(POINTERS).to_owned();
        let small = JSON[self.index(4)].to_owned();
        match self.below(10) {
            0..=3 => Mutation::Put {
                key: key.into(),
                json: self.pick(JSON).into(),
            },
            4 => Mutation::Merge {
                key: key.into(),
                json: self.pick(PATCHES).into(),
            },
            5..=6 => Mutation::AppendText {
                key: key.into(),
                pointer: pointer.into(),
                text: self.below(100).to_string().into(),
            },
            7..=8 => Mutation::AppendItem {
                key: key.into(),
                pointer: pointer.into(),
                json: small.into(),
            },
            _ if self.percent(40) => Mutation::Remove { key: key.into() },
            _ => Mutation::Put {
                key: key.into(),
                json: small.into(),
            },
        }
    }

    /// Bounds that a short run reaches, each of them tight in some runs.
    pub(crate) fn limits(&self) -> Limits {
        let tight = |max| if self.percent(50) { max } else { 100 };
        Limits {
            key_bytes_max: 4,
            value_bytes_max: 60,
            batch_ops_max: 5,
            batch_bytes_max: 150,
            document_bytes_max: 90,
            dependencies_max: 2,
            window: 6 + u32::try_from(self.below(8)).unwrap(),
            open_writers_max: 3 + tight(0),
            open_writers_per_grant_max: 1 + tight(0),
            retired_writers_max: tight(2),
            remembered_max: tight(4),
            remembered_per_grant_max: tight(2),
            abandoned_max: tight(2),
            ..Limits::DEFAULT
        }
    }
}
