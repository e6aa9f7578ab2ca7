//! What a client is told that is not served at all.

use capnp::message::Builder;
use capnp_rpc::rpc_capnp::{exception, message};

/// The message that ends a connection for this reason, as it stands on the wire.
pub(crate) fn abort_message(reason: &str) -> Vec<u8> {
    let mut builder = Builder::new_default();
    let mut abort = builder.init_root::<message::Builder<'_>>().init_abort();
    abort.set_reason(reason);
    abort.set_type(exception::Type::Failed);
    capnp::serialize::write_message_to_words(&builder)
}
