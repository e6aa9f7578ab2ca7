//! The seam between the replay and a server: what the replay needs of a connection, in values of
//! the model. [`RpcLink`](crate::RpcLink) speaks Cap'n Proto; tests put a scripted server here.

use async_trait::async_trait;
use futures_util::future::LocalBoxFuture;
use share_model::{
    Ack, Batch, Claimed, Envelope, HistoryId, Incarnation, Nonce, OutboxKey, Redeemed, ShareRef,
};

use crate::connection::ClientError;

/// An answer that is on its way. Dropped, it is ignored when it comes.
pub type Answer<T> = LocalBoxFuture<'static, Result<T, ClientError>>;

/// What opens a lane.
#[derive(Debug, Clone)]
pub struct LaneRequest {
    /// Opens the share.
    pub reference: ShareRef,
    /// Opens the lane.
    pub key: OutboxKey,
    /// The incarnation that the client holds.
    pub incarnation: Incarnation,
    /// Stored by the client before this claim.
    pub nonce: Nonce,
    /// The history that the client knows.
    pub history: Option<HistoryId>,
}

/// A connection with a redeem and a claim on their way.
pub struct LinkedLane {
    /// The answer to the redeem.
    pub redeemed: Answer<Redeemed>,
    /// The answer to the claim.
    pub claimed: Answer<Claimed>,
    /// Takes batches at once, before either has answered.
    pub appender: Box<dyn LaneAppender>,
}

impl std::fmt::Debug for LinkedLane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkedLane")
    }
}

/// Makes connections for the replay.
#[async_trait(?Send)]
pub trait Link {
    /// Connects, and sends redeem and claim without waiting for their answers: what is appended
    /// right away goes in the same round trip.
    ///
    /// # Errors
    ///
    /// If no connection could be made.
    async fn open(&self, request: LaneRequest) -> Result<LinkedLane, ClientError>;
}

/// A claimed lane on one connection; dropping it closes the connection.
pub trait LaneAppender {
    /// Sends a batch at once. Batches arrive in the order of these calls; each is answered with as
    /// many outcomes as it has entries.
    fn append(&self, batch: &Batch, envelope: Envelope) -> Answer<Ack>;
}
