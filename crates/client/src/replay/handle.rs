//! The flusher as an agent holds it.

use std::future::Future;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::runtime;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::LocalSet;

use super::flusher::{Command, Supervisor};
use super::options::{FlushOptions, FlusherOptions};
use super::progress::Progress;
use super::report::FlushReport;
use crate::connection::{FallbackLink, Route};
use crate::link::Link;
use crate::outbox::{Outbox, OutboxError};

/// Commands that wait for the flusher; callers beyond it wait for a place.
const COMMANDS_MAX: usize = 16;

/// Why a flusher ended, or could not begin.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum FlusherError {
    /// The outbox failed. What it holds is kept.
    #[error("the outbox failed")]
    Outbox(#[from] OutboxError),
    /// The flusher's thread could not be started.
    #[error("start the flusher's thread")]
    Thread(#[source] Arc<io::Error>),
    /// The flusher was stopped.
    #[error("the flusher was stopped")]
    Ended,
}

/// Replays an outbox in the background, until it is stopped or dropped.
///
/// One flusher at a time replays a share, by a lease in the outbox's file: it leaves to others, of this
/// process or another, what they replay, and takes over when they have let go of it or are verified
/// gone.
///
/// ```no_run
/// # use share_client::{Flusher, FlusherOptions, Outbox};
/// # async fn drain(outbox: Outbox) -> Result<(), Box<dyn std::error::Error>> {
/// let flusher = Flusher::spawn(&outbox, FlusherOptions::default())?;
/// // The agent enqueues and goes on; at the end of its work:
/// let report = flusher.flush().await?;
/// for stopped in &report.stopped {
///     println!("{}: {} ({})", stopped.share, stopped.stop.message, stopped.stop.hint());
/// }
/// flusher.stop().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Flusher {
    commands: mpsc::Sender<Command>,
    progress: watch::Receiver<Progress>,
    /// `Some` once the flusher has ended.
    ended: watch::Receiver<Option<Result<(), FlusherError>>>,
    /// `None` when it runs on a thread of the caller's.
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    /// Starts a flusher on a thread of its own.
    ///
    /// # Errors
    ///
    /// If the thread can't be started.
    pub fn spawn(outbox: &Outbox, options: FlusherOptions) -> Result<Self, FlusherError> {
        Self::spawn_through(outbox, options, |link| link)
    }

    /// As [`Flusher::spawn`], through a link that is made of the usual one on the flusher's thread,
    /// where it stays: for who has something to do before a share's lane is opened.
    ///
    /// # Errors
    ///
    /// If the thread can't be started.
    pub fn spawn_through(
        outbox: &Outbox,
        options: FlusherOptions,
        wrap: impl FnOnce(Rc<dyn Link>) -> Rc<dyn Link> + Send + 'static,
    ) -> Result<Self, FlusherError> {
        let failed = |error| FlusherError::Thread(Arc::new(error));
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let (mut flusher, ends) = Self::channels();
        let outbox = outbox.clone();
        let run = move || {
            let link = wrap(Rc::new(usual_link(&options)));
            LocalSet::new().block_on(&runtime, ends.run(outbox, options, link));
        };
        let thread = thread::Builder::new()
            .name("share-flusher".into())
            .spawn(run);
        flusher.thread = Some(thread.map_err(failed)?);
        Ok(flusher)
    }

    /// A flusher that runs within the caller's [`LocalSet`], wherever the future that is returned
    /// is polled: for simulations, which own time and order.
    ///
    /// The future ends when the flusher does. Dropped at any point, nothing is lost: what is in the
    /// outbox is sent again by the next flusher.
    pub fn run_local(
        outbox: &Outbox,
        options: FlusherOptions,
    ) -> (Self, impl Future<Output = ()> + use<>) {
        let link = Rc::new(usual_link(&options));
        Self::run_local_over(outbox, options, link)
    }

    /// As [`Flusher::run_local`], over another link than Cap'n Proto's.
    pub fn run_local_over(
        outbox: &Outbox,
        options: FlusherOptions,
        link: Rc<dyn Link>,
    ) -> (Self, impl Future<Output = ()> + use<>) {
        let (flusher, ends) = Self::channels();
        let outbox = outbox.clone();
        (flusher, ends.run(outbox, options, link))
    }

    fn channels() -> (Self, Ends) {
        let (commands, taken) = mpsc::channel(COMMANDS_MAX);
        let (told, progress) = watch::channel(Progress::default());
        let (end, ended) = watch::channel(None);
        let flusher = Self {
            commands,
            progress,
            ended,
            thread: None,
        };
        (
            flusher,
            Ends {
                commands: taken,
                progress: told,
                ended: end,
            },
        )
    }

    /// Waits until every op of every share has an outcome, whoever sends it, or only a person can go
    /// on. While a server can't be reached, it waits on; see [`Flusher::flush_with`].
    ///
    /// # Errors
    ///
    /// If the flusher has ended.
    pub async fn flush(&self) -> Result<FlushReport, FlusherError> {
        self.flush_with(FlushOptions::default()).await
    }

    /// Waits as `options` say. Ends waits between failed connections at once.
    ///
    /// # Errors
    ///
    /// If the flusher has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, the replay goes on.
    pub async fn flush_with(&self, options: FlushOptions) -> Result<FlushReport, FlusherError> {
        let (reply, report) = oneshot::channel();
        if self
            .commands
            .send(Command::Flush(options, reply))
            .await
            .is_err()
        {
            return Err(self.why_ended().await);
        }
        match report.await {
            Ok(report) => report,
            Err(_) => Err(self.why_ended().await),
        }
    }

    /// Counts of what was done so far, as they change: for a progress bar.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Ends the replay. What has no outcome yet is kept for the next flusher.
    ///
    /// # Errors
    ///
    /// Why the flusher had ended before, if it had.
    pub async fn stop(mut self) -> Result<(), FlusherError> {
        // If nobody takes the command, the flusher has ended already.
        let _ = self.commands.send(Command::Stop).await;
        let ended = self.ended.wait_for(Option::is_some).await;
        let ended = ended.map_or(Err(FlusherError::Ended), |ended| {
            ended.clone().unwrap_or(Err(FlusherError::Ended))
        });
        if let Some(thread) = self.thread.take() {
            // It has nothing left to do; a panic was reported by the thread itself.
            let _ = thread.join();
        }
        ended
    }

    async fn why_ended(&self) -> FlusherError {
        let mut ended = self.ended.clone();
        let why = ended.wait_for(Option::is_some).await.ok();
        match why.as_deref() {
            Some(Some(Err(error))) => error.clone(),
            _ => FlusherError::Ended,
        }
    }
}

/// The flusher's ends of the channels.
struct Ends {
    commands: mpsc::Receiver<Command>,
    progress: watch::Sender<Progress>,
    ended: watch::Sender<Option<Result<(), FlusherError>>>,
}

impl Ends {
    async fn run(self, outbox: Outbox, options: FlusherOptions, link: Rc<dyn Link>) {
        let supervisor = Supervisor::new(outbox, options, link, self.progress);
        let ended = supervisor.run(self.commands).await;
        if let Err(error) = &ended {
            tracing::warn!(%error, "flusher ended");
        }
        self.ended.send_replace(Some(ended));
    }
}

/// Cap'n Proto or HTTP, as the options say.
fn usual_link(options: &FlusherOptions) -> FallbackLink {
    let route = Route {
        transport: options.transport,
        http: options.http.clone(),
    };
    FallbackLink::new(Arc::clone(&options.connector), route).with_owner(options.owner.clone())
}
