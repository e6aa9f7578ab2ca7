//! The client library: a durable outbox and its replay.

mod outbox;

pub use outbox::{
    DependsOn, Enqueued, Failure, Grouping, Heard, NewOp, Outbox, OutboxError, OutboxOptions,
    Outcome, OutcomeEvent, Outcomes, RefUse, Retention, RetryPolicy, Row, RowFilter, RowState,
    ShareStatus, Stop,
};
