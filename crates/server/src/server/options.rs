//! What a server is started with.

use std::path::PathBuf;
use std::time::Duration;

use crate::hub::HubLimits;
use crate::rpc::RpcLimits;
use crate::seams::Seams;
use crate::store::SqliteStoreOptions;

/// What a server is started with.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The data folder; made if it is missing.
    pub data: PathBuf,
    /// `HOST:PORT` under which clients reach the server, for the refs that it hands out. Empty: the
    /// address on which it listens.
    pub advertise: Vec<String>,
    /// Threads that serve connections; at least one.
    pub rpc_threads: usize,
    /// How the store is opened.
    pub store: SqliteStoreOptions,
    /// Bounds.
    pub limits: ServerLimits,
    /// Clock, randomness, files.
    pub seams: Seams,
}

impl ServerOptions {
    /// The defaults, on this data folder.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            advertise: Vec::new(),
            rpc_threads: 1,
            store: SqliteStoreOptions::default(),
            limits: ServerLimits::default(),
            seams: Seams::system(),
        }
    }
}

/// Bounds of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerLimits {
    /// Connections at a time; one more is closed at once.
    pub connections_max: usize,
    /// Bounds of loaded shares.
    pub hub: HubLimits,
    /// Bounds of a connection.
    pub rpc: RpcLimits,
    /// How long each part of the server has to end in a drain.
    pub drain_deadline: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            hub: HubLimits::default(),
            rpc: RpcLimits::default(),
            drain_deadline: Duration::from_secs(20),
        }
    }
}
