//! A writer of the share server, and one of its subscribers, that speak Cap'n Proto's RPC themselves.
//!
//! They share the machine with the server that is measured, so they do what level 1 asks of who makes one
//! kind of call, or answers it, and no more: no tables of capabilities, no promises, one write for all that
//! is to be sent. The messages are the generated ones, as the server reads them from everybody.

mod connection;
mod event;
mod incoming;
mod outgoing;
mod subscriber;
mod writer;

use capnp::traits::HasTypeId;
use share_proto::share_capnp::{appender, bootstrap, share_session, sink};

pub(crate) use self::subscriber::watch;
pub(crate) use self::writer::WireLane;

use self::outgoing::Method;

/// The methods that are called, by their places in the schema; those of a sink are called by the server.
const REDEEM_SHARE: Method = Method {
    interface: <bootstrap::Client as HasTypeId>::TYPE_ID,
    number: 0,
};
const CLAIM_WRITER: Method = Method {
    interface: <share_session::Client as HasTypeId>::TYPE_ID,
    number: 0,
};
const SUBSCRIBE: Method = Method {
    interface: <share_session::Client as HasTypeId>::TYPE_ID,
    number: 2,
};
const APPEND_OPS: Method = Method {
    interface: <appender::Client as HasTypeId>::TYPE_ID,
    number: 0,
};
const SINK_OPS: Method = Method {
    interface: <sink::Client as HasTypeId>::TYPE_ID,
    number: 2,
};
const SINK_LIVE: Method = Method {
    interface: <sink::Client as HasTypeId>::TYPE_ID,
    number: 3,
};
const SINK_ENDED: Method = Method {
    interface: <sink::Client as HasTypeId>::TYPE_ID,
    number: 4,
};

#[cfg(test)]
mod tests;
