//! A stage at work: it follows its share until its authority ends, or nobody looks any more.

use std::sync::Arc;
use std::time::Duration;

use share_model::LoggedOp;
use share_model::seam::{Clock, Sleep};
use tokio::sync::watch;
use tracing::{debug, error};

use super::limits::LiveLimits;
use super::stage::{Ended, Stage, StageError};
use crate::reader::{End, Following};

/// A stage with what it follows.
pub(super) struct Running {
    pub(super) stage: Arc<Stage>,
    pub(super) ops: Box<dyn Following>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) limits: LiveLimits,
}

/// What came and is not shown yet.
#[derive(Default)]
struct Pending {
    ops: Vec<LoggedOp>,
    bytes: u64,
}

impl Running {
    /// Runs until the stage has ended, and those who viewed it know. What ended it goes on only then.
    pub(super) async fn run(mut self) {
        let mut audience = self.stage.audience();
        let ended = self.follow(&mut audience).await;
        let is_told = matches!(ended, Ended::Told(_));
        self.stage.end(ended);
        if is_told {
            let gone = audience.wait_for(|viewers| *viewers == 0);
            // Who takes nothing gets nothing any more either.
            let _ = tokio::time::timeout(self.limits.end_told, gone).await;
        }
        drop(self.ops);
    }

    async fn follow(&mut self, audience: &mut watch::Receiver<usize>) -> Ended {
        let mut pending = Pending::default();
        let mut pause = Pause::over();
        let mut telling = Pause::over();
        let mut idle = self.pause(self.limits.stage_idle);
        let mut viewers = 0;
        while !self.stage.has_ended() {
            let is_due = pause.is_over() || pending.bytes >= self.limits.event_bytes_max;
            if is_due && !pending.ops.is_empty() {
                if let Err(error) = self.show(&mut pending) {
                    return stopped(&error);
                }
                pause = self.pause(self.limits.event_pause);
            }
            if telling.is_over() && self.stage.tell_count(viewers) {
                telling = self.pause(self.limits.count_pause);
            }
            tokio::select! {
                biased;
                () = pause.wait() => {}
                () = telling.wait() => {}
                // The stage has the sender. Before the next: who has just come is not sent away.
                _ = audience.changed() => {
                    viewers = *audience.borrow_and_update();
                    idle = match viewers {
                        0 => self.pause(self.limits.stage_idle),
                        _ => Pause::over(),
                    };
                }
                () = idle.wait() => return Ended::Silent,
                came = self.ops.next() => match came {
                    Ok(ops) => pending.add(ops),
                    Err(end) => return ended(end),
                },
            }
        }
        Ended::Silent
    }

    fn show(&self, pending: &mut Pending) -> Result<(), StageError> {
        let ops = std::mem::take(pending).ops;
        if let Some(last) = ops.last() {
            self.ops.served(last.cursor);
        }
        self.stage.advance(&ops, &self.limits)
    }

    fn pause(&self, duration: Duration) -> Pause {
        Pause(Some(self.clock.sleep(duration)))
    }
}

impl Pending {
    fn add(&mut self, ops: Vec<LoggedOp>) {
        self.bytes += ops.iter().map(LoggedOp::bytes).sum::<u64>();
        self.ops.extend(ops);
    }
}

/// A time to let pass; `None`: it has.
struct Pause(Option<Sleep>);

impl Pause {
    fn over() -> Self {
        Self(None)
    }

    fn is_over(&self) -> bool {
        self.0.is_none()
    }

    /// Waits until it is over; never ends if it is. Cancel safe.
    async fn wait(&mut self) {
        match &mut self.0 {
            Some(sleep) => sleep.as_mut().await,
            None => std::future::pending().await,
        }
        self.0 = None;
    }
}

fn ended(end: End) -> Ended {
    if let End::Refused(refusal) = &end {
        debug!(%refusal, "stage ends with its authority");
    }
    end.into()
}

fn stopped(error: &StageError) -> Ended {
    match error {
        StageError::Full(_) => debug!("stage ends for want of room"),
        error => {
            let cause = error as &(dyn std::error::Error + 'static);
            error!(cause, "stage can't go on: this is a bug");
        }
    }
    Ended::Silent
}
