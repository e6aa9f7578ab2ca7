//! The machine-wide registry: which session of which project has which share, and the owner's ref of
//! each, apart from any worktree (`docs/design.md` §8).
//!
//! SQL stands in [`schema`] and [`table`]. Everything that touches the file runs on one storage
//! thread; other processes may have the same file open.

mod ahead;
mod entry;
mod error;
mod name;
mod options;
mod place;
mod schema;
mod storage;
mod table;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use share_model::{
    CreateShare, CreatedShare, FactoryRedeemed, FactoryRef, Limits, Redeemed, RequestId, Secret,
    ShareId, ShareRef,
};

pub use ahead::ShareAhead;
pub use entry::{
    OpenAnswer, OpenSession, OpenedSession, PendingShare, RefUpdate, RegistryEntry, RegistryFilter,
    RegistryPosition, Reserved, Sighting,
};
pub use error::{OpenError, RegistryError};
pub use name::{NameError, SessionName};
pub use options::RegistryOptions;

use crate::connection::{Connector, create_share};
use crate::sqlite_file::{self, Seams};
use storage::StorageHandle;
use table::Stored;

/// Bytes of a state file's path.
const PATH_BYTES_MAX: usize = 4096;

/// The shares of one machine's sessions, in one file.
///
/// A handle: clones mean the same registry. Several processes may open one file. A session's share is
/// created in two steps, so that it is created once whatever ends half-way: [`Registry::reserve`]
/// stores the request and the owner's secret under the session's name, and [`Registry::complete`]
/// stores the ref that came of it. [`Registry::open_session`] does both.
///
/// ```
/// use share_client::{OpenSession, Registry, RegistryOptions, Reserved, SessionName};
/// use share_model::{FactoryRef, Origin, OriginKind};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("data/registry.sqlite");
/// # let text = format!("share-factory://h:1/{}#{}", "0".repeat(32), "A".repeat(43));
/// let registry = Registry::open(&path, RegistryOptions::default())?;
/// let factory: FactoryRef = text.parse()?;
/// let open = OpenSession {
///     name: SessionName::new("/home/ann/shop", "fix login")?,
///     title: "fix login".into(),
///     origin: Origin::new(OriginKind::User, "ann".into(), 1024)?,
///     state_file: "/home/ann/shop/.opencode/state/share.sqlite".into(),
/// };
/// let Reserved::Pending(first) = registry.reserve(&factory, open.clone()).await? else {
///     panic!("nothing was created yet");
/// };
/// // Whoever comes next asks for the same share.
/// let Reserved::Pending(next) = registry.reserve(&factory, open).await? else {
///     panic!("nothing was created yet");
/// };
/// assert_eq!(first.request, next.request);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    options: RegistryOptions,
    storage: StorageHandle,
}

