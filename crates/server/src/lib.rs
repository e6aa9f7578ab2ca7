//! The share server: owners of loaded state, SQLite store, Cap'n Proto RPC.
//!
//! [`Server::start`] runs one: it opens the data folder, listens, and serves until it is drained.
//! Each loaded share has one owner task, which runs the engine on its state and hands the records to
//! the [`store`]; RPC threads turn messages into calls to owners, and follow a share's feed for its
//! subscribers. The contract is `docs/design.md` §§3, 5, 6 and 9.

#[doc(hidden)]
pub mod fuzzing;
pub mod store;

mod backup;
mod factory;
mod fault;
mod feed;
mod http;
mod hub;
mod journal;
mod owner;
mod rate;
mod restore;
mod rpc;
mod seams;
mod server;

pub use feed::RingLimits;
pub use http::{HttpCreate, HttpLimits, HttpOptions};
pub use hub::HubLimits;
pub use journal::JournalError;
pub use owner::OwnerLimits;
pub use restore::{RestoreError, RestoreJournal, RestoreOptions, Restored, restore};
pub use rpc::RpcLimits;
pub use seams::Seams;
pub use server::{
    CertificateSource, Doors, Incoming, Io, Listener, Listeners, Listening, PipeConnector,
    PipeListener, Reach, Reloaded, RunningServer, Server, ServerError, ServerLimits, ServerOptions,
    TcpListener, TlsMode, TlsOptions, Transport, UnixListener, default_journal, pipes,
};
