//! Bringing a share to say what a request says.

use std::collections::VecDeque;
use std::sync::Arc;

use share_model::{Secret, Slug};
use share_opencode::Item;
use share_web::{Asker, BackendError};

use super::answers::{failed, refused, rejected};
use super::backend::HttpBackend;
use super::credentials::{owner_grant, writer_key};
use super::writer::{Stop, Writer};
use crate::fault::Fault;
use crate::owner::Outcome;

impl HttpBackend {
    /// Checks every item before the first is looked at, and then brings them in as many batches as they
    /// need: each item is whole, and a repeat changes nothing of what was done.
    pub(super) async fn bring(
        &self,
        asker: &Asker,
        (id, secret): (&Slug, &Secret),
        items: Vec<Item>,
    ) -> Result<(), BackendError> {
        // Who has the wrong secret learns nothing of the limits, nor makes the server look for them.
        let mut writer = self.writer(asker, id, secret).await?;
        self.check(&items)?;
        let mut left: VecDeque<Item> = items.into_iter().flat_map(Item::into_single).collect();
        for _ in 0..self.limits().tries_max {
            let stop = match writer.bring(self.door(), self.limits(), &mut left).await {
                Ok(()) => return Ok(()),
                Err(stop) => stop,
            };
            match stop {
                Stop::Rejected(reason) => return Err(rejected(&reason)),
                Stop::Item(error) => {
                    let reason = error.to_string();
                    return Err(BackendError::Invalid { reason });
                }
                Stop::Refused(refusal) => {
                    self.writers()
                        .drop_lost(id.grant(), &secret.hash(), &writer);
                    return Err(refused(refusal));
                }
                // The share's state was let go of: what had been sent is found out on the next one.
                Stop::Fault(Fault::Unloaded) => {
                    self.writers()
                        .drop_lost(id.grant(), &secret.hash(), &writer);
                    writer = self.writer(asker, id, secret).await?;
                }
                Stop::Fault(fault) => return Err(failed(&fault)),
            }
        }
        Err(failed(&Fault::Unloaded))
    }

    fn check(&self, items: &[Item]) -> Result<(), BackendError> {
        let limits = self.door().hub.share_limits();
        for (index, item) in items.iter().enumerate() {
            let checked = item.check(limits);
            checked.map_err(|source| BackendError::Item { index, source })?;
        }
        Ok(())
    }

    /// The share's writer, as it is kept, or with a redeemed grant.
    async fn writer(
        &self,
        asker: &Asker,
        id: &Slug,
        secret: &Secret,
    ) -> Result<Arc<Writer>, BackendError> {
        if let Some(writer) = self.writers().get(id.grant(), &secret.hash()) {
            return Ok(writer);
        }
        let opened = self.open_writer(asker, id, secret).await;
        let writer = opened.map_err(|fault| failed(&fault))?.map_err(refused)?;
        Ok(self.writers().keep(id.grant(), &secret.hash(), writer))
    }

    async fn open_writer(&self, asker: &Asker, id: &Slug, secret: &Secret) -> Outcome<Writer> {
        let hash = secret.hash();
        let by = (owner_grant(&hash), hash);
        let proven = match self.redeem(asker, id.grant(), by).await? {
            Ok(proven) => proven,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let outbox = writer_key(secret).outbox_id();
        let opened = proven.opened;
        Ok(opened
            .redeemed
            .map(|_| Writer::new(proven.reading, opened.ticket, outbox)))
    }
}
