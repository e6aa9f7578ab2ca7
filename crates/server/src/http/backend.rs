//! What the HTTP face asks, and where it is answered.

use async_trait::async_trait;
use bytes::Bytes;
use share_model::{Cut, GrantId, Secret, ShareId, Slug};
use share_opencode::Item;
use share_web::{
    Asker, Backend, BackendError, CreatedShare, Data, Governed, Opened, Proof, Reader,
};

use super::answers::unanswered;
use super::options::{HttpCreate, HttpLimits};
use super::writers::Writers;
use crate::rpc::{Door, answer_posted};
use crate::server::Source;

/// Keeps the HTTP face's shares.
#[derive(Debug)]
pub(crate) struct HttpBackend {
    door: Door,
    create: HttpCreate,
    /// `https?://HOST[:PORT]`, under which people reach the face.
    url: String,
    limits: HttpLimits,
    writers: Writers,
}

impl HttpBackend {
    pub(crate) fn new(door: Door, create: HttpCreate, url: String, limits: HttpLimits) -> Self {
        Self {
            door,
            create,
            url,
            writers: Writers::new(limits.writers_max),
            limits,
        }
    }

    /// Lets go of writers that nobody uses; never ends. To be run beside what asks.
    pub(crate) async fn sweep(&self) {
        loop {
            self.door.seams.clock.sleep(self.limits.writer_idle).await;
            self.writers.sweep();
        }
    }

    pub(super) fn door(&self) -> &Door {
        &self.door
    }

    pub(super) fn create_policy(&self) -> HttpCreate {
        self.create
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn limits(&self) -> &HttpLimits {
        &self.limits
    }

    pub(super) fn writers(&self) -> &Writers {
        &self.writers
    }
}

#[async_trait]
impl Backend for HttpBackend {
    async fn create(&self, asker: &Asker, session: &str) -> Result<CreatedShare, BackendError> {
        self.create_share(asker, session).await
    }

    async fn sync(
        &self,
        asker: &Asker,
        id: &Slug,
        secret: &Secret,
        items: Vec<Item>,
    ) -> Result<(), BackendError> {
        self.bring(asker, (id, secret), items).await
    }

    async fn data(&self, asker: &Asker, id: &Slug) -> Result<Data, BackendError> {
        self.read(asker, id).await
    }

    async fn open(&self, asker: &Asker, reader: &Reader) -> Result<Opened, BackendError> {
        self.open_share(asker, reader).await
    }

    async fn govern(&self, asker: &Asker, by: &Proof) -> Result<Governed, BackendError> {
        self.see(asker, by).await
    }

    async fn revoke(&self, asker: &Asker, by: &Proof, grant: GrantId) -> Result<Cut, BackendError> {
        self.take_back(asker, by, grant).await
    }

    async fn delete(&self, asker: &Asker, id: &Slug, secret: &Secret) -> Result<(), BackendError> {
        self.end(asker, id, secret).await
    }

    async fn ops(&self, asker: &Asker, share: ShareId, call: Bytes) -> Result<Bytes, BackendError> {
        let source = asker.address.map(Source::of_address);
        let answered = answer_posted(&self.door, source, share, call).await;
        answered.map_err(|error| unanswered(&error))
    }

    async fn ready(&self) -> Result<(), String> {
        if *self.door.drain.borrow() {
            return Err("the server is shutting down".to_owned());
        }
        match self.door.hub.has_stopped() {
            // Why is the operator's business, and in the log.
            true => Err("the store has stopped".to_owned()),
            false => Ok(()),
        }
    }
}
