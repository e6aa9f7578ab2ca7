//! The Cap'n Proto schema of share sessions and its one conversion to and from the model.
//!
//! The schema is `schema/*.capnp`. What a peer sends is read by [`wire`] into values of
//! `share_model`, every field checked, before anything else looks at it.

pub mod wire;

#[expect(
    missing_docs,
    clippy::extra_unused_type_parameters,
    clippy::match_single_binding,
    clippy::semicolon_if_nothing_returned,
    clippy::unimplemented,
    clippy::unwrap_used,
    reason = "the generator writes it, and the schema documents its members"
)]
mod generated;

pub use generated::{
    authority_capnp, http_capnp, ids_capnp, op_capnp, persistent_capnp, refusal_capnp, share_capnp,
};
