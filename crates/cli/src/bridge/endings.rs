//! Honours each unshare, when the server is there: a share that it never saw is never created, one
//! that it has is deleted. What still waits in the outbox is given up.

use std::sync::Arc;

use share_client::{Backoff, ClientError, Heard, Outbox, Outcome, Registry, RowFilter, RowState};
use share_model::seam::{Clock, Entropy};
use share_model::{OpId, RefusalCode, ShareId, ShareRef};
use tokio::sync::Notify;

use super::record::{End, Standing, State};
use super::server::{ServerSide, is_last_word};
use super::shares::Kept;
use super::values::Values;

/// Rows of the outbox that are read at once.
const PAGE: usize = 500;

/// What ends shares.
#[derive(Debug)]
pub(super) struct Endings {
    pub(super) server: Arc<ServerSide>,
    pub(super) outbox: Outbox,
    pub(super) registry: Registry,
    pub(super) values: Arc<Values>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) backoff: Backoff,
    /// There is something new to end.
    pub(super) wanted: Arc<Notify>,
}

impl Endings {
    /// Ends what is to be ended, for ever. Dropped anywhere, it goes on with the next start.
    pub(super) async fn run(&self) {
        let mut failures = 0_u32;
        loop {
            if self.end_all().await {
                failures = 0;
                self.wanted.notified().await;
                continue;
            }
            failures = failures.saturating_add(1);
            let delay = self.backoff.delay(failures, &*self.entropy);
            tokio::select! {
                () = self.clock.sleep(delay) => {}
                () = self.wanted.notified() => {}
            }
        }
    }

    /// Whether nothing is left to be ended.
    async fn end_all(&self) -> bool {
        let mut is_all = true;
        for kept in self.server.shares.all() {
            if let Err(error) = self.end(&kept).await {
                tracing::info!(%error, "a share is not deleted yet");
                is_all = false;
            }
        }
        is_all
    }

    async fn end(&self, kept: &Arc<Kept>) -> Result<(), ClientError> {
        let state = self.server.shares.hold(kept).await.state();
        if state.end != End::Wanted {
            return Ok(());
        }
        if state.standing != Standing::New {
            let newest = self.newest_ref(kept).await;
            let deleted = self.server.delete(&kept.record, state.standing, &newest);
            match deleted.await {
                Ok(()) => {}
                Err(ClientError::Refused(refusal)) if refusal.code == RefusalCode::Gone => {}
                Err(ClientError::Refused(refusal)) if is_last_word(&refusal) => {
                    let code = refusal.code.name();
                    tracing::warn!(
                        code,
                        "a share was not deleted, and nothing here may delete it"
                    );
                }
                Err(error) => return Err(error),
            }
        }
        self.release(kept).await;
        let mut held = self.server.shares.hold(kept).await;
        let done = State {
            end: End::Done,
            ..held.state()
        };
        let stored = held.store(done).await;
        drop(held);
        stored.map_err(|error| ClientError::Overloaded {
            reason: format!("the bridge could not store that a share is deleted: {error}"),
        })?;
        self.let_all_go(kept.record.reference.share).await;
        Ok(())
    }

    /// The owner's ref, which `share rotate` may have replaced.
    async fn newest_ref(&self, kept: &Arc<Kept>) -> ShareRef {
        let own = &kept.record.reference;
        let found = self.registry.find_share(own.share).await;
        let found = found.unwrap_or_else(|error| {
            tracing::warn!(%error, "the registry was not asked for a share's newest ref");
            Vec::new()
        });
        let refs = found.into_iter().filter_map(|entry| entry.reference);
        let newest = refs.max_by_key(|reference| reference.epoch);
        match newest {
            Some(newest) if newest.epoch > own.epoch => newest,
            Some(_) | None => own.clone(),
        }
    }

    /// Frees the session's name, if it is this share's still.
    async fn release(&self, kept: &Arc<Kept>) {
        let share = kept.record.reference.share;
        let found = match self.registry.find_share(share).await {
            Ok(found) if kept.record.request.is_some() => found,
            Ok(_) => return,
            Err(error) => return tracing::warn!(%error, "the session's name was not released"),
        };
        for entry in found.iter().filter(|entry| entry.released_at.is_none()) {
            if let Err(error) = self.registry.release(&entry.name).await {
                tracing::warn!(%error, "the session's name was not released");
            }
        }
    }

    /// Listens to how ops end. What a share says is not known any more when one of its ops was given
    /// up or is in doubt; of a share that was unshared, such ops are let go.
    pub(super) async fn listen(&self) {
        let mut outcomes = self.outbox.outcomes();
        self.catch_up().await;
        while let Some(heard) = outcomes.next().await {
            match heard {
                Heard::Lagged(_) => {
                    self.values.forget_all();
                    self.catch_up().await;
                }
                Heard::Outcome(event) => match event.outcome {
                    Outcome::Applied(_) | Outcome::Duplicate(_) => {}
                    Outcome::DeadLetter(_) | Outcome::InDoubt => {
                        self.values.forget(event.share);
                        if self.is_over(event.share).await {
                            self.let_go(event.share, event.op_id).await;
                        }
                    }
                },
            }
        }
    }

    async fn is_over(&self, share: ShareId) -> bool {
        let kept = self.server.shares.of_share(share);
        for kept in &kept {
            if self.server.shares.hold(kept).await.is_live() {
                return false;
            }
        }
        !kept.is_empty()
    }

    /// Lets go what nobody heard of.
    async fn catch_up(&self) {
        for kept in self.server.shares.all() {
            self.let_all_go(kept.record.reference.share).await;
        }
    }

    async fn let_all_go(&self, share: ShareId) {
        if !self.is_over(share).await {
            return;
        }
        let filter = RowFilter {
            share: Some(share),
            states: vec![RowState::DeadLetter, RowState::InDoubt],
        };
        let mut after = None;
        loop {
            let rows = match self.outbox.rows(filter.clone(), after, PAGE).await {
                Ok(rows) => rows,
                Err(error) => return tracing::warn!(%error, "the outbox can't be read"),
            };
            let Some(last) = rows.last() else { return };
            after = Some(last.position());
            for row in rows.iter().filter(|row| row.resolution.is_none()) {
                self.let_go(share, row.op_id).await;
            }
        }
    }

    async fn let_go(&self, share: ShareId, op: OpId) {
        if let Err(error) = self.outbox.drop_op(share, op).await {
            tracing::warn!(%share, %error, "an op of an unshared session was not let go");
        }
    }
}
