//! What the HTTP face asks of a bridge.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use share_client::{
    Grouping, NewOp, OpenSession, Outbox, OutboxError, Registry, RegistryError, SessionName,
};
use share_model::seam::Entropy;
use share_model::{
    Cut, FactoryRef, GrantId, Origin, RequestId, Secret, SecretHash, ShareId, ShareRef, Slug,
};
use share_opencode::Item;
use share_web::{
    Asker, Backend, BackendError, CreatedShare, Data, Governed, Opened, Proof, Reader,
};
use tokio::sync::{Mutex, Notify, watch};

use super::public_url::PublicUrl;
use super::record::{End, Record, Standing, State, origin_of};
use super::server::Target;
use super::shares::{Kept, Shares};
use super::values::Values;

/// Keeps shares for an agent: in an outbox, until their server has them.
#[derive(Debug)]
pub(crate) struct Bridge {
    pub(super) target: Target,
    pub(super) outbox: Outbox,
    pub(super) registry: Registry,
    /// As which sessions are registered.
    pub(super) project: String,
    /// The outbox's file, absolute.
    pub(super) state_file: PathBuf,
    pub(super) shares: Arc<Shares>,
    pub(super) shares_max: usize,
    pub(super) values: Arc<Values>,
    /// What the agent's plugin proves itself with.
    pub(super) plugin_token: SecretHash,
    pub(super) events_max: usize,
    pub(super) drain_deadline_max: Duration,
    pub(super) url: Arc<PublicUrl>,
    pub(super) entropy: Arc<dyn Entropy>,
    /// Tells that a share is to be ended.
    pub(super) wanted: Arc<Notify>,
    /// Why nothing can be stored any more: the bridge is to be started again.
    pub(super) failure: watch::Sender<Option<String>>,
    /// Held while a share is handed out.
    pub(super) creating: Mutex<()>,
}

#[async_trait]
impl Backend for Bridge {
    /// Answers also while the server is away, which is asked with the first replay.
    async fn create(&self, _: &Asker, session: &str) -> Result<CreatedShare, BackendError> {
        let (name, origin) = self.name(session)?;
        let url = self.public_url()?;
        let _creating = self.creating.lock().await;
        self.check_room()?;
        let (reference, request) = match &self.target {
            Target::Factory(factory) => self.register(factory, (name, &origin)).await?,
            Target::Share(reference) => (self.only(reference, session)?, None),
        };
        let (slug, secret) = (Slug::random(&*self.entropy), Secret::random(&*self.entropy));
        let record = Record {
            session: session.to_owned(),
            origin,
            slug: slug.clone(),
            secret_hash: secret.hash(),
            reference: reference.clone(),
            request,
        };
        // A share that is not ours to create is there.
        let standing = match request {
            Some(_) => Standing::New,
            None => Standing::Asked,
        };
        let state = State {
            standing,
            end: End::No,
        };
        let added = self.shares.add(record, state).await;
        added.map_err(|error| overloaded(format!("store the share's record: {error}")))?;
        // Killed before this, the bridge does it when it starts again.
        let used = self.outbox.use_ref(reference).await;
        used.map_err(|error| self.not_taken(error))?;
        Ok(CreatedShare {
            url: format!("{url}/share/{}", slug.to_text()),
            id: slug,
            secret,
        })
    }

    async fn sync(
        &self,
        _: &Asker,
        id: &Slug,
        secret: &Secret,
        items: Vec<Item>,
    ) -> Result<(), BackendError> {
        let kept = self.open(id, secret)?;
        let held = self.shares.hold(&kept).await;
        if !held.is_live() {
            return Err(gone("the agent session was unshared"));
        }
        let share = kept.record.reference.share;
        // If this ends early, what was taken is forgotten, and the next items are put whole.
        let mut taken = self.values.take(share);
        let mut ops = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let mutations = taken
                .convert(item)
                .map_err(|source| BackendError::Item { index, source })?;
            ops.extend(mutations.into_iter().map(NewOp::of));
        }
        if !ops.is_empty() {
            let enqueued = self.outbox.enqueue_all(share, ops, Grouping::Loose).await;
            enqueued.map_err(|error| self.not_taken(error))?;
        }
        self.values.put_back(taken);
        Ok(())
    }

    async fn data(&self, _: &Asker, id: &Slug) -> Result<Data, BackendError> {
        let kept = self.shares.find(id).ok_or(BackendError::NotFound)?;
        if !self.shares.hold(&kept).await.is_live() {
            return Err(gone("the agent session was unshared"));
        }
        let url = self.public_url()?;
        Ok(Data::Elsewhere(format!(
            "{url}/api/share/{}/data",
            id.to_text()
        )))
    }

    /// Only the server shows what a share says, as for its data.
    async fn open(&self, asker: &Asker, reader: &Reader) -> Result<Opened, BackendError> {
        let Reader::Public(slug) = reader else {
            return Err(BackendError::Unsupported {
                what: "a private page",
            });
        };
        match self.data(asker, slug).await? {
            Data::Elsewhere(url) => Ok(Opened::Elsewhere(url)),
            Data::Document(_) => Err(BackendError::Unsupported { what: "a page" }),
        }
    }

    async fn govern(&self, _: &Asker, _: &Proof) -> Result<Governed, BackendError> {
        Err(BackendError::Unsupported {
            what: "a page for owners",
        })
    }

    async fn revoke(&self, _: &Asker, _: &Proof, _: GrantId) -> Result<Cut, BackendError> {
        Err(BackendError::Unsupported {
            what: "a page for owners",
        })
    }

    /// Answers also while the server is away; the deletion is honoured when it is there.
    async fn delete(&self, _: &Asker, id: &Slug, secret: &Secret) -> Result<(), BackendError> {
        let kept = self.open(id, secret)?;
        let mut held = self.shares.hold(&kept).await;
        if held.is_live() {
            let wanted = State {
                end: End::Wanted,
                ..held.state()
            };
            let stored = held.store(wanted).await;
            stored.map_err(|error| overloaded(format!("store the deletion: {error}")))?;
        }
        self.values.forget(kept.record.reference.share);
        self.wanted.notify_one();
        Ok(())
    }

    async fn ops(&self, _: &Asker, _: ShareId, _: Bytes) -> Result<Bytes, BackendError> {
        Err(BackendError::Unsupported {
            what: "a way into a share for client libraries",
        })
    }

    async fn ready(&self) -> Result<(), String> {
        match &*self.failure.borrow() {
            None => Ok(()),
            Some(why) => Err(why.clone()),
        }
    }
}

