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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use share_model::CertificatePin;

    use super::*;

    fn unreachable(what: &str) -> ClientError {
        ClientError::Unreachable {
            addresses: what.to_owned(),
            reason: format!("{what} is away"),
        }
    }

    /// What is tried of these addresses, in order, and what comes of it.
    async fn tried(
        addresses: &[&str],
        rpc: Result<u8, ClientError>,
        http: Result<u8, ClientError>,
    ) -> (Vec<&'static str>, Result<u8, ClientError>) {
        let addresses: Vec<_> = addresses.iter().map(|&it| it.to_owned()).collect();
        let tried = RefCell::new(Vec::new());
        let by = async |what, done| {
            tried.borrow_mut().push(what);
            done
        };
        let done = rpc_or_http(
            &addresses,
            async || by("rpc", rpc).await,
            async || by("http", http).await,
        );
        let done = done.await;
        (tried.into_inner(), done)
    }

    const BOTH: &[&str] = &["a:1", "http:b:2"];

    #[tokio::test]
    async fn http_is_tried_where_no_server_is_reached_by_rpc_and_not_otherwise() {
        let away = || Err(unreachable("a:1"));
        assert_eq!(tried(BOTH, Ok(1), Ok(2)).await, (vec!["rpc"], Ok(1)));
        assert_eq!(
            tried(BOTH, away(), Ok(2)).await,
            (vec!["rpc", "http"], Ok(2))
        );
        assert_eq!(tried(&["a:1"], away(), Ok(2)).await, (vec!["rpc"], away()));
        assert_eq!(
            tried(&["http:b:2"], Ok(1), Ok(2)).await,
            (vec!["http"], Ok(2))
        );
        let lost = ClientError::Disconnected {
            reason: "lost".to_owned(),
        };
        let (by, done) = tried(BOTH, Err(lost.clone()), Ok(2)).await;
        assert_eq!((by, done), (vec!["rpc"], Err(lost)));
    }

    #[tokio::test]
    async fn a_server_that_is_another_one_is_not_passed_over_for_http() {
        let wrong = ClientError::WrongCertificate {
            address: "a:1".to_owned(),
            expected: CertificatePin::of(b"one"),
            seen: CertificatePin::of(b"another"),
        };
        let (by, done) = tried(BOTH, Err(wrong.clone()), Ok(2)).await;
        assert_eq!((by, done), (vec!["rpc"], Err(wrong)));
    }

    #[tokio::test]
    async fn if_neither_answers_both_are_named() {
        let (_, done) = tried(BOTH, Err(unreachable("a:1")), Err(unreachable("http:b:2"))).await;
        let error = done.unwrap_err().to_string();
        assert!(
            error.contains("http:b:2 is away") && error.contains("a:1 is away"),
            "{error}"
        );
    }
}
