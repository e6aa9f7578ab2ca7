//! Where a part of the server runs: on a thread of its own, or as a task of the caller's.
//!
//! Capabilities and owners of state are single-threaded: each part runs on a current-thread runtime
//! with a `LocalSet`. A simulation has one such for everything, with its own idea of time.

use std::future::Future;
use std::pin::Pin;
use std::thread;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use super::error::ServerError;

/// Which kind of place the parts of a server run at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    /// A thread each.
    Threads,
    /// All as tasks of the `LocalSet` that starts them.
    Caller,
}

/// A part of the server that runs; whoever has it, joins it.
#[derive(Debug)]
pub(crate) struct Place {
    name: String,
    ended: oneshot::Receiver<()>,
    running: Running,
}

#[derive(Debug)]
enum Running {
    Thread(thread::JoinHandle<()>),
    Task(tokio::task::JoinHandle<()>),
    /// On the thread of another place, which joins it.
    Guest,
}

pub(crate) type Part = Pin<Box<dyn Future<Output = ()>>>;

impl Place {
    /// Starts what `make` makes, named `name`.
    pub(crate) fn start(
        placement: Placement,
        name: &str,
        make: impl FnOnce() -> Part + Send + 'static,
    ) -> Result<Self, ServerError> {
        let (end, ended) = oneshot::channel();
        let running = match placement {
            Placement::Caller => {
                let part = make();
                Running::Task(tokio::task::spawn_local(async move {
                    part.await;
                    // The server may have given up waiting.
                    let _ = end.send(());
                }))
            }
            Placement::Threads => Running::Thread(own_thread(name, make, end)?),
        };
        Ok(Self {
            name: name.to_owned(),
            ended,
            running,
        })
    }

    /// Starts two parts that have much to say to each other: on one thread, where a word costs no
    /// switch. The first is to be joined last.
    pub(crate) fn start_together<A, B>(
        placement: Placement,
        (host_name, host): (&str, A),
        (guest_name, guest): (&str, B),
    ) -> Result<(Self, Self), ServerError>
    where
        A: FnOnce() -> Part + Send + 'static,
        B: FnOnce() -> Part + Send + 'static,
    {
        if placement == Placement::Caller {
            let host = Self::start(placement, host_name, host)?;
            return Ok((host, Self::start(placement, guest_name, guest)?));
        }
        let (end, ended) = oneshot::channel();
        let both = move || {
            Box::pin(async move {
                let guest = tokio::task::spawn_local(async move {
                    guest().await;
                    // The server may have given up waiting.
                    let _ = end.send(());
                });
                host().await;
                // A panic of it is seen where its end is awaited.
                let _ = guest.await;
            }) as Part
        };
        let host = Self::start(placement, host_name, both)?;
        let guest = Self {
            name: guest_name.to_owned(),
            ended,
            running: Running::Guest,
        };
        Ok((host, guest))
    }

    /// Waits until the part has ended.
    pub(crate) async fn join(self, deadline: Duration) -> Result<(), ServerError> {
        let Self {
            name,
            ended,
            running,
        } = self;
        let Ok(ended) = tokio::time::timeout(deadline, ended).await else {
            if let Running::Task(task) = running {
                task.abort();
            }
            let ms = deadline.as_millis();
            return Err(ServerError::Stuck { name, ms });
        };
        let panicked = match running {
            // It has sent its end, or is unwinding: this does not wait for long.
            Running::Thread(thread) => thread.join().is_err(),
            Running::Task(task) => task.await.is_err(),
            Running::Guest => false,
        };
        if panicked || ended.is_err() {
            return Err(ServerError::Panicked { name });
        }
        Ok(())
    }
}

fn own_thread(
    name: &str,
    make: impl FnOnce() -> Part + Send + 'static,
    end: oneshot::Sender<()>,
) -> Result<thread::JoinHandle<()>, ServerError> {
    let failed = |source| ServerError::Thread {
        name: name.to_owned(),
        source,
    };
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            LocalSet::new().block_on(&runtime, async move {
                make().await;
            });
            let _ = end.send(());
        })
        .map_err(failed)
}
