//! Everything that takes part in a run: proxy, server, client, feed, and who watches them.

mod setup;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use share_faults::{FaultProxy, ProxyCounts};
use share_model::seam::SeededEntropy;

pub(super) use self::setup::Setting;
use crate::demo::client::{Client, ClientPlace};
use crate::demo::feed::Feed;
use crate::demo::observer::{Observer, ShareAsServed, Waited};
use crate::demo::pieces::Pieces;
use crate::demo::plan::Plan;
use crate::demo::revocation::{Revocation, revoke_a_reader};
use crate::demo::server::{Server, ServerPlace};
use crate::demo::story::Story;
use crate::demo::tally::Tally;
use crate::error::CliError;

/// How long a state may take to come. It never does on a machine that is not overloaded: what
/// takes longer has gone wrong.
const DEADLINE: Duration = Duration::from_secs(20);

/// A run under way. Dropping it kills both processes.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) proxy: FaultProxy,
    server_place: ServerPlace,
    server: Server,
    client_place: ClientPlace,
    pub(super) client: Client,
    pieces: Arc<Pieces>,
    feed: Feed,
    /// Pieces that were let go.
    fed: usize,
    observer: Observer,
    pub(super) entropy: SeededEntropy,
    story: Story,
    /// Replies of which it was seen that the server had applied what they answered.
    pub(super) lost_replies: u64,
    /// Copies of the client's folder that sent what they held.
    pub(super) copies: u64,
    /// Times that the server was restored.
    pub(super) restores: u64,
    /// What is happening, for messages.
    scene: String,
}

/// What is left of a run when everyone has gone.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) tally: Tally,
    pub(super) share: ShareAsServed,
    pub(super) cuts: u64,
    pub(super) lost_replies: u64,
    pub(super) server_kills: u64,
    pub(super) client_kills: u64,
    pub(super) copies: u64,
    pub(super) restores: u64,
    pub(super) revocation: Revocation,
    pub(super) elapsed_ms: u64,
}

impl Stage {
    /// Makes everything happen that is planned.
    pub(super) async fn perform(&mut self, plan: &Plan) -> Result<(), CliError> {
        for (index, episode) in plan.episodes.iter().enumerate() {
            self.scene = format!("episode {}, {}", index + 1, episode.fault.name());
            self.play(*episode).await?;
        }
        Ok(())
    }

    /// Ends a run that did not come to its end: both processes are gone when this returns.
    pub(super) async fn abandon(mut self) {
        // That one has ended by itself, or has been killed before, is as good.
        let _ = self.client.kill().await;
        let _ = self.server.kill().await;
    }

    pub(super) async fn tell(&mut self, what: impl fmt::Display) -> Result<(), CliError> {
        let applied = self.observer.cursor().await?;
        self.story.tell(applied, what);
        Ok(())
    }

    /// At least one piece more than so far, so that something happens.
    pub(super) fn at_least_one_more(&self, fed_through: usize) -> Result<usize, CliError> {
        let wanted = fed_through.max(self.fed + 1);
        if wanted > self.pieces.pieces.len() {
            return Err(self.failed("the recording has no piece left"));
        }
        Ok(wanted)
    }

    /// Half of what is left up to there, and at least one piece.
    pub(super) fn half_way_to(&self, fed_through: usize) -> Result<usize, CliError> {
        let half = fed_through.saturating_sub(self.fed) / 2;
        self.at_least_one_more(self.fed + half)
    }

    /// So many pieces, or what was fed already.
    pub(super) fn at_least(&self, fed_through: usize) -> usize {
        fed_through.max(self.fed)
    }

    pub(super) fn feed_up_to(&mut self, count: usize) {
        self.fed = count;
        self.feed.up_to(count);
    }

    /// Bytes that will go to the server at least when the pieces up to `count` are fed.
    pub(super) fn bytes_until(&self, count: usize) -> usize {
        self.pieces.pieces[self.fed..count]
            .iter()
            .map(|piece| piece.bytes)
            .sum()
    }

    /// The same of the next piece alone.
    pub(super) fn bytes_of_next(&self) -> usize {
        self.pieces
            .pieces
            .get(self.fed)
            .map_or(0, |piece| piece.bytes)
    }

    /// Ops of the pieces up to `count` that were not fed yet.
    pub(super) fn ops_until(&self, count: usize) -> u64 {
        self.pieces.ops_through(count) - self.pieces.ops_through(self.fed)
    }

    /// Waits until the client knows of everything fed that it is applied.
    pub(super) async fn settled(&self) -> Result<(), CliError> {
        let ops = self.pieces.ops_through(self.fed);
        let waited = self.observer.settled(ops, DEADLINE).await;
        self.came(waited, format_args!("{ops} ops to be settled"))
    }

    /// Waits until the server has applied more than `cursor`; returns how much.
    pub(super) async fn applied_beyond(&mut self, cursor: u64) -> Result<u64, CliError> {
        let waited = self.observer.applied_beyond(cursor, DEADLINE).await;
        self.came(waited, format_args!("the cursor to pass {cursor}"))
    }

