//! What a plugin inside the agent tells: each event becomes ops once, whatever becomes of its answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use share_client::{Grouping, NewOp, OutboxError};
use share_model::ShareId;
use share_model::seam::{Clock as _, SystemClock};
use share_opencode::Event;
use share_web::{
    BackendError, Drained, Local, LocalEvent, PluginCall, RefusedEvent, Taken, WantedPart,
};

use super::backend::{Bridge, gone};
use super::shares::Kept;
use super::told::EventId;
use super::values::{TakenValues, Tells};

/// How long outcomes are gathered before the outbox is looked at again.
const GATHER: Duration = Duration::from_millis(20);

/// The events of one request, all of one instance, in order.
struct Batch {
    ids: Vec<EventId>,
    events: Vec<LocalEvent>,
}

#[async_trait]
impl Local for Bridge {
    async fn events(&self, of: PluginCall, events: Vec<LocalEvent>) -> Result<Taken, BackendError> {
        let kept = self.proven(&of)?;
        let batch = Batch::read(events, self.events_max)?;
        let held = self.shares.hold(&kept).await;
        if !held.is_live() {
            return Err(gone("the agent session was unshared"));
        }
        let share = kept.record.reference.share;
        // As with a sync: if this ends early, what was taken is forgotten.
        let mut taken = self.values.take(share);
        let first_new = self.first_new(&taken, share, &batch).await?;
        let last = batch.ids.last().cloned();
        let (ops, answer) = batch.tell(&mut taken, first_new);
        if !ops.is_empty() {
            let enqueued = self.outbox.enqueue_all(share, ops, Grouping::Loose).await;
            enqueued.map_err(|error| self.not_taken(error))?;
        }
        if let Some(last) = last {
            taken.told.set_mark(last);
        }
        self.values.put_back(taken);
        Ok(answer)
    }

    async fn drained(
        &self,
        of: PluginCall,
        is_acked: bool,
        deadline: Duration,
    ) -> Result<Drained, BackendError> {
        let kept = self.proven(&of)?;
        let max = self.drain_deadline_max;
        if deadline > max {
            let (asked, max) = (deadline.as_millis(), max.as_millis());
            let reason = format!("`deadline_ms` is {asked}, limit is {max}");
            return Err(BackendError::Invalid { reason });
        }
        let share = kept.record.reference.share;
        let waiting = async {
            // Whoever holds it has its ops on their way into the outbox.
            drop(self.shares.hold(&kept).await);
            match is_acked {
                true => self.acked(share).await,
                false => Ok(()),
            }
        };
        let waited = tokio::time::timeout(deadline, waiting).await;
        let drained = waited.is_ok();
        if let Ok(Err(error)) = waited {
            return Err(self.not_taken(error));
        }
        let pending = self.pending(share).await;
        Ok(Drained {
            drained,
            pending: pending.map_err(|error| self.not_taken(error))?,
        })
    }
}

impl Bridge {
    /// The share of which a plugin tells, if it proves itself.
    fn proven(&self, of: &PluginCall) -> Result<Arc<Kept>, BackendError> {
        let token = of.token.as_ref().map(share_model::Secret::hash);
        if token != Some(self.plugin_token) {
            return Err(BackendError::PluginTokenNeeded);
        }
        let kept = self.shares.find(&of.share);
        kept.filter(|kept| kept.record.session == of.session)
            .ok_or(BackendError::NotFound)
    }

    /// The first event that was not taken before. A bridge that was started again, or forgot what the
    /// share says, finds it by the ops that are in the outbox.
    async fn first_new(
        &self,
        taken: &TakenValues,
        share: ShareId,
        batch: &Batch,
    ) -> Result<usize, BackendError> {
        let Some(first) = batch.ids.first() else {
            return Ok(0);
        };
        if let Some(mark) = taken.told.mark(&first.instance) {
            return Ok(batch.ids.partition_point(|id| id.seq <= mark));
        }
        for (index, id) in batch.ids.iter().enumerate().rev() {
            let found = self.outbox.op_details(share, id.op()).await;
            if found.map_err(|error| self.not_taken(error))?.is_some() {
                return Ok(index + 1);
            }
        }
        Ok(0)
    }

    /// Waits until no op of the share is without an answer.
    async fn acked(&self, share: ShareId) -> Result<(), OutboxError> {
        let mut outcomes = self.outbox.outcomes();
        while self.pending(share).await? > 0 {
            outcomes.next().await.ok_or(OutboxError::Closed)?;
            SystemClock.sleep(GATHER).await;
        }
        Ok(())
    }

    async fn pending(&self, share: ShareId) -> Result<u64, OutboxError> {
        let shares = self.outbox.shares().await?;
        let status = shares.into_iter().find(|status| status.share == share);
        Ok(status.map_or(0, |status| status.pending))
    }
}

impl Batch {
    fn read(events: Vec<LocalEvent>, max: usize) -> Result<Self, BackendError> {
        let invalid = |reason: String| BackendError::Invalid { reason };
        if events.len() > max {
            let count = events.len();
            return Err(invalid(format!("{count} events at once, limit is {max}")));
        }
        let mut ids: Vec<EventId> = Vec::with_capacity(events.len());
        for (index, event) in events.iter().enumerate() {
            let id = EventId::read(&event.id)
                .ok_or_else(|| invalid(format!("the id of event {index} is no `INSTANCE/SEQ`")))?;
            let is_next = ids
                .last()
                .is_none_or(|last| last.instance == id.instance && last.seq < id.seq);
            if !is_next {
                let rule = "all events of a request are of one instance, in order";
                return Err(invalid(format!("event {index}: {rule}")));
            }
            ids.push(id);
        }
        Ok(Self { ids, events })
    }

    /// The ops that come of the events from `first_new` on, and what the plugin is told.
    fn tell(self, taken: &mut TakenValues, first_new: usize) -> (Vec<NewOp>, Taken) {
        let (mut ops, mut refused) = (Vec::new(), Vec::new());
        let mut wanted = BTreeSet::new();
        let all = self.ids.into_iter().zip(self.events).enumerate();
        for (index, (id, event)) in all.skip(first_new) {
            let tells = Event::read(&event.kind, event.properties)
                .map_err(|error| error.to_string())
                .and_then(|event| taken.tell(event).map_err(|error| error.to_string()));
            match tells {
                Ok(Tells::Changes(mutations)) => {
                    let begin = ops.len();
                    ops.extend(mutations.into_iter().map(NewOp::of));
                    if let Some(first) = ops.get_mut(begin) {
                        first.id = Some(id.op());
                    }
                }
                Ok(Tells::Wants { message, part }) => {
                    wanted.insert(WantedPart { message, part });
                }
                Err(error) => refused.push(RefusedEvent { index, error }),
            }
        }
        let wanted = wanted.into_iter().collect();
        (ops, Taken { wanted, refused })
    }
}

#[cfg(test)]
mod tests;
