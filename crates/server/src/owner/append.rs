//! Appending a batch.

use share_engine::{AppendRequest, Authority, Context, LogAnswers, PreparedBatch};
use share_model::{Ack, Batch, Envelope, Refusal, RefusalCode, Seq, WriterId};

use super::appenders::AppenderTicket;
use super::call::{Command, Ran};
use super::share::Share;

/// Appends a batch to a claimed lane.
#[derive(Debug)]
pub(crate) struct AppendCall {
    pub(crate) authority: Authority,
    pub(crate) appender: AppenderTicket,
    pub(crate) batch: Batch,
    pub(crate) envelope: Envelope,
}

impl AppendCall {
    /// What the owner is asked, with all that the caller's thread can work out for it: that one is not
    /// the narrow one.
    pub(crate) fn prepare(self) -> PreparedAppend {
        PreparedAppend {
            authority: self.authority,
            batch: PreparedBatch::new(self.batch, self.appender.outbox()),
            appender: self.appender,
            envelope: self.envelope,
        }
    }
}

/// An [`AppendCall`] that is ready for its turn.
#[derive(Debug)]
pub(crate) struct PreparedAppend {
    authority: Authority,
    appender: AppenderTicket,
    batch: PreparedBatch,
    envelope: Envelope,
}

impl Command for PreparedAppend {
    type Answer = Ack;

    fn caller(&self) -> Option<&Authority> {
        Some(&self.authority)
    }

    fn adds_at_most(&self) -> u64 {
        self.batch.bytes()
    }

    fn over_quota(&self, share: &mut Share, refusal: &Refusal) {
        share.appenders.refuse(&self.appender, refusal);
    }

    fn lookups(&self, share: &Share) -> Vec<(WriterId, Seq)> {
        match (&share.state, share.appenders.get(&self.appender)) {
            (Some(state), Some(appender)) => state.lookups(appender, self.batch.batch()),
            _ => Vec::new(),
        }
    }

    fn run(&self, share: &mut Share, context: &Context, log: &LogAnswers) -> Ran<Ack> {
        let Some(state) = share.state.as_mut() else {
            return Err(Refusal::not_authorized()).into();
        };
        if let Some(refusal) = share.appenders.refusal(&self.appender) {
            return Err(refusal.clone()).into();
        }
        let Some(appender) = share.appenders.get_mut(&self.appender) else {
            return Err(forgotten()).into();
        };
        let request = AppendRequest {
            envelope: &self.envelope,
            batch: &self.batch,
            log,
        };
        let outcome = state.append(context, &self.authority, appender, request);
        Ran {
            answer: outcome.result,
            record: outcome.record,
        }
    }
}

/// The owner lost its memory of the appender: it was unloaded and loaded again.
fn forgotten() -> Refusal {
    Refusal::new(
        RefusalCode::WriterFenced,
        "the server has let go of this appender: claim the writer again",
    )
}
