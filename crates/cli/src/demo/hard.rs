//! The hard faults: a copied client and a restored server.

use share_faults::Direction;

use crate::demo::episode::ops;
use crate::demo::stage::Stage;
use crate::error::CliError;

impl Stage {
    /// Kills the client in mid-replay, copies its folder, and lets the copy send what it holds before
    /// the client goes on: both hold the same ops.
    pub(super) async fn copy_client(&mut self, fed_through: usize) -> Result<(), CliError> {
        self.replay_without_replies(fed_through).await?;
        self.kill_and_copy_the_client().await?;
        let pending = self.still_pending().await?;
        self.proxy.heal(Direction::Down);
        self.replay_the_copy().await?;
        self.start_client()?;
        self.copies += 1;
        let what = format!(
            "copied the killed client's folder with {} pending; the copy sent them, the client goes on",
            ops(pending)
        );
        self.tell(what).await
    }

    /// Backs the server up, lets it ack more, and puts the backup in its place.
    pub(super) async fn restore_server(&mut self, fed_through: usize) -> Result<(), CliError> {
        let kept = self.cursor().await?;
        self.backup_the_server().await?;
        let fed_meanwhile = self.half_way_to(fed_through)?;
        self.feed_up_to(fed_meanwhile);
        self.settled().await?;
        let acked = self.cursor().await?;
        if acked <= kept {
            return Err(self.failed("nothing was acked after the backup"));
        }
        self.kill_the_server().await?;
        self.restore_the_server().await?;
        self.start_server().await?;
        let restored = self.cursor().await?;
        if restored != kept {
            let what = format!("backed up at cursor {kept}, restored at {restored}");
            return Err(self.failed(what));
        }
        // With nothing to send, the client would not look at the server before long. And its outbox
        // says settled of what was lost until it has looked: only the server tells that it is back.
        self.feed_up_to(self.at_least_one_more(fed_through)?);
        self.applied_beyond(acked).await?;
        self.settled().await?;
        self.restores += 1;
        let what = format!(
            "restored the server from a backup; {} that it had acked since came back",
            ops(acked - kept)
        );
        self.tell(what).await
    }
}
