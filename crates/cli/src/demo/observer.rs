//! Watches a run from beside it: the server through a connection of its own, past the proxy, and
//! the client through its outbox file.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use share_client::{Outbox, OutboxError, OutboxOptions, RowFilter};
use share_model::seam::{Clock, Files, SystemClock, SystemFiles};
use share_model::{RefError, ShareRef};
use tokio::time::Instant;

use crate::connect;
use crate::demo::tally::Tally;
use crate::error::CliError;

/// Between two looks at something that tells nobody when it changes.
const LOOK_AGAIN: Duration = Duration::from_millis(4);

/// Rows of the outbox read at once.
const PAGE: usize = 1000;

/// Bytes of a file that holds a ref.
const REF_BYTES_MAX: u64 = 16 * 1024;

/// What became of waiting for a state.
#[derive(Debug)]
pub(super) enum Waited<T> {
    Came(T),
    /// Not within the time allowed; what was seen last.
    NotYet {
        last: String,
    },
}

/// Who watches.
#[derive(Debug)]
pub(super) struct Observer {
    state: PathBuf,
    /// The client's outbox: a second process may read it at any time. `None` while nobody looks.
    outbox: Option<Outbox>,
    /// Leads to the server itself.
    share_ref: ShareRef,
}

/// A share as its server has it.
#[derive(Debug)]
pub(super) struct ShareAsServed {
    pub(super) cursor: u64,
    pub(super) document: BTreeMap<String, Value>,
}

impl Observer {
    /// Watches the outbox at `state` and the share of the ref in `share_ref` on `server`.
    pub(super) fn new(
        state: &Path,
        share_ref: &Path,
        server: SocketAddr,
    ) -> Result<Self, CliError> {
        let mut observer = Self {
            state: state.to_owned(),
            outbox: None,
            share_ref: read_ref(share_ref)?,
        };
        observer.look_at_the_outbox()?;
        observer.server_is_at(server);
        Ok(observer)
    }

    /// Lets go of the outbox, until [`Self::look_at_the_outbox`].
    ///
    /// While anyone has the file open, a transaction that was written but not published when its
    /// writer was killed is as good as never made. A copy of the files has nobody who knows of that,
    /// and takes it for made. Only with nobody looking do both come to the same ops.
    pub(super) fn look_away(&mut self) {
        drop(self.outbox.take());
    }

    /// Opens the outbox.
    pub(super) fn look_at_the_outbox(&mut self) -> Result<(), CliError> {
        let outbox = Outbox::open(&self.state, OutboxOptions::default()).map_err(|error| {
            CliError::refused(format!("open the outbox `{}`", self.state.display()))
                .caused_by(error)
        })?;
        self.outbox = Some(outbox);
        Ok(())
    }

    fn outbox(&self) -> Result<&Outbox, CliError> {
        let away = || CliError::refused("look into the client's outbox, which was let go");
        self.outbox.as_ref().ok_or_else(away)
    }

    /// The server has another address now.
    pub(super) fn server_is_at(&mut self, address: SocketAddr) {
        self.share_ref.addresses = vec![address.to_string()];
    }

    /// The owner's ref, which leads to the server itself.
    pub(super) fn share_ref(&self) -> &ShareRef {
        &self.share_ref
    }

    /// The share's cursor now.
    pub(super) async fn cursor(&self) -> Result<u64, CliError> {
        let session = connect::redeem(&self.share_ref).await?;
        Ok(session.redeemed().cursor.get())
    }

    /// Waits until the share has applied more than `cursor` ops; returns how many.
    pub(super) async fn applied_beyond(
        &self,
        cursor: u64,
        deadline: Duration,
    ) -> Result<Waited<u64>, CliError> {
        watch(deadline, async || {
            let now = self.cursor().await?;
            Ok(if now > cursor {
                Ok(now)
            } else {
                Err(format!("cursor {now}"))
            })
        })
        .await
    }

