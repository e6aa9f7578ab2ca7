//! A backend that keeps shares in memory, counts its calls, and fails when it is told to.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use share_model::{
    Cursor, Cut, Epoch, GrantId, GrantInfo, Limits, Mutation, MutationError, Origin, OriginKind,
    Refusal, RefusalCode, Rights, Secret, SecretHash, ShareId, Slug, UnixMs, Usage,
};
use share_opencode::{Item, ItemError};
use share_web::{
    Asker, Backend, BackendError, CreatedShare, Data, Drained, Governed, Local, LocalEvent, Opened,
    PluginCall, Proof, Reader, Taken, WantedPart,
};
use tokio::sync::Semaphore;

use crate::following::{Growing, Open};

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
    growing: Growing,
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
        let growing = Growing::default();
        for (key, json) in entries {
            put(&growing, (*key).into(), (*json).into()).unwrap();
        }
        let share = Share {
            secret: secret.hash(),
            growing,
        };
        state.shares.insert(*slug.expose(), share);
        (slug, secret)
    }

    /// The share behind a slug.
    pub(crate) fn growing(&self, slug: &Slug) -> Growing {
        self.lock().shares[slug.expose()].growing.clone()
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
    /// The share that a proof opens: by its secret, whatever its grant.
    fn administered(&self, by: &Proof) -> Result<Growing, BackendError> {
        let share = self.shares.get(&by.share.to_bytes());
        let share = share.filter(|share| share.secret == by.secret);
        share
            .map(|share| share.growing.clone())
            .ok_or(BackendError::NotFound)
    }

    fn opened(&mut self, id: &Slug, secret: &Secret) -> Result<&mut Share, BackendError> {
        let share = self.shares.get_mut(id.expose());
        let share = share.filter(|share| share.secret == secret.hash());
        share.ok_or(BackendError::NotFound)
    }
}

fn granted(id: GrantId) -> GrantInfo {
    GrantInfo {
        id,
        rights: Rights::ALL,
        epoch: Epoch::new(1),
        created_at: UnixMs::new(1),
        expires_at: None,
        label: "a label".into(),
        parent: None,
        origin: Origin::new(OriginKind::User, "ann".into(), 9).unwrap(),
        sealed_for: None,
        published: false,
        revoked_at: None,
        sessions: 0,
        viewers: 0,
        usage: Usage {
            last_redeemed_at: Some(UnixMs::new(2)),
            last_read_at: Some(UnixMs::new(3)),
            ..Usage::default()
        },
    }
}

/// Puts a value into a share.
pub(crate) fn put(share: &Growing, key: String, json: String) -> Result<(), MutationError> {
    let (key, json) = (key.into(), json.into());
    apply(share, Mutation::Put { key, json })
}

/// Changes a share.
pub(crate) fn apply(share: &Growing, mutation: Mutation) -> Result<(), MutationError> {
    let mut document = share.document();
    document.apply(&mutation, &Limits::DEFAULT)?;
    share.append(mutation, document);
    Ok(())
}

fn gone() -> Refusal {
    Refusal::new(RefusalCode::Gone, "it was deleted")
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
        if let Some(refusal) = share.growing.ended() {
            let reason = refusal.message;
            return Err(BackendError::Gone { reason });
        }
        // Tried on a share of its own first: all of it is taken, or nothing.
        let tried = Growing::default();
        let mut entries = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let of_item = item.into_entries(&Limits::DEFAULT);
            let of_item = of_item.map_err(|source| BackendError::Item { index, source })?;
            for (key, value) in of_item {
                let put = put(&tried, key.clone(), value.to_string());
                put.map_err(|error| BackendError::Item {
                    index,
                    source: item_error(key.clone(), &error),
                })?;
                entries.push((key, value.to_string()));
            }
        }
        for (key, json) in entries {
            put(&share.growing, key, json).expect("it was tried");
        }
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
        match share.growing.ended() {
            Some(refusal) => Err(BackendError::Gone {
                reason: refusal.message,
            }),
            None => Ok(Data::Document(share.growing.document())),
        }
    }

    async fn delete(&self, _: &Asker, id: &Slug, secret: &Secret) -> Result<(), BackendError> {
        self.begin("delete").await?;
        let share = self.lock().opened(id, secret)?.growing.clone();
        share.end(gone()).await;
        Ok(())
    }

    async fn govern(&self, _: &Asker, by: &Proof) -> Result<Governed, BackendError> {
        self.begin("govern").await?;
        self.lock().administered(by)?;
        Ok(Governed {
            share: by.share,
            title: "Mend the roof".into(),
            cursor: Cursor::new(7),
            created_at: UnixMs::new(1),
            is_frozen: false,
            grants: vec![granted(by.grant)],
        })
    }

    async fn revoke(&self, _: &Asker, by: &Proof, _: GrantId) -> Result<Cut, BackendError> {
        self.begin("revoke").await?;
        let share = self.lock().administered(by)?;
        let refusal = Refusal::new(RefusalCode::Revoked, "the grant was revoked");
        share.end(refusal).await;
        Ok(Cut {
            grants: 1,
            viewers: 1,
            ..Cut::default()
        })
    }

    async fn open(&self, _: &Asker, reader: &Reader) -> Result<Opened, BackendError> {
        self.begin("open").await?;
        let state = self.lock();
        if let Some(url) = &state.elsewhere {
            return Ok(Opened::Elsewhere(url.clone()));
        }
        let (share, slug) = match reader {
            Reader::Public(slug) => {
                let share = state.shares.get(slug.expose());
                let share = share.ok_or(BackendError::NotFound)?;
                (share.growing.clone(), slug.clone())
            }
            // A share's slug is its id too.
            Reader::Granted(by) => {
                let slug = Slug::from_bytes(by.share.to_bytes());
                (state.administered(by)?, slug)
            }
        };
        if let Some(refusal) = share.ended() {
            let reason = refusal.message;
            return Err(BackendError::Gone { reason });
        }
        Ok(Opened::Here(Arc::new(Open { share, slug })))
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
