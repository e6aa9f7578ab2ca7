//! The share server: owners of loaded state, SQLite store, Cap'n Proto RPC.

pub mod store;
