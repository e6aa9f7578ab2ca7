//! The client library: a durable outbox and its replay.

mod backoff;
mod connection;
mod link;
mod outbox;
mod replay;

pub use backoff::Backoff;
pub use connection::{
    ClientError, Connector, DocumentEntry, FollowEvent, Follower, RpcLink, Session, Stream,
    Subscription, SubscriptionEvent, TcpConnector, create_share, on_own_thread, probe,
};
pub use link::{Answer, LaneAppender, LaneRequest, Link, LinkedLane};
pub use outbox::{
    DependsOn, Enqueued, Failure, Grouping, Heard, NewOp, Outbox, OutboxError, OutboxOptions,
    Outcome, OutcomeEvent, Outcomes, RefUse, Retention, RetryPolicy, Row, RowFilter, RowState,
    ShareStatus, Stop,
};
pub use replay::{
    BlockedShare, FlushOptions, FlushReport, Flusher, FlusherError, FlusherOptions, LockWait,
    Progress, StoppedShare,
};
