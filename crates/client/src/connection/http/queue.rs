//! Batches that wait for their call.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use share_model::{Ack, Batch, EntryBody, Envelope};
use share_proto::wire::POSTED_BATCHES_MAX;
use tokio::sync::{Notify, oneshot};

use crate::connection::error::ClientError;

/// Bytes of the batches of one call, but for a batch that has more by itself: a call that takes long to
/// be sent has its answer late, and would be sent again whole.
const CALL_BYTES_MAX: usize = 4 << 20;

/// A batch, and who waits for its answer.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) batch: Batch,
    pub(super) envelope: Envelope,
    reply: oneshot::Sender<Result<Ack, ClientError>>,
}

/// What one lane's calls are made of; as many batches wait as the replay has in flight.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: RefCell<VecDeque<Waiting>>,
    /// Nothing is sent any more: every batch gets this.
    ended: RefCell<Option<ClientError>>,
    /// An answer is waited for: the first call is to be made, with what waits by then.
    has_begun: Cell<bool>,
    news: Notify,
}

impl Waiting {
    /// Answers. Who no longer waits needs no answer.
    pub(super) fn answer(self, answer: Result<Ack, ClientError>) {
        drop(self.reply.send(answer));
    }
}

impl Queue {
    /// The next batch; its answer comes where this leads.
    pub(super) fn push(
        &self,
        batch: &Batch,
        envelope: Envelope,
    ) -> oneshot::Receiver<Result<Ack, ClientError>> {
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting {
            batch: batch.clone(),
            envelope,
            reply,
        };
        match &*self.ended.borrow() {
            Some(error) => waiting.answer(Err(error.clone())),
            None => self.waiting.borrow_mut().push_back(waiting),
        }
        self.news.notify_one();
        answer
    }

    /// Has the first call made, if it was not.
    pub(super) fn begin(&self) {
        if !self.has_begun.replace(true) {
            self.news.notify_one();
        }
    }

    /// Waits until the first call is to be made.
    pub(super) async fn begun(&self) {
        while !self.has_begun.get() {
            self.news.notified().await;
        }
    }

    /// Waits for batches.
    pub(super) async fn filled(&self) {
        while self.waiting.borrow().is_empty() {
            self.news.notified().await;
        }
    }

    /// The batches of the next call; none if none wait.
    pub(super) fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting.borrow_mut();
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while taken.len() < POSTED_BATCHES_MAX as usize {
            let Some(next) = waiting.front() else { break };
            bytes += size(&next.batch);
            if bytes > CALL_BYTES_MAX && !taken.is_empty() {
                break;
            }
            taken.extend(waiting.pop_front());
        }
        taken
    }

    /// Puts batches back that got no answer, before all others.
    pub(super) fn put_back(&self, batches: impl DoubleEndedIterator<Item = Waiting>) {
        let mut waiting = self.waiting.borrow_mut();
        for batch in batches.rev() {
            waiting.push_front(batch);
        }
    }

    /// Answers all that wait: what is behind a batch that was not taken can't be taken either.
    pub(super) fn answer_all(&self, error: &ClientError) {
        for waiting in self.waiting.take() {
            waiting.answer(Err(error.clone()));
        }
    }

    /// Nothing is sent any more: all that wait, and all that come, get this.
    pub(super) fn end(&self, error: ClientError) {
        self.ended.borrow_mut().get_or_insert(error.clone());
        self.answer_all(&error);
    }
}

/// Bytes of a batch in a call, about.
fn size(batch: &Batch) -> usize {
    let entries = batch.entries.iter().map(|entry| match &entry.body {
        EntryBody::Op(op) => op.mutation.bytes() + size_of_val(op.depends_on.as_slice()),
        EntryBody::Abandon(_) => 0,
    });
    entries.sum::<usize>() + size_of_val(batch.entries.as_slice())
}
