//! Creating shares.

use std::rc::Rc;

use capnp::Error;
use share_model::{CreateShare, CreatedShare, GrantId, Refusal};
use share_proto::share_capnp::share_factory;
use share_proto::wire;

use super::connection::Connection;
use super::exception::{exception, malformed};
use crate::factory::creation;
use crate::owner::Outcome;

/// A redeemed factory.
#[derive(Debug)]
pub(super) struct ShareFactory {
    connection: Rc<Connection>,
    grant: GrantId,
}

impl ShareFactory {
    pub(super) fn new(connection: Rc<Connection>, grant: GrantId) -> Self {
        Self { connection, grant }
    }

    async fn create(&self, params: share_factory::CreateShareParams) -> Outcome<CreatedShare> {
        let _call = self.connection.begin_call()?;
        let request = match read_request(&params) {
            Ok(request) => request,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let door = &self.connection.door;
        let create = door.hub.create(creation(self.grant, request));
        door.within(create).await
    }
}

impl share_factory::Server for ShareFactory {
    async fn create_share(
        self: Rc<Self>,
        params: share_factory::CreateShareParams,
        mut results: share_factory::CreateShareResults,
    ) -> Result<(), Error> {
        let outcome = self.create(params).await;
        let outcome = outcome.map_err(|fault| exception(&fault))?;
        wire::write_create_outcome(&outcome, results.get().init_outcome());
        Ok(())
    }
}

fn read_request(params: &share_factory::CreateShareParams) -> Result<CreateShare, Refusal> {
    let request = params.get().and_then(|params| params.get_request());
    Ok(wire::read_create_share(request.map_err(malformed)?)?)
}
