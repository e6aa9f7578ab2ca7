//! Appending batches to a claimed lane.

use std::cell::RefCell;
use std::rc::Rc;

use capnp::Error;
use share_engine::Authority;
use share_model::{Ack, Batch, EntryBody, Envelope, Epoch, Limits, Refusal};
use share_proto::share_capnp::appender;
use share_proto::wire;

use super::connection::Connection;
use super::exception::{exception, malformed};
use super::quota::Held;
use crate::fault::Fault;
use crate::owner::{AppendCall, AppenderTicket, Outcome, Reply, ShareHandle};

/// A claimed writer on one connection.
#[derive(Debug)]
pub(super) struct Appender {
    connection: Rc<Connection>,
    handle: ShareHandle,
    authority: Authority,
    ticket: AppenderTicket,
    /// A batch could not even be read: what was pipelined behind it must not enter the lane.
    ended: RefCell<Option<Refusal>>,
}

/// A batch that has its place in the share's queue.
type Submitted = Result<(Held, Reply<Ack>), Fault>;

impl Appender {
    pub(super) fn new(
        connection: Rc<Connection>,
        handle: ShareHandle,
        authority: Authority,
        ticket: AppenderTicket,
    ) -> Self {
        Self {
            connection,
            handle,
            authority,
            ticket,
            ended: RefCell::new(None),
        }
    }

    /// Hands the batch to the share's owner. Not asynchronous: batches queue in the order in which
    /// their calls came.
    fn submit(&self, params: &appender::AppendOpsParams) -> Result<Submitted, Refusal> {
        let call = match self.connection.begin_call() {
            Ok(call) => call,
            Err(fault) => return Ok(Err(fault)),
        };
        if let Some(refusal) = &*self.ended.borrow() {
            return Err(refusal.clone());
        }
        let read = read_params(
            params,
            self.authority.epoch(),
            self.connection.door.hub.share_limits(),
        );
        let (batch, envelope) = read.inspect_err(|refusal| {
            *self.ended.borrow_mut() = Some(refusal.clone());
        })?;
        let bytes = size_of_batch(&batch);
        let command = AppendCall {
            authority: self.authority.clone(),
            appender: self.ticket.clone(),
            batch,
            envelope,
        };
        Ok(Ok((call, self.handle.call(command, bytes))))
    }

    async fn outcome(&self, submitted: Result<Submitted, Refusal>) -> Outcome<Ack> {
        let (_call, reply) = match submitted {
            Ok(submitted) => submitted?,
            Err(refusal) => return Ok(Err(refusal)),
        };
        self.connection.door.within(reply.outcome()).await
    }
}

impl appender::Server for Appender {
    // Not an `async fn`: its first part has to run in the order of the calls.
    fn append_ops(
        self: Rc<Self>,
        params: appender::AppendOpsParams,
        mut results: appender::AppendOpsResults,
    ) -> impl Future<Output = Result<(), Error>> + 'static {
        let submitted = self.submit(&params);
        async move {
            // The message is not needed any more; the batch may wait for a while.
            drop(params);
            let outcome = self.outcome(submitted).await;
            let outcome = outcome.map_err(|fault| exception(&fault))?;
            wire::write_append_outcome(&outcome, results.get().init_outcome());
            Ok(())
        }
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
            EntryBody::Op(op) => op.mutation.bytes() + size_of_val(op.depends_on.as_slice()),
            EntryBody::Abandon(_) => 0,
        };
        size_of_val(entry) + dependencies
    });
    entries.sum()
}