impl Bridge {
    fn open(&self, id: &Slug, secret: &Secret) -> Result<Arc<Kept>, BackendError> {
        self.shares
            .open_by(id, secret)
            .ok_or(BackendError::NotFound)
    }

    fn public_url(&self) -> Result<String, BackendError> {
        self.url.get().ok_or_else(|| {
            overloaded(
                "the server's public URL is not known yet: it is learned when the server answers \
                 for the first time, or start the bridge with `--public-url`",
            )
        })
    }

    fn check_room(&self) -> Result<(), BackendError> {
        let max = self.shares_max;
        match self.shares.count() < max {
            true => Ok(()),
            false => Err(BackendError::Refused {
                reason: format!("the bridge knows {max} shares: start it with another `--state`"),
            }),
        }
    }

    /// What a session is called here, and as which it makes its share.
    fn name(&self, session: &str) -> Result<(SessionName, Origin), BackendError> {
        let name = SessionName::new(self.project.clone(), session);
        let name = name.map_err(|error| BackendError::Invalid {
            reason: error.to_string(),
        })?;
        let origin = origin_of(session).ok_or_else(|| BackendError::Invalid {
            reason: "the session's id is empty or too long".to_owned(),
        })?;
        Ok((name, origin))
    }

    /// Registers a new share, for each time that a session is shared: its id proves nothing.
    async fn register(
        &self,
        factory: &FactoryRef,
        (name, origin): (SessionName, &Origin),
    ) -> Result<(ShareRef, Option<RequestId>), BackendError> {
        let open = OpenSession {
            name,
            title: String::new(),
            origin: origin.clone(),
            state_file: self.state_file.clone(),
        };
        let ahead = self.registry.register_ahead(factory, open).await;
        let ahead = ahead.map_err(|error| match error {
            RegistryError::Full { .. } => BackendError::Refused {
                reason: error.to_string(),
            },
            error => overloaded(format!("register the share: {error}")),
        })?;
        Ok((ahead.reference, Some(ahead.request.request)))
    }

    /// The share that all goes into, if no other session does: two have no place under one key.
    fn only(&self, reference: &ShareRef, session: &str) -> Result<ShareRef, BackendError> {
        let others = self.shares.of_share(reference.share);
        match others.iter().all(|kept| kept.record.session == session) {
            true => Ok(reference.clone()),
            false => Err(BackendError::Refused {
                reason: "another agent session goes into the bridge's one share: start the bridge \
                         with a factory's ref to give each session its own"
                    .to_owned(),
            }),
        }
    }

    /// What the outbox's answer means to an agent.
    pub(super) fn not_taken(&self, error: OutboxError) -> BackendError {
        match error {
            OutboxError::ShareGone { .. } => gone("the share was deleted on its server"),
            OutboxError::Full => {
                overloaded("the outbox is full: `share outbox` shows what waits for which server")
            }
            OutboxError::Storage(_) | OutboxError::Closed => {
                let why = format!("{error}: the bridge is to be started again");
                self.failure.send_replace(Some(why.clone()));
                BackendError::Unknown { reason: why }
            }
            OutboxError::InvalidOp { .. }
            | OutboxError::OpTooLarge { .. }
            | OutboxError::Delegation(_) => BackendError::Refused {
                reason: chain(&error),
            },
            error => overloaded(chain(&error)),
        }
    }
}

pub(super) fn gone(reason: &str) -> BackendError {
    BackendError::Gone {
        reason: reason.to_owned(),
    }
}

fn overloaded(reason: impl Into<String>) -> BackendError {
    BackendError::Overloaded {
        reason: reason.into(),
    }
}

/// An error with what is below it.
fn chain(error: &OutboxError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
