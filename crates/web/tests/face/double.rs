//! A backend that keeps shares in memory, counts its calls, and fails when it is told to.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use share_model::{Document, Limits, Mutation, MutationError, Secret, SecretHash, ShareId, Slug};
use share_opencode::{Item, ItemError};
use share_web::{
    Asker, Backend, BackendError, CreatedShare, Data, Drained, Local, LocalEvent, PluginCall,
    Taken, WantedPart,
};
use tokio::sync::Semaphore;

/// Calls that may pass before [`Memory::hold`].
const OPEN: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct Memory {
    state: Mutex<State>,
    /// Each call takes one, for good.
    passes: Semaphore,
}

#[derive(Debug, Default)]
struct State {
    shares: HashMap<[u8; 16], Share>,
    calls: BTreeMap<&'static str, usize>,
    error: Option<BackendError>,
    elsewhere: Option<String>,
    ready: Option<String>,
    token: Option<SecretHash>,
    told: Vec<(PluginCall, Vec<LocalEvent>)>,
    waits: Vec<(bool, Duration)>,
}

#[derive(Debug)]
struct Share {
    secret: SecretHash,
    /// `None`: deleted.
    document: Option<Document>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            passes: Semaphore::new(OPEN),
        }
    }
}

impl Memory {
    /// How often `name` has been called; `begun`: of any, begun and not necessarily done.
    pub(crate) fn calls(&self, name: &str) -> usize {
        self.lock().calls.get(name).copied().unwrap_or(0)
    }

    /// How often anything has been called.
    pub(crate) fn all_calls(&self) -> usize {
        self.lock().calls.values().sum()
    }

    /// Fails every call from now on.
    pub(crate) fn fail(&self, error: Option<BackendError>) {
        self.lock().error = error;
    }

    /// Data is elsewhere from now on.
    pub(crate) fn move_to(&self, url: &str) {
        self.lock().elsewhere = Some(url.into());
    }

    /// Is not ready from now on.
    pub(crate) fn not_ready(&self, reason: &str) {
        self.lock().ready = Some(reason.into());
    }

    /// Creating needs this token from now on.
    pub(crate) fn ask_for(&self, token: &Secret) {
        self.lock().token = Some(token.hash());
    }

    /// What a plugin told, call by call.
    pub(crate) fn told(&self) -> Vec<(PluginCall, Vec<LocalEvent>)> {
        self.lock().told.clone()
    }

    /// How long a plugin waited, and whether for acks.
    pub(crate) fn waits(&self) -> Vec<(bool, Duration)> {
        self.lock().waits.clone()
    }

    /// Lets no call pass until [`Memory::release`].
    pub(crate) fn hold(&self) {
        self.passes.forget_permits(OPEN);
    }

    /// Lets so many calls pass.
    pub(crate) fn release(&self, calls: usize) {
        self.passes.add_permits(calls);
    }

    /// Makes a share that says what the entries say.
    pub(crate) fn share(&self, entries: &[(&str, &str)]) -> (Slug, Secret) {
        let mut state = self.lock();
        let number = u8::try_from(state.shares.len() + 1).unwrap();
        let (slug, secret) = (
            Slug::from_bytes([number; 16]),
            Secret::from_bytes([number; 32]),
        );
        let mut document = Document::default();
        for (key, json) in entries {
            put(&mut document, (*key).into(), (*json).into()).unwrap();
        }
        let share = Share {
            secret: secret.hash(),
            document: Some(document),
        };
        state.shares.insert(*slug.expose(), share);
        (slug, secret)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    async fn begin(&self, name: &'static str) -> Result<(), BackendError> {
        *self.lock().calls.entry("begun").or_default() += 1;
        self.passes.acquire().await.unwrap().forget();
        let mut state = self.lock();
        *state.calls.entry(name).or_default() += 1;
        state.error.clone().map_or(Ok(()), Err)
    }
}

impl State {
    fn opened(&mut self, id: &Slug, secret: &Secret) -> Result<&mut Share, BackendError> {
        let share = self.shares.get_mut(id.expose());
        let share = share.filter(|share| share.secret == secret.hash());
        share.ok_or(BackendError::NotFound)
    }
}

fn put(document: &mut Document, key: String, json: String) -> Result<(), MutationError> {
    document.apply(
        &Mutation::Put {
            key: key.into(),
            json: json.into(),
        },
        &Limits::DEFAULT,
    )
}

#[async_trait]
impl Backend for Memory {
    async fn create(&self, asker: &Asker, session: &str) -> Result<CreatedShare, BackendError> {
        self.begin("create").await?;
        assert!(!session.is_empty());
        let needed = self.lock().token;
        if needed.is_some_and(|needed| {
            asker
                .token
                .as_ref()
                .is_none_or(|it| it.secret.hash() != needed)
        }) {
            let hint = "ask for one".into();
            return Err(BackendError::TokenNeeded { hint });
        }
        let (id, secret) = self.share(&[]);
        let url = format!("http://share.example/share/{}", id.to_text());
        Ok(CreatedShare { id, secret, url })
    }

