//! Capabilities that answer every method with one refusal: what a refused call returns, so that
//! whatever was pipelined on it fails with the same words.

use std::rc::Rc;

use capnp::Error;
use share_model::Refusal;
use share_proto::share_capnp::{backup, share_factory, snapshot, subscription};
use share_proto::wire;

/// Refuses everything.
#[derive(Debug, Clone)]
pub(super) struct Refused(pub(super) Refusal);

impl snapshot::Server for Refused {
    async fn read(
        self: Rc<Self>,
        _: snapshot::ReadParams,
        _: snapshot::ReadResults,
    ) -> Result<(), Error> {
        Err(Error::failed(self.0.to_string()))
    }
}

impl backup::Server for Refused {
    async fn read(
        self: Rc<Self>,
        _: backup::ReadParams,
        _: backup::ReadResults,
    ) -> Result<(), Error> {
        Err(Error::failed(self.0.to_string()))
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

    async fn backup(
        self: Rc<Self>,
        _: share_factory::BackupParams,
        mut results: share_factory::BackupResults,
    ) -> Result<(), Error> {
        let mut results = results.get();
        wire::write_backup_outcome(&Err(self.0.clone()), results.reborrow().init_outcome());
        results.set_backup(capnp_rpc::new_client(Self::clone(&self)));
        Ok(())
    }

    async fn attenuate(
        self: Rc<Self>,
        _: share_factory::AttenuateParams,
        mut results: share_factory::AttenuateResults,
    ) -> Result<(), Error> {
        wire::write_factory_mint_outcome(&Err(self.0.clone()), results.get().init_outcome());
        Ok(())
    }

    async fn revoke(
        self: Rc<Self>,
        _: share_factory::RevokeParams,
        mut results: share_factory::RevokeResults,
    ) -> Result<(), Error> {
        wire::write_factory_revoke_outcome(&Err(self.0.clone()), results.get().init_outcome());
        Ok(())
    }

    async fn grants(
        self: Rc<Self>,
        _: share_factory::GrantsParams,
        mut results: share_factory::GrantsResults,
    ) -> Result<(), Error> {
        wire::write_factory_grants_outcome(&Err(self.0.clone()), results.get().init_outcome());
        Ok(())
    }
}