impl Registry {
    /// Opens the registry at `path`, made if it is missing, in a folder for its owner only.
    ///
    /// # Errors
    ///
    /// If the file is not a registry, written by a newer version, damaged, open to others than its
    /// owner, or can't be opened. It is then left as it was: never is there an empty registry in the
    /// place of one that can't be read.
    pub fn open(path: &Path, options: RegistryOptions) -> Result<Self, RegistryError> {
        let seams = Seams {
            sqlite: &options.sqlite,
            files: &*options.files,
            entropy: &*options.entropy,
        };
        let format = &schema::FORMAT;
        let db = sqlite_file::open(path, format, seams)
            .map_err(|error| RegistryError::of_file(path, error, format.version))?;
        let storage =
            StorageHandle::start(options.executor, db).map_err(|source| RegistryError::Open {
                path: path.into(),
                source: Arc::new(source),
            })?;
        Ok(Self {
            inner: Arc::new(Inner {
                path: path.into(),
                options,
                storage,
            }),
        })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The share of a session: the one that it has, else a new one. Needs a
    /// [`tokio::task::LocalSet`] if the server is asked; see [`on_own_thread`](crate::on_own_thread)
    /// where there is none.
    ///
    /// However many processes call this at once, and wherever one of them is killed, there is one
    /// share, and all get the same ref.
    ///
    /// # Errors
    ///
    /// If the registry fails, the server refuses, or no answer comes. Repeat it then, with the same
    /// factory.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, the name may be reserved, and the share may be there: repeat it.
    pub async fn open_session(
        &self,
        connector: &dyn Connector,
        factory: &FactoryRef,
        open: OpenSession,
    ) -> Result<OpenedSession, OpenError> {
        let pending = match self.reserve(factory, open).await? {
            Reserved::Open(opened) => return Ok(opened),
            Reserved::Pending(pending) => pending,
        };
        match create_share(connector, factory, &pending.request).await {
            Ok((created, served)) => Ok(self.complete(&pending, &created, &served).await?),
            // Another process may have had more luck meanwhile.
            Err(error) => match self.opened(&pending).await? {
                Some(opened) => Ok(opened),
                None => Err(OpenError::NotCreated {
                    name: pending.name,
                    error,
                }),
            },
        }
    }

    /// Reserves a name, with a request for a share and the owner's secret, all durable at return; or
    /// finds what was reserved or created under it. Records the state file. While nothing is known
    /// of the share, the newest title counts.
    ///
    /// # Errors
    ///
    /// If a text is too long, the registry is full, another factory was asked before and may have
    /// created the share, or the storage fails.
    pub async fn reserve(
        &self,
        factory: &FactoryRef,
        open: OpenSession,
    ) -> Result<Reserved, RegistryError> {
        check_texts(&open)?;
        let options = &self.inner.options;
        let (now, entries_max) = (options.clock.now(), options.entries_max);
        let request = RequestId::new(&*options.clock, &*options.entropy);
        let secret = Secret::random(&*options.entropy);
        let factory = factory.grant;
        self.run(move |db| {
            let number = match table::by_name(db, &open.name)? {
                Some(stored) => {
                    let number = stored.entry.number;
                    let was = stored.entry.state_file.clone();
                    let place = (place::to_bytes(&open.state_file), now);
                    table::set_place(db, number, place)?;
                    if let Some(reference) = stored.entry.reference {
                        let moved_from = (was != open.state_file).then_some(was);
                        return Ok(Reserved::Open(reused(reference, moved_from)));
                    }
                    if stored.entry.factory != factory {
                        return Err(RegistryError::OtherFactory {
                            name: open.name,
                            factory: stored.entry.factory,
                        });
                    }
                    table::set_title(db, number, &open.title)?;
                    number
                }
                None => {
                    let entries = table::count(db)?;
                    if entries >= entries_max {
                        return Err(RegistryError::Full { entries });
                    }
                    table::insert(db, &open, (factory, request, &secret), now)?
                }
            };
            pending(table::by_number(db, number)?).map(Reserved::Pending)
        })
        .await
    }

    /// Finds the share that a session has, and records the state file. `None` if the name is not
    /// registered, or nothing is known of its share yet. Needs no factory and no server.
    ///
    /// # Errors
    ///
    /// If the path is too long, or the storage fails.
    pub async fn reopen(
        &self,
        name: &SessionName,
        state_file: &Path,
    ) -> Result<Option<OpenedSession>, RegistryError> {
        check_path(state_file)?;
        let (name, state_file) = (name.clone(), state_file.to_owned());
        let now = self.inner.options.clock.now();
        self.run(move |db| {
            let Some(stored) = table::by_name(db, &name)? else {
                return Ok(None);
            };
            let Some(reference) = stored.entry.reference else {
                return Ok(None);
            };
            let place = (place::to_bytes(&state_file), now);
            table::set_place(db, stored.entry.number, place)?;
            let was = stored.entry.state_file;
            let moved_from = (was != state_file).then_some(was);
            Ok(Some(reused(reference, moved_from)))
        })
        .await
    }

    /// Stores what the factory answered to a pending request; durable at return. Who comes second is
    /// told the ref that is there.
    ///
    /// # Errors
    ///
    /// If the name was released meanwhile (the ref is then kept with the released entry), the answer
    /// names another share than an earlier one, or the storage fails.
    pub async fn complete(
        &self,
        pending: &PendingShare,
        created: &CreatedShare,
        served: &FactoryRedeemed,
    ) -> Result<OpenedSession, RegistryError> {
        let reference = ShareRef {
            addresses: served.addresses.clone(),
            share: created.share,
            grant: created.grant,
            epoch: created.epoch,
            security: served.security,
            secret: pending.secret.clone(),
        };
        let (number, name) = (pending.number, pending.name.clone());
        let (entry, is_first) = self
            .run(move |db| {
                let is_first = table::set_first_ref(db, number, &reference)?;
                let entry = table::by_number(db, number)?.entry;
                if entry.share() != Some(reference.share) {
                    return Err(RegistryError::OtherShare { name });
                }
                Ok((entry, is_first))
            })
            .await?;
        opened(entry, is_first)
    }

    /// The share of a pending request, if another process has completed it.
    async fn opened(&self, pending: &PendingShare) -> Result<Option<OpenedSession>, RegistryError> {
        let number = pending.number;
        let stored = self.run(move |db| table::by_number(db, number)).await?;
        match stored.entry.reference {
            None => Ok(None),
            Some(_) => opened(stored.entry, false).map(Some),
        }
    }

    /// The entry that has the name, if there is one.
    ///
    /// # Errors
    ///
    /// If the storage fails.
    pub async fn find(&self, name: &SessionName) -> Result<Option<RegistryEntry>, RegistryError> {
        let name = name.clone();
        let found = self.run(move |db| table::by_name(db, &name)).await?;
        Ok(found.map(|stored| stored.entry))
    }

    /// The entries of a share, released ones included.
    ///
    /// # Errors
    ///
    /// If the storage fails.
    pub async fn find_share(&self, share: ShareId) -> Result<Vec<RegistryEntry>, RegistryError> {
        self.run(move |db| table::by_share(db, share)).await
    }

    /// Up to `limit` entries that pass `filter`, after the one at `after`, in the order in which
    /// their names were reserved.
    ///
    /// # Errors
    ///
    /// If the storage fails.
    pub async fn list(
        &self,
        filter: RegistryFilter,
        after: Option<RegistryPosition>,
        limit: usize,
    ) -> Result<Vec<RegistryEntry>, RegistryError> {
        let after = after.map_or(0, |RegistryPosition(number)| number);
        self.run(move |db| table::page(db, (after, filter.released), limit))
            .await
    }

    /// Frees a name; opening it again makes a new share. The entry is kept, with the owner's ref, and
    /// so is the share. Answers what was released.
    ///
    /// # Errors
    ///
    /// If nothing of this name is registered, or the storage fails.
    pub async fn release(&self, name: &SessionName) -> Result<RegistryEntry, RegistryError> {
        let name = name.clone();
        let now = self.inner.options.clock.now();
        self.run(move |db| {
            let Some(stored) = table::by_name(db, &name)? else {
                return Err(RegistryError::NotRegistered { name });
            };
            table::release(db, stored.entry.number, now)?;
            Ok(table::by_number(db, stored.entry.number)?.entry)
        })
        .await
    }

    /// Records what servers told of shares at redeem, all at once. Within a history the cursor never
    /// falls, and the epoch never does. Shares that are not registered are passed over; answers how
    /// many entries were concerned.
    ///
    /// # Errors
    ///
    /// If the storage fails; then nothing is recorded.
    pub async fn seen(&self, redeemed: &[Redeemed]) -> Result<usize, RegistryError> {
        let at = self.inner.options.clock.now();
        let told = redeemed.iter().map(|redeemed| {
            let new = Sighting {
                history: redeemed.history,
                cursor: redeemed.cursor,
                epoch: redeemed.epoch,
                at,
            };
            (redeemed.share, new)
        });
        let told: Vec<_> = told.collect();
        self.run(move |db| {
            let mut concerned = 0;
            for (share, new) in told {
                for entry in table::by_share(db, share)? {
                    let merged = entry.sighting.map_or(new, |old| new.after(&old));
                    table::set_sighting(db, entry.number, &merged)?;
                    concerned += 1;
                }
            }
            Ok(concerned)
        })
        .await
    }

    /// Records a newer ref of the owner: what a bump of the epoch gave, or the same grant at other
    /// addresses. Another ref of the same epoch never takes the place of the owner's, nor does one of
    /// an earlier epoch.
    ///
    /// The registry takes the caller's word that the ref is the owner's.
    ///
    /// # Errors
    ///
    /// If the storage fails.
    pub async fn update_ref(&self, reference: ShareRef) -> Result<RefUpdate, RegistryError> {
        self.run(move |db| {
            let mut update = RefUpdate::Unknown;
            for entry in table::by_share(db, reference.share)? {
                let Some(held) = &entry.reference else {
                    continue;
                };
                update = ref_update(held, &reference);
                if update == RefUpdate::Replaced {
                    table::replace_ref(db, entry.number, &reference)?;
                }
            }
            Ok(update)
        })
        .await
    }

    async fn run<T, F>(&self, work: F) -> Result<T, RegistryError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, RegistryError> + Send + 'static,
    {
        let done = self.inner.storage.run(work).await;
        done.map_err(|error| error.at(&self.inner.path))
    }
}

fn reused(reference: ShareRef, moved_from: Option<PathBuf>) -> OpenedSession {
    OpenedSession {
        answer: OpenAnswer::Reused,
        reference,
        moved_from,
    }
}

fn opened(entry: RegistryEntry, is_first: bool) -> Result<OpenedSession, RegistryError> {
    let name = entry.name;
    let reference = match (entry.reference, entry.released_at) {
        (Some(reference), None) => reference,
        (_, Some(_)) => return Err(RegistryError::ReleasedMeanwhile { name }),
        (None, None) => return Err(RegistryError::NotRegistered { name }),
    };
    let answer = if is_first {
        OpenAnswer::Created
    } else {
        OpenAnswer::Reused
    };
    Ok(OpenedSession {
        answer,
        reference,
        moved_from: None,
    })
}

fn pending(stored: Stored) -> Result<PendingShare, RegistryError> {
    let Stored {
        entry,
        request,
        secret,
    } = stored;
    let secret = secret.ok_or(RegistryError::Unreadable {
        what: "an entry without ref and secret",
    })?;
    Ok(PendingShare {
        name: entry.name,
        request: CreateShare {
            request,
            owner_secret_hash: secret.hash(),
            title: entry.title,
            origin: entry.origin,
        },
        secret,
        number: entry.number,
    })
}

fn ref_update(held: &ShareRef, new: &ShareRef) -> RefUpdate {
    let is_same_grant = (held.epoch, held.grant) == (new.epoch, new.grant)
        && held.secret.hash() == new.secret.hash();
    if held.expose() == new.expose() {
        RefUpdate::Same
    } else if new.epoch > held.epoch || is_same_grant {
        RefUpdate::Replaced
    } else {
        RefUpdate::Kept
    }
}

fn check_texts(open: &OpenSession) -> Result<(), RegistryError> {
    let label_bytes_max = usize::try_from(Limits::DEFAULT.label_bytes_max).unwrap_or(usize::MAX);
    check_length("title", open.title.len(), label_bytes_max)?;
    check_length("origin's id", open.origin.id().len(), label_bytes_max)?;
    check_path(&open.state_file)
}

fn check_path(path: &Path) -> Result<(), RegistryError> {
    check_length(
        "path of the state file",
        place::to_bytes(path).len(),
        PATH_BYTES_MAX,
    )
}

fn check_length(what: &'static str, bytes: usize, max: usize) -> Result<(), RegistryError> {
    if bytes > max {
        return Err(RegistryError::TooLong { what, bytes, max });
    }
    Ok(())
}
