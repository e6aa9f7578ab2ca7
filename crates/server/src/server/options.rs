//! What a server is started with.

use std::path::{Path, PathBuf};
use std::time::Duration;

use share_network::BudgetLimits;
use share_web::WebLimits;

use crate::http::{HttpLimits, HttpOptions};
use crate::hub::HubLimits;
use crate::rpc::RpcLimits;
use crate::seams::Seams;
use crate::store::SqliteStoreOptions;

/// What a server is started with.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The data folder; made if it is missing.
    pub data: PathBuf,
    /// The authority journal: a file outside the data folder and apart from its backups, which knows
    /// what authority has ended, so that restoring a backup does not bring it back. Made if it is
    /// missing and the data folder was never served with one. By default beside the data folder,
    /// named as it with `.journal`.
    pub journal: PathBuf,
    /// Begins a new journal in place of one that is lost. Only if the data folder was not put back
    /// from a copy since: nothing would end again what ended after the copy.
    pub new_journal: bool,
    /// `HOST:PORT`, or `unix:/PATH`, under which clients reach the server, for the refs that it hands
    /// out. Empty: the addresses on which it listens.
    pub advertise: Vec<String>,
    /// How connections are protected.
    pub tls: TlsOptions,
    /// How HTTP is served, where the server has a listener for it.
    pub http: HttpOptions,
    /// Threads that serve connections. With one, the owners of shares run on it as well, so that a call
    /// costs no switch of threads but those of its commit; with more, they have one of their own.
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
        let data = data.into();
        Self {
            journal: default_journal(&data),
            new_journal: false,
            data,
            advertise: Vec::new(),
            tls: TlsOptions::default(),
            http: HttpOptions::default(),
            rpc_threads: 1,
            store: SqliteStoreOptions::default(),
            limits: ServerLimits::default(),
            seams: Seams::system(),
        }
    }
}

/// Where the journal of a data folder lies if nothing else is said: beside the folder, named as it
/// with `.journal`.
pub fn default_journal(data: &Path) -> PathBuf {
    let beside = |folder: &Path| {
        let mut name = folder.file_name()?.to_owned();
        name.push(".journal");
        Some(folder.with_file_name(name))
    };
    // A folder such as `.` has a name only where it really lies.
    beside(data)
        .or_else(|| beside(&std::fs::canonicalize(data).ok()?))
        .unwrap_or_else(|| data.join("../share.journal"))
}

/// How a server protects its connections.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsOptions {
    /// Where there is TLS.
    pub mode: TlsMode,
    /// Of what the server shows.
    pub certificate: CertificateSource,
}

/// Where a server has TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsMode {
    /// At addresses that a network reaches; at others it is the client's choice, if there is a
    /// certificate.
    #[default]
    ByAddress,
    /// At every address.
    Always,
    /// Nowhere: whoever is on the way reads and changes everything.
    Never,
}

/// Where a server has its certificate from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CertificateSource {
    /// The server made it, and keeps it in the data folder; refs pin it.
    #[default]
    SelfMade,
    /// From files, PEM; authorities vouch for it.
    Files {
        /// The certificate, then those that lead to its authority.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
}

/// What a server has open besides its connections: the store's files, the journal, a backup, and
/// connections that have given way and are not closed yet.
const OWN_FILES: usize = 64;
/// Fewer connections than this are no service.
const CONNECTIONS_MIN: usize = 16;

/// Bounds of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerLimits {
    /// Connections at a time. For one more, the oldest that has proven no authority and redeems nothing
    /// right now gives way; if all redeem, the oldest of them; if all have proven one, the new one is
    /// closed at once. Each is an open file: see [`ServerLimits::within_files`].
    pub connections_max: usize,
    /// Connections at a time of one peer: an IPv4 address, or an IPv6 /64. For one more, as above.
    pub connections_per_address_max: usize,
    /// Bounds of loaded shares.
    pub hub: HubLimits,
    /// Bounds of a connection.
    pub rpc: RpcLimits,
    /// What the messages of all connections together may take.
    pub messages: BudgetLimits,
    /// Bounds of the HTTP face.
    pub web: WebLimits,
    /// Bounds of what is kept of the shares that are synced over HTTP.
    pub http: HttpLimits,
    /// How long a connection's handshake of TLS may take.
    pub tls_handshake: Duration,
    /// How long each part of the server has to end in a drain.
    pub drain_deadline: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            connections_per_address_max: 256,
            hub: HubLimits::default(),
            rpc: RpcLimits::default(),
            messages: BudgetLimits::server(),
            web: WebLimits::DEFAULT,
            http: HttpLimits::default(),
            tls_handshake: Duration::from_secs(10),
            drain_deadline: Duration::from_secs(20),
        }
    }
}

impl ServerLimits {
    /// No more connections than a process can have that may have so many `files` open, the server's
    /// own among them; 16 in any case. Those of HTTP, if it is served, have a quarter at most: an
    /// eighth that the face serves, and as many that come to it.
    #[must_use]
    pub fn within_files(self, files: usize, serves_http: bool) -> Self {
        let room = files.saturating_sub(OWN_FILES).max(CONNECTIONS_MIN);
        let http = match serves_http {
            true => self.web.connections_max.min(room / 8),
            false => 0,
        };
        Self {
            connections_max: self.connections_max.min(room - 2 * http),
            web: WebLimits {
                connections_max: http,
                ..self.web
            },
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_the_servers_own_files() {
        let within = |files, http| ServerLimits::default().within_files(files, http);
        let connections = |files| within(files, false).connections_max;
        assert_eq!(connections(usize::MAX), 4096);
        assert_eq!(connections(4160), 4096);
        assert_eq!(connections(4159), 4095);
        assert_eq!(connections(256), 192);
        assert_eq!(connections(81), 17);
        assert_eq!(connections(79), 16);
        assert_eq!(connections(0), 16);
        let both = |files| {
            let limits = within(files, true);
            (limits.connections_max, limits.web.connections_max)
        };
        assert_eq!(both(usize::MAX), (4096, 1024));
        assert_eq!(both(864), (600, 100));
        assert_eq!(both(0), (12, 2));
    }
}
