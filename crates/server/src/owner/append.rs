//! Appending a batch.

use share_engine::{AppendRequest, Authority, Context, LogAnswers};
use share_model::{Ack, Batch, EntryBody, Envelope, Refusal, RefusalCode, Seq, WriterId};

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

impl Command for AppendCall {
    type Answer = Ack;

    fn caller(&self) -> Option<&Authority> {
        Some(&self.authority)
    }

    fn adds_at_most(&self) -> u64 {
        let bytes = self.batch.entries.iter().map(|entry| match &entry.body {
            EntryBody::Op(op) => op.bytes_from(entry.origin.as_ref()),
            EntryBody::Abandon(_) => 0,
        });
        bytes.sum()
    }

    fn over_quota(&self, share: &mut Share, refusal: &Refusal) {
        share.appenders.refuse(&self.appender, refusal);
    }

    fn lookups(&self, share: &Share) -> Vec<(WriterId, Seq)> {
        match (&share.state, share.appenders.get(&self.appender)) {
            (Some(state), Some(appender)) => state.lookups(appender, &self.batch),
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
