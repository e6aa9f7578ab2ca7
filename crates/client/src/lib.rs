//! The client library: a durable outbox and its replay.
