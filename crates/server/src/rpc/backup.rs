//! A backup, read in pieces.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use capnp::Error;
use share_proto::share_capnp::backup;
use tokio::task::AbortHandle;
use tracing::info;

use super::connection::Connection;
use super::exception::exception;
use super::in_time;
use crate::backup::OpenBackup;
use crate::fault::Fault;

/// A backup being read.
#[derive(Debug)]
pub(super) struct Backup {
    connection: Rc<Connection>,
    reading: Rc<Reading>,
    /// Gives up on a reader that has gone to sleep.
    watch: AbortHandle,
}

#[derive(Debug)]
struct Reading {
    /// `None` while a piece is read, after the last, and when the reader was given up.
    rest: RefCell<Option<OpenBackup>>,
    /// Counts the pieces that were asked for.
    reads: Cell<u64>,
}

impl Backup {
    pub(super) fn new(connection: Rc<Connection>, backup: OpenBackup) -> Self {
        let reading = Rc::new(Reading {
            rest: RefCell::new(Some(backup)),
            reads: Cell::new(0),
        });
        let watch = connection.run(watch(Rc::clone(&connection), Rc::clone(&reading)));
        Self {
            connection,
            reading,
            watch,
        }
    }

    async fn next(&self, backup: OpenBackup, bytes_max: u32) -> Result<(Vec<u8>, bool), Fault> {
        let _call = self.connection.begin_call()?;
        let door = &self.connection.door;
        let deadline = door.limits.call_deadline;
        let reading = door.backups.read(backup, bytes_max);
        let (piece, rest) = in_time(deadline, reading).await?;
        let is_done = rest.is_none();
        self.reading.rest.replace(rest);
        Ok((piece, is_done))
    }
}

/// Ends a backup that nobody reads: there is one at a time, and its reader may have died without a
/// word.
async fn watch(connection: Rc<Connection>, reading: Rc<Reading>) {
    let door = &connection.door;
    let mut drain = door.drain.clone();
    loop {
        let before = reading.reads.get();
        tokio::select! {
            biased;
            // Fails if the server is gone.
            _ = drain.wait_for(|drain| *drain) => return,
            () = door.seams.clock.sleep(door.limits.backup_idle) => {}
        }
        if reading.reads.get() == before {
            info!("a backup that was not read any more is ended");
            drop(reading.rest.borrow_mut().take());
            return;
        }
    }
}

impl Drop for Backup {
    fn drop(&mut self) {
        self.watch.abort();
        // The watch may hold the rest until it is run again.
        drop(self.reading.rest.borrow_mut().take());
    }
}

impl backup::Server for Backup {
    async fn read(
        self: Rc<Self>,
        params: backup::ReadParams,
        mut results: backup::ReadResults,
    ) -> Result<(), Error> {
        let turn = self.connection.turn().await;
        let _turn = turn.map_err(|fault| exception(&fault))?;
        let bytes_max = params.get()?.get_bytes_max();
        self.reading.reads.update(|reads| reads + 1);
        let taken = self.reading.rest.borrow_mut().take();
        let backup = taken.ok_or_else(|| {
            let what = "there is no more of this backup: it was read to its end, a piece is being \
                        read, or it was left alone for too long; begin a new one";
            Error::failed(what.to_owned())
        })?;
        let piece = self.next(backup, bytes_max).await;
        let (piece, is_done) = piece.map_err(|fault| exception(&fault))?;
        let mut results = results.get();
        results.set_data(&piece);
        results.set_done(is_done);
        Ok(())
    }
}