    /// Waits until the outbox holds `ops` ops of which each has its outcome.
    pub(super) async fn settled(
        &self,
        ops: u64,
        deadline: Duration,
    ) -> Result<Waited<()>, CliError> {
        watch(deadline, async || {
            let shares = self.outbox()?.shares().await.map_err(unread)?;
            let Some(status) = shares
                .into_iter()
                .find(|status| status.share == self.share_ref.share)
            else {
                return Ok(Err("an outbox without the share".to_owned()));
            };
            let (settled, pending) = (status.settled, status.pending);
            if let Some(stop) = status.stopped {
                let message = format!("the replay has stopped: {}", stop.message);
                return Err(CliError::refused(message));
            }
            if settled > ops {
                return Err(CliError::refused(format!(
                    "{settled} ops are settled where what was fed comes to {ops}"
                )));
            }
            if settled == ops && pending == 0 {
                return Ok(Ok(()));
            }
            Ok(Err(format!(
                "{settled} of {ops} ops settled, {pending} pending"
            )))
        })
        .await
    }

    /// Waits until the outbox holds so many ops without a final outcome.
    pub(super) async fn pending_at_least(
        &self,
        ops: u64,
        deadline: Duration,
    ) -> Result<Waited<()>, CliError> {
        watch(deadline, async || {
            let pending = self.pending().await?;
            Ok(if pending >= ops {
                Ok(())
            } else {
                Err(format!("{pending} pending"))
            })
        })
        .await
    }

    /// Ops in the outbox without a final outcome.
    pub(super) async fn pending(&self) -> Result<u64, CliError> {
        let shares = self.outbox()?.shares().await.map_err(unread)?;
        Ok(shares.iter().map(|status| status.pending).sum())
    }

    /// What became of every op, by the outbox's own rows, which survive the kills.
    pub(super) async fn tally(&self) -> Result<Tally, CliError> {
        let mut tally = Tally::default();
        let mut after = None;
        loop {
            let rows = self
                .outbox()?
                .rows(RowFilter::default(), after, PAGE)
                .await
                .map_err(unread)?;
            let Some(last) = rows.last() else {
                return Ok(tally);
            };
            after = Some(last.position());
            rows.iter().for_each(|row| tally.count(row));
        }
    }

    /// The share as its server has it now.
    pub(super) async fn share(&self) -> Result<ShareAsServed, CliError> {
        let session = connect::redeem(&self.share_ref).await?;
        let mut document = BTreeMap::new();
        let mut unreadable = None;
        let read = session.document(|key, json| match serde_json::from_str(json) {
            Ok(value) => drop(document.insert(key.to_owned(), value)),
            Err(error) => unreadable = Some((key.to_owned(), error)),
        });
        let at = read
            .await
            .map_err(|error| connect::failed("read", self.share_ref.share, error))?;
        if let Some((key, error)) = unreadable {
            return Err(CliError::refused(format!("read the value of `{key}`")).caused_by(error));
        }
        Ok(ShareAsServed {
            cursor: at.position.cursor.get(),
            document,
        })
    }
}

fn read_ref(path: &Path) -> Result<ShareRef, CliError> {
    let attempted = || CliError::refused(format!("read the ref in `{}`", path.display()));
    let bytes = SystemFiles
        .read(path, REF_BYTES_MAX)
        .map_err(|error| attempted().caused_by(error))?;
    let text = String::from_utf8(bytes).map_err(|error| attempted().caused_by(error))?;
    text.trim()
        .parse()
        .map_err(|error: RefError| attempted().caused_by(error))
}

fn unread(error: OutboxError) -> CliError {
    CliError::refused("look into the client's outbox").caused_by(error)
}

/// Looks again and again until `look` finds what it looks for, or the time is up.
async fn watch<T>(
    deadline: Duration,
    look: impl AsyncFn() -> Result<Result<T, String>, CliError>,
) -> Result<Waited<T>, CliError> {
    let until = Instant::now() + deadline;
    loop {
        match look().await? {
            Ok(value) => return Ok(Waited::Came(value)),
            Err(last) if Instant::now() >= until => return Ok(Waited::NotYet { last }),
            Err(_) => SystemClock.sleep(LOOK_AGAIN).await,
        }
    }
}
