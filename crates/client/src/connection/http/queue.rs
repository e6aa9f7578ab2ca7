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

#[cfg(test)]
mod tests {
    use share_model::{BatchId, Entry, Epoch, Mutation, Op, OpId, Seq};

    use super::*;

    fn batch(number: u8, bytes: usize) -> Batch {
        let put = Mutation::Put {
            key: String::new().into(),
            json: "1".repeat(bytes).into(),
        };
        let op = Op {
            id: OpId::from_bytes([number; 16]),
            depends_on: Vec::new(),
            mutation: put,
        };
        Batch {
            id: BatchId::from_bytes([number; 16]),
            atomic: false,
            expected_cursor: None,
            entries: vec![Entry {
                seq: Seq::new(number.into()),
                was: None,
                body: EntryBody::Op(op),
                origin: None,
            }],
        }
    }

    fn queue(bytes: &[usize]) -> Queue {
        let queue = Queue::default();
        let envelope = Envelope {
            capability_epoch: Epoch::ZERO,
            settled_through: Seq::ZERO,
        };
        for (number, bytes) in (1..).zip(bytes) {
            drop(queue.push(&batch(number, *bytes), envelope));
        }
        queue
    }

    /// The numbers of the batches of one call after the other.
    fn calls(queue: &Queue) -> Vec<Vec<u64>> {
        let taken = std::iter::repeat_with(|| queue.take()).take_while(|call| !call.is_empty());
        let numbers = |call: Vec<Waiting>| {
            let batches = call.iter();
            batches.map(|it| it.batch.entries[0].seq.get()).collect()
        };
        taken.map(numbers).collect()
    }

    #[test]
    fn batches_of_a_call_have_so_many_bytes_and_the_rest_waits_for_the_next() {
        let half = CALL_BYTES_MAX / 2 - 1000;
        assert_eq!(calls(&queue(&[half, half, 1])), [vec![1, 2, 3]]);
        assert_eq!(calls(&queue(&[half, half, 2000])), [vec![1, 2], vec![3]]);
        let large = 2 * CALL_BYTES_MAX;
        let taken = calls(&queue(&[1, large, 1]));
        assert_eq!(taken, [vec![1], vec![2], vec![3]]);
    }

    #[test]
    fn a_call_has_so_many_batches() {
        let most = POSTED_BATCHES_MAX as usize;
        let counts: Vec<_> = calls(&queue(&vec![1; most + 1]))
            .iter()
            .map(Vec::len)
            .collect();
        assert_eq!(counts, [most, 1]);
    }

    #[test]
    fn what_is_put_back_goes_first_and_in_order() {
        let queue = queue(&[1, 1, 1]);
        let mut taken = queue.take().into_iter();
        drop(taken.next());
        queue.put_back(taken);
        assert_eq!(calls(&queue), [vec![2, 3]]);
    }
}