    async fn sync(
        &self,
        _: &Asker,
        id: &Slug,
        secret: &Secret,
        items: Vec<Item>,
    ) -> Result<(), BackendError> {
        self.begin("sync").await?;
        let mut state = self.lock();
        let share = state.opened(id, secret)?;
        let gone = BackendError::Gone {
            reason: "it was deleted".into(),
        };
        let mut document = share.document.clone().ok_or(gone)?;
        for (index, item) in items.into_iter().enumerate() {
            let entries = item.into_entries(&Limits::DEFAULT);
            let entries = entries.map_err(|source| BackendError::Item { index, source })?;
            for (key, value) in entries {
                let put = put(&mut document, key.clone(), value.to_string());
                put.map_err(|error| BackendError::Item {
                    index,
                    source: item_error(key, &error),
                })?;
            }
        }
        share.document = Some(document);
        Ok(())
    }

    async fn data(&self, _: &Asker, id: &Slug) -> Result<Data, BackendError> {
        self.begin("data").await?;
        let state = self.lock();
        if let Some(url) = &state.elsewhere {
            return Ok(Data::Elsewhere(url.clone()));
        }
        let share = state.shares.get(id.expose());
        let share = share.ok_or(BackendError::NotFound)?;
        let gone = BackendError::Gone {
            reason: "it was deleted".into(),
        };
        share.document.clone().map(Data::Document).ok_or(gone)
    }

    async fn delete(&self, _: &Asker, id: &Slug, secret: &Secret) -> Result<(), BackendError> {
        self.begin("delete").await?;
        self.lock().opened(id, secret)?.document = None;
        Ok(())
    }

    async fn ops(&self, _: &Asker, share: ShareId, call: Bytes) -> Result<Bytes, BackendError> {
        self.begin("ops").await?;
        Ok([share.to_string().as_bytes(), b":", &call].concat().into())
    }

    async fn ready(&self) -> Result<(), String> {
        self.lock().ready.clone().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Local for Memory {
    async fn events(&self, of: PluginCall, events: Vec<LocalEvent>) -> Result<Taken, BackendError> {
        self.begin("events").await?;
        self.lock().told.push((of, events));
        let (message, part) = ("m".to_owned(), "p".to_owned());
        Ok(Taken {
            wanted: vec![WantedPart { message, part }],
            refused: Vec::new(),
        })
    }

    async fn drained(
        &self,
        _: PluginCall,
        is_acked: bool,
        deadline: Duration,
    ) -> Result<Drained, BackendError> {
        self.begin("drained").await?;
        self.lock().waits.push((is_acked, deadline));
        let (drained, pending) = (true, 0);
        Ok(Drained { drained, pending })
    }
}

fn item_error(key: String, error: &MutationError) -> ItemError {
    match *error {
        MutationError::TooDeep { levels, max } => ItemError::TooDeep { key, levels, max },
        MutationError::ValueTooLarge { bytes, max } => ItemError::ValueTooLarge { key, bytes, max },
        _ => ItemError::ReservedName { key },
    }
}
