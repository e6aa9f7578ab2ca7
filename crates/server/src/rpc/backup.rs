//! A backup, read in pieces.

use std::cell::RefCell;
use std::rc::Rc;

use capnp::Error;
use share_proto::share_capnp::backup;

use super::connection::Connection;
use super::exception::exception;
use crate::backup::OpenBackup;
use crate::fault::Fault;

/// A backup being read.
#[derive(Debug)]
pub(super) struct Backup {
    connection: Rc<Connection>,
    /// `None` while a piece is read, and after the last.
    rest: RefCell<Option<OpenBackup>>,
}

impl Backup {
    pub(super) fn new(connection: Rc<Connection>, backup: OpenBackup) -> Self {
        Self {
            connection,
            rest: RefCell::new(Some(backup)),
        }
    }

    async fn next(&self, backup: OpenBackup, bytes_max: u32) -> Result<(Vec<u8>, bool), Fault> {
        let _call = self.connection.begin_call()?;
        let door = &self.connection.door;
        let (piece, rest) = door.backups.read(backup, bytes_max).await?;
        let is_done = rest.is_none();
        self.rest.replace(rest);
        Ok((piece, is_done))
    }
}

impl backup::Server for Backup {
    async fn read(
        self: Rc<Self>,
        params: backup::ReadParams,
        mut results: backup::ReadResults,
    ) -> Result<(), Error> {
        let bytes_max = params.get()?.get_bytes_max();
        let taken = self.rest.borrow_mut().take();
        let backup = taken.ok_or_else(|| {
            let what = "the backup was read to its end, or a piece is being read: begin a new one";
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
