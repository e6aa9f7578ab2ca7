//! The replay's usual link: by RPC, and by HTTP where that is blocked.

use std::sync::Arc;

use async_trait::async_trait;
use share_model::OwnerKey;

use super::connector::Connector;
use super::error::ClientError;
use super::http::HttpLink;
use super::lane::RpcLink;
use super::route::{Route, by_http, by_rpc};
use crate::link::{LaneRequest, Link, LinkedLane};

/// Connects to servers by RPC, where RPC is spoken and somebody answers, else by HTTP. Needs a
/// [`tokio::task::LocalSet`].
///
/// A server that answers but is not the one that the ref means is no reason to take another way.
#[derive(Debug, Clone)]
pub struct FallbackLink {
    route: Route,
    rpc: RpcLink,
    http: HttpLink,
}

impl FallbackLink {
    /// Over connections of `connector`, by the ways of `route`.
    pub fn new(connector: Arc<dyn Connector>, route: Route) -> Self {
        Self {
            route,
            rpc: RpcLink::new(Arc::clone(&connector)),
            http: HttpLink::new(connector),
        }
    }

    /// With a key that opens refs which are sealed to its owner.
    #[must_use]
    pub fn with_owner(self, owner: Option<OwnerKey>) -> Self {
        Self {
            rpc: self.rpc.with_owner(owner.clone()),
            http: self.http.with_owner(owner),
            ..self
        }
    }
}

#[async_trait(?Send)]
impl Link for FallbackLink {
    async fn open(&self, request: LaneRequest) -> Result<LinkedLane, ClientError> {
        let reference = self.route.share(&request.reference);
        let request = LaneRequest {
            reference,
            ..request
        };
        let addresses = &request.reference.addresses;
        rpc_or_http(
            addresses,
            async || self.rpc.open(request.clone()).await,
            async || self.http.open(request.clone()).await,
        )
        .await
    }
}

/// What is done by RPC, or, where no server is reached by that, by HTTP. Nothing of `rpc` was sent then.
pub(super) async fn rpc_or_http<T>(
    addresses: &[String],
    rpc: impl AsyncFnOnce() -> Result<T, ClientError>,
    http: impl AsyncFnOnce() -> Result<T, ClientError>,
) -> Result<T, ClientError> {
    if by_http(addresses).next().is_none() {
        return rpc().await;
    }
    if by_rpc(addresses).next().is_none() {
        return http().await;
    }
    let unreachable = match rpc().await {
        Err(error @ ClientError::Unreachable { .. }) => error,
        done => return done,
    };
    tracing::debug!(error = %unreachable, "no RPC, trying HTTP");
    match http().await {
        // Neither: the one that is the ref's first choice is the one to mend.
        Err(ClientError::Unreachable { addresses, reason }) => Err(ClientError::Unreachable {
            addresses,
            reason: format!("{reason}; and {unreachable}"),
        }),
        done => done,
    }
}
