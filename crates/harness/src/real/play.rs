//! The faults, as the plan orders them.

use std::fs::File;
use std::io::BufWriter;

use share_client::backup;
use share_faults::Direction;
use share_server::{RestoreJournal, RestoreOptions, Seams, restore};

use super::connector;
use super::error::RealError;
use super::folders;
use super::moment::Moment;
use super::plan::Step;
use super::stage::{Stage, pass};
use crate::history::What;

/// Bytes of a piece while the network is slow.
const PIECE_BYTES: usize = 61;

impl Stage {
    /// Plays a step. Whatever it kills lives again after it, on the machine that the plan draws.
    pub(super) async fn play(&mut self, step: Step) -> Result<(), RealError> {
        match step {
            Step::KillServer => self.kill_server().await?,
            Step::EndServer => self.end_server().await?,
            Step::KillAgent(at) => self.kill_agent(at).await?,
            Step::EndAgent(at) => self.end_agent(at).await?,
            Step::CopyAgent(at) => {
                self.kill_agent(at).await?;
                // What was killed before its outbox was made has nothing to copy.
                if self.agents[at].folder.exists() {
                    self.add_copy(at)?;
                }
            }
            Step::BackUp => self.back_up().await?,
            Step::Restore => self.restore().await?,
            Step::Keep => self.keep().await?,
            Step::PutBack => self.put_back().await?,
            Step::Revoke(agent) => self.revoke(agent).await?,
            Step::Bump(share) => self.bump(share).await?,
            Step::Freeze(share, ms) => {
                self.set_frozen(share, true).await?;
                pass(ms).await;
                self.set_frozen(share, false).await?;
            }
            Step::Delete => self.delete().await?,
            network => self.play_on_network(network).await,
        }
        self.ensure_server().await?;
        self.ensure_agents().await?;
        self.tell_network();
        Ok(())
    }

    async fn play_on_network(&mut self, step: Step) {
        match step {
            Step::Cut(direction, bytes, close) => self.proxy.cut_after(direction, bytes, close),
            Step::LoseReply(close) => self.proxy.swallow_replies(close),
            Step::Stall(direction, ms) => {
                let duration = std::time::Duration::from_millis(ms);
                self.proxy.stall(direction, duration);
            }
            Step::Partition(direction, ms) => {
                self.proxy.partition(direction);
                pass(ms).await;
                self.proxy.heal(direction);
            }
            Step::Refuse(ms) => {
                self.proxy.refuse_connections(true);
                self.proxy.cut(share_faults::Close::Reset);
                pass(ms).await;
                self.proxy.refuse_connections(false);
            }
            Step::Slow(ms) => {
                self.proxy.delay(std::time::Duration::from_millis(3));
                self.proxy.split(std::num::NonZeroUsize::new(PIECE_BYTES));
                pass(ms).await;
                self.mend_network();
            }
            _ => {}
        }
    }

    /// Ends every lasting fault of the network.
    pub(super) fn mend_network(&self) {
        for direction in [Direction::Up, Direction::Down] {
            self.proxy.heal(direction);
        }
        self.proxy.refuse_connections(false);
        self.proxy.delay(std::time::Duration::ZERO);
        self.proxy.split(None);
    }

    /// Every agent lives after this.
    pub(super) async fn ensure_agents(&mut self) -> Result<(), RealError> {
        for at in 0..self.agents.len() {
            let is_alive = match &mut self.agents[at].child {
                Some(child) => child.wait(std::time::Duration::ZERO).await.is_err(),
                None => false,
            };
            if !is_alive {
                self.kill_agent(at).await?;
                self.start_agent(at, false)?;
            }
        }
        Ok(())
    }

    async fn back_up(&mut self) -> Result<(), RealError> {
        self.ensure_server().await?;
        let (Some(factory), Some(server)) = (&self.factory, &self.server) else {
            return Ok(());
        };
        let mut factory = factory.clone();
        factory.addresses = vec![server.address.to_string()];
        let begun = Moment::now();
        let path = self
            .folder
            .join(format!("backup-{}", begun.ms_since_boot()));
        let file = File::create_new(&path).map_err(RealError::file("make the backup", &path))?;
        let mut to = BufWriter::new(file);
        // A server whose machine breaks has no backup to give.
        if backup(&connector(), &factory, &mut to, |_, _| {})
            .await
            .is_ok()
        {
            self.backup = Some((path, begun));
        }
        Ok(())
    }

    /// Puts the last backup in the place of what the server has; without one, makes one.
    async fn restore(&mut self) -> Result<(), RealError> {
        let Some((file, taken)) = self.backup.clone() else {
            return self.back_up().await;
        };
        self.kill_server().await?;
        let options = RestoreOptions {
            file,
            data: self.data(),
            journal: RestoreJournal::At(self.journal()),
            advertise: Vec::new(),
            seams: Seams::system(),
        };
        restore(options).await?;
        let restored = What::Restored {
            known: true,
            taken_at: 0,
            journal_lost: false,
        };
        self.story.tell_since("chaos", restored, taken);
        self.put_back = None;
        self.has_gone_back = true;
        self.story.fault("server restored", "");
        Ok(())
    }

    /// Copies the data folder of a server that was killed. Its journal lies elsewhere.
    async fn keep(&mut self) -> Result<(), RealError> {
        self.kill_server().await?;
        let taken = Moment::now();
        let copy = self.folder.join(format!("kept-{}", taken.ms_since_boot()));
        folders::copy(&self.data(), &copy)?;
        self.kept = Some((copy, taken));
        Ok(())
    }

    /// Puts the kept folder back, as someone does who knows nothing of `restore`; without one, keeps
    /// one.
    async fn put_back(&mut self) -> Result<(), RealError> {
        let Some((copy, taken)) = self.kept.clone() else {
            return self.keep().await;
        };
        self.kill_server().await?;
        folders::replace(&self.data(), &copy)?;
        // Told when the next server is seen.
        self.put_back = Some(taken);
        self.has_gone_back = true;
        self.story.fault("server put back", "");
        Ok(())
    }
}
