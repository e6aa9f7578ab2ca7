//! An attack under way, on a thread of its own.

use std::io;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::attack::Attack;
use crate::peer::{Attacker, Target};
use crate::tally::{Counts, Tally};

/// An attack under way. Dropped, it ends as soon as it can.
#[derive(Debug)]
pub struct Running {
    tally: Tally,
    /// Dropped, it tells the thread to end.
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Running {
    /// Begins an attack.
    ///
    /// # Errors
    ///
    /// If its thread can't be started.
    pub fn start(attack: Attack, target: Target) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let tally = Tally::new();
        let attacker = Attacker::new(target, tally.clone());
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    // Told, or left alone.
                    _ = stopped => {}
                    () = attack.run(&attacker) => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name(attack.name().into());
        Ok(Self {
            tally,
            stop,
            thread: thread.spawn(run)?,
        })
    }

    /// What it did so far.
    pub fn counts(&self) -> Counts {
        self.tally.counts()
    }

    /// Waits until it has done `least` deeds. Cancel safe.
    pub async fn reached(&self, least: u64) {
        self.tally.reached(least).await;
    }

    /// Ends it, with all its connections, and says what it did.
    ///
    /// # Panics
    ///
    /// If the attack itself did.
    pub fn stop(self) -> Counts {
        drop(self.stop);
        self.thread.join().expect("an attack does not panic");
        self.tally.counts()
    }
}
