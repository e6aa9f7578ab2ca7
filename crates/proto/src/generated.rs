//! What the build makes of `schema/*.capnp`; the schema documents its members.

macro_rules! generated {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub mod $name {
            include!(concat!(env!("OUT_DIR"), "/", stringify!($name), ".rs"));
        }
    };
}

generated! {
    /// Grants and what is remembered of them: `schema/authority.capnp`.
    authority_capnp
}
generated! {
    /// Calls by HTTP: `schema/http.capnp`.
    http_capnp
}
generated! {
    /// Ids and counters: `schema/ids.capnp`.
    ids_capnp
}
generated! {
    /// Ops, batches and outcomes: `schema/op.capnp`.
    op_capnp
}
generated! {
    /// How a capability is saved: `schema/persistent.capnp`.
    persistent_capnp
}
generated! {
    /// Refusals: `schema/refusal.capnp`.
    refusal_capnp
}
generated! {
    /// The protocol: `schema/share.capnp`.
    share_capnp
}
