//! The end of a run: nothing is broken any more, and everything must come to rest.

use std::time::Duration;

use share_client::{Outbox, OutboxOptions, RowFilter};
use share_faults::Child;

use super::agent::{Drained, OUTBOX};
use super::error::RealError;
use super::reader;
use super::stage::{Stage, folder_name};
use crate::history::What;

/// How long an outbox may take to come to rest, in real time on a busy machine.
const BOUND: Duration = Duration::from_secs(20);
/// More than an outbox of a run ever holds.
const ROWS_MAX: usize = 1 << 20;

impl Stage {
    /// Starts everything anew without faults, lets every outbox drain, and reads what is there.
    pub(super) async fn come_to_rest(&mut self) -> Result<(), RealError> {
        self.tell_network();
        for at in 0..self.agents.len() {
            self.kill_agent(at).await?;
        }
        self.kill_server().await?;
        self.mend_network();
        self.proxy.cut(share_faults::Close::Reset);
        self.must_start_server().await?;
        self.lead_to_server();
        self.repeat_bumps().await?;
        for share in 0..self.shares.len() {
            // A backup may have been taken while it was frozen.
            self.set_frozen(share, false).await?;
        }
        self.renew_refs();
        let bound_ms = u64::try_from(BOUND.as_millis()).unwrap_or(u64::MAX);
        self.story.tell("chaos", What::Calm { bound_ms });
        for at in 0..self.agents.len() {
            self.start_agent(at, true)?;
        }
        for at in 0..self.agents.len() {
            self.wait_for_rest(at).await?;
        }
        for at in 0..self.agents.len() {
            self.read_rows(at).await?;
        }
        for shared in &self.shares {
            let last = reader::read_whole(&self.direct(&shared.owner)).await?;
            self.story.tell("last-reader", last);
        }
        self.end_server().await
    }

    /// Whoever was revoked gets a ref that holds: its ops are kept for that.
    fn renew_refs(&mut self) {
        let owners: Vec<_> = self.shares.iter().map(|it| it.owner.clone()).collect();
        for agent in &mut self.agents {
            agent.refs.clone_from(&owners);
        }
    }

    async fn wait_for_rest(&mut self, at: usize) -> Result<(), RealError> {
        let agent = &mut self.agents[at];
        let Some(mut child) = agent.child.take() else {
            return Ok(());
        };
        let line = child
            .wait_for_line(|line| drained(line).is_some(), BOUND)
            .await;
        let (rested, detail) = match line {
            Ok(line) => (drained(&line).is_some(), line),
            Err(error) => (false, error.to_string()),
        };
        let folder = folder_name(&agent.folder);
        let at_rest = What::AtRest {
            folder,
            rested,
            detail,
        };
        self.story.tell(&agent.name, at_rest);
        end(child, rested).await
    }

    async fn read_rows(&self, at: usize) -> Result<(), RealError> {
        let agent = &self.agents[at];
        let outbox = Outbox::open(&agent.folder.join(OUTBOX), OutboxOptions::default())?;
        let recoveries = outbox.recoveries(0, ROWS_MAX).await?;
        for status in outbox.shares().await? {
            let share = status.share;
            let filter = RowFilter {
                share: Some(share),
                ..RowFilter::default()
            };
            let of_share = recoveries.iter().filter(|event| event.share == share);
            let rows = What::Rows {
                folder: folder_name(&agent.folder),
                share,
                rows: outbox.rows(filter, None, ROWS_MAX).await?,
                recoveries: of_share.map(|event| event.recovery.clone()).collect(),
                stopped: status.stopped.map(|stop| stop.code),
            };
            self.story.tell(&agent.name, rows);
        }
        Ok(())
    }
}

async fn end(mut child: Child, rested: bool) -> Result<(), RealError> {
    if rested {
        child.wait(BOUND).await?;
    } else {
        // It may have ended by itself; either way it is gone.
        drop(child.sigkill().await);
    }
    Ok(())
}

fn drained(line: &str) -> Option<Drained> {
    serde_json::from_str(line).ok()
}
