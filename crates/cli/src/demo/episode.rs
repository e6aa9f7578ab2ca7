//! The faults, each driven by states: the next step is taken when the one before has had its
//! effect, never when some time has passed.

use share_faults::{Close, Direction, ProxyCounts};
use share_model::seam::Entropy;

use crate::demo::plan::{Episode, Fault};
use crate::demo::stage::Stage;
use crate::error::CliError;

/// How often a reply is tried to be lost before the episode fails.
const TRIES_MAX: u32 = 5;

/// Bytes of a reply of which a cut may leave this many: every answer to a batch is longer.
const REPLY_BYTES: usize = 40;

impl Stage {
    /// Makes the fault happen while the episode's pieces are fed.
    pub(super) async fn play(&mut self, episode: Episode) -> Result<(), CliError> {
        // From here on nothing is under way but what this episode feeds.
        self.settled().await?;
        let Episode { fault, fed_through } = episode;
        match fault {
            Fault::CutRequest => self.cut(Direction::Up, fed_through).await,
            Fault::CutReply => self.cut(Direction::Down, fed_through).await,
            Fault::LostReply => self.lose_reply(fed_through).await,
            Fault::KillServer => self.kill_server(fed_through).await,
            Fault::KillClient => self.kill_client(fed_through).await,
            Fault::CopyClient => self.copy_client(fed_through).await,
            Fault::RestoreServer => self.restore_server(fed_through).await,
        }
    }

    async fn cut(&mut self, direction: Direction, fed_through: usize) -> Result<(), CliError> {
        let fed_through = self.at_least_one_more(fed_through)?;
        let bytes = match direction {
            Direction::Up => self.bytes_within(self.bytes_until(fed_through)),
            Direction::Down => self.bytes_within(REPLY_BYTES),
        };
        let before = self.proxy.counts();
        self.proxy.cut_after(direction, bytes, self.close());
        self.feed_up_to(fed_through);
        self.proxy_until("the connection to be cut", |counts| {
            counts.cuts > before.cuts
        })
        .await?;
        let what = match direction {
            Direction::Up => "a request",
            Direction::Down => "a reply",
        };
        self.tell(format!("cut the connection amid {what}, {bytes} bytes on"))
            .await
    }

    async fn lose_reply(&mut self, fed_through: usize) -> Result<(), CliError> {
        let mut last = String::new();
        for _ in 0..TRIES_MAX {
            let (cursor, before) = (self.cursor().await?, self.proxy.counts());
            self.proxy.swallow_replies(self.close());
            self.feed_up_to(self.half_way_to(fed_through)?);
            let counts = self.cut_or_settled(&before).await?;
            let cursor_after = self.cursor().await?;
            let swallowed = counts.bytes_swallowed - before.bytes_swallowed;
            if counts.lost_replies > before.lost_replies && swallowed > 0 && cursor_after > cursor {
                self.lost_replies += 1;
                self.feed_up_to(self.at_least(fed_through));
                let what = format!("the server applied, its reply ({swallowed} bytes) was lost");
                return self.tell(what).await;
            }
            // There was no connection whose replies could be swallowed, or what was swallowed
            // answered something earlier: no lost reply, so it is not counted as one.
            last = format!("cursor {cursor}, then {cursor_after}, {swallowed} bytes swallowed");
            self.settled().await?;
        }
        Err(self.failed(format!(
            "no reply could be lost in {TRIES_MAX} tries: {last}"
        )))
    }

    /// Waits until a connection was cut, or until it turns out that none will be.
    async fn cut_or_settled(&self, before: &ProxyCounts) -> Result<ProxyCounts, CliError> {
        let is_cut = |counts: &ProxyCounts| counts.cuts > before.cuts;
        tokio::select! {
            biased;
            counts = self.proxy_until("a reply to be swallowed", is_cut) => counts,
            settled = self.settled() => settled.map(|()| self.proxy.counts()),
        }
    }

    async fn kill_server(&mut self, fed_through: usize) -> Result<(), CliError> {
        let cursor = self.replay_without_replies(fed_through).await?;
        let pid = self.server_pid();
        self.kill_the_server().await?;
        let pending = self.still_pending().await?;
        self.start_server().await?;
        self.proxy.heal(Direction::Down);
        let cursor_after = self.cursor().await?;
        if cursor_after < cursor {
            let what = format!("the server forgot ops: cursor {cursor}, then {cursor_after}");
            return Err(self.failed(what));
        }
        let what = format!(
            "killed the server (pid {pid}) with {} pending, verified gone, restarted",
            ops(pending)
        );
        self.tell(what).await
    }

    async fn kill_client(&mut self, fed_through: usize) -> Result<(), CliError> {
        self.replay_without_replies(fed_through).await?;
        let pid = self.client.pid();
        self.client.kill().await?;
        let pending = self.still_pending().await?;
        self.proxy.heal(Direction::Down);
        self.start_client()?;
        let what = format!(
            "killed the client (pid {pid}) with {} pending, verified gone, restarted",
            ops(pending)
        );
        self.tell(what).await
    }

    /// Feeds while replies are held back, until half of it is in the outbox and bytes have gone to
    /// the server, and at times until that has applied; returns the cursor that was seen. Whoever is
    /// killed now is killed in mid-replay: of all that is sent, the client knows nothing.
    pub(super) async fn replay_without_replies(
        &mut self,
        fed_through: usize,
    ) -> Result<u64, CliError> {
        let fed_through = self.at_least_one_more(fed_through)?;
        let cursor = self.cursor().await?;
        let bytes = self.bytes_within(self.bytes_of_next());
        let half = self.ops_until(fed_through).div_ceil(2);
        let is_after_apply = self.entropy.below(2) == 1;
        let before = self.proxy.counts().bytes_up;
        self.proxy.partition(Direction::Down);
        self.feed_up_to(fed_through);
        let has_sent = |counts: &ProxyCounts| counts.bytes_up >= before + bytes;
        self.proxy_until("bytes to go to the server", has_sent)
            .await?;
        self.pending_at_least(half).await?;
        if is_after_apply {
            self.applied_beyond(cursor).await
        } else {
            Ok(cursor)
        }
    }

    fn close(&self) -> Close {
        match self.entropy.below(2) {
            0 => Close::Reset,
            _ => Close::Finish,
        }
    }

    /// An odd number up to `bytes`: messages begin and end at multiples of eight bytes, so that many
    /// bytes into them is always amid one.
    fn bytes_within(&self, bytes: usize) -> u64 {
        1 + 2 * self.entropy.below(bytes as u64 / 2)
    }
}

pub(super) fn ops(count: u64) -> String {
    match count {
        1 => "1 op".to_owned(),
        _ => format!("{count} ops"),
    }
}
