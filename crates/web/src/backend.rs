//! The seam between the HTTP face and what keeps shares.

use std::fmt::Debug;
use std::net::IpAddr;

use async_trait::async_trait;
use bytes::Bytes;
use share_model::{Cursor, Cut, Document, GrantId, GrantInfo, Secret, ShareId, Slug, UnixMs};
use share_opencode::{Item, ItemError};

use crate::reader::{Opened, Proof, Reader};
use crate::token::HttpToken;

/// Who makes a request, as far as that is known.
#[derive(Debug, Clone, Default)]
pub struct Asker {
    /// Where the connection comes from; `None`: it does not count, as a Unix socket's.
    pub address: Option<IpAddr>,
    /// What the request brings as `Authorization: Bearer`.
    pub token: Option<HttpToken>,
}

/// A share that was created, as opencode is told of it.
#[derive(Debug)]
pub struct CreatedShare {
    /// Its public address, and the id in every path.
    pub id: Slug,
    /// What writes and deletes it.
    pub secret: Secret,
    /// Its page: `https?://HOST/share/ID`, nothing before or after.
    pub url: String,
}

/// Why a backend did not do what it was asked.
///
/// Nothing was changed, except after [`BackendError::Unknown`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// No share has this id, or the secret is not its secret: one answer for both.
    #[error("there is no such share, or the secret does not open it")]
    NotFound,
    /// The share was deleted, or its authority has ended; only told to who proves the secret, and to
    /// who reads by its public address.
    #[error("the share is gone: {reason}")]
    Gone {
        /// What ended it.
        reason: String,
    },
    /// Who asks may not create shares here.
    #[error("creating shares needs a token here: {hint}")]
    TokenNeeded {
        /// Where to get one.
        hint: String,
    },
    /// Who asks does not prove to be the plugin of this machine's agent.
    #[error("the local endpoint needs the bridge's plugin token")]
    PluginTokenNeeded,
    /// The share is frozen, or a quota is used up.
    #[error("the share takes nothing now: {reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// An item has no place in a document.
    #[error("item {index}: {source}")]
    Item {
        /// Which of the request's items, from 0.
        index: usize,
        /// What is wrong with it.
        source: ItemError,
    },
    /// The request itself is malformed.
    #[error("{reason}")]
    Invalid {
        /// What is wrong with it.
        reason: String,
    },
    /// Too much to do now. Nothing was changed: come again.
    #[error("overloaded: {reason}")]
    Overloaded {
        /// What is full.
        reason: String,
    },
    /// Whether it was done is not known; a repeat does no harm.
    #[error("no answer: {reason}")]
    Unknown {
        /// What happened.
        reason: String,
    },
    /// This backend has no such thing.
    #[error("{what} is not to be had here")]
    Unsupported {
        /// What.
        what: &'static str,
    },
}

/// Keeps shares for the HTTP face. What it answers is durable before it answers.
///
/// Dropping the future of a call leaves open whether the call took effect.
#[async_trait]
pub trait Backend: Debug + Send + Sync + 'static {
    /// Creates a share for an agent session; each call gives another share, also for a session that
    /// has one: the id of a session is no credential.
    ///
    /// # Errors
    ///
    /// If who asks may not, or it can't be stored.
    async fn create(&self, asker: &Asker, session: &str) -> Result<CreatedShare, BackendError>;

    /// Brings the share to say what `items` say, in order; all of them or, on an error other than
    /// [`BackendError::Unknown`], none. An item that is older than what the share says already, or
    /// the same, changes nothing. Repeatable.
    ///
    /// # Errors
    ///
    /// If the secret does not open the share, an item has no place in it, or it can't be stored.
    async fn sync(
        &self,
        asker: &Asker,
        id: &Slug,
        secret: &Secret,
        items: Vec<Item>,
    ) -> Result<(), BackendError>;

    /// Everything that the share says.
    ///
    /// # Errors
    ///
    /// If there is no such share (any more).
    async fn data(&self, asker: &Asker, id: &Slug) -> Result<Data, BackendError>;

    /// Opens a share to be read as it grows.
    ///
    /// # Errors
    ///
    /// If there is no such share (any more), or it may not be read so.
    async fn open(&self, asker: &Asker, reader: &Reader) -> Result<Opened, BackendError>;

    /// What whoever administers a share sees of it.
    ///
    /// # Errors
    ///
    /// If there is no such share (any more), or the grant does not administer it.
    async fn govern(&self, asker: &Asker, by: &Proof) -> Result<Governed, BackendError>;

    /// Ends a grant with all below it, for whoever administers the share or gives up its own. Durable,
    /// and nothing is read under it any more, when this returns. Repeatable.
    ///
    /// # Errors
    ///
    /// If there is no such share or grant, or the grant `by` may not end it.
    async fn revoke(&self, asker: &Asker, by: &Proof, grant: GrantId) -> Result<Cut, BackendError>;

    /// Deletes the share. Repeatable: who proves the secret of a share that is gone is told that it
    /// is done.
    ///
    /// # Errors
    ///
    /// If the secret does not open the share, or it can't be stored.
    async fn delete(&self, asker: &Asker, id: &Slug, secret: &Secret) -> Result<(), BackendError>;

    /// What a client library asks of a share where RPC is blocked: a message of `schema/http.capnp`,
    /// and the answer as one.
    ///
    /// # Errors
    ///
    /// If it is no such message, or there is no outcome; refusals are in the answer.
    async fn ops(&self, asker: &Asker, share: ShareId, call: Bytes) -> Result<Bytes, BackendError>;

    /// Whether requests can be served now; why not otherwise.
    async fn ready(&self) -> Result<(), String>;
}

/// What [`Backend::govern`] gives.
#[derive(Debug, Clone)]
pub struct Governed {
    /// The share.
    pub share: ShareId,
    /// For people; may be empty.
    pub title: String,
    /// How many ops were applied.
    pub cursor: Cursor,
    /// When it was created.
    pub created_at: UnixMs,
    /// It refuses appends.
    pub is_frozen: bool,
    /// All of its grants.
    pub grants: Vec<GrantInfo>,
}

/// What [`Backend::data`] gives.
#[derive(Debug, Clone)]
pub enum Data {
    /// The share's document.
    Document(Document),
    /// It is to be had at this URL.
    Elsewhere(String),
}
