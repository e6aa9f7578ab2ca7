//! A document in pages.

use std::rc::Rc;

use capnp::Error;
use share_model::Document;
use share_proto::share_capnp::snapshot;

use super::connection::Connection;
use super::exception::exception;
use super::page::Page;
use super::quota::Held;
use super::reading::Reading;
use crate::owner::Outcome;

/// Bytes of one page; a larger single entry excepted.
const PAGE_BYTES_MAX: u64 = 1 << 20;

/// A document at one cursor.
#[derive(Debug)]
pub(super) struct Snapshot {
    connection: Rc<Connection>,
    reading: Reading,
    document: Document,
    _held: Held,
}

impl Snapshot {
    pub(super) fn new(
        connection: Rc<Connection>,
        reading: Reading,
        document: Document,
        held: Held,
    ) -> Self {
        Self {
            connection,
            reading,
            document,
            _held: held,
        }
    }

    async fn check(&self) -> Outcome<()> {
        let _call = self.connection.begin_call()?;
        self.connection.door.within(self.reading.check()).await
    }
}

impl snapshot::Server for Snapshot {
    async fn read(
        self: Rc<Self>,
        params: snapshot::ReadParams,
        mut results: snapshot::ReadResults,
    ) -> Result<(), Error> {
        let turn = self.connection.turn().await;
        let _turn = turn.map_err(|fault| exception(&fault))?;
        let checked = self.check().await.map_err(|fault| exception(&fault))?;
        checked.map_err(|refusal| Error::failed(refusal.to_string()))?;
        let params = params.get()?;
        let after = params.get_after()?.to_str()?;
        let bytes_max = u64::from(params.get_bytes_max()).min(PAGE_BYTES_MAX);
        let page = Page::of(&self.document, after, bytes_max);
        let mut results = results.get();
        results.set_done(page.done);
        page.write(results.init_entries(page.len()));
        Ok(())
    }
}
