//! The shares that a bridge handed out: one durable record each, in a folder for its owner only.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex as PlainMutex, MutexGuard, PoisonError};

use share_model::seam::{FileLock, Files};
use share_model::{GrantId, Secret, ShareId, Slug};
use tokio::sync::{Mutex, MutexGuard as StateGuard};

use super::record::{self, End, Record, State};
use crate::error::CliError;

/// What records' files end in.
const ENDING: &str = "share";

/// A share that was handed out.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) record: Record,
    path: PathBuf,
    /// As stored. Held while the share's items are enqueued and while the file is written, never
    /// while a server is asked.
    state: Mutex<State>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Shares {
    folder: PathBuf,
    files: Arc<dyn Files>,
    /// By the grant that a slug names: who looks one up learns nothing from the time that it takes.
    kept: PlainMutex<BTreeMap<GrantId, Arc<Kept>>>,
    /// No other bridge has the folder.
    _lock: FileLock,
}

/// The state of a share, which nobody else changes meanwhile.
pub(super) struct Held<'a> {
    shares: &'a Shares,
    kept: &'a Arc<Kept>,
    state: StateGuard<'a, State>,
}

impl Shares {
    /// Those in `folder`, which is made if it is missing.
    ///
    /// # Errors
    ///
    /// If another bridge has the folder, or a record can't be read.
    pub(super) fn open(folder: &Path, files: Arc<dyn Files>) -> Result<Self, CliError> {
        let shown = folder.display();
        let failed =
            |error| CliError::refused(format!("open the folder `{shown}`")).caused_by(error);
        files.create_private_dir(folder).map_err(failed)?;
        let lock = files.try_lock(&folder.join("lock")).map_err(failed)?;
        let Some(lock) = lock else {
            return Err(CliError::refused(format!(
                "another bridge has the folder `{shown}`"
            ))
            .hint("one bridge serves all agents of a machine; another one needs a `--state` of its own"));
        };
        let mut kept = BTreeMap::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_none_or(|ending| ending != ENDING) {
                continue;
            }
            let (record, state) = record::read(&*files, &path)?;
            kept.insert(
                record.slug.grant(),
                Arc::new(Kept::new(record, path, state)),
            );
        }
        Ok(Self {
            folder: folder.into(),
            files,
            kept: PlainMutex::new(kept),
            _lock: lock,
        })
    }

    /// The share with this id; who has its secret too may change it.
    pub(super) fn find(&self, slug: &Slug) -> Option<Arc<Kept>> {
        self.kept().get(&slug.grant()).map(Arc::clone)
    }

    /// The share with this id and secret.
    pub(super) fn open_by(&self, slug: &Slug, secret: &Secret) -> Option<Arc<Kept>> {
        let kept = self.find(slug)?;
        kept.record.is_proven_by(secret).then_some(kept)
    }

    /// All records of a share, of which there are several only where all goes into one share.
    pub(super) fn of_share(&self, share: ShareId) -> Vec<Arc<Kept>> {
        let all = self.all().into_iter();
        all.filter(|kept| kept.record.reference.share == share)
            .collect()
    }

    pub(super) fn all(&self) -> Vec<Arc<Kept>> {
        self.kept().values().map(Arc::clone).collect()
    }

    pub(super) fn count(&self) -> usize {
        self.kept().len()
    }

    /// Stores a new share, durable at return.
    ///
    /// # Errors
    ///
    /// As writing fails.
    pub(super) async fn add(&self, record: Record, state: State) -> std::io::Result<()> {
        let grant = record.slug.grant();
        let path = self.folder.join(format!("{grant}.{ENDING}"));
        let kept = Arc::new(Kept::new(record, path, state));
        self.write(&kept, state).await?;
        self.kept().insert(grant, kept);
        Ok(())
    }

    /// Holds the state of a share.
    pub(super) async fn hold<'a>(&'a self, kept: &'a Arc<Kept>) -> Held<'a> {
        Held {
            shares: self,
            kept,
            state: kept.state.lock().await,
        }
    }

    async fn write(&self, kept: &Arc<Kept>, state: State) -> std::io::Result<()> {
        let (files, kept) = (Arc::clone(&self.files), Arc::clone(kept));
        let write = move || record::write(&*files, &kept.path, &kept.record, state);
        // A write goes on when nobody waits for it any more; a panic in it is not swallowed.
        match tokio::task::spawn_blocking(write).await {
            Ok(written) => written,
            Err(error) => Err(std::io::Error::other(error)),
        }
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<GrantId, Arc<Kept>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn new(record: Record, path: PathBuf, state: State) -> Self {
        Self {
            record,
            path,
            state: Mutex::new(state),
        }
    }
}

impl Held<'_> {
    pub(super) fn state(&self) -> State {
        *self.state
    }

    pub(super) fn is_live(&self) -> bool {
        self.state.end == End::No
    }

    /// Stores another state, durable at return.
    ///
    /// # Errors
    ///
    /// As writing fails; the state is then as before.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, the file may have the new state, and memory the old one. The next store
    /// brings both together, and each state that is ever left so is safe to begin from.
    pub(super) async fn store(&mut self, state: State) -> std::io::Result<()> {
        if *self.state != state {
            self.shares.write(self.kept, state).await?;
            *self.state = state;
        }
        Ok(())
    }
}
