//! A writer that appends at a modest pace.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use share_model::{Cursor, ShareRef};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use crate::error::BenchError;
use crate::lane::{ShareLane, connect};
use crate::load::Load;

/// Bytes of an op's JSON.
const OP_BYTES: usize = 256;

/// When an op was sent, and the cursor that it got.
type Appended = (Instant, Cursor);

/// A running writer.
pub(crate) struct Pace {
    appended: Rc<RefCell<Vec<Appended>>>,
    count: watch::Receiver<usize>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), BenchError>>,
}

impl Pace {
    /// Appends an op to the share every `pace`.
    pub(crate) async fn start(
        address: &str,
        owner: &ShareRef,
        pace: Duration,
    ) -> Result<Self, BenchError> {
        let bootstrap = connect(TcpStream::connect(address).await?)?;
        let load = Load {
            writers: 1,
            batch_ops: 1,
            op_bytes: OP_BYTES,
        };
        let writer = ShareLane::claim(&bootstrap, owner, load).await?;
        let appended = Rc::new(RefCell::new(Vec::new()));
        let (counts, count) = watch::channel(0);
        let (stop, stopped) = oneshot::channel();
        let appending = append(writer, pace, Rc::clone(&appended), counts);
        let task = tokio::task::spawn_local(async move {
            tokio::select! {
                done = appending => done,
                _ = stopped => Ok(()),
            }
        });
        Ok(Self {
            appended,
            count,
            stop,
            task,
        })
    }

    /// Waits until an op was acked that was sent after `instant`, and gives the cursor of the first
    /// such op.
    pub(crate) async fn appended_after(&self, instant: Instant) -> Result<Cursor, BenchError> {
        let first = || {
            let appended = self.appended.borrow();
            let at = appended.partition_point(|(sent, _)| *sent <= instant);
            appended.get(at).map(|(_, cursor)| *cursor)
        };
        let mut count = self.count.clone();
        let found = count.wait_for(|_| first().is_some()).await.is_ok();
        let first = found.then(first).flatten();
        first.ok_or_else(|| BenchError::Unexpected("the writer has failed".into()))
    }

    /// Ends it, and says how it went.
    pub(crate) async fn stop(self) -> Result<(), BenchError> {
        // It may have failed before.
        let _ = self.stop.send(());
        let done = self.task.await;
        done.map_err(|error| BenchError::Unexpected(error.to_string()))?
    }
}

async fn append(
    mut writer: ShareLane,
    pace: Duration,
    appended: Rc<RefCell<Vec<Appended>>>,
    count: watch::Sender<usize>,
) -> Result<(), BenchError> {
    let mut ticks = tokio::time::interval(pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let sent = Instant::now();
        let cursor = Cursor::new(writer.append().await?);
        appended.borrow_mut().push((sent, cursor));
        count.send_modify(|count| *count += 1);
    }
}
