//! Capabilities that answer every method with one refusal: what a refused call returns, so that
//! whatever was pipelined on it fails with the same words.

use std::rc::Rc;

use capnp::Error;
use share_model::Refusal;
use share_proto::persistent_capnp::persistent;
use share_proto::share_capnp::{
    appender, share_factory, share_ref, share_session, snapshot, subscription,
};
use share_proto::wire;

use super::session::{SaveParams, SaveResults};

/// Refuses everything.
#[derive(Debug, Clone)]
pub(super) struct Refused(pub(super) Refusal);

impl Refused {
    fn exception(&self) -> Error {
        Error::failed(self.0.to_string())
    }
}

impl persistent::Server<share_ref::Owned, capnp::text::Owned> for Refused {
    async fn save(self: Rc<Self>, _: SaveParams, _: SaveResults) -> Result<(), Error> {
        Err(self.exception())
    }
}

impl share_session::Server for Refused {
    async fn claim_writer(
        self: Rc<Self>,
        _: share_session::ClaimWriterParams,
        mut results: share_session::ClaimWriterResults,
    ) -> Result<(), Error> {
        let mut results = results.get();
        wire::write_claim_outcome(&Err(self.0.clone()), results.reborrow().init_outcome());
        results.set_appender(capnp_rpc::new_client_from_rc(self));
        Ok(())
    }

    async fn document(
        self: Rc<Self>,
        _: share_session::DocumentParams,
        mut results: share_session::DocumentResults,
    ) -> Result<(), Error> {
        let mut results = results.get();
        wire::write_snapshot_outcome(&Err(self.0.clone()), results.reborrow().init_outcome());
        results.set_snapshot(capnp_rpc::new_client_from_rc(self));
        Ok(())
    }

    async fn subscribe(
        self: Rc<Self>,
        _: share_session::SubscribeParams,
        mut results: share_session::SubscribeResults,
    ) -> Result<(), Error> {
        let mut results = results.get();
        wire::write_subscribe_outcome(&Err(self.0.clone()), results.reborrow().init_outcome());
        results.set_subscription(capnp_rpc::new_client_from_rc(self));
        Ok(())
    }

    async fn bump_epoch(
        self: Rc<Self>,
        _: share_session::BumpEpochParams,
        mut results: share_session::BumpEpochResults,
    ) -> Result<(), Error> {
        wire::write_bump_outcome(&Err(self.0.clone()), results.get().init_outcome());
        Ok(())
    }

    async fn writers(
        self: Rc<Self>,
        _: share_session::WritersParams,
        mut results: share_session::WritersResults,
    ) -> Result<(), Error> {
        wire::write_writers_outcome(&Err(self.0.clone()), results.get().init_outcome());
        Ok(())
    }
}

impl appender::Server for Refused {
    async fn append_ops(
        self: Rc<Self>,
        _: appender::AppendOpsParams,
        mut results: appender::AppendOpsResults,
    ) -> Result<(), Error> {
        wire::write_append_outcome(&Err(self.0.clone()), results.get().init_outcome());
        Ok(())
    }
}

impl snapshot::Server for Refused {
    async fn read(
        self: Rc<Self>,
        _: snapshot::ReadParams,
        _: snapshot::ReadResults,
    ) -> Result<(), Error> {
        Err(self.exception())
    }
}

impl subscription::Server for Refused {}

impl share_factory::Server for Refused {
    async fn create_share(
        self: Rc<Self>,
        _: share_factory::CreateShareParams,
        mut results: share_factory::CreateShareResults,
    ) -> Result<(), Error> {
        wire::write_create_outcome(&Err(self.0.clone()), results.get().init_outcome());
        Ok(())
    }
}
