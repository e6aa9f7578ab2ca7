//! Appending batches to a claimed lane.

use std::cell::RefCell;
use std::rc::Rc;

use capnp::Error;
use share_model::{Ack, Batch, Claimed, EntryBody, Envelope, Epoch, Limits, Refusal};
use share_proto::share_capnp::appender;
use share_proto::wire;
use tokio::sync::Mutex;

use super::arriving::Arriving;
use super::connection::Connection;
use super::exception::{exception, malformed};
use super::reading::Reading;
use crate::owner::{AppendCall, AppenderTicket, Outcome, Reply};

/// A claimed writer on one connection. It is given out while the claim is being made.
#[derive(Debug)]
pub(super) struct Appender {
    connection: Rc<Connection>,
    claimed: Arriving<(ClaimedBy, Claimed)>,
    /// Held by one batch after the other, in the order of their calls, until it has its place in the
    /// share's queue.
    turn: Mutex<()>,
    /// A batch could not even be read: what was pipelined behind it must not enter the lane.
    ended: RefCell<Option<Refusal>>,
}

/// A claim that holds, and by whom it was made.
#[derive(Debug, Clone)]
pub(super) struct ClaimedBy {
    pub(super) reading: Reading,
    pub(super) ticket: AppenderTicket,
}

impl Appender {
    pub(super) fn new(connection: Rc<Connection>, claimed: Arriving<(ClaimedBy, Claimed)>) -> Self {
        Self {
            connection,
            claimed,
            turn: Mutex::new(()),
            ended: RefCell::new(None),
        }
    }

    async fn append(&self, params: appender::AppendOpsParams) -> Outcome<Ack> {
        let _call = self.connection.begin_call()?;
        let turn = self.turn.lock().await;
        let submitted = match self.claimed.get().await? {
            Ok((by, _)) => match self.read(by, &params) {
                Ok((reading, command)) => Ok(submit(&reading, command).await),
                Err(refusal) => Err(refusal),
            },
            Err(refusal) => Err(refusal),
        };
        drop(turn);
        // The message is not needed any more; the batch may wait for a while.
        drop(params);
        match submitted {
            Ok(reply) => reply.outcome().await,
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// What the share's owner is asked.
    fn read(
        &self,
        by: ClaimedBy,
        params: &appender::AppendOpsParams,
    ) -> Result<(Reading, AppendCall), Refusal> {
        if let Some(refusal) = &*self.ended.borrow() {
            return Err(refusal.clone());
        }
        let authority = by.reading.authority.clone();
        let limits = self.connection.door.hub.share_limits();
        let read = read_params(params, authority.epoch(), limits);
        let (batch, envelope) = read.inspect_err(|refusal| {
            *self.ended.borrow_mut() = Some(refusal.clone());
        })?;
        let command = AppendCall {
            authority,
            appender: by.ticket,
            batch,
            envelope,
        };
        Ok((by.reading, command))
    }
}

/// Hands the batch to the share's owner, once the caller's subtree of grants and the factory grant of
/// the share may append its ops.
async fn submit(reading: &Reading, command: AppendCall) -> Reply<Ack> {
    let ops = u32::try_from(command.batch.entries.len()).unwrap_or(u32::MAX);
    let bytes = size_of_batch(&command.batch);
    let rated = u32::try_from(bytes).unwrap_or(u32::MAX);
    reading.allotment.take_append(ops, rated).await;
    if let Some(usage) = reading.handle.factory_use() {
        usage.take_appends(ops).await;
    }
    reading.call(command, bytes)
}

impl appender::Server for Appender {
    async fn append_ops(
        self: Rc<Self>,
        params: appender::AppendOpsParams,
        mut results: appender::AppendOpsResults,
    ) -> Result<(), Error> {
        let appended = self.connection.door.within(self.append(params)).await;
        let appended = appended.map_err(|fault| exception(&fault))?;
        wire::write_append_outcome(&appended, results.get().init_outcome());
        Ok(())
    }
}

/// The batch and its envelope; an epoch that was not known yet when the call was made is `epoch`.
fn read_params(
    params: &appender::AppendOpsParams,
    epoch: Epoch,
    limits: &Limits,
) -> Result<(Batch, Envelope), Refusal> {
    let params = params.get().map_err(malformed)?;
    let batch = wire::read_batch(params.get_batch().map_err(malformed)?, limits)?;
    let mut envelope = wire::read_envelope(params.get_envelope().map_err(malformed)?);
    if envelope.capability_epoch == Epoch::ZERO {
        envelope.capability_epoch = epoch;
    }
    Ok((batch, envelope))
}

/// What the batch keeps in memory, about.
fn size_of_batch(batch: &Batch) -> usize {
    let entries = batch.entries.iter().map(|entry| {
        let dependencies = match &entry.body {
            EntryBody::Op(op) => {
                let origin = entry.origin.as_ref().map_or(0, |origin| origin.id().len());
                op.mutation.bytes() + origin + size_of_val(op.depends_on.as_slice())
            }
            EntryBody::Abandon(_) => 0,
        };
        size_of_val(entry) + dependencies
    });
    entries.sum()
}
