//! Enqueueing an op of a stream, as the tokens of a model: who does not wait for one op before the
//! next one lets one commit make several durable.

use share_model::ShareId;
use share_model::seam::Sleep;

use super::delegation::AgentOutbox;
use super::enqueue::{Enqueued, Grouping, NewOp};
use super::error::OutboxError;
use super::{Manner, Outbox};

impl Outbox {
    /// Enqueues an op of a stream; it is on stable storage when this returns, which may be
    /// [`OutboxOptions::commit_delay`] later than [`Outbox::enqueue`] would: it waits for others, so
    /// that one sync of the disk makes all of them durable. It goes with whatever this outbox stores
    /// next.
    ///
    /// For who does not wait for each op before the next: the source of the stream goes on, and the
    /// futures are awaited beside it. Whoever awaits each is slowed down for nothing, and takes
    /// [`Outbox::enqueue`]. The first op after a pause waits for nothing.
    ///
    /// Ops are enqueued in the order in which their futures are first polled.
    ///
    /// ```
    /// use futures_util::stream::{FuturesUnordered, TryStreamExt};
    /// # use share_client::{NewOp, Outbox, OutboxOptions};
    /// # use share_model::{Mutation, ShareRef};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let outbox = Outbox::open(&folder.path().join("o.sqlite"), OutboxOptions::default())?;
    /// # let text = format!("share://h:1/{0}/{0}?epoch=1#{1}", "0".repeat(32), "A".repeat(43));
    /// # let reference: ShareRef = text.parse()?;
    /// # let share = reference.share;
    /// # outbox.use_ref(reference).await?;
    /// let token = |text: &str| {
    ///     NewOp::of(Mutation::AppendText { key: "a".into(), pointer: "".into(), text: text.into() })
    /// };
    /// let pending = FuturesUnordered::new();
    /// for text in ["to", "be", "or"] {
    ///     pending.push(outbox.enqueue_streamed(share, token(text)));
    /// }
    /// let durable: Vec<_> = pending.try_collect().await?;
    /// assert_eq!(durable.len(), 3);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Outbox::enqueue`].
    ///
    /// # Cancel safety
    ///
    /// As [`Outbox::enqueue`].
    ///
    /// [`OutboxOptions::commit_delay`]: crate::OutboxOptions::commit_delay
    pub async fn enqueue_streamed(
        &self,
        share: ShareId,
        op: NewOp,
    ) -> Result<Enqueued, OutboxError> {
        let manner = Manner {
            session: None,
            patience: self.patience_of_stream(),
        };
        let enqueued = self.enqueue_by(manner, share, vec![op], Grouping::Loose);
        only(enqueued.await?)
    }

    fn patience_of_stream(&self) -> Option<Sleep> {
        let options = self.options();
        let (clock, delay) = (&options.clock, options.commit_delay);
        let is_steady = self.inner.storage.is_steady(clock.now(), delay);
        is_steady.then(|| clock.sleep(delay))
    }
}

impl AgentOutbox {
    /// As [`Outbox::enqueue_streamed`], for this session.
    ///
    /// # Errors
    ///
    /// As [`AgentOutbox::enqueue_all`].
    ///
    /// # Cancel safety
    ///
    /// As [`Outbox::enqueue`].
    pub async fn enqueue_streamed(
        &self,
        share: ShareId,
        op: NewOp,
    ) -> Result<Enqueued, OutboxError> {
        let patience = self.outbox().patience_of_stream();
        let enqueued = self.enqueue_by(patience, share, vec![op], Grouping::Loose);
        only(enqueued.await?)
    }
}

fn only(enqueued: Vec<Enqueued>) -> Result<Enqueued, OutboxError> {
    enqueued.into_iter().next().ok_or(OutboxError::Closed)
}