    /// Waits until the outbox holds so many ops of which the client does not know the end.
    pub(super) async fn pending_at_least(&self, ops: u64) -> Result<(), CliError> {
        let waited = self.observer.pending_at_least(ops, DEADLINE).await;
        self.came(waited, format_args!("{ops} ops to be pending"))
    }

    /// The share's cursor, asked of the server itself.
    pub(super) async fn cursor(&mut self) -> Result<u64, CliError> {
        self.observer.cursor().await
    }

    /// Ops in the outbox of which the client does not know that they are applied; some there must
    /// be, or the kill before was not in mid-replay.
    pub(super) async fn still_pending(&self) -> Result<u64, CliError> {
        match self.observer.pending().await? {
            0 => Err(self.failed("nothing was pending at the kill")),
            pending => Ok(pending),
        }
    }

    /// Waits until the proxy's counts are in `state`.
    pub(super) async fn proxy_until(
        &self,
        what: &str,
        state: impl FnMut(&ProxyCounts) -> bool,
    ) -> Result<ProxyCounts, CliError> {
        let waited = self.proxy.wait_until(state, DEADLINE).await;
        let seconds = DEADLINE.as_secs();
        // The counts that were seen last are told with every failure.
        waited.map_err(|_| self.failed(format!("waited {seconds} s for {what}")))
    }

    pub(super) fn server_pid(&self) -> u32 {
        self.server.pid()
    }

    pub(super) async fn kill_the_server(&mut self) -> Result<(), CliError> {
        self.server.kill().await
    }

    /// Starts a server in the place of one that is gone.
    pub(super) async fn start_server(&mut self) -> Result<(), CliError> {
        self.server = self.server_place.start().await?;
        self.proxy.set_upstream(self.server.address);
        self.observer.server_is_at(self.server.address);
        Ok(())
    }

    /// Kills the client and copies its folder, of which both the copy and the client that is started
    /// next make the same.
    pub(super) async fn kill_and_copy_the_client(&mut self) -> Result<(), CliError> {
        self.observer.look_away();
        self.client.kill().await?;
        self.client_place.copy(self.copies).await?;
        self.observer.look_at_the_outbox()
    }

    /// The last copy of the client's folder sends what it holds.
    pub(super) async fn replay_the_copy(&mut self) -> Result<(), CliError> {
        self.client_place.replay_copy(self.copies).await
    }

    pub(super) async fn backup_the_server(&self) -> Result<(), CliError> {
        self.server_place.backup().await
    }

    /// Puts the last backup in the place of what a server that is gone had stored.
    pub(super) async fn restore_the_server(&self) -> Result<(), CliError> {
        self.server_place.restore().await
    }

    /// Starts a client in the place of one that is gone; it is fed from the beginning again.
    pub(super) fn start_client(&mut self) -> Result<(), CliError> {
        self.client = self.client_place.start(self.feed.attach()?)?;
        Ok(())
    }

    /// Feeds what is left, revokes a reader, lets everyone end in order, and says what came of it.
    pub(super) async fn end(mut self) -> Result<Ended, CliError> {
        self.scene = "the end".to_owned();
        self.feed.to_the_end();
        self.client.finish().await?;
        let revocation = revoke_a_reader(self.observer.share_ref()).await?;
        let applied = self.observer.cursor().await?;
        self.story.tell(applied, revocation.told());
        let tally = self.observer.tally().await?;
        let share = self.observer.share().await?;
        self.server.drain().await?;
        let counts = self.proxy.counts();
        let stopped = self.proxy.shutdown().await;
        stopped.map_err(|error| CliError::refused("stop the fault proxy").caused_by(error))?;
        Ok(Ended {
            tally,
            share,
            cuts: counts.cuts,
            lost_replies: self.lost_replies,
            server_kills: self.server_place.kills.get(),
            client_kills: self.client_place.kills.get(),
            copies: self.copies,
            restores: self.restores,
            revocation,
            elapsed_ms: self.story.elapsed_ms(),
        })
    }

    fn came<T>(
        &self,
        waited: Result<Waited<T>, CliError>,
        what: impl fmt::Display,
    ) -> Result<T, CliError> {
        match waited.map_err(|error| self.failed(error))? {
            Waited::Came(value) => Ok(value),
            Waited::NotYet { last } => {
                let seconds = DEADLINE.as_secs();
                Err(self.failed(format!("waited {seconds} s for {what}; last seen: {last}")))
            }
        }
    }

    /// Why the run can't go on, with what everyone last said.
    pub(super) fn failed(&self, what: impl fmt::Display) -> CliError {
        let Self {
            scene,
            proxy,
            server,
            client,
            ..
        } = self;
        CliError::refused(format!(
            "{scene}: {what}\nthe proxy counted {:?}\nthe server said:\n{}\nthe client said:\n{}",
            proxy.counts(),
            server.said(),
            client.said(),
        ))
    }
}
