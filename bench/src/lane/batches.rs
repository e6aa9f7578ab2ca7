//! The batches of a lane: what each is filled with, and what has to come back.

use share_proto::op_capnp::outcome_run;
use share_proto::share_capnp::{append_outcome, appender};
use share_proto::wire;

use super::Ids;
use crate::error::BenchError;
use crate::load::Load;

/// Words of a batch besides its ops' bytes, and of each op besides its own: only so that a message
/// is one piece.
const BATCH_WORDS: usize = 64;
const OP_WORDS: usize = 48;

/// What a lane sends. Ids and seqs are new each time: a repeat would be a duplicate.
pub(super) struct Batches {
    ids: Ids,
    next: u64,
    keys: Vec<String>,
    json: String,
}

impl Batches {
    /// Of a lane that the server knows nothing of.
    pub(super) fn new(load: Load) -> Self {
        let filler = "x".repeat(load.op_bytes.saturating_sub(2));
        let mut batches = Self {
            ids: Ids::random(),
            next: 1,
            keys: Vec::new(),
            json: format!("\"{filler}\""),
        };
        batches.put_keys(0, load.batch_ops);
        batches
    }

    /// From now on batches have so many ops, which put the keys from `first` on.
    pub(super) fn put_keys(&mut self, first: u64, ops: usize) {
        let keys = (first..).take(ops);
        self.keys = keys.map(|at| format!("part/{at}")).collect();
    }

    /// Ops of a batch.
    pub(super) fn ops(&self) -> usize {
        self.keys.len()
    }

    /// The seq of the next op.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Goes on behind the highest seq that the server has.
    pub(super) fn go_on_behind(&mut self, highest: u64) {
        self.next = highest + 1;
    }

    /// No less than what a batch takes of a message.
    pub(super) fn words(&self) -> usize {
        self.keys.len() * (OP_WORDS + self.json.len() / 8) + BATCH_WORDS
    }

    /// Fills in the next batch.
    pub(super) fn fill(
        &mut self,
        mut params: appender::append_ops_params::Builder<'_>,
        settled: u64,
    ) {
        let mut batch = params.reborrow().init_batch();
        batch.set_id(&self.ids.next());
        let count = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        let mut entries = batch.init_entries(count);
        for (index, key) in (0..).zip(&self.keys) {
            let mut entry = entries.reborrow().get(index);
            entry.set_seq(self.next);
            self.next += 1;
            let mut op = entry.init_op();
            op.set_id(&self.ids.next());
            let mut put = op.init_mutation().init_put();
            put.set_key(key.as_str());
            put.set_json(self.json.as_str());
        }
        let mut envelope = params.init_envelope();
        envelope.set_capability_epoch(1);
        envelope.set_settled_through(settled);
    }
}

/// The first op's cursor, if all `ops` of a batch were applied.
pub(super) fn all_applied(
    outcome: append_outcome::Reader<'_>,
    ops: usize,
) -> Result<u64, BenchError> {
    let ack = match outcome.which() {
        Ok(append_outcome::Ack(ack)) => ack?,
        Ok(append_outcome::Refused(refusal)) => {
            return Err(wire::read_refusal(refusal?)?.into());
        }
        _ => return Err(BenchError::Unexpected("an append has no outcome".into())),
    };
    let (mut applied, mut first) = (0, 0);
    for run in ack.get_outcomes()? {
        match run.which() {
            Ok(outcome_run::Applied(cursor)) => {
                first = if applied == 0 { cursor } else { first };
                applied += run.get_count() as usize;
            }
            _ => break,
        }
    }
    if applied == ops {
        return Ok(first);
    }
    let message = format!("{applied} of {ops} ops were applied");
    Err(BenchError::Unexpected(message))
}
