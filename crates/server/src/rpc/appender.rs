//! Appending batches to a claimed lane.

use std::cell::RefCell;
use std::rc::Rc;

use capnp::Error;
use share_model::{Ack, Batch, Claimed, Envelope, Epoch, Limits, Refusal};
use share_proto::share_capnp::appender;
use share_proto::wire;
use tokio::sync::Mutex;

use super::arriving::Arriving;
use super::connection::Connection;
use super::exception::{exception, malformed};
use super::reading::Reading;
use crate::owner::{AppendCall, AppenderTicket, Outcome};

/// A claimed writer on one connection. It is given out while the claim is being made.
#[derive(Debug)]
pub(super) struct Appender {
    connection: Rc<Connection>,
    claimed: Arriving<(Rc<ClaimedBy>, Claimed)>,
    /// Held by one batch after the other, in the order of their calls, until it has its place in the
    /// share's queue.
    turn: Mutex<()>,
    /// A batch could not even be read: what was pipelined behind it must not enter the lane.
    ended: RefCell<Option<Refusal>>,
}

/// A claim that holds, and by whom it was made.
#[derive(Debug)]
pub(super) struct ClaimedBy {
    pub(super) reading: Reading,
    pub(super) ticket: AppenderTicket,
}

impl Appender {
    pub(super) fn new(
        connection: Rc<Connection>,
        claimed: Arriving<(Rc<ClaimedBy>, Claimed)>,
    ) -> Self {
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
            Ok((by, _)) => match self.read(&by, &params) {
                Ok(command) => Ok(by.reading.append(command).await),
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
        by: &ClaimedBy,
        params: &appender::AppendOpsParams,
    ) -> Result<AppendCall, Refusal> {
        if let Some(refusal) = &*self.ended.borrow() {
            return Err(refusal.clone());
        }
        let authority = by.reading.authority.clone();
        let limits = self.connection.door.hub.share_limits();
        let read = read_params(params, authority.epoch(), limits);
        let (batch, envelope) = read.inspect_err(|refusal| {
            *self.ended.borrow_mut() = Some(refusal.clone());
        })?;
        Ok(AppendCall {
            authority,
            appender: by.ticket.clone(),
            batch,
            envelope,
        })
    }
}

impl appender::Server for Appender {
    async fn append_ops(
        self: Rc<Self>,
        params: appender::AppendOpsParams,
        mut results: appender::AppendOpsResults,
    ) -> Result<(), Error> {
        let appended = self.connection.deadlines.within(self.append(params)).await;
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
    let envelope = wire::read_envelope(params.get_envelope().map_err(malformed)?);
    Ok((batch, with_epoch(envelope, epoch)))
}

/// The envelope of a batch that was sent before its sender knew the epoch, which is `epoch`.
pub(super) fn with_epoch(mut envelope: Envelope, epoch: Epoch) -> Envelope {
    if envelope.capability_epoch == Epoch::ZERO {
        envelope.capability_epoch = epoch;
    }
    envelope
}
