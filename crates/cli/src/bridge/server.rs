//! What a bridge asks of the server itself, beside the replay: to create a share, to publish it, to
//! delete it. Each may be repeated, and finds what an earlier one did.

use std::sync::Arc;

use share_client::{
    ClientError, Connector, Route, create_share, delete_share, factory_served, publish_share,
};
use share_model::{
    CreateShare, FactoryRef, OwnerKey, Publish, Reaction, Refusal, RefusalCode, RequestId, ShareRef,
};

use super::public_url::PublicUrl;
use super::record::{End, Record, Standing, State};
use super::shares::{Kept, Shares};

/// Where all goes.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// To shares of its own, one for each time that a session is shared.
    Factory(FactoryRef),
    /// Into one share.
    Share(ShareRef),
}

/// The server, as far as a bridge needs it.
#[derive(Debug)]
pub(super) struct ServerSide {
    pub(super) target: Target,
    pub(super) connector: Arc<dyn Connector>,
    /// Opens refs that are sealed to it.
    pub(super) owner: Option<OwnerKey>,
    pub(super) route: Route,
    pub(super) url: Arc<PublicUrl>,
    pub(super) shares: Arc<Shares>,
}

impl ServerSide {
    /// Asks where people find the server's pages, and keeps that.
    ///
    /// # Errors
    ///
    /// If the server refuses, or no answer comes.
    pub(super) async fn learn(&self) -> Result<(), ClientError> {
        if let Target::Factory(factory) = &self.target {
            let served = factory_served(&*self.connector, &self.route.factory(factory)).await?;
            self.url.learn(&served);
        }
        Ok(())
    }

    /// Brings a share to be there and public, unless the agent session was unshared.
    ///
    /// # Errors
    ///
    /// If the server refuses, no answer comes, or the session was unshared (`gone`).
    ///
    /// # Cancel safety
    ///
    /// Dropped anywhere: the next call begins where this one was.
    pub(super) async fn prepare(&self, kept: &Arc<Kept>) -> Result<(), ClientError> {
        match self.live_state(kept).await?.standing {
            Standing::Created => return Ok(()),
            Standing::New => {
                // Shows that the server is there before the record says that it may know the share.
                self.learn().await?;
                self.mark(kept, Standing::New, Standing::Asked).await?;
            }
            Standing::Asked => {}
        }
        if let Err(error) = self.create(&kept.record).await {
            if matches!(error, ClientError::Unreachable { .. }) {
                self.mark(kept, Standing::Asked, Standing::New).await?;
            }
            return Err(error);
        }
        self.publish(&kept.record).await?;
        self.mark(kept, Standing::Asked, Standing::Created).await
    }

    /// Deletes a share of which a server may know, by the newest ref of its owner.
    ///
    /// # Errors
    ///
    /// If the server refuses, or no answer comes.
    pub(super) async fn delete(
        &self,
        record: &Record,
        standing: Standing,
        newest: &ShareRef,
    ) -> Result<(), ClientError> {
        if standing == Standing::Asked {
            // Whether it is there is not known. Asked for again it is, and an earlier request that
            // comes late finds it deleted.
            self.create(record).await?;
        }
        let (owner, origin) = (self.owner.as_ref(), &record.origin);
        let newest = self.route.share(newest);
        let deleting = delete_share(&*self.connector, &newest, owner, origin);
        deleting.await.map(drop)
    }

    async fn create(&self, record: &Record) -> Result<(), ClientError> {
        let Some(request) = record.request else {
            return Ok(());
        };
        let request = creation(record, request);
        let ids = (record.reference.share, record.reference.grant);
        let factory = match &self.target {
            Target::Factory(factory) if request.ids(factory.grant) == ids => {
                self.route.factory(factory)
            }
            _ => return Err(another_factory().into()),
        };
        let (_, served) = create_share(&*self.connector, &factory, &request).await?;
        self.url.learn(&served);
        Ok(())
    }

    async fn publish(&self, record: &Record) -> Result<(), ClientError> {
        let publish = Publish {
            slug_hash: record.slug.hash(),
            expires_at: None,
            label: String::new(),
            origin: record.origin.clone(),
        };
        let (reference, owner) = (self.route.share(&record.reference), self.owner.as_ref());
        match publish_share(&*self.connector, &reference, owner, &publish).await {
            Err(ClientError::Refused(refusal))
                if record.request.is_none() && refusal.code == RefusalCode::RightMissing =>
            {
                tracing::warn!("the ref may not publish the share: it has no public page");
                Ok(())
            }
            published => published.map(drop),
        }
    }

    async fn live_state(&self, kept: &Arc<Kept>) -> Result<State, ClientError> {
        let held = self.shares.hold(kept).await;
        match held.is_live() {
            true => Ok(held.state()),
            false => Err(unshared().into()),
        }
    }

    /// Stores how far a share has come, if it stands there still and was not unshared meanwhile.
    async fn mark(
        &self,
        kept: &Arc<Kept>,
        from: Standing,
        to: Standing,
    ) -> Result<(), ClientError> {
        let mut held = self.shares.hold(kept).await;
        if held.state().standing == from && (held.is_live() || to != Standing::Asked) {
            let standing = State {
                standing: to,
                ..held.state()
            };
            held.store(standing).await.map_err(not_stored)?;
        }
        match held.state().end {
            End::No => Ok(()),
            End::Wanted | End::Done => Err(unshared().into()),
        }
    }
}

/// Whether a refusal of a deletion is the last word: nothing that the bridge holds deletes the share.
pub(super) fn is_last_word(refusal: &Refusal) -> bool {
    match refusal.code.reaction() {
        Reaction::Person | Reaction::RedeemNewest | Reaction::Stop | Reaction::AbandonOp => true,
        Reaction::WaitSlowly | Reaction::Replan | Reaction::SettleAndRetry | Reaction::Upgrade => {
            false
        }
    }
}

/// What a lane of a share is told that was unshared: the outbox takes nothing more for it.
pub(super) fn unshared() -> Refusal {
    let message = "the agent session was unshared: what waited for its share is given up";
    Refusal::new(RefusalCode::Gone, message)
}

fn another_factory() -> Refusal {
    let message = "the share was promised while the bridge stood before another factory: start it \
                   with that one's ref again, or share the session again";
    Refusal::new(RefusalCode::NotAuthorized, message)
}

/// A full disk, say: the replay comes again.
fn not_stored(error: std::io::Error) -> ClientError {
    ClientError::Overloaded {
        reason: format!("the bridge could not store how far the share is: {error}"),
    }
}

fn creation(record: &Record, request: RequestId) -> CreateShare {
    CreateShare {
        request,
        owner_secret_hash: record.reference.secret.hash(),
        title: String::new(),
        origin: record.origin.clone(),
    }
}
